// HTTP -> redirect::Request -> redirect::decide() -> HTTP.
#include "redirect_handler.h"

#include <random>

#include "geo/base/text.h"

namespace geod {
namespace {

using geo::ErrorCode;
using geo::redirect::Decision;
using geo::redirect::Snapshot;

constexpr std::uint64_t kStride = 0x9e3779b97f4a7c15;  // what is rolled is hashed where it is used
// Reading the clock for each step takes a while itself, on a loop that is busy: one request in this time is enough.
constexpr std::chrono::microseconds kTimedEvery{100};
constexpr std::string_view kMethods = "GET, HEAD, OPTIONS";

geo::redirect::StepTimes* times_of(Exchange& exchange) { return exchange.step_times ? &*exchange.step_times : nullptr; }

// What became known on the way, also when it was refused.
void describe(const Decision& decision, const Snapshot& snapshot, Entry& entry) {
  const geo::place::Topology& topology = *snapshot.topology;
  entry.located(decision.located_by, decision.located_from);
  if (decision.degraded) entry.provider = {};
  entry.degraded = decision.degraded;
  if (decision.partner != geo::place::kNone) entry.partner = topology.partner(decision.partner).id;
  entry.owner = decision.owner;
  entry.token_cached = decision.authorized_from != geo::From::upstream;
  entry.bill_cached = decision.billed_from != geo::From::upstream;
  entry.device_cached = decision.inspected_from != geo::From::upstream;
  if (decision.lease) entry.lease = name_of(*decision.lease);
  const geo::balance::Choice& choice = decision.choice;
  if (choice.node != geo::place::kNone) {
    entry.node = topology.node(choice.node).id;
    entry.group = topology.group(choice.group).id;
    entry.pattern = topology.pattern(choice.pattern).id;
  } else if (decision.grouped.group != geo::place::kNone) {
    entry.group = topology.group(decision.grouped.group).id;
  }
}

void tell(Exchange& exchange, const Snapshot& snapshot) {
  const Decision& decision = exchange.decision;
  describe(decision, snapshot, exchange.entry);
  if (!decision.ok()) {
    refuse(exchange, *decision.denial);
    return;
  }
  exchange.entry.code = Code::redirect;
  if (exchange.request->wants_json) {
    exchange.out.status = 200;
    exchange.out.header("Content-Type", "application/json");
    geo::redirect::append_json(exchange.out.body, *exchange.request, snapshot, decision);
  } else {
    exchange.out.status = 302;
    exchange.out.header("Location", decision.location);
  }
}

void note_parameters(Exchange& exchange, bool parsed) {
  const geo::redirect::Request& request = *exchange.request;
  if (geo::is_id(request.server)) exchange.entry.server = request.server;
  if (geo::is_id(request.camera)) exchange.entry.camera = request.camera;
  if (parsed) exchange.entry.format = request.format;
}

}  // namespace

RedirectHandler::RedirectHandler(const Worlds& worlds, const geo::Clock& clock, const Cors& cors, RateLimit* rate_limit)
    : WorldHandler(worlds, rate_limit),
      clock_(clock),
      cors_(cors),
      dice_(std::uint64_t{std::random_device{}()} << 32) {}

bool RedirectHandler::answer(Exchange& exchange) {
  const Incoming& in = exchange.in;
  const bool known = geo::redirect::is_path(in.path);
  if (known) {
    exchange.entry.path = in.path;
    // for requests that get no further than this
    exchange.entry.format = geo::balance::format_of(in.path.substr(1));
  }
  if (asks_too_often(exchange)) return true;
  if (!known && in.path != "*") {
    refuse(exchange, {ErrorCode::no_such_path, "there are /flv, /hls, /ws-fmp4 and /stream"});
    return true;
  }
  if (in.method == "OPTIONS") {
    exchange.out.status = 204;
    exchange.out.header("Allow", kMethods);
    Cors::preflight(exchange);
    exchange.entry.code = Code::ok;
    return true;
  }
  if (in.method != "GET" && !in.is_head()) {
    refuse(exchange, {ErrorCode::method_not_allowed, "GET, HEAD and OPTIONS are allowed"}, kMethods);
    return true;
  }
  if (in.headers.lines(Known::authorization) > 1) {
    refuse(exchange, {ErrorCode::bad_request, "Authorization: given twice"});
    return true;
  }

  const std::shared_ptr<const geo::compose::World>& world = world_.get();
  geo::redirect::RawRequest raw{in.path, in.query, {}, in.headers[Known::accept]};
  if (in.headers.lines(Known::authorization) == 1) raw.authorization = in.headers[Known::authorization];
  geo::redirect::Request& request = exchange.request.emplace();
  request.client_ip = in.client;
  request.host = in.host;
  request.now = in.at;
  request.arrived = in.started;
  const auto parsed = geo::redirect::parse_request(raw, world->config.redirect.pass_through, request);
  note_parameters(exchange, parsed.has_value());
  if (!parsed) {
    refuse(exchange, parsed.error());
    return true;
  }
  if (world->awaits_topology()) {
    refuse(exchange, kNoTopology);
    return true;
  }
  request.will_watch = !in.is_head();
  request.dice = dice_ += kStride;
  if (in.started >= next_timed_) {
    next_timed_ = in.started + kTimedEvery;
    exchange.step_times.emplace();
  }
  if (!geo::redirect::decide(request, world->snapshot, geo::Wait::never(), clock_, exchange.decision, nullptr,
                             times_of(exchange))) {
    exchange.world = world;
    return false;
  }
  tell(exchange, world->snapshot);
  return true;
}

void RedirectHandler::answer_waiting(Exchange& exchange) {
  const geo::compose::World& world = *exchange.world;
  const geo::MonotonicTime deadline = exchange.in.started + std::chrono::milliseconds(world.config.deadline.request_ms);
  const bool decided = clock_.monotonic() < deadline &&
                       geo::redirect::decide(*exchange.request, world.snapshot, geo::Wait::until(deadline), clock_,
                                             exchange.decision, nullptr, times_of(exchange));
  if (decided)
    tell(exchange, world.snapshot);
  else
    refuse(exchange, {ErrorCode::deadline_exceeded, "the request's deadline ended first"});
}

}  // namespace geod

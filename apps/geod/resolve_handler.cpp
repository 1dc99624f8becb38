#include "resolve_handler.h"

#include <Poco/JSON/Parser.h>
#include <fmt/format.h>

#include <algorithm>

#include "geo/base/text.h"
#include "query.h"

namespace geod {
namespace {

using geo::ErrorCode;
using geo::From;
using geo::resolve::Located;
using Asked = Exchange::Asked;
using World = geo::compose::World;

constexpr std::string_view kMethods = "GET, HEAD, POST";
constexpr std::size_t kAskedMax = 1000;
constexpr std::size_t kEchoMax = 64;   // bytes of what is no address
constexpr std::size_t kDepthMax = 16;  // of the body's JSON

geo::Result<void> bad(std::string detail) { return geo::deny(ErrorCode::bad_request, std::move(detail)); }

std::string_view cut(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t size = std::max<std::size_t>(1, geo::utf8_at(text, end).size);
    if (end + size > kEchoMax) break;
    end += size;
  }
  return text.substr(0, end);
}

// {"ips":["77.88.55.60", ..]}; other members are passed over.
geo::Result<void> read_body(const std::string& body, std::vector<Asked>& asked) {
  try {
    Poco::JSON::Parser parser;
    parser.setDepth(kDepthMax);
    const Poco::Dynamic::Var root = parser.parse(body);
    if (root.type() != typeid(Poco::JSON::Object::Ptr)) return bad("the body is no JSON object");
    const auto ips = root.extract<Poco::JSON::Object::Ptr>()->getArray("ips");
    if (ips.isNull()) return bad("ips: no array");
    if (ips->size() > kAskedMax) return bad(fmt::format("ips: more than {}", kAskedMax));
    asked.reserve(ips->size());
    for (const Poco::Dynamic::Var& each : *ips) {
      if (!each.isString()) return bad("ips: holds something that is no text");
      const auto& text = each.extract<std::string>();
      const auto ip = geo::Ip::parse(text);
      asked.push_back({ip, ip ? std::string() : std::string(cut(text)), {}});
    }
  } catch (const Poco::Exception&) {
    return bad("the body is no JSON");
  }
  return {};
}

// Of a request that another geo-resolver passed on.
geo::Result<void> read_hops(const Headers& headers, unsigned& hops) {
  if (headers.lines(Known::geo_hops) == 0) return {};
  const auto number = geo::parse_digits(headers[Known::geo_hops]);
  if (!number) return bad("Geo-Hops: not a number");
  hops = static_cast<unsigned>(std::min<std::uint64_t>(*number, 255));
  return {};
}

// Every address is asked for before any is waited for, so that upstreams can take them together. False: some would have
// to be waited for.
bool ask(Exchange& exchange, const World& world, geo::Wait wait) {
  bool all = true;
  for (Asked& each : exchange.asked) {
    if (!each.ip || each.answer) continue;
    each.answer = world.snapshot.resolver->locate(
        {*each.ip, world.snapshot.topology.get(), wait, exchange.in.started, exchange.hops, !wait.allowed()});
    all = all && each.answer;
  }
  return all;
}

// How long a client may keep it.
std::chrono::seconds left_of(const Located& located, const World& world) {
  return located.left.value_or(std::chrono::seconds(world.config.cache.places.ttl_s));
}

// One place, or the refusal.
void tell_one(Exchange& exchange, const World& world) {
  const Asked& asked = exchange.asked.front();
  if (!*asked.answer) {
    refuse(exchange, asked.answer->error());
    return;
  }
  const Located& located = **asked.answer;
  exchange.entry.located(located.provider, located.from);
  exchange.out.max_age = left_of(located, world);
  geo::resolve::append_json(exchange.out.body, *asked.ip, located);
}

// {"locations":[..]}: a problem stands in the place of each that failed.
void tell_all(Exchange& exchange, const World& world) {
  Answer& out = exchange.out;
  bool all = true;
  auto left = std::chrono::seconds(world.config.cache.places.ttl_s);
  out.body = R"({"locations":[)";
  for (const Asked& asked : exchange.asked) {
    if (out.body.back() != '[') out.body += ',';
    const auto fail = [&](const geo::Denial& denial, std::string_view ip) {
      all = false;
      geo::append_problem(out.body, denial, exchange.in.request_id, ip);
    };
    if (!asked.ip) {
      fail({ErrorCode::bad_request, "not an address"}, asked.given);
    } else if (!*asked.answer) {
      fail(asked.answer->error(), asked.ip->to_string());
    } else {
      left = std::min(left, left_of(**asked.answer, world));
      geo::resolve::append_json(out.body, *asked.ip, **asked.answer);
    }
  }
  out.body += "]}";
  if (all) out.max_age = left;
}

void tell(Exchange& exchange, const World& world) {
  exchange.out.status = 200;
  exchange.out.header("Content-Type", "application/json");
  exchange.entry.code = Code::ok;
  if (exchange.in.method == "POST")
    tell_all(exchange, world);
  else
    tell_one(exchange, world);
}

}  // namespace

bool ResolveHandler::answer(Exchange& exchange) {
  const Incoming& in = exchange.in;
  const bool known = in.path == "/resolve";
  if (known) exchange.entry.path = in.path;
  if (asks_too_often(exchange)) return true;
  if (!known) {
    refuse(exchange, {ErrorCode::no_such_path, "there is only /resolve"});
    return true;
  }
  const bool many = in.method == "POST";
  if (!many && in.method != "GET" && !in.is_head()) {
    refuse(exchange, {ErrorCode::method_not_allowed, "GET, HEAD and POST are allowed"}, kMethods);
    return true;
  }
  geo::Result<void> read = read_hops(in.headers, exchange.hops);
  if (read && many) read = read_body(in.body, exchange.asked);
  if (read && !many) read = ip_of(in.query).map([&](const geo::Ip& ip) { exchange.asked.push_back({ip, {}, {}}); });
  if (!read) {
    refuse(exchange, read.error());
    return true;
  }
  const std::shared_ptr<const World>& world = world_.get();
  if (world->awaits_topology()) {  // its networks come first
    refuse(exchange, kNoTopology);
    return true;
  }
  if (!ask(exchange, *world, geo::Wait::never())) {
    exchange.world = world;
    return false;
  }
  tell(exchange, *world);
  return true;
}

void ResolveHandler::answer_waiting(Exchange& exchange) {
  const World& world = *exchange.world;
  const geo::MonotonicTime deadline = exchange.in.started + std::chrono::milliseconds(world.config.deadline.request_ms);
  ask(exchange, world, geo::Wait::until(deadline));
  // Of what failed after the request's own end nobody can say that it would have.
  const bool late = clock_.monotonic() >= deadline;
  for (Asked& each : exchange.asked)
    if (each.ip && (!each.answer || (late && !*each.answer && geo::is_failure(each.answer->error().code))))
      each.answer = geo::deny(ErrorCode::deadline_exceeded, "the request's deadline ended first");
  tell(exchange, world);
}

}  // namespace geod

// The request's journey. Read decide() first; each step below it is a few lines.
#include <fmt/format.h>

#include <utility>

#include "geo/base/text.h"
#include "geo/redirect.h"

namespace geo::redirect {
namespace {

using place::kNone;

enum class Outcome : std::uint8_t { go_on, refused, would_block };

// One walk through the steps: what is known so far.
class Journey {
 public:
  Journey(const Request& request, const Snapshot& snapshot, Wait wait, const Clock& clock, Decision& decision,
          Trace* trace, StepTimes* times)
      : request_(request),
        on_(snapshot),
        wait_(wait),
        at_{request.now, request.arrived, wait, request.aside},
        books_{snapshot.billing.get(), snapshot.leases.get(), snapshot.on_unknown},
        clock_(clock),
        decision_(decision),
        trace_(trace),
        times_(times) {}

  // locate, group, select, authorize, bill, inspect, sign - in this order.
  Outcome walk() {
    if (wait_.allowed() && !request_.aside) start_look_ups();
    if (is_timed()) lap_ = clock_.monotonic();
    if (Outcome o = step(Step::locate, [&](TraceStep* t) { return locate(t); }); o != Outcome::go_on) return o;
    if (Outcome o = step(Step::group, [&](TraceStep* t) { return group(t); }); o != Outcome::go_on) return o;
    // A client that has no right learns nothing about nodes: that nobody can serve is told after authorize and bill.
    const Outcome selected = step(Step::select, [&](TraceStep* t) { return select(t); });
    if (selected == Outcome::would_block || on_.options.upto == Upto::select) return selected;
    std::optional<Denial> nobody = std::move(decision_.denial);
    decision_.denial.reset();
    if (Outcome o = step(Step::authorize, [&](TraceStep* t) { return authorize(t); }); o != Outcome::go_on) return o;
    if (Outcome o = step(Step::bill, [&](TraceStep* t) { return bill(t); }); o != Outcome::go_on) return o;
    if (nobody) {
      decision_.denial = std::move(nobody);
      return Outcome::refused;
    }
    if (Outcome o = step(Step::inspect, [&](TraceStep* t) { return inspect(t); }); o != Outcome::go_on) return o;
    if (on_.options.upto == Upto::inspect) return Outcome::go_on;
    // Not worth a signature where it would have to wait.
    if (!wait_.allowed() && billing::takes_lease(books_, billed(), bill_)) return Outcome::would_block;
    if (Outcome o = step(Step::sign, [&](TraceStep* t) { return sign(t); }); o != Outcome::go_on) return o;
    const Outcome leased = lease();
    if (times_ != nullptr) times_->add(Step::bill, lap());
    if (leased != Outcome::go_on) return leased;
    if (request_.will_watch) on_.live->redirected(decision_.choice, decision_.partner, query_.key);
    return Outcome::go_on;
  }

 private:
  // What does not depend on each other is asked for side by side; the steps then find it under way.
  void start_look_ups() const {
    const Moment now{request_.now, request_.arrived, Wait::never()};
    if (!request_.place && on_.resolver->asks_upstreams()) (void)on_.resolver->locate(where(Wait::never()));
    if (on_.options.upto == Upto::select) return;
    (void)on_.authorizer->authorize(asked(), now);
    (void)on_.devices->server(request_.server, now);
    (void)on_.devices->camera(request_.server, request_.camera, now);
  }

  // Runs one step, timed where somebody wants to know; with a trace what it found is written down.
  template <class Run>
  Outcome step(Step which, Run&& run) {
    if (!is_timed()) return run(nullptr);
    TraceStep* const entry = trace_ == nullptr ? nullptr : &trace_->steps.emplace_back();
    const Outcome outcome = run(entry);
    const std::chrono::nanoseconds took = lap();
    if (times_ != nullptr && outcome != Outcome::would_block) times_->add(which, took);
    if (entry != nullptr) {
      entry->step = which;
      entry->duration = took;
      if (outcome == Outcome::refused) entry->denial = decision_.denial;
    }
    return outcome;
  }
  bool is_timed() const { return trace_ != nullptr || times_ != nullptr; }
  // Since the last one.
  std::chrono::nanoseconds lap() {
    const MonotonicTime before = std::exchange(lap_, clock_.monotonic());
    return lap_ - before;
  }

  Outcome refuse(Denial denial) {
    decision_.denial = std::move(denial);
    return Outcome::refused;
  }

  // No place is no refusal: the partner's default group serves.
  Outcome locate(TraceStep* t) {
    const place::Location* found = nullptr;
    if (request_.place) {
      found = &*request_.place;
      decision_.located_by = "place";
    } else {
      auto answer = on_.resolver->locate(where(wait_));
      if (!answer) return Outcome::would_block;
      if (*answer) {
        located_ = std::move(**answer);
        found = located_.location.get();
        decision_.located_by = located_.provider;
        decision_.located_from = located_.from;
      } else {
        decision_.located_by = "default";
        decision_.degraded = true;
        if (t != nullptr) t->denial = answer->error();
      }
    }
    if (found != nullptr) location_ = found;
    if (t != nullptr) {
      came(*t, decision_.located_by, decision_.located_from);
      if (found != nullptr) t->found = *found;
    }
    return Outcome::go_on;
  }

  Outcome group(TraceStep* t) {
    decision_.partner = request_.partner.empty() ? on_.topology->partner_of_host(request_.host)
                                                 : on_.topology->find_partner(request_.partner);
    decision_.grouped = on_.topology->group_of(request_.place ? nullptr : &request_.client_ip, *location_,
                                               decision_.partner, located_.grouped);
    if (t != nullptr) t->found = Grouping{decision_.partner, decision_.grouped};
    return Outcome::go_on;
  }

  Outcome select(TraceStep* t) {
    query_.partner = decision_.partner;
    query_.group = decision_.grouped.group;
    query_.pattern = on_.options.pattern == kNone ? on_.topology->find_pattern(place::kStreaming) : on_.options.pattern;
    query_.format = on_.options.any_format ? std::nullopt : std::optional(request_.format);
    query_.client_country = location_->country_code;
    query_.client = location_->coordinates;
    query_.key = balance::camera_key(request_.server, request_.camera);
    query_.exclude = request_.exclude();
    query_.dice = request_.dice;
    const auto choice = on_.live->balancer()->select(query_, *on_.live, trace_ == nullptr ? nullptr : &trace_->account);
    if (choice) decision_.choice = *choice;
    if (choice && (request_.wants_json || on_.options.with_alternates))
      decision_.alternates_found = on_.live->balancer()->alternates(query_, *on_.live, *choice, decision_.alternates);
    if (t != nullptr) t->found = decision_.choice;
    if (choice) return Outcome::go_on;
    return refuse({ErrorCode::no_node,
                   query_.group == kNone ? "the client's place has no group and the partner has no default group"
                                         : "no node can serve, after all fallbacks",
                   std::chrono::seconds(5)});
  }

  Outcome authorize(TraceStep* t) {
    auto answer = on_.authorizer->authorize(asked(), at_);
    if (!answer) return Outcome::would_block;
    if (!*answer) return refuse(std::move(answer->error()));
    right_ = std::move(**answer);
    decision_.authorized_from = right_.token.from;
    const auth::Owner& owner = right_.owner();
    decision_.owner.append(owner.type).append("/").append(owner.id);
    if (t != nullptr) {
      came(*t, on_.authorizer->name(), right_.token.from);
      t->found = right_;
    }
    return Outcome::go_on;
  }

  Outcome bill(TraceStep* t) {
    auto answer = billing::bill(books_, billed(), at_);
    if (!answer) return Outcome::would_block;
    if (!*answer) return refuse(std::move(answer->error()));
    bill_ = std::move(**answer);
    decision_.billed_from = bill_.from;
    if (t != nullptr) {
      came(*t, "store", bill_.from);
      t->found = bill_;
    }
    return Outcome::go_on;
  }

  Outcome inspect(TraceStep* t) {
    auto answer = devices::inspect(*on_.devices,
                                   {request_.server, request_.camera, on_.topology->partner(decision_.partner).id,
                                    balance::name_of(request_.format)},
                                   at_);
    if (!answer) return Outcome::would_block;
    if (!*answer) return refuse(std::move(answer->error()));
    decision_.inspected_from = std::max((*answer)->server.from, (*answer)->camera.from);
    if (t != nullptr) {
      came(*t, "store", decision_.inspected_from);
      t->found = std::move(**answer);
    }
    return Outcome::go_on;
  }

  Outcome sign(TraceStep* t) {
    decision_.expires_at_s =
        std::chrono::floor<std::chrono::seconds>(request_.now).time_since_epoch().count() + on_.options.ttl.count();
    append_url(decision_.location, decision_.choice.node);
    if (decision_.location.size() > kLocationMax) {
      decision_.location.clear();
      return refuse({ErrorCode::bad_request, "the parameters make a URL that is too long"});
    }
    for (std::size_t i = 0; i < decision_.alternates_found; ++i)
      append_url(decision_.alternate_locations[i], decision_.alternates[i].node);
    if (t != nullptr)
      t->found = Signature{on_.keys->active().id, WallTime(std::chrono::seconds(decision_.expires_at_s))};
    return Outcome::go_on;
  }

  // The last: so no refusal holds one.
  Outcome lease() {
    auto answer = billing::take_lease(books_, billed(), bill_, at_);
    if (answer && *answer) {
      decision_.lease = **answer;
      return Outcome::go_on;
    }
    decision_.forget_urls();
    return answer ? refuse(std::move(answer->error())) : Outcome::would_block;
  }

  // A walk that may wait is the second one.
  resolve::Query where(Wait wait) const {
    const bool counts = !wait_.allowed() && !request_.aside;
    return {request_.client_ip, on_.topology.get(), wait, request_.arrived, 0, counts, request_.aside};
  }
  auth::Query asked() const { return {request_.token, "view", "camera", request_.camera, request_.server}; }
  billing::Query billed() const {
    const auth::Owner& owner = right_.owner();
    return {owner.type,
            owner.id,
            request_.server,
            request_.camera,
            balance::name_of(request_.format),
            right_.token->sha256,
            request_.client_ip,
            request_.will_watch};
  }
  static void came(TraceStep& t, std::string_view source, From from) {
    t.source = source;
    t.cached = from != From::upstream;
    t.stale = from == From::stale;
  }

  void append_url(std::string& out, balance::Index node_index) const {
    const place::Node& node = on_.topology->node(node_index);
    const balance::Endpoint endpoint =
        balance::endpoint_of(node, request_.format, on_.live->balancer()->settings().allow_plain);
    sign::Url url;
    url.scheme = endpoint.scheme;
    char host[320];
    if (endpoint.default_port()) {
      url.host = node.host;
    } else {
      const auto end = fmt::format_to_n(host, sizeof host, "{}:{}", node.host, endpoint.port);
      url.host = {host, std::min(end.size, sizeof host)};
    }
    constexpr std::array<std::string_view, 3> kPaths{"/flv", "/hls", "/ws-fmp4"};
    url.path = kPaths[static_cast<std::size_t>(request_.format)];
    url.server = request_.server;
    url.camera = request_.camera;
    if (on_.options.token_in_url) url.token = request_.token;
    url.passed = request_.passed;
    if (on_.options.bind_client_ip) url.client_ip = request_.client_ip;
    url.expires_at_s = decision_.expires_at_s;
    sign::append_url(out, url, *on_.keys);
  }

  const Request& request_;
  const Snapshot& on_;
  Wait wait_;
  const Moment at_;
  const billing::Books books_;
  const Clock& clock_;
  Decision& decision_;
  Trace* trace_;
  StepTimes* times_;
  MonotonicTime lap_;

  static inline const place::Location kNowhere{};
  resolve::Located located_;
  const place::Location* location_ = &kNowhere;
  balance::Query query_;
  auth::Right right_;
  billing::Bill bill_;
};

}  // namespace

void Decision::forget_urls() {
  location.clear();
  expires_at_s = 0;
  for (std::string& alternate : alternate_locations) alternate.clear();
}

void Decision::clear() {
  denial.reset();
  forget_urls();
  located_by = {};
  degraded = false;
  located_from = From::upstream;
  choice = {};
  alternates_found = 0;
  grouped = {};
  partner = kNone;
  owner.clear();
  lease.reset();
  authorized_from = billed_from = inspected_from = From::upstream;
}

bool decide(const Request& request, const Snapshot& snapshot, Wait wait, const Clock& clock, Decision& decision,
            Trace* trace, StepTimes* times) {
  decision.clear();
  if (times != nullptr) *times = {};
  if (trace != nullptr) *trace = Trace{request.place ? std::nullopt : std::optional(request.client_ip), {}, {}};
  if (Journey(request, snapshot, wait, clock, decision, trace, times).walk() != Outcome::would_block) return true;
  // whoever may wait gets an answer: a port that has none by now has used the time up
  if (wait.allowed()) decision.denial = Denial{ErrorCode::deadline_exceeded, "the request's deadline ended first"};
  return wait.allowed();
}

}  // namespace geo::redirect

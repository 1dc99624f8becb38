// One request, from left to right: parse it, walk the steps, answer with a signed URL or one refusal.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "geo/auth.h"
#include "geo/balance.h"
#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "geo/billing.h"
#include "geo/devices.h"
#include "geo/place.h"
#include "geo/resolve.h"
#include "geo/sign.h"

namespace geo::redirect {

using balance::Format;

// ---- the request ----

inline constexpr std::size_t kExcludeMax = 4;
// Of a signed URL, in bytes: what a client, a proxy and a node take without asking. Longer: bad_request.
inline constexpr std::size_t kLocationMax = 12000;

// What the client asks for, checked and decoded. Owns: views point into the raw text given to parse_request() or into
// `decoded`, so a Request is neither copied nor moved, and is good as long as both live.
struct Request {
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  Ip client_ip;
  std::string_view host;     // as sent; picks the partner
  std::string_view partner;  // the id of one that is there, instead of `host` (geoctl --partner)
  std::string_view server, camera, token;
  Format format = Format::flv;
  std::array<std::string_view, kExcludeMax> exclude_ids;
  std::size_t excluded = 0;
  std::vector<sign::Parameter> passed;  // in the configured order
  bool wants_json = false;
  WallTime now;
  MonotonicTime arrived{};               // what waits and caches are counted from
  std::optional<place::Location> place;  // a place instead of an address (geoctl --place): locate is skipped
  bool will_watch = false;               // GET, neither HEAD nor geoctl: takes a lease, and is under way from now on
  bool aside = false;                    // /explain: nothing remembers that it was asked, see Moment
  std::uint64_t dice = 0;                // random, for the policies that roll

  std::span<const std::string_view> exclude() const { return {exclude_ids.data(), excluded}; }

  std::vector<std::unique_ptr<std::string>> decoded;  // the values that had a %
};

// One HTTP request as it came, no byte changed.
struct RawRequest {
  std::string_view path;   // "/flv"
  std::string_view query;  // after the '?'
  std::optional<std::string_view> authorization;
  std::string_view accept;
};

// "/flv", "/hls", "/ws-fmp4" and "/stream"; false: no path of the redirect listener.
GEO_EXPORT bool is_path(std::string_view path);

// Fills server, camera, token, format, exclude, passed, wants_json. Errors: bad_request (naming the parameter),
// missing_token. pass_through: names from [redirect].
GEO_EXPORT Result<void> parse_request(const RawRequest& raw, std::span<const std::string> pass_through,
                                      Request& request);

// ---- the trace ----

enum class Step : std::uint8_t { locate, group, select, authorize, bill, inspect, sign };
inline constexpr std::array<std::string_view, 7> kStepNames{"locate", "group",   "select", "authorize",
                                                            "bill",   "inspect", "sign"};
constexpr std::string_view name_of(Step step) { return kStepNames[static_cast<std::size_t>(step)]; }

// What `group` and `sign` found; the other steps have a type of their own room.
struct Grouping {
  place::Index partner;
  place::Grouped grouped;
};
struct Signature {
  std::string key_id;
  WallTime expires_at;
};
// In the order of Step, after nothing: the step refused. A choice without a node: nobody can serve.
using Found = std::variant<std::monostate, place::Location, Grouping, balance::Choice, auth::Right, billing::Bill,
                           devices::Device, Signature>;

struct TraceStep {
  Step step;
  Found found;
  std::optional<Denial> denial;
  std::string source;                  // who answered; empty: nobody else was asked
  bool cached = false, stale = false;  // stale: cached, and past its life
  std::chrono::nanoseconds duration{};
};

// What `--explain` and `/explain` show. Filled by the production code while it decides. Good as long as its Snapshot.
struct Trace {
  std::optional<Ip> client_ip;  // nothing: a place was given instead
  std::vector<TraceStep> steps;
  balance::Account account;
};

// How long the steps of one walk took.
struct StepTimes {
  std::array<std::chrono::nanoseconds, kStepNames.size()> took{};
  std::array<bool, kStepNames.size()> ran{};  // to an answer, be it a refusal

  void add(Step step, std::chrono::nanoseconds duration) {
    took[static_cast<std::size_t>(step)] += duration;
    ran[static_cast<std::size_t>(step)] = true;
  }
};

// ---- the decision ----

struct Snapshot;

// Owns: its texts; views point into the Snapshot it was made with. Reused from request to request so that its buffers
// are.
struct Decision {
  // The refusal; nothing: the redirect stands.
  std::optional<Denial> denial;
  std::string location;
  std::int64_t expires_at_s = 0;
  std::array<std::string, 2> alternate_locations;  // the first `alternates_found` of them

  // How it came about; what is known even when refused.
  std::string_view located_by;  // "networks", "maxmind", .. "default"
  bool degraded = false;        // no place was found: the partner's default group
  From located_from = From::upstream;
  balance::Choice choice;  // choice.node is kNone where nobody was chosen
  std::array<balance::Choice, 2> alternates;
  std::size_t alternates_found = 0;
  place::Grouped grouped;
  place::Index partner = place::kNone;
  std::string owner;  // "user/u1"
  std::optional<billing::Lease> lease;
  From authorized_from = From::upstream, billed_from = From::upstream, inspected_from = From::upstream;

  bool ok() const { return !denial; }
  void clear();
  void forget_urls();
};

// How far to go: geoctl select and checks without a token stop after select.
enum class Upto : std::uint8_t { select, inspect, sign };

struct Options {
  bool token_in_url = true;  // [redirect] token = "pass"
  bool bind_client_ip = false;
  std::chrono::seconds ttl{300};
  Upto upto = Upto::sign;
  place::Index pattern = place::kNone;  // kNone: "streaming"
  bool any_format = false;              // geoctl select without --format: whatever the node offers
  bool with_alternates = false;         // even where the client did not ask for JSON
};

// Everything that one request is decided by; a request holds one from start to end.
struct Snapshot {
  std::shared_ptr<const place::Topology> topology;
  std::shared_ptr<balance::Live> live;  // with its balancer; the one part that changes
  std::shared_ptr<const resolve::Resolver> resolver;
  std::shared_ptr<const auth::Authorizer> authorizer;
  std::shared_ptr<const billing::Store> billing;
  std::shared_ptr<const billing::Leases> leases;  // null: none are counted
  billing::OnUnknown on_unknown = billing::OnUnknown::known_only;
  std::shared_ptr<const devices::Store> devices;
  std::shared_ptr<const sign::Keyring> keys;
  Options options;
};

// THE pipeline: locate, group, select, authorize, bill, inspect, sign - in this order.
//
// Two rules on top: a request without a well-formed token was refused by parse_request() already; and when authorize or
// bill refuse, that is the answer, whatever select found.
//
// Returns false where Wait::never() met a step that would have to wait: nothing is decided, run it again on a worker
// with a deadline. With one it always decides; a port that still has no answer is deadline_exceeded. Threads: any
// number at once, each with its own `decision`. Allocates nothing on the warm path but for buffers that have to grow.
// `clock` is read for the durations of a trace and of `times` only; there a lease is part of `bill`.
GEO_EXPORT bool decide(const Request& request, const Snapshot& snapshot, Wait wait, const Clock& clock,
                       Decision& decision, Trace* trace = nullptr, StepTimes* times = nullptr);

// {"location":..,"node":..,"group":..,"pattern":..,"format":..,"expires_at":..,"alternates":[..]}
GEO_EXPORT void append_json(std::string& out, const Request& request, const Snapshot& snapshot,
                            const Decision& decision);

// The trace of contract section 4.
GEO_EXPORT void append_json(std::string& out, const Trace& trace, const Snapshot& snapshot, const Decision& decision);

}  // namespace geo::redirect

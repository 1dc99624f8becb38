// Select: (partner, group, pattern, camera) -> node, and for everyone else one reason.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/place.h"

namespace geo::balance {

using place::Index;
using place::kNone;

enum class Format : std::uint8_t { flv, hls, ws_fmp4 };
inline constexpr std::array<std::string_view, 3> kFormatNames{"flv", "hls", "ws-fmp4"};
constexpr std::string_view name_of(Format format) { return kFormatNames[static_cast<std::size_t>(format)]; }
constexpr std::optional<Format> format_of(std::string_view name) {
  for (std::size_t i = 0; i < kFormatNames.size(); ++i)
    if (kFormatNames[i] == name) return static_cast<Format>(i);
  return std::nullopt;
}

// Why a node was not chosen. The first true one, in this order, is told.
enum class Refused : std::uint8_t {
  none,
  drained,
  offline,
  unhealthy,
  stale,
  full,
  quota,
  forbidden,
  partner,
  pattern,
  format,
  excluded,
  weight,
  overloaded,
  not_first,
};
inline constexpr std::array<std::string_view, 15> kRefusedNames{
    "",        "drained", "offline", "unhealthy", "stale",  "full",       "quota",    "forbidden",
    "partner", "pattern", "format",  "excluded",  "weight", "overloaded", "not_first"};
constexpr std::string_view name_of(Refused refused) { return kRefusedNames[static_cast<std::size_t>(refused)]; }

// What a node says of itself; a row of `node_states`.
struct Report {
  std::string id;
  WallTime seen_at;
  bool online = true;
  std::optional<std::int64_t> sessions;
  std::optional<double> load;  // 0: idle, 1 or more: full
  bool operator==(const Report&) const = default;
};

// The reports by node index. Live load and health checks will stand beside them.
// Threads: immutable; published anew when the reports change.
class GEO_EXPORT States {
 public:
  States() = default;
  States(const place::Topology& topology, const std::vector<Report>& reports);
  // Nothing: no row, so nothing is held against the node.
  const Report* of(Index node) const { return node < reports_.size() && reports_[node] ? &*reports_[node] : nullptr; }

 private:
  std::vector<std::optional<Report>> reports_;
};

struct Settings {
  bool allow_plain = false;                 // [redirect] allow_plain
  std::chrono::seconds report_max_age{15};  // [health] report_max_age_s
};

// The port a node serves a format on, by its scheme; plain http and ws only where nothing else is offered and allowed.
struct Endpoint {
  std::string_view scheme;  // "https", "wss", "http", "ws"; empty: not served
  std::uint16_t port = 0;
  bool default_port() const { return port == (scheme == "https" || scheme == "wss" ? 443 : 80); }
};
GEO_EXPORT Endpoint endpoint_of(const place::Node& node, Format format, bool allow_plain);

struct Query {
  Index partner = kNone;
  Index group = kNone;  // kNone: no place, no default group: nobody serves
  Index pattern = kNone;
  std::optional<Format> format;               // nothing: any (geoctl select without --format)
  std::string_view client_country;            // empty: unknown
  std::uint64_t key = 0;                      // of the camera, see camera_key()
  std::span<const std::string_view> exclude;  // node ids
  WallTime now;
};

// The same camera, the same key, on every machine: XXH3-64 of "server\0camera".
GEO_EXPORT std::uint64_t camera_key(std::string_view server, std::string_view camera);

struct Choice {
  Index node = kNone, group = kNone, pattern = kNone;
  bool exclude_ignored = false;  // nobody else was left
};

// What select() did, for the trace.
struct Attempt {
  Index pattern, group;
  std::uint32_t eligible;
};
struct Verdict {
  Index node, group;
  Refused refused;  // none: chosen
};
struct Account {
  std::vector<Attempt> attempts;
  std::vector<Verdict> verdicts;  // every node of every group visited, once, with the last word on it
};

// Threads: immutable; any number choose at once. Nothing is allocated unless an Account is asked for.
class GEO_EXPORT Balancer {
 public:
  Balancer(std::shared_ptr<const place::Topology> topology, Settings settings);

  // For each pattern (its own, then its fallbacks) all groups (its own, then its fallbacks); the first one where
  // somebody may serve decides. `exclude` is honoured unless nobody is left. Nothing: no node.
  std::optional<Choice> select(const Query& query, const States& states, Account* account = nullptr) const;

  // The camera's next nodes after `first`, by the same rules; writes at most out.size() and tells how many.
  std::size_t alternates(const Query& query, const States& states, const Choice& first, std::span<Choice> out) const;

  // Older than [health] report_max_age_s, or as far ahead.
  bool is_stale(const Report& report, WallTime now) const;

  const place::Topology& topology() const { return *topology_; }
  const Settings& settings() const { return settings_; }

 private:
  // Somebody who may serve as far as the topology alone tells.
  struct Candidate {
    Index node;
    std::uint64_t seed;  // of the node's id: the same wherever its row stands
    double inverse_weight;
  };
  // What one pass over the groups holds fast.
  struct Pass {
    const Query& query;
    const States& states;
    std::span<const Choice> taken;  // nodes that may not come again (alternates)
    bool honour_exclude;
  };

  std::optional<Choice> walk(const Pass& pass, Account* account) const;
  // kNone: nobody of that group may serve.
  Index choose(const Pass& pass, Index group, Index pattern, Account* account) const;
  std::span<const Candidate> table(Index partner, Index group, Index pattern) const;

  // One rule each; refused() asks them in the order of `Refused`, choose() only those that the table has not settled.
  Refused refused(const Pass& pass, Index pattern, Index node, bool reports_failed) const;
  Refused refused_by_report(const Pass& pass, Index node, bool reports_failed) const;
  Refused refused_by_request(const Pass& pass, Index node) const;
  bool serves_partner(Index node, Index partner) const;
  bool serves_pattern(Index node, Index pattern) const;
  bool forbidden(const Query& query, Index node) const;
  bool serves_format(Index node, std::optional<Format> format) const;
  bool excluded(const Pass& pass, Index node) const;
  // Every admissible node of the group that has a report has an old one: then the reports failed, not the nodes.
  bool reports_failed(const Pass& pass, Index group, Index pattern) const;

  std::shared_ptr<const place::Topology> topology_;
  Settings settings_;
  std::vector<std::uint8_t> formats_;        // by node: a bit per Format it can be asked for
  std::vector<Candidate> candidates_;        // of all tables, one after the other
  std::vector<std::uint32_t> table_starts_;  // [partner][group][pattern], and one more
};

namespace affinity {
// Weighted rendezvous hashing (Thaler, Ravishankar 1998; the weights as of Schindelhauer, Schomaker 2005): each node
// draws -log(U(key, node)) / weight and the smallest draw wins. So each gets its share of the keys, a node that goes
// moves its own keys alone, and one whose weight grows takes keys from the others but gives none of theirs away.
// The same on every machine: integer hashes and IEEE additions, multiplications and divisions alone.
GEO_EXPORT double draw(std::uint64_t key, std::uint64_t seed, double inverse_weight);
GEO_EXPORT std::uint64_t seed_of(std::string_view node_id);
}  // namespace affinity

}  // namespace geo::balance

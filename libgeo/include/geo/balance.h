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
    "",       "drained", "offline", "unhealthy", "stale",    "full",   "quota",      "forbidden",
    "partner", "pattern", "format",  "excluded",  "weight", "overloaded", "not_first"};
constexpr std::string_view name_of(Refused refused) { return kRefusedNames[static_cast<std::size_t>(refused)]; }

// What a node says of itself; a row of `node_states`.
struct Report {
  std::string id;
  WallTime seen_at;
  bool online = true;
  std::optional<std::int64_t> sessions;
  std::optional<double> load;  // 0..1
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
  bool allow_plain = false;                     // [redirect] allow_plain
  std::chrono::seconds report_max_age{15};      // [health] report_max_age_s
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
  Index group = kNone;                     // kNone: no place, no default group: nobody serves
  Index pattern = kNone;
  std::optional<Format> format;            // nothing: any (geoctl select without --format)
  std::string_view client_country;         // empty: unknown
  std::uint64_t key = 0;                   // of the camera, see camera_key()
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

  const place::Topology& topology() const { return *topology_; }
  const Settings& settings() const { return settings_; }

 private:
  struct Pass;
  struct Candidate {  // may serve as far as the topology alone tells
    Index node;
    std::uint64_t seed;  // hash of the node's id: the same wherever its row stands
    double inverse_weight;
    std::uint8_t formats;  // bit per Format it can be asked for
  };
  using Table = std::vector<Candidate>;

  Refused refused(const Query& query, const States& states, Index node, bool all_stale) const;
  Refused refused_by_topology(Index partner, Index pattern, Index node) const;
  bool forbidden(Index node, std::string_view client_country) const;
  std::uint8_t formats_of(Index node) const;
  bool reports_all_stale(const Query& query, const States& states) const;
  const Table& table(Index partner, Index group, Index pattern) const;
  std::optional<Choice> walk(const Query& query, const States& states, std::span<const Index> taken,
                             bool honour_exclude, Account* account) const;
  Index choose(const Query& query, const States& states, std::span<const Index> taken, bool honour_exclude,
               std::uint32_t* eligible) const;
  void account_for(const Query& query, const States& states, bool honour_exclude, Index chosen, Account& account) const;

  std::shared_ptr<const place::Topology> topology_;
  Settings settings_;
  std::vector<Table> tables_;  // [partner][group][pattern]
};

}  // namespace geo::balance

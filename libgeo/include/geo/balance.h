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

#include "geo/balance/live.h"
#include "geo/base/export.h"
#include "geo/place.h"

namespace geo::balance {

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
// Does it share what is asked for there - was it chosen, or could be for another camera or a moment later?
constexpr bool takes_part(Refused refused) {
  return refused == Refused::none || refused == Refused::not_first || refused == Refused::overloaded ||
         refused == Refused::full;
}

enum class Policy : std::uint8_t { affinity, weighted, least_loaded, nearest };
inline constexpr std::array<std::string_view, 4> kPolicyNames{"affinity", "weighted", "least_loaded", "nearest"};
constexpr std::string_view name_of(Policy policy) { return kPolicyNames[static_cast<std::size_t>(policy)]; }
constexpr std::optional<Policy> policy_of(std::string_view name) {
  for (std::size_t i = 0; i < kPolicyNames.size(); ++i)
    if (kPolicyNames[i] == name) return static_cast<Policy>(i);
  return std::nullopt;
}

struct Settings {
  bool allow_plain = false;                   // [redirect] allow_plain
  Policy policy = Policy::affinity;           // [balance] policy; a partner's or a pattern's own comes before it
  double balance_factor = 1.25;               // [balance] balance_factor; 0: no bound
  std::chrono::seconds credit_half_life{60};  // [balance] credit_half_life_s
  std::chrono::seconds report_max_age{15};    // [health] report_max_age_s
  int rise = 2, fall = 2;                     // [health] rise, fall
  double panic_percent = 50;                  // [health] panic_percent
  std::chrono::seconds slow_start{30};        // [health] slow_start_s
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
  std::optional<place::Coordinates> client;   // for `nearest`
  std::uint64_t key = 0;                      // of the camera, see camera_key()
  std::uint64_t dice = 0;                     // random, for policies that roll
  std::span<const std::string_view> exclude;  // node ids
};

// The same camera, the same key, on every machine: XXH3-64 of "server\0camera".
GEO_EXPORT std::uint64_t camera_key(std::string_view server, std::string_view camera);

// Why the node that was chosen was it. The last true one, in this order, is told.
enum class Why : std::uint8_t {
  first,            // what the policy came to first, in the client's own group
  unavailable,      // that one may not serve: it is down, drained, full, forbidden, or in its slow start
  excluded,         // the client wants another one
  overloaded,       // it has more than its share (balance_factor)
  exclude_ignored,  // the client wants another one, and there is none
  fallback_group,
  fallback_pattern,
  panic,  // too little is healthy, and nobody else may serve
};
inline constexpr std::array<std::string_view, 8> kWhyNames{
    "first", "unavailable", "excluded", "overloaded", "exclude_ignored", "fallback_group", "fallback_pattern", "panic"};
constexpr std::string_view name_of(Why why) { return kWhyNames[static_cast<std::size_t>(why)]; }

struct Choice {
  Index node = kNone, group = kNone, pattern = kNone;
  bool exclude_ignored = false;  // nobody else was left
  Why why = Why::first;
  std::uint32_t spill = 0;  // what Live counts where another group than the client's own serves; 0: its own does
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

struct Candidate;
struct Table;
struct Admission;

// Threads: immutable; any number choose at once. Nothing is allocated unless an Account is asked for.
class GEO_EXPORT Balancer {
 public:
  Balancer(std::shared_ptr<const place::Topology> topology, Settings settings);
  ~Balancer();

  // For each pattern (its own, then its fallbacks) all groups (its own, then its fallbacks); the first one where
  // somebody may serve decides, but one that is too little healthy ([health] panic_percent) comes after those that are
  // not; where there are none of those, the first group serves whatever its nodes' health. `exclude` is honoured unless
  // nobody is left. Nothing: no node.
  std::optional<Choice> select(const Query& query, const Live& live, Account* account = nullptr) const;

  // The camera's next nodes after `first`, by the same rules; writes at most out.size() and tells how many.
  std::size_t alternates(const Query& query, const Live& live, const Choice& first, std::span<Choice> out) const;

  // Older than [health] report_max_age_s, or as far ahead.
  bool is_stale(const Report& report, WallTime now) const;

  const place::Topology& topology() const { return *topology_; }
  const Settings& settings() const { return settings_; }

 private:
  friend class Live;
  friend struct Admission;

  struct Pass;
  struct TablesOfGroup;
  void make_tables();
  std::uint32_t table_for(const std::vector<Index>& nodes, TablesOfGroup& those, bool is_site);
  void add_sites(std::uint32_t number, const std::vector<Index>& nodes, TablesOfGroup& those);
  std::optional<Choice> walk(const Pass& pass, Account* account) const;
  // Null: nobody of that group may serve.
  const Candidate* choose(Admission& may, Policy policy) const;
  const Candidate* choose_by(Admission& may, Policy policy) const;
  Admission admission(const Pass& pass, Index group, Index pattern) const;
  bool over_quota(const Pass& pass, Index group) const;
  void tell(const Admission& may, const Pass& pass, Index pattern, Index chosen, Account& account) const;
  const Table& table(Index partner, Index group, Index pattern, std::optional<Format> format) const;
  Policy policy_of(Index partner, Index pattern) const;
  Refused refused(const Admission& may, const Pass& pass, Index pattern, Index node) const;
  bool serves_partner(Index node, Index partner) const;
  bool serves_pattern(Index node, Index pattern) const;
  bool serves_format(Index node, std::optional<Format> format) const;

  std::shared_ptr<const place::Topology> topology_;
  Settings settings_;
  std::vector<std::uint8_t> formats_;  // by node: a bit per Format it can be asked for
  std::vector<Table> tables_;
  std::vector<std::uint32_t> table_of_;  // [partner][group][pattern][format, any]: one table may serve many
  std::uint32_t realms_ = 0;             // of all tables
  std::vector<double> capacity_;         // by group: its nodes' together
  std::vector<std::uint32_t> flows_;     // by group, and the end: the first of its flows - own, fallbacks, former ones
  std::vector<std::uint8_t> rules_;      // by group: a rule about countries binds it or one of its nodes
  bool any_rules_ = false;               // somewhere
  std::vector<Index> limited_;           // by partner: which of those with a max_share it is; kNone: none of them
  std::vector<std::optional<Policy>> policies_of_partners_, policies_of_patterns_;
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

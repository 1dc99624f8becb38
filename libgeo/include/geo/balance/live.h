// What changes while a topology serves: how its nodes fare, and what is under way at each.
//
//   node_states, bodies of checks --reported()--> sessions, load, online      } tick() works out, a few times a second:
//   health checks ----------------checked()-----> rise, fall                  }   who is up, slow start, sums of groups
//   each redirect ----------------redirected()--> credits ------------------------> under way, at once
//
// Under way at a node = sessions of its last report + redirects since that report was made; without a report that is
// young enough the redirects alone, fading.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/place.h"

namespace geo::balance {

using place::Index;
using place::kNone;

class Balancer;
struct Choice;
struct Settings;
struct Table;

// What a node says of itself; a row of `node_states`, or the body of a health check's answer.
struct Report {
  std::string id;
  WallTime seen_at;
  bool online = true;
  std::optional<std::int64_t> sessions;
  std::optional<double> load;  // 0: idle, 1 or more: full
  bool operator==(const Report&) const = default;
};

enum class State : std::uint8_t { up, drain, offline, unhealthy, stale };
inline constexpr std::array<std::string_view, 5> kStateNames{"up", "drain", "offline", "unhealthy", "stale"};
constexpr std::string_view name_of(State state) { return kStateNames[static_cast<std::size_t>(state)]; }

// What made a node's state what it is.
enum class Because : std::uint8_t { nothing, admin, check, report, damping };
inline constexpr std::array<std::string_view, 5> kBecauseNames{"", "admin", "check", "report", "damping"};
constexpr std::string_view name_of(Because because) { return kBecauseNames[static_cast<std::size_t>(because)]; }

// For logs, metrics and /status.json.
struct NodeStatus {
  State state = State::up;
  Because because = Because::nothing;
  std::optional<WallTime> since;  // nothing: ever since the start
  std::optional<double> load;     // as reported, else sessions / capacity
  std::int64_t under_way = 0;
  // Of them: redirects since the last report, or, where none counts, those that have not faded.
  std::int64_t credits = 0;
  std::array<std::uint32_t, kStateNames.size()> became{};  // how often, by State
};
struct StateChange {
  Index node;
  State from, to;
  Because because;  // of one that is up: what had made it something else
};

// Redirects of a group's clients, to its own nodes or another group's.
struct Flow {
  Index from, to;  // `to` kNone: groups that were its fallbacks in an earlier topology
  std::int64_t redirects = 0;
  std::int64_t last_minute = 0;  // of them; to a second
  bool is_spill() const { return from != to; }
};

// Owns: the counters; by node index, so it is one Balancer's.
// Threads: any. under_way() and redirected() take no lock; the others one that those never take.
class GEO_EXPORT Live {
 public:
  // Everybody is up and idle.
  explicit Live(std::shared_ptr<const Balancer> balancer);
  // After a change of the topology: what is known of nodes by their ids stays known.
  Live(std::shared_ptr<const Balancer> balancer, const Live& before);
  ~Live();

  // ---- what is heard ----

  // All that the store has, each time anew: a node whose row went has none.
  void reported(const std::vector<Report>& reports);
  // A health check ended. `report`: what its answer said, if anything. True: the next tick() may tell of a change.
  bool checked(Index node, bool passed, const std::optional<Report>& report);
  // Nobody checks it any more: what checks said no longer counts.
  void not_checked(Index node);
  // A client was sent there.
  void redirected(const Choice& choice, Index partner, std::uint64_t key);

  // Works out what follows by now. Before the first one everybody is up. Call it a few times a second.
  std::vector<StateChange> tick(WallTime now, MonotonicTime monotonic);

  // ---- what is known ----

  std::int64_t under_way(Index node) const { return nodes_[node].under_way(); }
  NodeStatus status(Index node) const;
  // Is there anybody who may serve? Where too little is healthy for health to count, the unhealthy too.
  bool anyone_eligible() const;
  // Nothing: it has none that counts.
  std::optional<Report> report_of(Index node) const;
  // Of each group its own, then one for each of its fallbacks; those that were none yet are left out.
  std::vector<Flow> flows() const;

  const std::shared_ptr<const Balancer>& balancer() const { return balancer_; }

 private:
  friend class Balancer;
  friend struct Admission;

  static constexpr std::int64_t kUnknown = INT64_MIN;
  static constexpr std::int64_t kOne = 1 << 16;    // a redirect where redirects fade
  static constexpr std::uint16_t kRampEnd = 1024;  // all cameras
  static constexpr std::uint32_t kHeard = 1024;    // a redirect among the popular
  static constexpr std::int64_t kNoLimit = INT64_MAX;

  enum class Row : std::uint8_t { none, young, old };  // what it reports

  // Its own cache line: what one core counts must not slow down another's look at the next node.
  struct alignas(64) Node {
    std::atomic<std::int64_t> redirects{0};      // ever
    std::atomic<std::int64_t> faded{0};          // in 1/kOne
    std::atomic<std::int64_t> offset{kUnknown};  // sessions reported - redirects by then; kUnknown: no report
    std::atomic<State> health{State::up};        // up, unhealthy, stale
    std::atomic<Row> row{Row::none};
    std::atomic<bool> full{false};              // by its own word
    std::atomic<std::uint16_t> ramp{kRampEnd};  // how many of kRampEnd cameras it takes (slow start)
    bool online = true;                         // by `admin`
    std::int64_t capacity = kNoLimit;

    std::int64_t under_way() const {
      const std::int64_t from = offset.load(std::memory_order_relaxed);
      if (from == kUnknown) return (faded.load(std::memory_order_relaxed) + kOne / 2) / kOne;
      return from + redirects.load(std::memory_order_relaxed);
    }
    // Binds only where it is known what is under way.
    bool is_full() const {
      if (full.load(std::memory_order_relaxed)) return true;
      return capacity != kNoLimit && offset.load(std::memory_order_relaxed) != kUnknown && under_way() >= capacity;
    }
  };
  struct alignas(64) Group {
    std::atomic<std::int64_t> redirects{0};  // ever
  };
  // Of some candidates, as of the last tick.
  struct Sum {
    std::atomic<double> healthy{0};          // their weight
    std::atomic<double> weight{0};           // as it counts: by slow start, without those that are full
    std::atomic<std::int64_t> under_way{0};  // at those that count
  };
  // Of a realm of a table: those that are up, and those that would be if the reports failed.
  struct Realm {
    Sum up, stale;
    std::atomic<bool> young{false}, old{false};  // reports there are
  };
  // Of a table of the balancer.
  struct Sums {
    Sum all;
    std::atomic<std::int64_t> redirects_by{0};  // the group's by then
    std::atomic<bool> panic{false};             // too little of it is healthy
    std::atomic<bool> reports_failed{false};    // all reports are old: then they failed, not the nodes
  };
  // The slow side of a node: under mutex_.
  struct Book {
    std::optional<Report> stored, own;  // the store's; its own, in the body of a check
    bool passes = true;                 // by rise and fall
    int run = 0;                        // results in a row that say otherwise
    State state = State::up;
    Because because = Because::nothing;
    std::optional<WallTime> since;
    std::int64_t sessions = 0;  // of the report, where it counts
    std::array<std::uint32_t, kStateNames.size()> became{};
    bool down = false, damped = false;
    std::optional<MonotonicTime> returned, good_since;

    // What counts; nothing: it has none.
    const Report* report(const Balancer& balancer, WallTime now) const;
  };
  struct Past {
    WallTime at;
    std::vector<std::int64_t> redirects;  // by node
  };

  struct PastFlows {
    MonotonicTime at;
    std::vector<std::int64_t> redirects;  // by flow
  };

  std::optional<std::int64_t> sessions_of(Index node, const Report& report) const;
  std::int64_t redirects_by(Index node, WallTime then) const;
  void judge(Index node, WallTime now, MonotonicTime monotonic, bool reports_failed, std::vector<StateChange>& changes);
  void ramp(Index node, MonotonicTime monotonic);
  void fade(MonotonicTime monotonic);
  void sum_up();
  void sum_up(const Table& table, Sums& sums);
  void remember(WallTime now);
  void remember_flows(MonotonicTime now);
  // By flow.
  std::vector<std::int64_t> redirects_by_flow() const;
  Index to_of(Index from, std::uint32_t flow) const;
  void carry_flows(const Live& before);
  // The redirects of a camera, of late; never too few but for what fades.
  std::uint32_t heard_of(std::uint64_t key) const;
  static bool is_panic(double healthy, double all, const Settings& settings);
  static void hear(std::atomic<std::uint32_t>& count);
  std::atomic<std::int64_t>* quota_of(Index partner, Index group) const;

  std::shared_ptr<const Balancer> balancer_;
  std::unique_ptr<Node[]> nodes_;
  std::unique_ptr<Group[]> groups_;
  std::unique_ptr<std::atomic<std::int64_t>[]> spills_;  // by flow; what is none stays 0
  std::unique_ptr<Sums[]> sums_;                         // by table
  std::unique_ptr<Realm[]> realms_;                      // by table, by its realms
  std::unique_ptr<std::atomic<std::int64_t>[]> quotas_;  // [limited partner][group], in 1/kOne
  std::unique_ptr<std::atomic<std::uint32_t>[]> heard_;  // a count-min sketch (Cormode, Muthukrishnan 2005), two rows
  std::size_t heard_width_ = 0;

  mutable std::mutex mutex_;
  std::vector<Book> books_;
  std::deque<Past> past_;
  std::deque<PastFlows> past_flows_;
  std::optional<MonotonicTime> ticked_;
  std::optional<WallTime> now_;  // of the last tick
};

}  // namespace geo::balance

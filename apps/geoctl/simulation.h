// A world under traffic, by a clock of its own: geod's code decides, nodes report what runs on them, streams end.
//
//   asked --decide(), as far as select--> node --redirected()--> credits        at once
//   nodes' running streams, every 5 s --- read 1 s later ---reported()-->       as from states.toml or MongoDB
//   a node down, drained or up again ---> another topology, what is live carried over
//
// Nodes that are up are healthy: what the store's node_states say of another time is not looked at.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <tuple>
#include <vector>

#include "geo/balance.h"
#include "geo/base/clock.h"
#include "geo/redirect.h"
#include "traffic.h"

namespace geoctl {

using geo::place::Index;

// A node's `admin` changes, as by hand. The streams of one that goes offline end.
struct Event {
  Micros at{};
  geo::place::Admin admin = geo::place::Admin::online;
  Index node = geo::place::kNone;
};

struct SimulationSettings {
  std::vector<Event> events;
  unsigned geods = 1;   // requests are dealt to them in turn; each knows its own redirects alone
  bool reports = true;  // false: nodes tell nothing, redirects alone count
  Micros warm_up{};     // before that no peak is looked for
  bool nearest = true;  // [balance] nearest
};

// What became of one request.
struct Pick {
  Index node = geo::place::kNone, group = geo::place::kNone;  // kNone: refused
  Index own_group = geo::place::kNone;                        // the client's
  std::optional<geo::ErrorCode> refused;
  std::optional<geo::place::Coordinates> client;  // nothing: nobody knows
  std::optional<double> distance_km;
};

class Simulation {
 public:
  // What is asked of the snapshot answers at once: its providers are tables in memory.
  Simulation(const geo::redirect::Snapshot& snapshot, SimulationSettings settings);

  // The next request; none is earlier than the one before it.
  Pick serve(const Ask& ask);

  const geo::place::Topology& topology() const { return *snapshot_.topology; }
  // Running streams: of each node the most at once, and over time, a column of nodes for each sample.
  const std::vector<std::uint32_t>& running_max() const { return running_max_; }
  struct Sample {
    Micros at;
    std::vector<std::uint32_t> running;  // by node
  };
  const std::vector<Sample>& samples() const { return samples_; }
  // By node: somebody asked for what it may serve.
  const std::vector<bool>& takes_part() const { return takes_part_; }
  // The most running streams per weight that a node had, over the mean of that moment's, of the nodes that are online
  // and take part. Looked at with each stream that begins, and four times a second. Nothing: no time was left after the
  // warm-up.
  std::optional<double> peak_over_mean() const { return peak_over_mean_; }
  const std::vector<Event>& events() const { return settings_.events; }

 private:
  class VirtualClock final : public geo::Clock {
   public:
    geo::WallTime wall() const override { return geo::WallTime(std::chrono::hours(24)) + now; }
    geo::MonotonicTime monotonic() const override { return geo::MonotonicTime(std::chrono::hours(24)) + now; }
    Micros now{};
  };
  struct End {
    Micros at;
    Index node;
    std::uint32_t life;  // of the node: those of an earlier one have ended already
    bool operator>(const End& other) const { return at > other.at; }
  };

  void go_on_until(Micros at);
  void end_streams(Micros until);
  void begin_stream(const Ask& ask, Index node);
  void tick();
  void report();
  void take(const Event& event);
  void look_for_peak(Index node);
  void look_at_all();
  void sample();
  void count_online();
  void learn(const geo::redirect::Request& request);
  std::optional<geo::place::Coordinates> where(const geo::Ip& ip) const;

  geo::redirect::Snapshot snapshot_;
  SimulationSettings settings_;
  VirtualClock clock_;
  std::vector<std::shared_ptr<geo::balance::Live>> geods_;
  std::size_t turn_ = 0;
  geo::redirect::Decision decision_;

  std::vector<std::uint32_t> running_, running_max_, life_;                          // by node
  std::vector<bool> takes_part_;                                                     // by node
  std::set<std::tuple<Index, Index, std::optional<geo::balance::Format>>> learned_;  // partner, group, format
  std::vector<double> counts_;  // by node: its weight, 0 where it does not count
  std::int64_t running_online_ = 0;
  double weight_online_ = 0;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
  std::optional<double> peak_over_mean_;

  std::size_t next_event_ = 0;
  Micros next_tick_{};
  std::optional<std::vector<geo::balance::Report>> reported_;  // made, not yet read
  std::vector<Sample> samples_;
  Micros sample_every_, next_sample_{};
};

}  // namespace geoctl

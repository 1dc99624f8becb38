#include "simulation.h"

#include <algorithm>

namespace geoctl {
namespace {

using geo::place::Admin;
using geo::place::kNone;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Micros kTickEvery = milliseconds(250);  // as geod does
constexpr Micros kReportEvery = seconds(5);
constexpr Micros kReadAfter = seconds(1);  // the longest that geod takes to see a change of states.toml
constexpr std::size_t kSamplesMax = 512;

bool is_due(Micros at, Micros every) { return at % every == Micros::zero(); }

}  // namespace

Simulation::Simulation(const geo::redirect::Snapshot& snapshot, SimulationSettings settings)
    : snapshot_(snapshot), settings_(std::move(settings)), sample_every_(kTickEvery) {
  snapshot_.options.upto = geo::redirect::Upto::select;
  for (unsigned i = 0; i < settings_.geods; ++i)
    geods_.push_back(std::make_shared<geo::balance::Live>(snapshot_.live->balancer()));
  const std::size_t nodes = snapshot_.topology->rows().nodes.size();
  running_.resize(nodes);
  running_max_.resize(nodes);
  life_.resize(nodes);
  takes_part_.resize(nodes);
  counts_.resize(nodes);
  std::stable_sort(settings_.events.begin(), settings_.events.end(),
                   [](const Event& a, const Event& b) { return a.at < b.at; });
  count_online();
}

Pick Simulation::serve(const Ask& ask) {
  go_on_until(ask.at);
  geo::redirect::Request request;
  request.client_ip = ask.client_ip;
  request.server = ask.server;
  request.camera = ask.camera;
  if (snapshot_.topology->find_partner(ask.partner) != kNone) request.partner = ask.partner;
  if (ask.format) request.format = *ask.format;
  snapshot_.options.any_format = !ask.format;
  request.now = clock_.wall();
  request.arrived = clock_.monotonic();
  request.dice = ask.dice;
  snapshot_.live = geods_[turn_];
  turn_ = (turn_ + 1) % geods_.size();

  Pick pick;
  // false cannot be: nothing here has to wait
  (void)geo::redirect::decide(request, snapshot_, geo::Wait::never(), clock_, decision_);
  pick.own_group = decision_.grouped.group;
  pick.client = where(ask.client_ip);
  if (decision_.denial) {
    pick.refused = decision_.denial->code;
    return pick;
  }
  pick.node = decision_.choice.node;
  pick.group = decision_.choice.group;
  if (learned_.emplace(decision_.partner, pick.group, ask.format).second) learn(request);
  const auto& node_at = snapshot_.topology->coordinates_of(pick.node);
  if (pick.client && node_at) pick.distance_km = geo::place::distance_km(*pick.client, *node_at);
  snapshot_.live->redirected(decision_.choice, decision_.partner, geo::balance::camera_key(ask.server, ask.camera));
  begin_stream(ask, pick.node);
  return pick;
}

// Who shares what is asked for there: all but those who cannot be chosen for a request like this one.
void Simulation::learn(const geo::redirect::Request& request) {
  const Index group = decision_.choice.group;
  geo::redirect::Decision decision;
  geo::redirect::Trace trace;
  (void)geo::redirect::decide(request, snapshot_, geo::Wait::never(), clock_, decision, &trace);
  for (const geo::balance::Verdict& verdict : trace.account.verdicts)
    if (verdict.group == group && geo::balance::takes_part(verdict.refused)) takes_part_[verdict.node] = true;
  count_online();
}

std::optional<geo::place::Coordinates> Simulation::where(const geo::Ip& ip) const {
  const auto answer =
      snapshot_.resolver->locate({ip, snapshot_.topology.get(), geo::Wait::never(), clock_.monotonic(), 0, false});
  if (!answer || !*answer) return std::nullopt;
  return (*answer)->location->coordinates;
}

void Simulation::go_on_until(Micros at) {
  for (;;) {
    const bool event_first = next_event_ < settings_.events.size() && settings_.events[next_event_].at <= next_tick_;
    const Micros next = event_first ? settings_.events[next_event_].at : next_tick_;
    if (next > at) break;
    end_streams(next);
    clock_.now = next;
    if (event_first) {
      take(settings_.events[next_event_++]);
    } else {
      tick();
      next_tick_ += kTickEvery;
    }
  }
  end_streams(at);
  clock_.now = at;
}

void Simulation::end_streams(Micros until) {
  for (; !ends_.empty() && ends_.top().at <= until; ends_.pop()) {
    const End& end = ends_.top();
    if (end.life != life_[end.node]) continue;
    --running_[end.node];
    if (counts_[end.node] > 0) --running_online_;
  }
}

void Simulation::begin_stream(const Ask& ask, Index node) {
  ++running_[node];
  if (counts_[node] > 0) ++running_online_;
  running_max_[node] = std::max(running_max_[node], running_[node]);
  ends_.push({ask.at + ask.length, node, life_[node]});
  look_for_peak(node);
}

void Simulation::tick() {
  const Micros now = clock_.now;
  if (settings_.reports && is_due(now, kReportEvery)) report();
  const bool first = now == Micros::zero();
  if (reported_ && (first || is_due(now - kReadAfter, kReportEvery))) {
    for (const auto& live : geods_) live->reported(*reported_);
    reported_.reset();
  }
  for (const auto& live : geods_) (void)live->tick(clock_.wall(), clock_.monotonic());
  look_at_all();
  if (now >= next_sample_) sample();
}

void Simulation::report() {
  reported_.emplace();
  const auto& rows = snapshot_.topology->rows().nodes;
  for (std::size_t node = 0; node < rows.size(); ++node)
    if (rows[node].admin != Admin::offline)
      reported_->push_back({rows[node].id, clock_.wall(), true, std::int64_t{running_[node]}, std::nullopt});
}

void Simulation::take(const Event& event) {
  geo::place::Rows rows = snapshot_.topology->rows();
  rows.nodes[event.node].admin = event.admin;
  auto topology = std::make_shared<const geo::place::Topology>(std::move(rows), settings_.nearest);
  auto balancer = std::make_shared<const geo::balance::Balancer>(topology, geods_[0]->balancer()->settings());
  for (auto& live : geods_) live = std::make_shared<geo::balance::Live>(balancer, *live);
  snapshot_.topology = std::move(topology);
  if (event.admin == Admin::offline) {
    running_[event.node] = 0;
    ++life_[event.node];
  }
  learned_.clear();
  count_online();
}

void Simulation::count_online() {
  running_online_ = 0;
  weight_online_ = 0;
  const auto& rows = snapshot_.topology->rows().nodes;
  for (std::size_t node = 0; node < rows.size(); ++node) {
    counts_[node] = rows[node].admin == Admin::online && takes_part_[node] ? rows[node].weight : 0;
    if (counts_[node] == 0) continue;
    weight_online_ += counts_[node];
    running_online_ += running_[node];
  }
}

void Simulation::look_for_peak(Index node) {
  if (clock_.now < settings_.warm_up || counts_[node] == 0 || running_online_ == 0) return;
  const double ratio = running_[node] / counts_[node] * weight_online_ / static_cast<double>(running_online_);
  peak_over_mean_ = std::max(peak_over_mean_.value_or(0), ratio);
}

void Simulation::look_at_all() {
  if (clock_.now < settings_.warm_up) return;
  for (Index node = 0; node < running_.size(); ++node) look_for_peak(node);
}

// However long it takes, at most kSamplesMax.
void Simulation::sample() {
  if (samples_.size() == kSamplesMax) {
    for (std::size_t i = 1; i < kSamplesMax / 2; ++i) samples_[i] = std::move(samples_[2 * i]);
    samples_.resize(kSamplesMax / 2);
    sample_every_ *= 2;
  }
  if (is_due(clock_.now, sample_every_)) samples_.push_back({clock_.now, running_});
  next_sample_ = clock_.now - clock_.now % sample_every_ + sample_every_;
}

}  // namespace geoctl

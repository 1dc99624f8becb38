#include "io/checks/schedule.h"

#include <algorithm>
#include <utility>

namespace geo::io::checks {
namespace {

constexpr double kShortest = 0.1;  // interval, whatever the jitter: nobody is checked without a pause

std::chrono::nanoseconds part_of(std::chrono::nanoseconds whole, double part) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(whole.count()) * part));
}

}  // namespace

Schedule::Schedule(std::chrono::milliseconds interval, int jitter_percent, std::size_t connections_max,
                   std::function<double()> dice)
    : interval_(std::max(interval, std::chrono::milliseconds(1))),
      jitter_(jitter_percent / 100.0),
      connections_max_(connections_max),
      dice_(std::move(dice)) {}

void Schedule::watch(std::vector<CheckTarget> targets, MonotonicTime now) {
  std::unordered_map<std::string, std::shared_ptr<Target>> kept;
  kept.reserve(targets.size());
  std::vector<std::shared_ptr<Target>> fresh;
  for (CheckTarget& each : targets) {
    std::shared_ptr<Target>& place = kept[each.id];
    if (place != nullptr) continue;
    const auto old = targets_.find(each.id);
    if (old != targets_.end() && old->second->node == each) {
      place = std::move(old->second);
      targets_.erase(old);
    } else {
      place = std::make_shared<Target>(Target{.node = std::move(each), .due = {}, .began = {}});
      fresh.push_back(place);
    }
    place->keeps_connection = kept.size() <= connections_max_;
  }
  for (auto& [id, target] : targets_) target->watched = false;
  targets_ = std::move(kept);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    fresh[i]->due = now + part_of(interval_, (static_cast<double>(i) + dice_()) / static_cast<double>(fresh.size()));
    waiting_.push(std::move(fresh[i]));
  }
}

void Schedule::tidy() {
  while (!waiting_.empty() && !waiting_.top()->watched) waiting_.pop();
}

std::shared_ptr<Target> Schedule::take(MonotonicTime now) {
  tidy();
  if (waiting_.empty() || waiting_.top()->due > now) return nullptr;
  std::shared_ptr<Target> target = waiting_.top();
  waiting_.pop();
  target->began = now;
  return target;
}

void Schedule::put_back(std::shared_ptr<Target> target) { waiting_.push(std::move(target)); }

// Shorter at random, never longer: who falls silent is noticed within whole intervals.
void Schedule::done(std::shared_ptr<Target> target, MonotonicTime now) {
  target->due = std::max(now, target->began + part_of(interval_, std::max(1 - jitter_ * dice_(), kShortest)));
  target->waited_for_name = false;
  waiting_.push(std::move(target));
}

MonotonicTime Schedule::next() {
  tidy();
  return waiting_.empty() ? MonotonicTime::max() : waiting_.top()->due;
}

}  // namespace geo::io::checks

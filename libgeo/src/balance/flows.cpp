// Whose clients are served where. What a group's own nodes serve is not counted: it is what they serve in all, but for
// what spills to them.
//
//   flows of ru-msk: 0 ru-msk, 1 ru-spb, 2 eu, 3 former | of ru-spb: 4 ru-spb, 5 ru-msk, 6 former | ..
#include <algorithm>
#include <chrono>

#include "geo/balance.h"

namespace geo::balance {
namespace {

constexpr std::chrono::seconds kMinute{60}, kEvery{1};
constexpr std::int64_t kMostRemembered = 4'000'000;  // numbers, of all looks of a minute

}  // namespace

Index Live::to_of(Index from, std::uint32_t flow) const {
  const std::vector<Index>& fallbacks = balancer_->topology().fallback_groups(from);
  const std::uint32_t at = flow - balancer_->flows_[from];
  if (at == 0) return from;
  return at <= fallbacks.size() ? fallbacks[at - 1] : kNone;
}

std::vector<std::int64_t> Live::redirects_by_flow() const {
  const std::vector<std::uint32_t>& first = balancer_->flows_;
  std::vector<std::int64_t> all(first.back());
  const auto groups = static_cast<Index>(first.size() - 1);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = spills_[i].load(std::memory_order_relaxed);
  for (Index group = 0; group < groups; ++group)
    all[first[group]] = groups_[group].redirects.load(std::memory_order_relaxed);
  for (Index from = 0; from < groups; ++from)
    for (std::uint32_t flow = first[from] + 1; flow < first[from + 1]; ++flow)
      if (const Index to = to_of(from, flow); to != kNone) all[first[to]] -= all[flow];
  return all;
}

void Live::remember_flows(MonotonicTime now) {
  while (past_flows_.size() > 1 && now - past_flows_[1].at >= kMinute) past_flows_.pop_front();
  const std::chrono::milliseconds every = std::max<std::chrono::milliseconds>(
      kEvery, std::chrono::milliseconds(kMinute) * balancer_->flows_.back() / kMostRemembered);
  if (past_flows_.empty() || now - past_flows_.back().at >= every) past_flows_.push_back({now, redirects_by_flow()});
}

std::vector<Flow> Live::flows() const {
  const std::vector<std::uint32_t>& first = balancer_->flows_;
  std::vector<Flow> flows;
  const std::lock_guard lock(mutex_);
  const std::vector<std::int64_t> all = redirects_by_flow();
  for (Index from = 0; from + 1 < first.size(); ++from)
    for (std::uint32_t flow = first[from]; flow < first[from + 1]; ++flow) {
      if (all[flow] <= 0) continue;
      const std::int64_t before = past_flows_.empty() ? 0 : past_flows_.front().redirects[flow];
      flows.push_back({from, to_of(from, flow), all[flow], std::max<std::int64_t>(0, all[flow] - before)});
    }
  return flows;
}

// What went to a group that is no fallback of theirs any more is a former one's; what came from a group that is gone
// is forgotten.
void Live::carry_flows(const Live& before) {
  const std::vector<std::uint32_t>&first = balancer_->flows_, &old_first = before.balancer_->flows_;
  const place::Topology &now = balancer_->topology(), &then = before.balancer_->topology();
  std::vector<std::uint32_t> became(old_first.back(), first.back());  // the end: forgotten
  for (Index from = 0; from + 1 < first.size(); ++from) {
    const Index old_from = then.find_group(now.group(from).id);
    if (old_from == kNone) continue;
    for (std::uint32_t flow = old_first[old_from]; flow < old_first[old_from + 1]; ++flow) {
      const Index old_to = before.to_of(old_from, flow);
      const Index to = old_to == kNone ? kNone : now.find_group(then.group(old_to).id);
      became[flow] = first[from];
      while (to_of(from, became[flow]) != to && became[flow] + 1 < first[from + 1]) ++became[flow];
    }
  }
  const auto carried = [&](const std::vector<std::int64_t>& old) {
    std::vector<std::int64_t> all(first.back());
    for (std::size_t flow = 0; flow < old.size(); ++flow)
      if (became[flow] != first.back()) all[became[flow]] += old[flow];
    return all;
  };
  const std::vector<std::int64_t> all = carried(before.redirects_by_flow());
  for (Index from = 0; from + 1 < first.size(); ++from)
    for (std::uint32_t flow = first[from]; flow < first[from + 1]; ++flow) {
      const Index to = to_of(from, flow);
      if (to != from) spills_[flow].store(all[flow]);
      if (to != kNone) groups_[to].redirects.fetch_add(all[flow]);
    }
  for (const PastFlows& past : before.past_flows_) past_flows_.push_back({past.at, carried(past.redirects)});
}

}  // namespace geo::balance

// Who may serve, and for everyone else one reason: one small rule each.
#include <algorithm>

#include "balance/table.h"

namespace geo::balance {

bool Admission::operator()(const Candidate& candidate) const {
  return by_health(candidate.node) == Refused::none && !is_full(candidate.node) &&
         !(country_rules && is_forbidden(candidate.node)) && !is_excluded(candidate.node) && !comes_later(candidate);
}

Refused Admission::by_health(Index node) const {
  const State health = live.nodes_[node].health.load(std::memory_order_relaxed);
  if (health == State::up || any_health) return Refused::none;
  if (health == State::stale) return reports_failed ? Refused::none : Refused::stale;
  return Refused::unhealthy;
}

// Binds only where it is known what is under way.
bool Admission::is_full(Index node) const {
  const Live::Node& live_node = live.nodes_[node];
  if (live_node.full.load(std::memory_order_relaxed)) return true;
  const std::optional<std::int64_t>& capacity = balancer.topology().node(node).capacity;
  return capacity && live_node.offset.load(std::memory_order_relaxed) != Live::kUnknown &&
         live_node.under_way() >= *capacity;
}

// The node's rules, its group's, and those of the client's own group, which its fallbacks may not get around.
bool Admission::is_forbidden(Index node) const {
  const place::Topology& topology = balancer.topology();
  const auto matches = [](const std::string& rule, std::string_view country) {
    return rule == "*" || (!country.empty() && rule == country);
  };
  const auto any = [&](const std::vector<place::Forbid>& rules) {
    if (rules.empty()) return false;
    const std::string& country = topology.country_of(node);
    return std::any_of(rules.begin(), rules.end(), [&](const place::Forbid& rule) {
      return matches(rule.client, query.client_country) && matches(rule.node, country);
    });
  };
  return any(topology.node(node).forbid) || any(topology.group(topology.group_of_node(node)).forbid) ||
         (query.group != kNone && any(topology.group(query.group).forbid));
}

bool Admission::is_excluded(Index node) const {
  if (std::any_of(taken.begin(), taken.end(), [&](const Choice& choice) { return choice.node == node; })) return true;
  if (!honour_exclude || query.exclude.empty()) return false;
  const std::string& id = balancer.topology().node(node).id;
  return std::find(query.exclude.begin(), query.exclude.end(), id) != query.exclude.end();
}

bool Admission::comes_later(const Candidate& candidate) const {
  if (any_ramp) return false;
  const std::uint16_t ramp = live.nodes_[candidate.node].ramp.load(std::memory_order_relaxed);
  return ramp < Live::kRampEnd && mix(query.key ^ mix(candidate.seed)) % Live::kRampEnd >= ramp;
}

double Admission::weight_of(const Candidate& candidate) const {
  const std::uint16_t ramp = live.nodes_[candidate.node].ramp.load(std::memory_order_relaxed);
  return candidate.weight * std::max<std::uint16_t>(ramp, 1) / Live::kRampEnd;
}

// As of the last tick, and what came since.
std::int64_t Admission::under_way() const {
  const Live::Sums& sums = live.sums_[table_number];
  return sums.under_way.load(std::memory_order_relaxed) +
         live.groups_[table.group].redirects.load(std::memory_order_relaxed) -
         sums.redirects_by.load(std::memory_order_relaxed);
}

bool Admission::has_room(const Candidate& candidate, double factor) const {
  constexpr double kFewest = 4;  // a share of so little says nothing
  const double weight = live.sums_[table_number].weight.load(std::memory_order_relaxed);
  const double share = weight > 0 ? weight_of(candidate) / weight : 1;
  const auto after = static_cast<double>(live.under_way(candidate.node) + 1);
  return after <= std::max(kFewest, factor * share * static_cast<double>(under_way() + 1));
}

// Its own viewers alone are a good part of what its first node should have.
bool Admission::is_popular(const Candidate& first) const {
  constexpr double kPart = 0.1, kFewest = 8;
  const double weight = live.sums_[table_number].weight.load(std::memory_order_relaxed);
  const double share = weight > 0 ? weight_of(first) / weight : 1;
  return live.heard_of(query.key) > std::max(kFewest, kPart * share * static_cast<double>(under_way()));
}

Refused Balancer::refused(const Admission& may, const Pass& pass, Index pattern, Index node) const {
  const place::Node& row = topology_->node(node);
  if (row.admin == place::Admin::drain) return Refused::drained;
  if (row.admin == place::Admin::offline) return Refused::offline;
  if (const Refused by = may.by_health(node); by != Refused::none) return by;
  if (may.is_full(node)) return Refused::full;
  if (over_quota(pass, topology_->group_of_node(node))) return Refused::quota;
  if (may.is_forbidden(node)) return Refused::forbidden;
  if (!serves_partner(node, pass.query.partner)) return Refused::partner;
  if (!serves_pattern(node, pattern)) return Refused::pattern;
  if (!serves_format(node, pass.query.format)) return Refused::format;
  if (may.is_excluded(node)) return Refused::excluded;
  if (row.weight <= 0) return Refused::weight;
  return Refused::none;
}

bool Balancer::serves_partner(Index node, Index partner) const {
  const std::vector<std::string>& partners = topology_->node(node).partners;
  return partners.empty() || (partner != kNone && std::find(partners.begin(), partners.end(),
                                                            topology_->partner(partner).id) != partners.end());
}

bool Balancer::serves_pattern(Index node, Index pattern) const {
  const std::vector<std::string>& patterns = topology_->node(node).patterns;
  return patterns.empty() || (pattern != kNone && std::find(patterns.begin(), patterns.end(),
                                                            topology_->pattern(pattern).id) != patterns.end());
}

bool Balancer::serves_format(Index node, std::optional<Format> format) const {
  return format ? (formats_[node] >> static_cast<unsigned>(*format) & 1U) != 0 : formats_[node] != 0;
}

// A report from far in the future is as little to be trusted as an old one.
bool Balancer::is_stale(const Report& report, WallTime now) const {
  return std::chrono::abs(now - report.seen_at) > settings_.report_max_age;
}

// A partner may have that part of the group under way and no more; where nobody there has a capacity, any.
bool Balancer::over_quota(const Pass& pass, Index group) const {
  if (limited_[pass.query.partner] == kNone || capacity_[group] == 0) return false;
  const double most = topology_->partner(pass.query.partner).max_share * static_cast<double>(capacity_[group]);
  const std::int64_t under_way = pass.live.quota_of(pass.query.partner, group)->load(std::memory_order_relaxed);
  return static_cast<double>(under_way) >= most * Live::kOne;
}

}  // namespace geo::balance

// Who may serve, and for everyone else one reason: one small rule each.
#include <algorithm>

#include "balance/table.h"

namespace geo::balance {

bool Admission::operator()(const Candidate& candidate) const {
  return counts(candidate) && !is_excluded(candidate.node) && !comes_later(candidate);
}

Refused Admission::by_health(Index node) const {
  const State health = live.nodes_[node].health.load(std::memory_order_relaxed);
  if (health == State::up || any_health) return Refused::none;
  if (health == State::stale) return reports_failed ? Refused::none : Refused::stale;
  return Refused::unhealthy;
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
  if (taken.empty() && query.exclude.empty()) return false;
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

double Admission::share_of(const Candidate& candidate) const {
  return weight > 0 ? std::min(1.0, weight_of(candidate) / weight) : 1;
}

bool Admission::has_room(const Candidate& candidate, double factor) const {
  constexpr double kFewest = 4;  // a share of so little says nothing
  const auto after = static_cast<double>(live.under_way(candidate.node) + 1);
  return after <= kFewest || after <= factor * share_of(candidate) * static_cast<double>(under_way + 1);
}

// Its own viewers alone are a good part of what its first node should have.
bool Admission::is_popular(const Candidate& first) const {
  constexpr double kPart = 0.1, kFewest = 8;
  return live.heard_of(query.key) > std::max(kFewest, kPart * share_of(first) * static_cast<double>(under_way));
}

void Admission::pass_over(const Candidate& candidate) {
  why = std::max(why, is_excluded(candidate.node) ? Why::excluded : Why::unavailable);
}

Admission Admission::there(std::uint32_t site_table) const {
  const Table& site = balancer.tables_[site_table];
  const Live::Sums& those = live.sums_[site_table];
  Admission may{
      balancer, live,       query,      taken,    site, those, honour_exclude, country_rules, reports_failed, empty,
      panic,    over_quota, any_health, any_ramp, 0,    0,     Why::first};
  if (site.candidates.size() > Table::kDrawnMax) {
    may.sum_up();
    return may;
  }
  // What its group had since the last tick says nothing of a place with few nodes: they are asked themselves.
  for (const Candidate& candidate : site.candidates) {
    if (!may.counts(candidate)) continue;
    may.weight += weight_of(candidate);
    may.under_way += live.under_way(candidate.node);
  }
  return may;
}

bool Admission::counts(const Candidate& candidate) const {
  const Live::Node& node = live.nodes_[candidate.node];
  return node.online && by_health(candidate.node) == Refused::none && !node.is_full() &&
         !(country_rules && is_forbidden(candidate.node));
}

// As of the last tick, and what came since.
void Admission::sum_up() {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  under_way = live.groups_[table.group].redirects.load(kRelaxed) - sums.redirects_by.load(kRelaxed);
  weight = 0;
  if (!country_rules) {
    weight = sums.all.weight.load(kRelaxed);
    under_way += sums.all.under_way.load(kRelaxed);
    return;
  }
  for (std::uint32_t i = 0; i < table.realms.size(); ++i) {
    if (is_forbidden(table.realms[i].node)) continue;
    const Live::Realm& realm = live.realms_[table.first_realm + i];
    weight += realm.up.weight.load(kRelaxed);
    under_way += realm.up.under_way.load(kRelaxed);
    if (!reports_failed) continue;
    weight += realm.stale.weight.load(kRelaxed);
    under_way += realm.stale.under_way.load(kRelaxed);
  }
}

// What was worked out ahead knows no client; the realms do.
void Admission::ask_health() {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (!country_rules) {
    reports_failed = sums.reports_failed.load(kRelaxed);
    panic = sums.panic.load(kRelaxed);
    empty = table.weight == 0;
    return;
  }
  bool young = false, old = false;
  double all = 0, healthy = 0, stale = 0;
  for (std::uint32_t i = 0; i < table.realms.size(); ++i) {
    if (is_forbidden(table.realms[i].node)) continue;
    const Live::Realm& realm = live.realms_[table.first_realm + i];
    young = young || realm.young.load(kRelaxed);
    old = old || realm.old.load(kRelaxed);
    all += table.realms[i].weight;
    healthy += realm.up.healthy.load(kRelaxed);
    stale += realm.stale.healthy.load(kRelaxed);
  }
  reports_failed = old && !young;
  if (reports_failed) healthy += stale;
  panic = Live::is_panic(healthy, all, balancer.settings());
  empty = all == 0;
}

Refused Balancer::refused(const Admission& may, const Pass& pass, Index pattern, Index node) const {
  const place::Node& row = topology_->node(node);
  if (row.admin == place::Admin::drain) return Refused::drained;
  if (row.admin == place::Admin::offline) return Refused::offline;
  if (const Refused by = may.by_health(node); by != Refused::none) return by;
  if (may.live.nodes_[node].is_full()) return Refused::full;
  if (may.over_quota) return Refused::quota;
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
  if (limited_[pass.query.partner] == kNone || capacity_[group] <= 0) return false;
  const double most = topology_->partner(pass.query.partner).max_share * capacity_[group];
  const std::int64_t under_way = pass.live.quota_of(pass.query.partner, group)->load(std::memory_order_relaxed);
  return static_cast<double>(under_way) >= most * Live::kOne;
}

}  // namespace geo::balance

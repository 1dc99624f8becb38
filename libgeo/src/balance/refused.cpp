// Who may serve, and for everyone else one reason: one small rule each.
#include <algorithm>

#include "geo/balance.h"

namespace geo::balance {

States::States(const place::Topology& topology, const std::vector<Report>& reports) {
  reports_.resize(topology.rows().nodes.size());
  for (const Report& report : reports)
    if (const Index node = topology.find_node(report.id); node != kNone) reports_[node] = report;
}

Refused Balancer::refused(const Pass& pass, Index pattern, Index node, bool reports_failed) const {
  const place::Node& row = topology_->node(node);
  if (row.admin == place::Admin::drain) return Refused::drained;
  if (row.admin == place::Admin::offline) return Refused::offline;
  if (const Refused by = refused_by_report(pass, node, reports_failed); by != Refused::none) return by;
  if (forbidden(pass.query, node)) return Refused::forbidden;
  if (!serves_partner(node, pass.query.partner)) return Refused::partner;
  if (!serves_pattern(node, pattern)) return Refused::pattern;
  if (!serves_format(node, pass.query.format)) return Refused::format;
  if (excluded(pass, node)) return Refused::excluded;
  if (row.weight <= 0) return Refused::weight;
  return Refused::none;
}

Refused Balancer::refused_by_report(const Pass& pass, Index node, bool reports_failed) const {
  const Report* report = pass.states.of(node);
  if (report == nullptr || reports_failed) return Refused::none;
  if (is_stale(*report, pass.query.now)) return Refused::stale;
  return report->online ? Refused::none : Refused::unhealthy;
}

Refused Balancer::refused_by_request(const Pass& pass, Index node) const {
  if (forbidden(pass.query, node)) return Refused::forbidden;
  if (!serves_format(node, pass.query.format)) return Refused::format;
  return excluded(pass, node) ? Refused::excluded : Refused::none;
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

// The node's rules, its group's, and those of the client's own group, which its fallbacks may not get around.
bool Balancer::forbidden(const Query& query, Index node) const {
  const auto matches = [](const std::string& rule, std::string_view country) {
    return rule == "*" || (!country.empty() && rule == country);
  };
  const auto any = [&](const std::vector<place::Forbid>& rules) {
    if (rules.empty()) return false;
    const std::string& country = topology_->country_of(node);
    return std::any_of(rules.begin(), rules.end(), [&](const place::Forbid& rule) {
      return matches(rule.client, query.client_country) && matches(rule.node, country);
    });
  };
  return any(topology_->node(node).forbid) || any(topology_->group(topology_->group_of_node(node)).forbid) ||
         (query.group != kNone && any(topology_->group(query.group).forbid));
}

bool Balancer::serves_format(Index node, std::optional<Format> format) const {
  return format ? (formats_[node] >> static_cast<unsigned>(*format) & 1U) != 0 : formats_[node] != 0;
}

bool Balancer::excluded(const Pass& pass, Index node) const {
  if (std::any_of(pass.taken.begin(), pass.taken.end(), [&](const Choice& choice) { return choice.node == node; }))
    return true;
  if (!pass.honour_exclude || pass.query.exclude.empty()) return false;
  const std::string& id = topology_->node(node).id;
  return std::find(pass.query.exclude.begin(), pass.query.exclude.end(), id) != pass.query.exclude.end();
}

// A report from far in the future is as little to be trusted as an old one.
bool Balancer::is_stale(const Report& report, WallTime now) const {
  return std::chrono::abs(now - report.seen_at) > settings_.report_max_age;
}

bool Balancer::reports_failed(const Pass& pass, Index group, Index pattern) const {
  bool any = false;
  for (const Candidate& candidate : table(pass.query.partner, group, pattern)) {
    const Report* report = pass.states.of(candidate.node);
    if (report == nullptr || forbidden(pass.query, candidate.node) || !serves_format(candidate.node, pass.query.format))
      continue;
    if (!is_stale(*report, pass.query.now)) return false;
    any = true;
  }
  return any;
}

}  // namespace geo::balance

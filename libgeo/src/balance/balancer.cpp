#include <algorithm>

#include "balance/table.h"

namespace geo::balance {
namespace {

constexpr std::size_t kFormatsAndAny = kFormatNames.size() + 1;

std::size_t number_of(std::optional<Format> format) {
  return format ? static_cast<std::size_t>(*format) : kFormatNames.size();
}

}  // namespace

Balancer::Balancer(std::shared_ptr<const place::Topology> topology, Settings settings)
    : topology_(std::move(topology)), settings_(settings) {
  const place::Rows& rows = topology_->rows();
  for (const place::Node& node : rows.nodes) {
    std::uint8_t bits = 0;
    for (std::size_t i = 0; i < kFormatNames.size(); ++i) {
      const bool listed = node.formats.empty() ||
                          std::find(node.formats.begin(), node.formats.end(), kFormatNames[i]) != node.formats.end();
      if (listed && !endpoint_of(node, static_cast<Format>(i), settings_.allow_plain).scheme.empty())
        bits |= static_cast<std::uint8_t>(1U << i);
    }
    formats_.push_back(bits);
  }
  flows_.push_back(0);
  for (Index group = 0; group < rows.groups.size(); ++group) {
    bool rules = !rows.groups[group].forbid.empty();
    double capacity = 0;
    for (const Index node : topology_->nodes_of(group)) {
      rules = rules || !rows.nodes[node].forbid.empty();
      capacity += static_cast<double>(rows.nodes[node].capacity.value_or(0));
    }
    any_rules_ = any_rules_ || rules;
    rules_.push_back(rules ? 1 : 0);
    capacity_.push_back(capacity);
    flows_.push_back(flows_.back() + 2 + static_cast<std::uint32_t>(topology_->fallback_groups(group).size()));
  }
  Index limited = 0;
  for (const place::Partner& partner : rows.partners) {
    limited_.push_back(partner.max_share < 1 ? limited++ : kNone);
    policies_of_partners_.push_back(balance::policy_of(partner.policy));
  }
  for (const place::Pattern& pattern : rows.patterns)
    policies_of_patterns_.push_back(balance::policy_of(pattern.policy));
  make_tables();
}

Balancer::~Balancer() = default;

const Table& Balancer::table(Index partner, Index group, Index pattern, std::optional<Format> format) const {
  const place::Rows& rows = topology_->rows();
  const std::size_t at = ((std::size_t{partner} * rows.groups.size() + group) * rows.patterns.size() + pattern);
  return tables_[table_of_[at * kFormatsAndAny + number_of(format)]];
}

Policy Balancer::policy_of(Index partner, Index pattern) const {
  return policies_of_partners_[partner].value_or(policies_of_patterns_[pattern].value_or(settings_.policy));
}

std::optional<Choice> Balancer::select(const Query& query, const Live& live, Account* account) const {
  if (auto choice = walk({query, live, {}, true}, account)) return choice;
  if (query.exclude.empty()) return std::nullopt;
  auto choice = walk({query, live, {}, false}, account);
  if (choice) {
    choice->exclude_ignored = true;
    choice->why = std::max(choice->why, Why::exclude_ignored);
  }
  return choice;
}

std::size_t Balancer::alternates(const Query& query, const Live& live, const Choice& first,
                                 std::span<Choice> out) const {
  std::array<Choice, 8> taken{first};
  std::size_t found = 0;
  while (found < out.size() && found + 1 < taken.size()) {
    const auto next = walk({query, live, {taken.data(), found + 1}, !first.exclude_ignored}, nullptr);
    if (!next) break;
    out[found++] = *next;
    taken[found] = *next;
  }
  return found;
}

std::optional<Choice> Balancer::walk(const Pass& pass, Account* account) const {
  const Index own_group = pass.query.group, own_pattern = pass.query.pattern;
  if (own_group == kNone || own_pattern == kNone) return std::nullopt;
  const std::vector<Index>& fallbacks = topology_->fallback_groups(own_group);
  const auto try_groups = [&](Index pattern) -> std::optional<Choice> {
    const Policy policy = policy_of(pass.query.partner, pattern);
    // What is too little healthy comes after what is not; where all is, the first of it serves whatever its health.
    bool passed_over = false, ignores_health = true;
    for (const bool in_panic : {false, true}) {
      if (in_panic && !passed_over) break;
      for (std::size_t i = 0; i <= fallbacks.size(); ++i) {
        const Index group = i == 0 ? own_group : fallbacks[i - 1];
        Admission may = admission(pass, group, pattern);
        const Candidate* chosen = nullptr;
        if (may.panic == in_panic) {
          may.any_health = in_panic && ignores_health;
          if (in_panic || !may.empty) ignores_health = false;
          chosen = choose(may, policy);
        } else if (in_panic) {
          continue;
        } else {
          passed_over = true;
        }
        if (account != nullptr) tell(may, pass, pattern, chosen == nullptr ? kNone : chosen->node, *account);
        if (chosen == nullptr) continue;
        const std::uint32_t spill = i == 0 ? 0 : flows_[own_group] + static_cast<std::uint32_t>(i);
        Why why = may.why;
        if (i > 0) why = Why::fallback_group;
        if (pattern != own_pattern) why = Why::fallback_pattern;
        if (in_panic) why = Why::panic;
        return Choice{chosen->node, group, pattern, false, why, spill};
      }
    }
    return std::nullopt;
  };
  if (const auto choice = try_groups(own_pattern)) return choice;
  for (const Index pattern : topology_->fallback_patterns(own_pattern))
    if (const auto choice = try_groups(pattern)) return choice;
  return std::nullopt;
}

Admission Balancer::admission(const Pass& pass, Index group, Index pattern) const {
  const Table& those = table(pass.query.partner, group, pattern, pass.query.format);
  const bool country_rules = rules_[group] != 0 || !topology_->group(pass.query.group).forbid.empty();
  const Live::Sums& sums = pass.live.sums_[static_cast<std::size_t>(&those - tables_.data())];
  Admission may{*this, pass.live, pass.query, pass.taken, those, sums, pass.honour_exclude, country_rules};
  may.ask_health();
  may.sum_up();
  may.over_quota = over_quota(pass, group);
  return may;
}

const Candidate* Balancer::choose(Admission& may, Policy policy) const {
  if (may.table.candidates.empty() || may.over_quota) return nullptr;
  if (const Candidate* const chosen = choose_by(may, policy)) return chosen;
  // Nobody else: then those in their slow start take all.
  may.any_ramp = true;
  may.why = Why::first;
  return choose_by(may, policy);
}

const Candidate* Balancer::choose_by(Admission& may, Policy policy) const {
  switch (policy) {
    case Policy::weighted:
      return by_weight(may);
    case Policy::least_loaded:
      return by_least_load(may);
    case Policy::nearest:
      return by_distance(may);
    case Policy::affinity:
      break;
  }
  return by_affinity(may);
}

void Balancer::tell(const Admission& may, const Pass& pass, Index pattern, Index chosen, Account& account) const {
  const Table& those = may.table;
  const Policy policy = policy_of(pass.query.partner, pattern);
  const bool by_site = policy == Policy::nearest && pass.query.client && !those.sites.empty();
  const bool bound =
      !may.any_health && settings_.balance_factor > 0 && (policy == Policy::affinity || policy == Policy::nearest);
  const auto is_overloaded = [&](std::size_t candidate) {
    if (!bound) return false;
    const Candidate& one = those.candidates[candidate];
    return !(by_site ? may.there(those.site_of[candidate]) : may)
                .has_room(one, affinity::bound(settings_.balance_factor));
  };
  // Nodes, candidates and verdicts of a group all stand by node id.
  auto known = std::find_if(account.verdicts.begin(), account.verdicts.end(),
                            [&](const Verdict& verdict) { return verdict.group == those.group; });
  std::vector<Verdict> told;
  std::uint32_t eligible = 0;
  std::size_t candidate = 0;
  for (const Index node : topology_->nodes_of(those.group)) {
    Refused why = refused(may, pass, pattern, node);
    if (why == Refused::none) {
      ++eligible;
      while (those.candidates[candidate].node != node) ++candidate;
      if (node != chosen) why = is_overloaded(candidate) ? Refused::overloaded : Refused::not_first;
    }
    if (known != account.verdicts.end())
      (known++)->refused = why;
    else
      told.push_back({node, those.group, why});
  }
  account.verdicts.insert(account.verdicts.end(), told.begin(), told.end());
  account.attempts.push_back({pattern, those.group, eligible});
}

}  // namespace geo::balance

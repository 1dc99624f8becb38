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
  for (Index group = 0; group < rows.groups.size(); ++group) {
    bool rules = !rows.groups[group].forbid.empty();
    std::int64_t capacity = 0;
    for (const Index node : topology_->nodes_of(group)) {
      rules = rules || !rows.nodes[node].forbid.empty();
      capacity += rows.nodes[node].capacity.value_or(0);
    }
    rules_.push_back(rules ? 1 : 0);
    capacity_.push_back(capacity);
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
  if (choice) choice->exclude_ignored = true;
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
  std::optional<Choice> choice;
  const auto try_one = [&](Index group, Index pattern, bool any_health) {
    const Index node = choose(pass, group, pattern, any_health, account);
    if (node != kNone) choice = Choice{node, group, pattern, false};
    return choice.has_value();
  };
  const auto try_groups = [&](Index pattern) {
    const auto in_panic = [&](Index group) { return this->in_panic(pass, group, pattern); };
    const auto passed_over = [&](Index group) {
      if (!in_panic(group)) return false;
      if (account != nullptr) tell(admission(pass, group, pattern, false), pass, group, pattern, kNone, *account);
      return true;
    };
    const std::vector<Index>& fallbacks = topology_->fallback_groups(own_group);
    if (!passed_over(own_group) && try_one(own_group, pattern, false)) return true;
    for (const Index group : fallbacks)
      if (!passed_over(group) && try_one(group, pattern, false)) return true;
    if (in_panic(own_group) && try_one(own_group, pattern, true)) return true;
    for (const Index group : fallbacks)
      if (in_panic(group) && try_one(group, pattern, false)) return true;
    return false;
  };
  if (try_groups(own_pattern)) return choice;
  for (const Index pattern : topology_->fallback_patterns(own_pattern))
    if (try_groups(pattern)) return choice;
  return choice;
}

Admission Balancer::admission(const Pass& pass, Index group, Index pattern, bool any_health) const {
  const Table& those = table(pass.query.partner, group, pattern, pass.query.format);
  const auto number = static_cast<std::uint32_t>(&those - tables_.data());
  const bool country_rules = rules_[group] != 0 || !topology_->group(pass.query.group).forbid.empty();
  Admission may{*this,
                pass.live,
                pass.query,
                pass.taken,
                those,
                number,
                pass.honour_exclude,
                any_health,
                country_rules,
                pass.live.sums_[number].reports_failed.load(std::memory_order_relaxed)};
  // What was worked out ahead knows no client.
  if (country_rules && !may.reports_failed) may.reports_failed = reports_failed(may);
  return may;
}

bool Balancer::reports_failed(const Admission& may) const {
  bool any = false;
  for (const Candidate& candidate : may.table.candidates) {
    if (!may.live.has_report(candidate.node) || may.is_forbidden(candidate.node)) continue;
    if (may.live.nodes_[candidate.node].health.load(std::memory_order_relaxed) != State::stale) return false;
    any = true;
  }
  return any;
}

bool Balancer::in_panic(const Pass& pass, Index group, Index pattern) const {
  const Admission may = admission(pass, group, pattern, false);
  if (!may.country_rules) return pass.live.sums_[may.table_number].panic.load(std::memory_order_relaxed);
  double weight = 0, healthy = 0;
  for (const Candidate& candidate : may.table.candidates) {
    if (may.is_forbidden(candidate.node)) continue;
    weight += candidate.weight;
    if (may.by_health(candidate.node) == Refused::none) healthy += candidate.weight;
  }
  return healthy * 100 < settings_.panic_percent * weight;
}

Index Balancer::choose(const Pass& pass, Index group, Index pattern, bool any_health, Account* account) const {
  Admission may = admission(pass, group, pattern, any_health);
  const Candidate* chosen = nullptr;
  if (!may.table.candidates.empty() && !over_quota(pass, group)) {
    chosen = choose_by(may, policy_of(pass.query.partner, pattern));
    if (chosen == nullptr) {
      // Nobody else: then those in their slow start take all.
      may.any_ramp = true;
      chosen = choose_by(may, policy_of(pass.query.partner, pattern));
    }
  }
  const Index node = chosen == nullptr ? kNone : chosen->node;
  if (account != nullptr) tell(may, pass, group, pattern, node, *account);
  return node;
}

const Candidate* Balancer::choose_by(const Admission& may, Policy policy) const {
  switch (policy) {
    case Policy::weighted:
      return by_weight(may);
    case Policy::least_loaded:
      return by_least_load(may);
    case Policy::nearest:
      return by_distance(may, tables_);
    case Policy::affinity:
      break;
  }
  return by_affinity(may);
}

void Balancer::tell(const Admission& may, const Pass& pass, Index group, Index pattern, Index chosen,
                    Account& account) const {
  std::uint32_t eligible = 0;
  const double factor =
      policy_of(pass.query.partner, pattern) == Policy::affinity && !may.any_health ? settings_.balance_factor : 0;
  for (const Index node : topology_->nodes_of(group)) {
    Refused why = refused(may, pass, pattern, node);
    if (why == Refused::none) {
      ++eligible;
      if (node != chosen) {
        const auto candidate = std::find_if(may.table.candidates.begin(), may.table.candidates.end(),
                                            [&](const Candidate& each) { return each.node == node; });
        why = factor > 0 && !may.has_room(*candidate, factor) ? Refused::overloaded : Refused::not_first;
      }
    }
    const auto known = std::find_if(account.verdicts.begin(), account.verdicts.end(),
                                    [&](const Verdict& verdict) { return verdict.node == node; });
    if (known == account.verdicts.end())
      account.verdicts.push_back({node, group, why});
    else
      known->refused = why;
  }
  account.attempts.push_back({pattern, group, eligible});
}

}  // namespace geo::balance

#include <algorithm>

#include "geo/balance.h"

namespace geo::balance {

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
  std::vector<std::uint64_t> seeds;
  for (const place::Node& node : rows.nodes) seeds.push_back(affinity::seed_of(node.id));
  for (Index partner = 0; partner < rows.partners.size(); ++partner)
    for (Index group = 0; group < rows.groups.size(); ++group)
      for (Index pattern = 0; pattern < rows.patterns.size(); ++pattern) {
        table_starts_.push_back(static_cast<std::uint32_t>(candidates_.size()));
        for (const Index node : topology_->nodes_of(group)) {
          const place::Node& row = rows.nodes[node];
          if (row.admin == place::Admin::online && row.weight > 0 && serves_partner(node, partner) &&
              serves_pattern(node, pattern))
            candidates_.push_back({node, seeds[node], 1.0 / row.weight});
        }
      }
  table_starts_.push_back(static_cast<std::uint32_t>(candidates_.size()));
}

std::span<const Balancer::Candidate> Balancer::table(Index partner, Index group, Index pattern) const {
  const place::Rows& rows = topology_->rows();
  const std::size_t at = (std::size_t{partner} * rows.groups.size() + group) * rows.patterns.size() + pattern;
  return {candidates_.data() + table_starts_[at], candidates_.data() + table_starts_[at + 1]};
}

std::optional<Choice> Balancer::select(const Query& query, const States& states, Account* account) const {
  if (auto choice = walk({query, states, {}, true}, account)) return choice;
  if (query.exclude.empty()) return std::nullopt;
  auto choice = walk({query, states, {}, false}, account);
  if (choice) choice->exclude_ignored = true;
  return choice;
}

std::size_t Balancer::alternates(const Query& query, const States& states, const Choice& first,
                                 std::span<Choice> out) const {
  std::array<Choice, 8> taken{first};
  std::size_t found = 0;
  while (found < out.size() && found + 1 < taken.size()) {
    const auto next = walk({query, states, {taken.data(), found + 1}, !first.exclude_ignored}, nullptr);
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
  const auto try_one = [&](Index group, Index pattern) {
    const Index node = choose(pass, group, pattern, account);
    if (node != kNone) choice = Choice{node, group, pattern, false};
    return choice.has_value();
  };
  const auto try_groups = [&](Index pattern) {
    if (try_one(own_group, pattern)) return true;
    for (const Index group : topology_->fallback_groups(own_group))
      if (try_one(group, pattern)) return true;
    return false;
  };
  if (try_groups(own_pattern)) return choice;
  for (const Index pattern : topology_->fallback_patterns(own_pattern))
    if (try_groups(pattern)) return choice;
  return choice;
}

Index Balancer::choose(const Pass& pass, Index group, Index pattern, Account* account) const {
  std::optional<bool> failed;  // worked out when the first report that matters is met
  Index best = kNone;
  double best_draw = 0;
  std::uint32_t eligible = 0;
  for (const Candidate& candidate : table(pass.query.partner, group, pattern)) {
    if (pass.states.of(candidate.node) != nullptr) {
      if (!failed) failed = reports_failed(pass, group, pattern);
      if (refused_by_report(pass, candidate.node, *failed) != Refused::none) continue;
    }
    if (refused_by_request(pass, candidate.node) != Refused::none) continue;
    ++eligible;
    const double draw = affinity::draw(pass.query.key, candidate.seed, candidate.inverse_weight);
    if (best == kNone || draw < best_draw) best = candidate.node, best_draw = draw;
  }
  if (account != nullptr) {
    account->attempts.push_back({pattern, group, eligible});
    if (!failed) failed = reports_failed(pass, group, pattern);
    for (const Index node : topology_->nodes_of(group)) {
      Refused why = refused(pass, pattern, node, *failed);
      if (why == Refused::none && node != best) why = Refused::not_first;
      const auto known = std::find_if(account->verdicts.begin(), account->verdicts.end(),
                                      [&](const Verdict& verdict) { return verdict.node == node; });
      if (known == account->verdicts.end())
        account->verdicts.push_back({node, group, why});
      else
        known->refused = why;
    }
  }
  return best;
}

}  // namespace geo::balance

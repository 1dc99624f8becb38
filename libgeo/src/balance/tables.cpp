// Which tables there are: those who may serve as far as the topology alone tells.
#include <algorithm>
#include <map>

#include "balance/table.h"

namespace geo::balance {

// Most partners, patterns and formats have the same candidates in a group: they share a table.
void Balancer::make_tables() {
  const place::Rows& rows = topology_->rows();
  std::vector<std::uint64_t> seeds;
  for (const place::Node& node : rows.nodes) seeds.push_back(affinity::seed_of(node.id));
  const auto uses_nearest = [](const std::vector<std::optional<Policy>>& policies) {
    return std::find(policies.begin(), policies.end(), Policy::nearest) != policies.end();
  };
  const bool nearest =
      settings_.policy == Policy::nearest || uses_nearest(policies_of_partners_) || uses_nearest(policies_of_patterns_);
  const std::size_t formats = kFormatNames.size() + 1;
  table_of_.resize(rows.partners.size() * rows.groups.size() * rows.patterns.size() * formats);
  std::vector<Index> nodes;
  for (Index group = 0; group < rows.groups.size(); ++group) {
    std::map<std::vector<Index>, std::uint32_t> known;
    const bool same_for_partners = std::all_of(topology_->nodes_of(group).begin(), topology_->nodes_of(group).end(),
                                               [&](Index node) { return rows.nodes[node].partners.empty(); });
    for (Index partner = 0; partner < rows.partners.size(); ++partner)
      for (Index pattern = 0; pattern < rows.patterns.size(); ++pattern)
        for (std::size_t format = 0; format < formats; ++format) {
          const auto at = [&](Index of_partner) {
            return ((std::size_t{of_partner} * rows.groups.size() + group) * rows.patterns.size() + pattern) * formats +
                   format;
          };
          if (partner > 0 && same_for_partners) {
            table_of_[at(partner)] = table_of_[at(0)];
            continue;
          }
          nodes.clear();
          for (const Index node : topology_->nodes_of(group)) {
            const place::Node& row = rows.nodes[node];
            const auto wanted =
                format < kFormatNames.size() ? std::optional(static_cast<Format>(format)) : std::nullopt;
            if (row.admin == place::Admin::online && row.weight > 0 && serves_partner(node, partner) &&
                serves_pattern(node, pattern) && serves_format(node, wanted))
              nodes.push_back(node);
          }
          const auto [found, is_new] = known.try_emplace(nodes, static_cast<std::uint32_t>(tables_.size()));
          if (is_new) add_table(group, nodes, seeds, nearest);
          table_of_[at(partner)] = found->second;
        }
  }
}

void Balancer::add_table(Index group, const std::vector<Index>& nodes, const std::vector<std::uint64_t>& seeds,
                         bool with_sites) {
  const std::size_t number = tables_.size();
  Table& table = tables_.emplace_back();
  table.group = group;
  for (const Index node : nodes) {
    const double weight = topology_->node(node).weight;
    table.candidates.push_back({node, seeds[node], weight, 1.0 / weight});
    table.weight += weight;
  }
  table.claim_cells();
  if (!with_sites) return;
  std::map<std::pair<double, double>, std::vector<Index>> by_place;
  std::vector<Index> without;
  for (const Index node : nodes) {
    const std::optional<place::Coordinates>& at = topology_->coordinates_of(node);
    (at ? by_place[{at->latitude, at->longitude}] : without).push_back(node);
  }
  if (by_place.empty() || nodes.size() == 1) return;
  const auto add_site = [&](std::optional<SiteAt> at, const std::vector<Index>& those) {
    const auto site = static_cast<std::uint32_t>(tables_.size());
    add_table(group, those, seeds, false);  // `table` is of no use from here on
    tables_[number].sites.push_back({at, site});
  };
  for (const auto& [at, those] : by_place) add_site(site_at({at.first, at.second}), those);
  if (!without.empty()) add_site(std::nullopt, without);
}

}  // namespace geo::balance

// Which tables there are: those who may serve as far as the topology alone tells.
#include <algorithm>
#include <map>
#include <tuple>

#include "balance/table.h"

namespace geo::balance {
namespace {

// Sorted; of ids that nobody has there is nothing to say.
std::vector<Index> found(const std::vector<std::string>& ids, const auto& find) {
  std::vector<Index> out;
  for (const std::string& id : ids)
    if (const Index index = find(id); index != kNone) out.push_back(index);
  std::sort(out.begin(), out.end());
  return out;
}

bool allows(bool all, const std::vector<Index>& some, Index one) {
  return all || std::binary_search(some.begin(), some.end(), one);
}

// For each of `count`, one that has the same tables: those that no node names are all alike.
std::vector<Index> alike(std::size_t count, const std::vector<std::vector<Index>>& names,
                         const std::vector<Index>& nodes) {
  std::vector<std::uint8_t> named(count);
  for (const Index node : nodes)
    for (const Index each : names[node]) named[each] = 1;
  std::vector<Index> out(count);
  Index first = kNone;
  for (Index i = 0; i < count; ++i) {
    if (named[i] == 0 && first == kNone) first = i;
    out[i] = named[i] != 0 ? i : first;
  }
  return out;
}

}  // namespace

struct Balancer::TablesOfGroup {
  Index group;
  bool nearest;
  const std::vector<std::uint64_t>& seeds;            // by node
  std::map<std::vector<Index>, std::uint32_t> known;  // by candidates
};

// Most partners, patterns and formats have the same candidates in a group: they share a table.
void Balancer::make_tables() {
  const place::Rows& rows = topology_->rows();
  std::vector<std::uint64_t> seeds;
  std::vector<std::vector<Index>> partners_of, patterns_of;
  for (const place::Node& node : rows.nodes) {
    seeds.push_back(affinity::seed_of(node.id));
    partners_of.push_back(found(node.partners, [&](const std::string& id) { return topology_->find_partner(id); }));
    patterns_of.push_back(found(node.patterns, [&](const std::string& id) { return topology_->find_pattern(id); }));
  }
  const auto uses_nearest = [](const std::vector<std::optional<Policy>>& policies) {
    return std::find(policies.begin(), policies.end(), Policy::nearest) != policies.end();
  };
  const bool nearest =
      settings_.policy == Policy::nearest || uses_nearest(policies_of_partners_) || uses_nearest(policies_of_patterns_);
  constexpr std::size_t kFormats = kFormatNames.size() + 1;
  table_of_.resize(rows.partners.size() * rows.groups.size() * rows.patterns.size() * kFormats);
  std::vector<Index> nodes;
  for (Index group = 0; group < rows.groups.size(); ++group) {
    TablesOfGroup those{group, nearest, seeds, {}};
    const std::vector<Index>& of_group = topology_->nodes_of(group);
    const std::vector<Index> partners = alike(rows.partners.size(), partners_of, of_group);
    const std::vector<Index> patterns = alike(rows.patterns.size(), patterns_of, of_group);
    for (Index partner = 0; partner < rows.partners.size(); ++partner)
      for (Index pattern = 0; pattern < rows.patterns.size(); ++pattern) {
        const auto at = [&](Index of_partner, Index of_pattern) {
          return ((std::size_t{of_partner} * rows.groups.size() + group) * rows.patterns.size() + of_pattern) *
                 kFormats;
        };
        for (std::size_t format = 0; format < kFormats; ++format) {
          std::uint32_t& number = table_of_[at(partner, pattern) + format];
          if (partners[partner] != partner || patterns[pattern] != pattern) {
            number = table_of_[at(partners[partner], patterns[pattern]) + format];
            continue;
          }
          nodes.clear();
          const auto wanted = format < kFormatNames.size() ? std::optional(static_cast<Format>(format)) : std::nullopt;
          for (const Index node : of_group) {
            const place::Node& row = rows.nodes[node];
            if (row.weight > 0 && allows(row.partners.empty(), partners_of[node], partner) &&
                allows(row.patterns.empty(), patterns_of[node], pattern) && serves_format(node, wanted))
              nodes.push_back(node);
          }
          number = table_for(nodes, those, false);
        }
      }
  }
}

std::uint32_t Balancer::table_for(const std::vector<Index>& nodes, TablesOfGroup& those, bool is_site) {
  const auto [found, is_new] = those.known.try_emplace(nodes, static_cast<std::uint32_t>(tables_.size()));
  const std::uint32_t number = found->second;
  if (!is_new) return number;
  Table& table = tables_.emplace_back();
  table.group = those.group;
  table.first_realm = realms_;
  using Rules = std::vector<place::Forbid>;
  const auto less = [this](Index a, Index b) {
    const auto& [country_a, country_b] = std::tie(topology_->country_of(a), topology_->country_of(b));
    if (country_a != country_b) return country_a < country_b;
    const Rules &rules_a = topology_->node(a).forbid, &rules_b = topology_->node(b).forbid;
    return std::lexicographical_compare(rules_a.begin(), rules_a.end(), rules_b.begin(), rules_b.end(),
                                        [](const place::Forbid& x, const place::Forbid& y) {
                                          return std::tie(x.client, x.node) < std::tie(y.client, y.node);
                                        });
  };
  std::map<Index, std::uint32_t, decltype(less)> realms(less);
  for (const Index node : nodes) {
    const place::Node& row = topology_->node(node);
    table.candidates.push_back({node, those.seeds[node], row.weight, 1 / std::max(row.weight, 1e-300)});
    const double weight = row.admin == place::Admin::online ? row.weight : 0;
    table.weight += weight;
    if (!any_rules_) continue;
    const std::uint32_t realm = realms.try_emplace(node, static_cast<std::uint32_t>(realms.size())).first->second;
    if (realm == table.realms.size()) table.realms.push_back({node, 0});
    table.realms[realm].weight += weight;
    table.realm_of.push_back(realm);
  }
  realms_ += static_cast<std::uint32_t>(table.realms.size());
  table.claim_cells();
  if (those.nearest && !is_site) add_sites(number, nodes, those);
  return number;
}

void Balancer::add_sites(std::uint32_t number, const std::vector<Index>& nodes, TablesOfGroup& those) {
  std::map<std::pair<double, double>, std::vector<std::uint32_t>> by_place;  // candidates
  std::vector<std::uint32_t> placeless;
  for (std::uint32_t i = 0; i < nodes.size(); ++i) {
    const std::optional<place::Coordinates>& at = topology_->coordinates_of(nodes[i]);
    (at ? by_place[{at->latitude, at->longitude}] : placeless).push_back(i);
  }
  if (by_place.empty() || by_place.size() + (placeless.empty() ? 0 : 1) < 2) return;
  std::vector<std::uint32_t> site_of(nodes.size());
  const auto site_for = [&](const std::vector<std::uint32_t>& candidates) {
    std::vector<Index> at_site;
    for (const std::uint32_t each : candidates) at_site.push_back(nodes[each]);
    const std::uint32_t site = table_for(at_site, those, true);  // `tables_` may have moved
    for (const std::uint32_t each : candidates) site_of[each] = site;
    return site;
  };
  std::vector<Site> sites;
  for (const auto& [at, candidates] : by_place) {
    Site& site = sites.emplace_back();
    site.at = place::UnitVector({at.first, at.second});
    site.rank = static_cast<std::uint32_t>(sites.size());
    site.table = site_for(candidates);
    if (candidates.size() == 1) site.alone = tables_[number].candidates[candidates[0]];
  }
  if (!placeless.empty()) tables_[number].placeless = site_for(placeless);
  Table& table = tables_[number];
  table.sites = Sites(std::move(sites));
  table.site_of = std::move(site_of);
}

}  // namespace geo::balance

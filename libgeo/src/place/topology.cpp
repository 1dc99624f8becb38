#include <algorithm>
#include <cmath>
#include <limits>

#include "geo/place.h"

namespace geo::place {
namespace {

// Where a place stands in the table: an empty part means "any".
void write_place_key(std::string& out, std::string_view country, std::string_view region, std::string_view city) {
  out.clear();
  out += country;
  out += '\n';
  out += region;
  out += '\n';
  out += city;
}

// "Geo.Example.com:8080" -> "geo.example.com"; an IPv6 literal keeps its brackets.
std::string_view without_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos &&
      (host.empty() || host.front() != '[' || host[colon - 1] == ']'))
    host = host.substr(0, colon);
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  return host;
}

}  // namespace

Topology::Topology(Rows rows, bool nearest) : rows_(std::move(rows)), nearest_(nearest) {
  const auto number = [](Ids& ids, const auto& list) {
    for (Index i = 0; i < list.size(); ++i) ids.emplace(list[i].id, i);
  };
  const auto ensure = [](auto& list, std::string_view id) {
    for (const auto& row : list)
      if (row.id == id) return;
    list.emplace_back().id = id;
  };
  ensure(rows_.patterns, kStreaming);
  ensure(rows_.partners, kDefaultPartner);
  number(patterns_, rows_.patterns);
  number(partners_, rows_.partners);
  number(groups_, rows_.groups);
  number(nodes_, rows_.nodes);
  default_partner_ = find_partner(kDefaultPartner);

  const auto indexes = [](const Ids& ids, const std::vector<std::string>& list) {
    std::vector<Index> out;
    for (const std::string& id : list)
      if (const Index i = find(ids, id); i != kNone) out.push_back(i);
    return out;
  };
  for (const Pattern& pattern : rows_.patterns) pattern_fallback_.push_back(indexes(patterns_, pattern.fallback));
  for (const Group& group : rows_.groups) group_fallback_.push_back(indexes(groups_, group.fallback));
  for (Index i = 0; i < rows_.partners.size(); ++i)
    for (const std::string& host : rows_.partners[i].hosts) partner_hosts_.emplace(host_as_sent(host), i);

  nodes_of_.resize(rows_.groups.size());
  for (Index i = 0; i < rows_.nodes.size(); ++i) {
    const Node& node = rows_.nodes[i];
    const Index group = find_group(node.group);
    group_of_node_.push_back(group);
    if (group != kNone) nodes_of_[group].push_back(i);
    const auto known_as = [&](std::uint16_t port, std::uint16_t default_port) {
      if (port == 0) return;
      node_hosts_.emplace(port == default_port ? node.host : node.host + ":" + std::to_string(port), i);
    };
    known_as(node.ports.https, 443);
    known_as(node.ports.wss, 443);
    known_as(node.ports.http, 80);
    known_as(node.ports.ws, 80);
  }
  // by id: the order of the rows never changes a decision
  for (std::vector<Index>& members : nodes_of_)
    std::sort(members.begin(), members.end(), [&](Index a, Index b) { return node(a).id < node(b).id; });

  for (Index i = 0; i < rows_.groups.size(); ++i)
    if (const auto& at = rows_.groups[i].coordinates) sites_.push_back({UnitVector(*at), i});
  std::sort(sites_.begin(), sites_.end(),
            [&](const Site& a, const Site& b) { return group(a.group).id < group(b.group).id; });

  std::string key;
  for (const Place& place : rows_.places) {
    write_place_key(key, place.country, place.region, place.city);
    places_.emplace(key, find_group(place.group));
  }
  std::vector<std::pair<Cidr, std::uint32_t>> networks;
  for (Index i = 0; i < rows_.networks.size(); ++i) networks.emplace_back(rows_.networks[i].cidr, i);
  networks_ = PrefixMap(std::move(networks));
}

Index Topology::find(const Ids& ids, std::string_view id) {
  const auto at = ids.find(id);
  return at == ids.end() ? kNone : at->second;
}
Index Topology::find_pattern(std::string_view id) const { return find(patterns_, id); }
Index Topology::find_partner(std::string_view id) const { return find(partners_, id); }
Index Topology::find_group(std::string_view id) const { return find(groups_, id); }
Index Topology::find_node(std::string_view id) const { return find(nodes_, id); }

Index Topology::partner_of_host(std::string_view host) const {
  if (partner_hosts_.empty()) return default_partner_;
  host = without_port(host);
  Index partner = kNone;
  if (host.starts_with('[')) {
    partner = find(partner_hosts_, host_as_sent(host));
  } else {  // as nearly all are: in lower case without an allocation
    char small[256];
    if (host.size() > sizeof small) return default_partner_;
    std::transform(host.begin(), host.end(), small,
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    partner = find(partner_hosts_, std::string_view(small, host.size()));
  }
  return partner == kNone ? default_partner_ : partner;
}

bool Topology::is_node_host(std::string_view host) const { return node_hosts_.find(host) != node_hosts_.end(); }

const Network* Topology::network_of(const Ip& ip) const {
  const std::optional<std::uint32_t> row = networks_.find(ip);
  return row ? &rows_.networks[*row] : nullptr;
}

Grouped Topology::group_of(const Ip* ip, const Location& location, Index partner, const Grouped* by_location) const {
  if (ip != nullptr)
    if (const Network* network = network_of(*ip); network != nullptr && !network->group.empty())
      return {find_group(network->group), GroupedBy::network};
  const Grouped found = by_location == nullptr ? group_of_location(location) : *by_location;
  if (found.group != kNone) return found;
  if (partner != kNone && !rows_.partners[partner].default_group.empty())
    return {find_group(rows_.partners[partner].default_group), GroupedBy::partner_default};
  return {};
}

// The most exact place wins: a city in its region, a city in the country, the region, the country. A region's ISO code
// goes before its name.
bool Topology::groups_as(const Topology& other) const {
  const auto same = [](const Group& a, const Group& b) { return a.id == b.id && a.coordinates == b.coordinates; };
  return nearest_ == other.nearest_ && rows_.places == other.rows_.places &&
         std::equal(rows_.groups.begin(), rows_.groups.end(), other.rows_.groups.begin(), other.rows_.groups.end(),
                    same);
}

Grouped Topology::group_of_location(const Location& at) const {
  if (!at.country_code.empty() && !places_.empty()) {
    thread_local std::string key;  // keeps its buffer: no allocation per look-up
    Index group = kNone;
    const auto is_there = [&](std::string_view region, std::string_view city) {
      write_place_key(key, at.country_code, region, city);
      group = find(places_, key);
      return group != kNone;
    };
    if (!at.city.empty() && ((!at.region_iso.empty() && is_there(at.region_iso, at.city)) ||
                             (!at.region.empty() && is_there(at.region, at.city)) || is_there({}, at.city)))
      return {group, GroupedBy::city};
    if ((!at.region_iso.empty() && is_there(at.region_iso, {})) || (!at.region.empty() && is_there(at.region, {})))
      return {group, GroupedBy::region};
    if (is_there({}, {})) return {group, GroupedBy::country};
  }
  if (nearest_ && at.coordinates)
    if (const Index group = nearest_group(*at.coordinates); group != kNone) return {group, GroupedBy::nearest};
  return {};
}

// Squared chords stand in the order of the distances and take no sine per group. They are off by some 1e-15: groups
// closer to the best than that are measured, so that equal distances are equal.
Index Topology::nearest_group(const Coordinates& at) const {
  constexpr double kDoubt = 1e-12;
  const UnitVector client(at);
  double least = std::numeric_limits<double>::infinity();
  for (const Site& site : sites_) least = std::min(least, site.at.chord2(client));
  Index best = kNone;
  double best_km = std::numeric_limits<double>::infinity();
  for (const Site& site : sites_) {
    if (site.at.chord2(client) > least + kDoubt) continue;
    const double km = distance_km(at, *group(site.group).coordinates);
    if (km < best_km) best = site.group, best_km = km;  // sites stand by id: the first of equals
  }
  return best;
}

const std::string& Topology::country_of(Index n) const {
  const Node& row = node(n);
  return row.country.empty() ? group(group_of_node(n)).country : row.country;
}

const std::optional<Coordinates>& Topology::coordinates_of(Index n) const {
  const Node& row = node(n);
  return row.coordinates ? row.coordinates : group(group_of_node(n)).coordinates;
}

}  // namespace geo::place

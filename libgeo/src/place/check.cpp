#include <fmt/format.h>

#include <map>
#include <set>
#include <unordered_set>

#include "geo/place.h"

namespace geo::place {
namespace {

// Collects the faults of one table and says each in the same words.
class Checks {
 public:
  explicit Checks(const Rows& rows) : rows_(rows) {}

  std::vector<RowFault> run() {
    const Ids patterns = ids("patterns", rows_.patterns, kStreaming);
    const Ids partners = ids("partners", rows_.partners, kDefaultPartner);
    const Ids groups = ids("groups", rows_.groups, {});
    ids("nodes", rows_.nodes, {});

    for (std::size_t i = 0; i < rows_.patterns.size(); ++i)
      fallback("patterns", i, "pattern", rows_.patterns[i].id, rows_.patterns[i].fallback, patterns);
    for (std::size_t i = 0; i < rows_.groups.size(); ++i)
      fallback("groups", i, "group", rows_.groups[i].id, rows_.groups[i].fallback, groups);
    check_partners(groups);
    check_places(groups);
    check_networks(groups);
    for (std::size_t i = 0; i < rows_.nodes.size(); ++i) {
      reference("nodes", i, "group", rows_.nodes[i].group, "group", groups);
      references("nodes", i, "patterns", rows_.nodes[i].patterns, "pattern", patterns);
      references("nodes", i, "partners", rows_.nodes[i].partners, "partner", partners);
    }
    return std::move(faults_);
  }

 private:
  using Ids = std::unordered_set<std::string>;

  void fault(std::string_view table, std::size_t row, std::string_view key, std::string message,
             std::ptrdiff_t item = -1) {
    faults_.push_back({std::string(table), row, std::string(key), std::move(message), item});
  }

  template <class Row>
  Ids ids(std::string_view table, const std::vector<Row>& rows, std::string_view built_in) {
    Ids seen;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (!rows[i].id.empty() && !seen.insert(rows[i].id).second)
        fault(table, i, "id", fmt::format("\"{}\" is there already", rows[i].id));
    if (!built_in.empty()) seen.insert(std::string(built_in));
    return seen;
  }

  void reference(std::string_view table, std::size_t row, std::string_view key, const std::string& id,
                 std::string_view kind, const Ids& known, std::ptrdiff_t item = -1) {
    if (!id.empty() && !known.contains(id)) fault(table, row, key, fmt::format("no {} \"{}\"", kind, id), item);
  }

  void references(std::string_view table, std::size_t row, std::string_view key, const std::vector<std::string>& list,
                  std::string_view kind, const Ids& known) {
    std::set<std::string_view> seen;
    for (std::size_t item = 0; item < list.size(); ++item) {
      reference(table, row, key, list[item], kind, known, static_cast<std::ptrdiff_t>(item));
      if (!list[item].empty() && !seen.insert(list[item]).second)
        fault(table, row, key, fmt::format("\"{}\" is in the list already", list[item]),
              static_cast<std::ptrdiff_t>(item));
    }
  }

  void fallback(std::string_view table, std::size_t row, std::string_view kind, const std::string& own,
                const std::vector<std::string>& list, const Ids& known) {
    references(table, row, "fallback", list, kind, known);
    for (std::size_t item = 0; item < list.size(); ++item)
      if (!own.empty() && list[item] == own)
        fault(table, row, "fallback", fmt::format("{} \"{}\" falls back on itself", kind, own),
              static_cast<std::ptrdiff_t>(item));
  }

  void check_partners(const Ids& groups) {
    std::map<std::string, std::string> claimed;
    for (std::size_t i = 0; i < rows_.partners.size(); ++i) {
      const Partner& partner = rows_.partners[i];
      reference("partners", i, "default_group", partner.default_group, "group", groups);
      for (std::size_t item = 0; item < partner.hosts.size(); ++item) {
        const auto [at, is_new] = claimed.emplace(lower(partner.hosts[item]), partner.id);
        if (!is_new)
          fault("partners", i, "hosts",
                fmt::format("\"{}\" is claimed by partner \"{}\" already", at->first, at->second),
                static_cast<std::ptrdiff_t>(item));
      }
    }
  }

  void check_places(const Ids& groups) {
    std::set<std::tuple<std::string, std::string, std::string>> seen;
    for (std::size_t i = 0; i < rows_.places.size(); ++i) {
      const Place& place = rows_.places[i];
      reference("places", i, "group", place.group, "group", groups);
      if (!place.country.empty() && !seen.emplace(place.country, place.region, place.city).second)
        fault("places", i, "country",
              fmt::format("{}/{}/{} is claimed already", place.country, place.region, place.city));
    }
  }

  void check_networks(const Ids& groups) {
    std::set<Cidr> seen;
    for (std::size_t i = 0; i < rows_.networks.size(); ++i) {
      const Network& network = rows_.networks[i];
      reference("networks", i, "group", network.group, "group", groups);
      const bool unread = network.group.empty() && network.location.empty();
      if (!unread && !seen.insert(network.cidr).second)
        fault("networks", i, "cidr", fmt::format("{} is claimed already", network.cidr.to_string()));
    }
  }

  const Rows& rows_;
  std::vector<RowFault> faults_;
};

}  // namespace

std::vector<RowFault> check(const Rows& rows) { return Checks(rows).run(); }

}  // namespace geo::place

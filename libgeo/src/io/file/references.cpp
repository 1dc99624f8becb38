#include <fmt/format.h>

#include <functional>
#include <string_view>
#include <unordered_set>

#include "geo/base/text.h"
#include "io/file/tables.h"

namespace geo::io {
namespace {

using Keys = std::unordered_set<std::string_view>;

// Collects the faults of rows that contradict each other. Views into `data` stay good while it is checked.
class Checks {
 public:
  std::vector<RowFault> faults;

  // The keys of a table; a key that was there already is a fault of the later row.
  template <class T, class KeyOf>
  Keys keys(std::string_view table, std::string_view name, const std::vector<T>& rows, KeyOf key_of) {
    Keys seen;
    seen.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string_view key = key_of(rows[i]);
      if (!seen.insert(key).second) fault(table, i, name, fmt::format("{} is there already", in_quotes(key)));
    }
    return seen;
  }

  void reference(std::string_view table, std::size_t row, std::string_view key, std::string_view id,
                 std::string_view kind, const Keys& known) {
    if (!id.empty() && !known.contains(id)) fault(table, row, key, fmt::format("no {} {}", kind, in_quotes(id)));
  }

  // Owners of other types than "user" are no rows of the store.
  void owner(std::string_view table, std::size_t row, std::string_view type, std::string_view id, const Keys& users) {
    if (type == "user") reference(table, row, "owner_id", id, "user", users);
  }

  void fault(std::string_view table, std::size_t row, std::string_view key, std::string message) {
    faults.push_back({std::string(table), row, std::string(key), std::move(message)});
  }
};

template <class T>
Keys ids_of(const std::vector<T>& rows) {
  Keys ids;
  for (const T& row : rows) ids.insert(row.id);
  return ids;
}

void check_tokens(Checks& checks, const Data& data, const Keys& users, bool users_whole) {
  Keys seen;
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    const auth::Token& token = data.tokens[i];
    const std::string_view digest(reinterpret_cast<const char*>(token.sha256.data()), token.sha256.size());
    if (!seen.insert(digest).second) checks.fault("tokens", i, "sha256", "this token is there already");
    if (users_whole) checks.owner("tokens", i, token.owner.type, token.owner.id, users);
  }
}

void check_cameras(Checks& checks, const Data& data, const Keys& servers, bool servers_whole) {
  struct Name {
    std::string_view server, id;
    bool operator==(const Name&) const = default;
  };
  const auto hash = [](const Name& name) {
    return std::hash<std::string_view>{}(name.server) * 31 + std::hash<std::string_view>{}(name.id);
  };
  std::unordered_set<Name, decltype(hash)> seen(data.cameras.size(), hash);
  for (std::size_t i = 0; i < data.cameras.size(); ++i) {
    const devices::Camera& camera = data.cameras[i];
    if (!seen.insert({camera.server, camera.id}).second)
      checks.fault("cameras", i, "id",
                   fmt::format("{} of server {} is there already", in_quotes(camera.id), in_quotes(camera.server)));
    if (servers_whole) checks.reference("cameras", i, "server", camera.server, "server", servers);
  }
}

void check_reports(Checks& checks, const std::vector<balance::Report>& reports, const Keys& nodes, bool nodes_whole) {
  checks.keys("node_states", "id", reports, [](const balance::Report& report) { return std::string_view(report.id); });
  if (!nodes_whole) return;
  for (std::size_t i = 0; i < reports.size(); ++i)
    checks.reference("node_states", i, "id", reports[i].id, "node", nodes);
}

}  // namespace

std::vector<RowFault> check_references(const Data& data, const Whole& whole) {
  Checks checks;
  const auto id = [](const auto& row) { return std::string_view(row.id); };
  const Keys users = checks.keys("users", "id", data.users, id);
  const Keys tariffs = checks.keys("tariffs", "id", data.tariffs, id);
  const Keys servers = checks.keys("servers", "id", data.servers, id);
  checks.keys("usage", "user", data.usage, [](const billing::Usage& usage) { return std::string_view(usage.user); });

  check_tokens(checks, data, users, whole.users);
  check_cameras(checks, data, servers, whole.servers);
  if (whole.users) {
    for (std::size_t i = 0; i < data.grants.size(); ++i)
      checks.owner("grants", i, data.grants[i].owner.type, data.grants[i].owner.id, users);
    for (std::size_t i = 0; i < data.usage.size(); ++i)
      checks.reference("usage", i, "user", data.usage[i].user, "user", users);
    for (std::size_t i = 0; i < data.servers.size(); ++i)
      checks.owner("servers", i, data.servers[i].owner_type, data.servers[i].owner_id, users);
  }
  if (whole.tariffs)
    for (std::size_t i = 0; i < data.users.size(); ++i)
      checks.reference("users", i, "tariff", data.users[i].tariff, "tariff", tariffs);
  if (whole.partners) {
    Keys partners = ids_of(data.topology.partners);
    partners.insert(place::kDefaultPartner);
    for (std::size_t i = 0; i < data.servers.size(); ++i)
      checks.reference("servers", i, "partner", data.servers[i].partner, "partner", partners);
  }
  check_reports(checks, data.node_states, ids_of(data.topology.nodes), whole.nodes);
  return std::move(checks.faults);
}

std::vector<RowFault> check_node_states(const std::vector<balance::Report>& reports,
                                        const std::vector<place::Node>& nodes, bool nodes_whole) {
  Checks checks;
  check_reports(checks, reports, ids_of(nodes), nodes_whole);
  return std::move(checks.faults);
}

}  // namespace geo::io

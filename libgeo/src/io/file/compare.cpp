#include <algorithm>

#include "geo/io/file.h"
#include "io/file/rows.h"
#include "io/file/written.h"

namespace geo::io {
namespace {

// ---- a row's key for people ----

template <class Row>
std::string name_of(const Row& row) {
  return row.id;
}
std::string name_of(const place::Place& place) {
  std::string name = place.country;
  if (!place.region.empty() || !place.city.empty()) name += "/" + place.region;
  if (!place.city.empty()) name += "/" + place.city;
  return name;
}
std::string name_of(const place::Network& network) { return network.cidr.to_string(); }
std::string name_of(const auth::Token& token) { return hex(token.sha256.data(), token.sha256.size()); }
std::string name_of(const auth::Grant& grant) {
  return fmt::format("{}/{}/{}/{}/{}", grant.owner.type, grant.owner.id, grant.object_type, grant.server,
                     grant.object_id);
}
std::string name_of(const billing::Usage& usage) { return usage.user; }
std::string name_of(const devices::Camera& camera) { return camera.server + "/" + camera.id; }

// Rights are what is granted, and no part of what a grant is told from others by.
template <class Row>
auto identity_of(const Row& row) {
  return key_of(row);
}
auto identity_of(const auth::Grant& grant) {
  return std::tie(grant.owner.type, grant.owner.id, grant.object_type, grant.server, grant.object_id);
}

// ---- values ----

// Each key, whether or not its value is the usual one.
class Values {
 public:
  std::vector<std::pair<std::string_view, std::string>> all;

  template <class Value>
  Values& key(std::string_view name, const Value& value) {
    all.emplace_back(name, "");
    append(all.back().second, value);
    return *this;
  }
  template <class Value>
  Values& key(std::string_view name, const Value& value, const Value&) {
    return key(name, value);
  }
  template <class Value>
  Values& key(std::string_view name, const std::optional<Value>& value, const std::optional<Value>&) {
    all.emplace_back(name, "");
    if (value) append(all.back().second, *value);
    return *this;
  }
};

template <class Row>
std::vector<Difference::Value> changes(const Row& before, const Row& after) {
  static const Row kUsual{};
  Values old, fresh;
  write_row(old, before, kUsual);
  write_row(fresh, after, kUsual);
  std::vector<Difference::Value> changed;
  // The same keys in the same order, but for those that a row writes only now and then.
  for (const auto& [key, value] : old.all) {
    const auto at =
        std::find_if(fresh.all.begin(), fresh.all.end(), [&](const auto& each) { return each.first == key; });
    const std::string now = at == fresh.all.end() ? "" : at->second;
    if (now == value) continue;
    const auto told = [&, name = key](const std::string& text) -> std::string {
      return name == "check" && text.size() > 2 ? "\"***\"" : text;  // a URL, perhaps with a password in it
    };
    changed.push_back({std::string(key), told(value), told(now)});
  }
  for (const auto& [key, value] : fresh.all)
    if (std::none_of(old.all.begin(), old.all.end(), [&](const auto& each) { return each.first == key; }))
      changed.push_back({std::string(key), "", value});
  return changed;
}

template <class Row>
void compare(std::vector<Difference>& out, const char* table, const std::vector<Row>& before,
             const std::vector<Row>& after) {
  using Kind = Difference::Kind;
  auto old = before.begin();
  auto fresh = after.begin();
  while (old != before.end() || fresh != after.end()) {
    if (fresh == after.end() || (old != before.end() && identity_of(*old) < identity_of(*fresh))) {
      out.push_back({Kind::removed, table, name_of(*old++), {}});
    } else if (old == before.end() || identity_of(*fresh) < identity_of(*old)) {
      out.push_back({Kind::added, table, name_of(*fresh++), {}});
    } else {
      if (*old != *fresh) out.push_back({Kind::changed, table, name_of(*fresh), changes(*old, *fresh)});
      ++old, ++fresh;
    }
  }
}

}  // namespace

std::vector<Difference> differences(const Data& before, const Data& after) {
  std::vector<Difference> out;
  const place::Rows &old = before.topology, &fresh = after.topology;
  compare(out, "patterns", old.patterns, fresh.patterns);
  compare(out, "partners", old.partners, fresh.partners);
  compare(out, "groups", old.groups, fresh.groups);
  compare(out, "places", old.places, fresh.places);
  compare(out, "networks", old.networks, fresh.networks);
  compare(out, "nodes", old.nodes, fresh.nodes);
  compare(out, "tokens", before.tokens, after.tokens);
  compare(out, "grants", before.grants, after.grants);
  compare(out, "users", before.users, after.users);
  compare(out, "tariffs", before.tariffs, after.tariffs);
  compare(out, "usage", before.usage, after.usage);
  compare(out, "servers", before.servers, after.servers);
  compare(out, "cameras", before.cameras, after.cameras);
  return out;
}

}  // namespace geo::io

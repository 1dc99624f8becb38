// Rows as they are told to people: by key, their values as TOML has them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "geo/auth.h"
#include "geo/base/text.h"
#include "geo/billing.h"
#include "geo/devices.h"
#include "geo/place.h"
#include "io/file/tables.h"

namespace geo::io {

// ---- the order of rows: by their key, a grant by all it says ----

template <class Row>
auto key_of(const Row& row) {
  return std::tie(row.id);
}
inline auto key_of(const place::Place& place) { return std::tie(place.country, place.region, place.city); }
inline auto key_of(const place::Network& network) { return std::tie(network.cidr); }
inline auto key_of(const auth::Token& token) { return std::tie(token.sha256); }
inline auto key_of(const auth::Grant& grant) {
  return std::tie(grant.owner.type, grant.owner.id, grant.object_type, grant.server, grant.object_id, grant.rights);
}
inline auto key_of(const billing::Usage& usage) { return std::tie(usage.user); }
inline auto key_of(const devices::Camera& camera) { return std::tie(camera.server, camera.id); }

// ---- values ----

inline void append(std::string& out, std::string_view text) {
  Json(out).text(text);  // a JSON string is a basic string of TOML
}
inline void append(std::string& out, bool value) { out += value ? "true" : "false"; }
inline void append(std::string& out, std::int64_t value) { fmt::format_to(std::back_inserter(out), "{}", value); }
inline void append(std::string& out, double value) {
  // The shortest that reads back the same; the zeros are equal, so they look it.
  fmt::format_to(std::back_inserter(out), "{}", value == 0 ? 0.0 : value);
}
inline void append(std::string& out, WallTime time) { out += toml_time(time); }
inline void append(std::string& out, const place::Coordinates& at) {
  out += '[';
  append(out, at.latitude);
  out += ", ";
  append(out, at.longitude);
  out += ']';
}
inline void append(std::string& out, const place::Forbid& forbid) { append(out, forbid.client + ">" + forbid.node); }
inline void append(std::string& out, const place::Ports& ports) {
  std::string_view before = "{ ";
  for (const auto& [scheme, port] : {std::pair{"https", ports.https}, std::pair{"wss", ports.wss},
                                     std::pair{"http", ports.http}, std::pair{"ws", ports.ws}}) {
    if (port == 0) continue;
    fmt::format_to(std::back_inserter(out), "{}{} = {}", before, scheme, port);
    before = ", ";
  }
  out += " }";
}
template <class Item>
void append(std::string& out, const std::vector<Item>& items) {
  out += '[';
  for (const Item& item : items) {
    if (&item != &items.front()) out += ", ";
    append(out, item);
  }
  out += ']';
}
template <class Value>
void append(std::string& out, const std::optional<Value>& value) {
  append(out, *value);
}

}  // namespace geo::io

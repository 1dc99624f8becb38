// The keys of every table, each named once, and what their values must look like - whatever holds the row: a table of a
// TOML file (io/file/document.h) or a document of MongoDB (io/mongo/fields.h).
//
// read_row(fields, row) says whether the row can be told from others. `Fields` offers
//   text texts boolean integer number time coordinates   the value of a key; nothing where it is absent or told as
//   wrong table(key, expected, read)    the keys of a table within the row; true: it is there and in order fault(key,
//   message)           of a value that is there fault_missing(key, message) ok()                          nothing was
//   wrong so far
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/auth.h"
#include "geo/balance.h"
#include "geo/base/ip.h"
#include "geo/base/text.h"
#include "geo/billing.h"
#include "geo/devices.h"
#include "geo/place.h"
#include "io/file/rules.h"

namespace geo::io {

// ---- accounts ----

template <class Fields>
bool read_row(Fields& fields, auth::Token& token) {
  const auto digits = fields.text("sha256", rules::sha256(), Need::required);
  if (digits) {
    const std::vector<std::uint8_t> bytes = *from_hex(*digits);
    std::copy(bytes.begin(), bytes.end(), token.sha256.begin());
  }
  assign(fields.text("owner_type", rules::id(), Need::required), token.owner.type);
  assign(fields.text("owner_id", rules::id(), Need::required), token.owner.id);
  token.expires_at = fields.time("expires_at");
  return digits.has_value();
}

template <class Fields>
bool read_row(Fields& fields, auth::Grant& grant) {
  static const TextRule object_type = rules::one_of({"camera", "server"});
  assign(fields.text("owner_type", rules::id(), Need::required), grant.owner.type);
  assign(fields.text("owner_id", rules::id(), Need::required), grant.owner.id);
  assign(fields.text("object_type", object_type, Need::required), grant.object_type);
  assign(fields.text("object_id", rules::id(), Need::required), grant.object_id);
  const bool of_camera = grant.object_type == "camera";
  assign(fields.text("server", rules::id(), of_camera ? Need::required : Need::optional), grant.server);
  if (grant.object_type == "server" && !grant.server.empty() && !grant.object_id.empty() &&
      grant.server != grant.object_id)
    fields.fault("server",
                 "expected the grant's object_id " + in_quotes(grant.object_id) + ", found " + in_quotes(grant.server));
  assign(fields.texts("rights", rules::id()), grant.rights);
  return true;
}

template <class Fields>
bool read_row(Fields& fields, billing::User& user) {
  assign(fields.text("id", rules::id(), Need::required), user.id);
  assign(fields.text("tariff", rules::id(), Need::required), user.tariff);
  user.paid_until = fields.time("paid_until");
  assign(fields.boolean("blocked"), user.blocked);
  return !user.id.empty();
}

template <class Fields>
bool read_row(Fields& fields, billing::Tariff& tariff) {
  assign(fields.text("id", rules::id(), Need::required), tariff.id);
  assign(fields.texts("formats", rules::format(), Need::required), tariff.formats);
  tariff.max_streams = fields.integer("max_streams", 0, INT64_MAX);
  return !tariff.id.empty();
}

template <class Fields>
bool read_row(Fields& fields, billing::Usage& usage) {
  assign(fields.text("user", rules::id(), Need::required), usage.user);
  assign(fields.integer("streams", 0, INT64_MAX), usage.streams);
  usage.reported_at = fields.time("reported_at");
  return !usage.user.empty();
}

// ---- devices ----

template <class Fields>
bool read_row(Fields& fields, devices::Server& server) {
  assign(fields.text("id", rules::id(), Need::required), server.id);
  assign(fields.text("dc", rules::free_text()), server.dc);
  assign(fields.boolean("online", Need::required), server.online);
  assign(fields.text("partner", rules::id_or_empty()), server.partner);
  assign(fields.text("owner_type", rules::id(), Need::required), server.owner_type);
  assign(fields.text("owner_id", rules::id(), Need::required), server.owner_id);
  return !server.id.empty();
}

template <class Fields>
bool read_row(Fields& fields, devices::Camera& camera) {
  assign(fields.text("server", rules::id(), Need::required), camera.server);
  assign(fields.text("id", rules::id(), Need::required), camera.id);
  assign(fields.boolean("online", Need::required), camera.online);
  assign(fields.texts("streams", rules::format(), Need::required), camera.streams);
  return !camera.server.empty() && !camera.id.empty();
}

// ---- states ----

template <class Fields>
bool read_row(Fields& fields, balance::Report& report) {
  assign(fields.text("id", rules::id(), Need::required), report.id);
  assign(fields.time("seen_at", Need::required), report.seen_at);
  assign(fields.boolean("online"), report.online);
  report.sessions = fields.integer("sessions", 0, INT64_MAX);
  report.load = fields.number("load", 0, 1e6);
  return !report.id.empty() && report.seen_at != WallTime{};
}

// ---- topology ----

template <class Fields>
std::vector<place::Forbid> forbid_of(Fields& fields) {
  std::vector<place::Forbid> list;
  for (const std::string& text : fields.texts("forbid", rules::forbid()).value_or(std::vector<std::string>{}))
    if (const auto forbid = place::parse_forbid(text)) list.push_back(*forbid);
  return list;
}

template <class Fields>
bool read_row(Fields& fields, place::Pattern& pattern) {
  assign(fields.text("id", rules::id(), Need::required), pattern.id);
  assign(fields.texts("fallback", rules::id()), pattern.fallback);
  assign(fields.text("policy", rules::policy()), pattern.policy);
  return !pattern.id.empty();
}

template <class Fields>
bool read_row(Fields& fields, place::Partner& partner) {
  assign(fields.text("id", rules::id(), Need::required), partner.id);
  assign(fields.texts("hosts", rules::host()), partner.hosts);
  for (std::string& host : partner.hosts) host = host_as_sent(host);
  assign(fields.text("default_group", rules::id_or_empty()), partner.default_group);
  assign(fields.number("max_share", 0, 1), partner.max_share);
  assign(fields.text("policy", rules::policy()), partner.policy);
  return !partner.id.empty();
}

template <class Fields>
bool read_row(Fields& fields, place::Group& group) {
  assign(fields.text("id", rules::id(), Need::required), group.id);
  group.coordinates = fields.coordinates("coordinates");
  assign(fields.text("country", rules::country_or_empty()), group.country);
  assign(fields.texts("fallback", rules::id()), group.fallback);
  group.forbid = forbid_of(fields);
  return !group.id.empty();
}

template <class Fields>
bool read_row(Fields& fields, place::Place& place) {
  assign(fields.text("country", rules::country(), Need::required), place.country);
  assign(fields.text("region", rules::free_text()), place.region);
  assign(fields.text("city", rules::free_text()), place.city);
  assign(fields.text("group", rules::id(), Need::required), place.group);
  return fields.ok();
}

template <class Fields>
bool read_row(Fields& fields, place::Network& network) {
  if (const auto cidr = fields.text("cidr", rules::cidr(), Need::required)) network.cidr = *Cidr::parse(*cidr);
  assign(fields.text("group", rules::id_or_empty()), network.group);
  place::Location& location = network.location;
  assign(fields.text("country", rules::country_or_empty()), location.country_code);
  if (auto region = fields.text("region", rules::free_text()))
    (place::is_region_iso(*region) ? location.region_iso : location.region) = std::move(*region);
  assign(fields.text("city", rules::free_text()), location.city);
  location.coordinates = fields.coordinates("coordinates");
  if (fields.ok() && network.group.empty() && location.empty())
    fields.fault_missing("group", "missing; expected a group, or a place: country, region, city or coordinates");
  return fields.ok();
}

template <class Fields>
place::Ports ports_of(Fields& fields) {
  constexpr auto kNotOffered = std::uint16_t{0};
  const auto port = [&](std::string_view scheme) {
    const auto value = fields.integer(scheme, 1, 65535);
    return value ? static_cast<std::uint16_t>(*value) : kNotOffered;
  };
  place::Ports ports{port("https"), port("wss"), port("http"), port("ws")};
  // A WebSocket is one HTTP connection: where only one of the two is named, both use its port.
  if (ports.https == kNotOffered) ports.https = ports.wss;
  if (ports.wss == kNotOffered) ports.wss = ports.https;
  if (ports.http == kNotOffered) ports.http = ports.ws;
  if (ports.ws == kNotOffered) ports.ws = ports.http;
  return ports;
}

template <class Fields>
bool read_row(Fields& fields, place::Node& node) {
  static const TextRule admin = rules::one_of({"online", "drain", "offline"});
  assign(fields.text("id", rules::id(), Need::required), node.id);
  if (const auto host = fields.text("host", rules::host(), Need::required)) node.host = host_as_sent(*host);
  assign(fields.text("group", rules::id(), Need::required), node.group);
  assign(fields.text("dc", rules::free_text()), node.dc);
  assign(fields.number("weight", 0, place::kWeightMax), node.weight);
  node.capacity = fields.integer("capacity", 0, INT64_MAX);
  assign(fields.texts("patterns", rules::id()), node.patterns);
  assign(fields.texts("partners", rules::id()), node.partners);
  assign(fields.texts("formats", rules::format()), node.formats);
  if (const auto name = fields.text("admin", admin)) node.admin = *place::admin_of(*name);
  assign(fields.text("country", rules::country_or_empty()), node.country);
  node.coordinates = fields.coordinates("coordinates");
  node.forbid = forbid_of(fields);
  assign(fields.text("check", rules::check_or_empty()), node.check);
  const bool listed =
      fields.table("ports", "a table such as { https = 443 }", [&](Fields& ports) { node.ports = ports_of(ports); });
  if (listed && node.ports == place::Ports{0, 0, 0, 0})
    fields.fault("ports", "expected at least one of https, wss, http, ws, found none");
  return !node.id.empty();
}

// For Document::rows().
inline constexpr auto kReadRow = [](auto& fields, auto& row) { return read_row(fields, row); };

}  // namespace geo::io

// The keys of every table, each named once, and what their values must look like - whatever holds the row: a table of a
// TOML file (io/file/document.h) or a document of MongoDB (io/mongo/fields.h).
//
// read_row(fields, row) says whether the row can be told from others. `Fields` offers text(), texts(), boolean(),
// integer(), number(), time(), coordinates(): the value of a key, nothing where it is absent or told as wrong;
// table(key, expected, read): the keys of a table within the row, true where it is there and in order;
// fault(key, message) of a value that is there, fault_missing(key, message); ok(): nothing was wrong so far.
//
// write_row(keys, row, usual) gives `Keys` what is required as key(name, value), all else as key(name, value, usual):
// it may be left out where the two are equal. `usual`: a row as read_row() finds it.
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

template <class Keys>
void write_row(Keys& keys, const auth::Token& token, const auth::Token& usual) {
  keys.key("sha256", hex(token.sha256.data(), token.sha256.size()))
      .key("owner_type", token.owner.type)
      .key("owner_id", token.owner.id)
      .key("expires_at", token.expires_at, usual.expires_at);
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

template <class Keys>
void write_row(Keys& keys, const auth::Grant& grant, const auth::Grant& usual) {
  keys.key("owner_type", grant.owner.type)
      .key("owner_id", grant.owner.id)
      .key("object_type", grant.object_type)
      .key("server", grant.server, usual.server)
      .key("object_id", grant.object_id)
      .key("rights", grant.rights, usual.rights);
}

template <class Fields>
bool read_row(Fields& fields, billing::User& user) {
  assign(fields.text("id", rules::id(), Need::required), user.id);
  assign(fields.text("tariff", rules::id(), Need::required), user.tariff);
  user.paid_until = fields.time("paid_until");
  assign(fields.boolean("blocked"), user.blocked);
  return !user.id.empty();
}

template <class Keys>
void write_row(Keys& keys, const billing::User& user, const billing::User& usual) {
  keys.key("id", user.id)
      .key("tariff", user.tariff)
      .key("paid_until", user.paid_until, usual.paid_until)
      .key("blocked", user.blocked, usual.blocked);
}

template <class Fields>
bool read_row(Fields& fields, billing::Tariff& tariff) {
  assign(fields.text("id", rules::id(), Need::required), tariff.id);
  assign(fields.texts("formats", rules::format(), Need::required), tariff.formats);
  tariff.max_streams = fields.integer("max_streams", 0, INT64_MAX);
  return !tariff.id.empty();
}

template <class Keys>
void write_row(Keys& keys, const billing::Tariff& tariff, const billing::Tariff& usual) {
  keys.key("id", tariff.id).key("formats", tariff.formats).key("max_streams", tariff.max_streams, usual.max_streams);
}

template <class Fields>
bool read_row(Fields& fields, billing::Usage& usage) {
  assign(fields.text("user", rules::id(), Need::required), usage.user);
  assign(fields.integer("streams", 0, INT64_MAX), usage.streams);
  usage.reported_at = fields.time("reported_at");
  return !usage.user.empty();
}

template <class Keys>
void write_row(Keys& keys, const billing::Usage& usage, const billing::Usage& usual) {
  keys.key("user", usage.user)
      .key("streams", usage.streams, usual.streams)
      .key("reported_at", usage.reported_at, usual.reported_at);
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

template <class Keys>
void write_row(Keys& keys, const devices::Server& server, const devices::Server& usual) {
  keys.key("id", server.id)
      .key("dc", server.dc, usual.dc)
      .key("online", server.online)
      .key("partner", server.partner, usual.partner)
      .key("owner_type", server.owner_type)
      .key("owner_id", server.owner_id);
}

template <class Fields>
bool read_row(Fields& fields, devices::Camera& camera) {
  assign(fields.text("server", rules::id(), Need::required), camera.server);
  assign(fields.text("id", rules::id(), Need::required), camera.id);
  assign(fields.boolean("online", Need::required), camera.online);
  assign(fields.texts("streams", rules::format(), Need::required), camera.streams);
  return !camera.server.empty() && !camera.id.empty();
}

template <class Keys>
void write_row(Keys& keys, const devices::Camera& camera, const devices::Camera&) {
  keys.key("server", camera.server).key("id", camera.id).key("online", camera.online).key("streams", camera.streams);
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

template <class Keys>
void write_row(Keys& keys, const balance::Report& report, const balance::Report& usual) {
  keys.key("id", report.id)
      .key("seen_at", report.seen_at)
      .key("online", report.online, usual.online)
      .key("sessions", report.sessions, usual.sessions)
      .key("load", report.load, usual.load);
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

template <class Keys>
void write_row(Keys& keys, const place::Pattern& pattern, const place::Pattern& usual) {
  keys.key("id", pattern.id)
      .key("fallback", pattern.fallback, usual.fallback)
      .key("policy", pattern.policy, usual.policy);
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

template <class Keys>
void write_row(Keys& keys, const place::Partner& partner, const place::Partner& usual) {
  keys.key("id", partner.id)
      .key("hosts", partner.hosts, usual.hosts)
      .key("default_group", partner.default_group, usual.default_group)
      .key("max_share", partner.max_share, usual.max_share)
      .key("policy", partner.policy, usual.policy);
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

template <class Keys>
void write_row(Keys& keys, const place::Group& group, const place::Group& usual) {
  keys.key("id", group.id)
      .key("coordinates", group.coordinates, usual.coordinates)
      .key("country", group.country, usual.country)
      .key("fallback", group.fallback, usual.fallback)
      .key("forbid", group.forbid, usual.forbid);
}

template <class Fields>
bool read_row(Fields& fields, place::Place& place) {
  assign(fields.text("country", rules::country(), Need::required), place.country);
  assign(fields.text("region", rules::free_text()), place.region);
  assign(fields.text("city", rules::free_text()), place.city);
  assign(fields.text("group", rules::id(), Need::required), place.group);
  return fields.ok();
}

template <class Keys>
void write_row(Keys& keys, const place::Place& place, const place::Place& usual) {
  keys.key("country", place.country)
      .key("region", place.region, usual.region)
      .key("city", place.city, usual.city)
      .key("group", place.group);
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

template <class Keys>
void write_row(Keys& keys, const place::Network& network, const place::Network& usual) {
  const place::Location& at = network.location;
  const place::Location& nowhere = usual.location;
  keys.key("cidr", network.cidr.to_string())
      .key("group", network.group, usual.group)
      .key("country", at.country_code, nowhere.country_code)
      .key("region", at.region_iso.empty() ? at.region : at.region_iso, nowhere.region)
      .key("city", at.city, nowhere.city)
      .key("coordinates", at.coordinates, nowhere.coordinates);
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

template <class Keys>
void write_row(Keys& keys, const place::Node& node, const place::Node& usual) {
  keys.key("id", node.id)
      .key("host", node.host)
      .key("group", node.group)
      .key("dc", node.dc, usual.dc)
      .key("weight", node.weight, usual.weight)
      .key("capacity", node.capacity, usual.capacity)
      .key("patterns", node.patterns, usual.patterns)
      .key("partners", node.partners, usual.partners)
      .key("formats", node.formats, usual.formats)
      .key("admin", place::name_of(node.admin), place::name_of(usual.admin))
      .key("country", node.country, usual.country)
      .key("coordinates", node.coordinates, usual.coordinates)
      .key("forbid", node.forbid, usual.forbid)
      .key("check", node.check, usual.check)
      .key("ports", node.ports, usual.ports);
}

// For Document::rows().
inline constexpr auto kReadRow = [](auto& fields, auto& row) { return read_row(fields, row); };

}  // namespace geo::io

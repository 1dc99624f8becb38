#include "geo/balance.h"
#include "geo/base/ip.h"
#include "geo/base/text.h"
#include "io/file/tables.h"

namespace geo::io {
namespace {

std::vector<std::string> as_sent(std::vector<std::string> hosts) {
  for (std::string& host : hosts) host = host_as_sent(host);
  return hosts;
}

std::vector<place::Forbid> forbid_of(Row& row) {
  std::vector<place::Forbid> list;
  for (const std::string& text : row.texts("forbid", rules::forbid()).value_or(std::vector<std::string>{}))
    if (const auto forbid = place::parse_forbid(text)) list.push_back(*forbid);
  return list;
}

const TextRule& id_or_empty() {
  static const TextRule rule = rules::or_empty(rules::id());
  return rule;
}

const TextRule& check_or_empty() {
  static const TextRule rule = [] {
    TextRule url = rules::or_empty(rules::url());
    url.secret = true;  // there may be a password in it
    return url;
  }();
  return rule;
}

const TextRule& country_or_empty() {
  static const TextRule rule = rules::or_empty(rules::country());
  return rule;
}

bool read_pattern(Row& row, place::Pattern& pattern) {
  assign(row.text("id", rules::id(), Need::required), pattern.id);
  assign(row.texts("fallback", rules::id()), pattern.fallback);
  assign(row.text("policy", rules::policy()), pattern.policy);
  return !pattern.id.empty();
}

bool read_partner(Row& row, place::Partner& partner) {
  assign(row.text("id", rules::id(), Need::required), partner.id);
  if (auto hosts = row.texts("hosts", rules::host())) partner.hosts = as_sent(std::move(*hosts));
  assign(row.text("default_group", id_or_empty()), partner.default_group);
  assign(row.number("max_share", 0, 1), partner.max_share);
  assign(row.text("policy", rules::policy()), partner.policy);
  return !partner.id.empty();
}

bool read_group(Row& row, place::Group& group) {
  assign(row.text("id", rules::id(), Need::required), group.id);
  group.coordinates = row.coordinates("coordinates");
  assign(row.text("country", country_or_empty()), group.country);
  assign(row.texts("fallback", rules::id()), group.fallback);
  group.forbid = forbid_of(row);
  return !group.id.empty();
}

bool read_place(Row& row, place::Place& place) {
  assign(row.text("country", rules::country(), Need::required), place.country);
  assign(row.text("region", rules::free_text()), place.region);
  assign(row.text("city", rules::free_text()), place.city);
  assign(row.text("group", rules::id(), Need::required), place.group);
  return row.ok();
}

bool read_network(Row& row, place::Network& network) {
  if (const auto cidr = row.text("cidr", rules::cidr(), Need::required)) network.cidr = *Cidr::parse(*cidr);
  assign(row.text("group", id_or_empty()), network.group);
  place::Location& location = network.location;
  assign(row.text("country", country_or_empty()), location.country_code);
  if (auto region = row.text("region", rules::free_text()))
    (place::is_region_iso(*region) ? location.region_iso : location.region) = std::move(*region);
  assign(row.text("city", rules::free_text()), location.city);
  location.coordinates = row.coordinates("coordinates");
  if (row.ok() && network.group.empty() && location.empty())
    row.fault_missing("group", "missing; expected a group, or a place: country, region, city or coordinates");
  return row.ok();
}

place::Ports ports_of(Document& document, const toml::table& table) {
  constexpr auto kNone = std::uint16_t{0};
  Row row(document, "nodes.ports", table);
  const auto port = [&](std::string_view scheme) {
    const auto value = row.integer(scheme, 1, 65535);
    return value ? static_cast<std::uint16_t>(*value) : kNone;
  };
  place::Ports ports{port("https"), port("wss"), port("http"), port("ws")};
  row.finish();
  // A WebSocket is one HTTP connection: where only one of the two is named, both use its port.
  if (ports.https == kNone) ports.https = ports.wss;
  if (ports.wss == kNone) ports.wss = ports.https;
  if (ports.http == kNone) ports.http = ports.ws;
  if (ports.ws == kNone) ports.ws = ports.http;
  return ports;
}

bool read_node(Document& document, Row& row, place::Node& node) {
  static const TextRule admin = rules::one_of({"online", "drain", "offline"});
  assign(row.text("id", rules::id(), Need::required), node.id);
  if (const auto host = row.text("host", rules::host(), Need::required)) node.host = host_as_sent(*host);
  assign(row.text("group", rules::id(), Need::required), node.group);
  assign(row.text("dc", rules::free_text()), node.dc);
  assign(row.number("weight", 0, place::kWeightMax), node.weight);
  node.capacity = row.integer("capacity", 0, INT64_MAX);
  assign(row.texts("patterns", rules::id()), node.patterns);
  assign(row.texts("partners", rules::id()), node.partners);
  assign(row.texts("formats", rules::format()), node.formats);
  if (const auto name = row.text("admin", admin)) node.admin = *place::admin_of(*name);
  assign(row.text("country", country_or_empty()), node.country);
  node.coordinates = row.coordinates("coordinates");
  node.forbid = forbid_of(row);
  assign(row.text("check", check_or_empty()), node.check);
  if (const toml::node* ports = row.take("ports")) {
    const toml::table* table = ports->as_table();
    if (table == nullptr)
      row.fault(*ports, "ports", "expected a table such as { https = 443 }, found " + std::string(kind_of(*ports)));
    else if (table->empty())
      row.fault(*ports, "ports", "expected at least one of https, wss, http, ws, found none");
    else
      node.ports = ports_of(document, *table);
  }
  return !node.id.empty();
}

}  // namespace

void read_topology(Document& document, place::Rows& rows) {
  document.rows("patterns", rows.patterns, read_pattern);
  document.rows("partners", rows.partners, read_partner);
  document.rows("groups", rows.groups, read_group);
  document.rows("places", rows.places, read_place);
  document.rows("networks", rows.networks, read_network);
  document.rows("nodes", rows.nodes, [&](Row& row, place::Node& node) { return read_node(document, row, node); });
  document.finish();
}

}  // namespace geo::io

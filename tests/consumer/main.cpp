// What a user of libgeo writes: a tiny topology, an address located, a node selected, its URL signed and verified.
// It includes geo/*.h alone and is built against an installed tree, by CMake and by pkg-config.
#include <geo/balance.h>
#include <geo/base/hmac.h>
#include <geo/base/ip.h>
#include <geo/place.h>
#include <geo/resolve.h>
#include <geo/sign.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace {

int faults = 0;

void expect(bool holds, const char* what) {
  std::printf("%s  %s\n", holds ? "ok    " : "FAILED", what);
  if (!holds) ++faults;
}

geo::place::Rows rows() {
  geo::place::Rows rows;
  geo::place::Network network;
  network.cidr = geo::Cidr::parse("77.88.55.0/24").value();
  network.location.country_code = "RU";
  rows.networks.push_back(network);
  for (const auto& [id, country] : {std::pair("ru-msk", "RU"), std::pair("eu", "DE")}) {
    geo::place::Group group;
    group.id = id;
    group.country = country;
    rows.groups.push_back(group);
    rows.places.push_back({country, "", "", id});
  }
  for (const auto& [id, group] : {std::pair("node-moscow-1", "ru-msk"), std::pair("node-frankfurt-1", "eu")}) {
    geo::place::Node node;
    node.id = id;
    node.host = node.id + ".example.com";
    node.group = group;
    rows.nodes.push_back(node);
  }
  return rows;
}

geo::sign::Keyring keyring() {
  std::vector<std::uint8_t> secret(32);
  std::iota(secret.begin(), secret.end(), std::uint8_t{0});
  std::vector<geo::sign::Key> keys;
  keys.push_back({"k1", geo::HmacKey(secret)});
  return {std::move(keys), "k1"};
}

}  // namespace

int main() {
  const geo::Ip client = geo::Ip::parse("77.88.55.60").value();
  const geo::WallTime now{std::chrono::seconds{1'800'000'000}};

  expect(geo::place::check(rows()).empty(), "the topology holds together");
  const auto topology = std::make_shared<const geo::place::Topology>(rows());

  std::vector<std::shared_ptr<const geo::resolve::Provider>> providers;
  providers.push_back(std::make_shared<const geo::resolve::Networks>());
  const geo::resolve::Resolver resolver(std::move(providers));
  const auto located = resolver.locate({client, topology.get()});
  expect(located && *located && (*located)->location->country_code == "RU", "the address is in RU");
  if (!located || !*located) return 1;

  const geo::place::Grouped grouped =
      topology->group_of(&client, *(*located)->location, topology->find_partner("default"));
  expect(grouped.by == geo::place::GroupedBy::country, "its group is the country's");

  const auto balancer = std::make_shared<const geo::balance::Balancer>(topology, geo::balance::Settings{});
  geo::balance::Query query;
  query.partner = topology->find_partner("default");
  query.group = grouped.group;
  query.pattern = topology->find_pattern("streaming");
  query.format = geo::balance::Format::flv;
  query.client_country = "RU";
  query.key = geo::balance::camera_key("100-abcdef", "0");
  const auto choice = balancer->select(query, geo::balance::Live(balancer));
  expect(choice && topology->node(choice->node).id == "node-moscow-1", "the group's node is selected");
  if (!choice) return 1;

  const geo::sign::Keyring keys = keyring();
  geo::sign::Url url;
  url.scheme = "https";
  url.host = topology->node(choice->node).host;
  url.path = "/flv";
  url.server = "100-abcdef";
  url.camera = "0";
  url.expires_at_s = 1'800'000'000;
  std::string signed_url;
  geo::sign::append_url(signed_url, url, keys);
  const std::string origin = "https://node-moscow-1.example.com";
  expect(signed_url == origin +
                           "/flv?server=100-abcdef&camera=0&exp=1800000000&kid=k1"
                           "&sig=mw1s1hEWGnL4J0Atu3-9EhdGLdInG54uDMFBjE3ldKs",
         "its URL is signed as the vector says");

  geo::sign::Presented presented;
  std::string target = signed_url.substr(origin.size());
  presented.target = target;
  presented.host = "node-moscow-1.example.com";
  presented.now = now;
  const auto is_node_host = [&](std::string_view host) { return topology->is_node_host(host); };
  const auto verify = [&] { return geo::sign::verify(presented, keys, std::chrono::seconds{0}, is_node_host); };
  expect(verify() == geo::sign::Reason::ok, "the node lets it in");
  presented.now = now + std::chrono::seconds{1};
  expect(verify() == geo::sign::Reason::expired, "but not a second later");
  presented.now = now;
  target[target.find("camera=0") + 7] = '1';
  presented.target = target;
  expect(verify() == geo::sign::Reason::bad_signature, "nor for another camera");
  return faults == 0 ? 0 : 1;
}

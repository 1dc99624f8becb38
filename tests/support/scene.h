// A small world in code for unit tests: rows, doubles of the ports, a clock that stands where it is put.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "geo/auth.h"
#include "geo/balance.h"
#include "geo/base/clock.h"
#include "geo/base/text.h"
#include "geo/billing.h"
#include "geo/devices.h"
#include "geo/place.h"
#include "geo/redirect.h"
#include "geo/sign.h"

namespace geo::scene {

inline const WallTime kNow = *parse_time("2026-06-01T12:00:00Z");

class StoppedClock final : public Clock {
 public:
  WallTime wall() const override { return kNow; }
  MonotonicTime monotonic() const override { return MonotonicTime{}; }
};

inline place::Node node(std::string id, std::string group, double weight = 100) {
  place::Node node;
  node.host = id + ".example.com";
  node.id = std::move(id);
  node.group = std::move(group);
  node.weight = weight;
  return node;
}

inline place::Group group(std::string id, std::vector<std::string> fallback = {},
                          std::optional<place::Coordinates> at = {}, std::string country = {}) {
  place::Group group;
  group.id = std::move(id);
  group.fallback = std::move(fallback);
  group.coordinates = at;
  group.country = std::move(country);
  return group;
}

inline place::Network network(std::string_view cidr, std::string group, place::Location location = {}) {
  return {*Cidr::parse(cidr), std::move(group), std::move(location)};
}

// The keys of the contract's vectors: bytes 00 01 .. 1f.
inline sign::Key key(std::string id, std::uint8_t first = 0) {
  std::vector<std::uint8_t> secret(32);
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(first + i);
  return {std::move(id), HmacKey(secret)};
}

// Every store in memory. `blocking`: whoever may not wait gets nothing. `down`: every answer is upstream_unavailable,
// `away`: because nobody can be reached.
struct MemoryStore final : auth::Store, billing::Store, devices::Store {
  std::vector<auth::Token> tokens;
  std::vector<auth::Grant> grants;
  std::vector<billing::User> users;
  std::vector<billing::Tariff> tariffs;
  std::vector<billing::Usage> usages;
  std::vector<devices::Server> servers;
  std::vector<devices::Camera> cameras;
  bool blocking = false, down = false, away = false;
  From from = From::upstream;
  mutable int asked = 0;

  template <class T, class Match>
  Polled<Held<T>> find(const std::vector<T>& rows, const Moment& at, Match match) const {
    ++asked;
    if (blocking && !at.wait.allowed()) return std::nullopt;
    if (down) return deny(ErrorCode::upstream_unavailable, "the store cannot be reached");
    for (const T& row : rows)
      if (match(row)) return Held<T>{std::make_shared<const T>(row), from};
    return Held<T>{nullptr, from};
  }
  Polled<Held<auth::Token>> token(const Digest& sha256, const Moment& at) const override {
    return find(tokens, at, [&](const auth::Token& row) { return row.sha256 == sha256; });
  }
  Polled<Held<auth::Rights>> rights(const auth::Owner& owner, std::string_view object_type, std::string_view server,
                                    std::string_view object_id, const Moment& at) const override {
    const auto found = find(grants, at, [&](const auth::Grant& row) {
      return row.owner == owner && row.object_type == object_type && row.object_id == object_id &&
             (object_type == "server" || row.server == server);
    });
    if (!found) return std::nullopt;
    if (!*found) return tl::unexpected(found->error());
    return Held<auth::Rights>{**found ? std::make_shared<const auth::Rights>((*found)->row->rights) : nullptr, from};
  }
  Polled<Held<auth::Owner>> owner_of(std::string_view server, const Moment& at) const override {
    const auto found = this->server(server, at);
    if (!found) return std::nullopt;
    if (!*found) return tl::unexpected(found->error());
    if (!**found) return Held<auth::Owner>{nullptr, from};
    return Held<auth::Owner>{
        std::make_shared<const auth::Owner>(auth::Owner{(**found)->owner_type, (**found)->owner_id}), from};
  }
  Polled<Held<billing::User>> user(std::string_view id, const Moment& at) const override {
    return find(users, at, [&](const billing::User& row) { return row.id == id; });
  }
  Polled<Held<billing::Tariff>> tariff(std::string_view id, const Moment& at) const override {
    return find(tariffs, at, [&](const billing::Tariff& row) { return row.id == id; });
  }
  Polled<Held<billing::Usage>> usage(std::string_view user, const Moment& at) const override {
    return find(usages, at, [&](const billing::Usage& row) { return row.user == user; });
  }
  bool is_away() const override { return away; }
  Polled<Held<devices::Server>> server(std::string_view id, const Moment& at) const override {
    return find(servers, at, [&](const devices::Server& row) { return row.id == id; });
  }
  Polled<Held<devices::Camera>> camera(std::string_view server, std::string_view id, const Moment& at) const override {
    return find(cameras, at, [&](const devices::Camera& row) { return row.server == server && row.id == id; });
  }
};

// Owner "u1" with the token "T-1" and the server "100-abcdef" with camera "0"; everything allowed and online.
inline std::shared_ptr<MemoryStore> happy_store() {
  auto store = std::make_shared<MemoryStore>();
  store->tokens.push_back({sha256("T-1"), {"user", "u1"}, {}});
  store->users.push_back({"u1", "home", {}, false});
  store->tariffs.push_back({"home", {"flv", "hls", "ws-fmp4"}, 4});
  store->usages.push_back({"u1", 1, {}});
  store->servers.push_back({"100-abcdef", "msk-1", true, "", "user", "u1"});
  store->cameras.push_back({"100-abcdef", "0", true, {"flv", "hls", "ws-fmp4"}});
  return store;
}

// Moscow with two nodes, St. Petersburg behind it, Frankfurt as the default.
inline place::Rows small_map() {
  place::Rows rows;
  place::Partner standard;
  standard.id = "default";
  standard.default_group = "eu";
  rows.partners.push_back(standard);
  rows.groups = {group("ru-msk", {"ru-spb"}, place::Coordinates{55.75, 37.61}, "RU"),
                 group("ru-spb", {}, place::Coordinates{59.94, 30.31}, "RU"),
                 group("eu", {}, place::Coordinates{50.11, 8.68}, "DE")};
  rows.networks = {network("10.1.0.0/16", "ru-msk")};
  rows.nodes = {node("msk-1", "ru-msk"), node("msk-2", "ru-msk"), node("spb-1", "ru-spb"), node("eu-1", "eu")};
  return rows;
}

}  // namespace geo::scene

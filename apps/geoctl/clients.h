// Whose addresses requests are drawn from: networks by their size.
//
// IPv4: as many clients as addresses. IPv6: allocations are sized by plan and not by use, a /32 is no 65,536 times as
// many people as a /48; a network counts as the square root of its /64s: a /48 256, a /32 65,536.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "geo/place.h"
#include "random.h"

namespace geoctl {

class Clients {
 public:
  // Those of city databases where there are any, else those of the topology's `networks`. Errors: bad_request where
  // there is neither; invalid_config for a file that cannot be used.
  static geo::Result<Clients> of(const std::vector<std::filesystem::path>& databases,
                                 std::shared_ptr<const geo::place::Topology> topology);

  geo::Ip draw(Random& random) const;

 private:
  struct Network {
    geo::Ip base;
    std::uint8_t prefix;  // within the family; of IPv4 from databases meaningless: neighbours are as one
    std::uint64_t until;  // the weights of all before it, and its own
  };
  using Family = std::vector<Network>;
  static std::uint64_t total(const Family& family) { return family.empty() ? 0 : family.back().until; }

  void add(const geo::Cidr& cidr);
  const Family& draw_family(Random& random) const;
  geo::Ip draw_from(const Network& network, std::uint64_t at, Random& random) const;
  bool is_good(const geo::Ip& ip, const Network& from) const;

  Family ipv4_, ipv6_;
  // Of the topology's networks: where they nest, the innermost has the client. Null: they are of databases.
  std::shared_ptr<const geo::place::Topology> nested_;
};

}  // namespace geoctl

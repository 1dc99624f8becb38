// Addresses and networks: what is read prints and reads back the same.
#include "fuzz.h"

#include "geo/base/ip.h"
#include "geo/resolve.h"

void fuzz(std::string_view input) {
  if (const auto ip = geo::Ip::parse(input)) {
    require(geo::Ip::parse(ip->to_string()) == *ip);
    geo::resolve::is_reserved(*ip);
    require(geo::Cidr{ip->masked(), static_cast<std::uint8_t>(ip->is_v4() ? 24 : 48)}.contains(*ip));
  }
  std::string why;
  if (const auto cidr = geo::Cidr::parse(input, &why)) {
    require(geo::Cidr::parse(cidr->to_string()) == *cidr);
    const geo::PrefixMap map({{*cidr, 7}});
    require(cidr->contains(cidr->base) && map.find(cidr->base) == 7U);
    // ::/80 .. ::/95 end inside ::ffff:0:0/96, which is IPv4 and so no part of them
    const bool ends_in_ipv4 = cidr->last().is_v4() && !cidr->base.is_v4();
    require(cidr->contains(cidr->last()) == !ends_in_ipv4 && (map.find(cidr->last()) == 7U) == !ends_in_ipv4);
  } else {
    require(!why.empty());
  }
}

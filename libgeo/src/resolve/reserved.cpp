#include "geo/resolve.h"

namespace geo::resolve {
namespace {

struct Block {
  const char* cidr;
  bool reserved;
};

// IANA IPv4 and IPv6 Special-Purpose Address Registries (last updated 2025-10-09), column "Globally Reachable", and
// multicast (224.0.0.0/4, ff00::/8). A more exact block that is reachable stands out of one that is not.
// "N/A" is looked up as it stands for 6to4 with its relay anycast and Teredo, and reserved for the deprecated ORCHID.
constexpr Block kBlocks[] = {
    {"0.0.0.0/8", true},      {"10.0.0.0/8", true},      {"100.64.0.0/10", true},  {"127.0.0.0/8", true},
    {"169.254.0.0/16", true}, {"172.16.0.0/12", true},   {"192.0.0.0/24", true},   {"192.0.0.9/32", false},
    {"192.0.0.10/32", false}, {"192.0.2.0/24", true},    {"192.88.99.2/32", true}, {"192.168.0.0/16", true},
    {"198.18.0.0/15", true},  {"198.51.100.0/24", true}, {"203.0.113.0/24", true}, {"224.0.0.0/4", true},
    {"240.0.0.0/4", true},

    {"::/128", true},         {"::1/128", true},         {"64:ff9b:1::/48", true}, {"100::/64", true},
    {"100:0:0:1::/64", true}, {"2001::/23", true},       {"2001::/32", false},     {"2001:1::1/128", false},
    {"2001:1::2/128", false}, {"2001:1::3/128", false},  {"2001:3::/32", false},   {"2001:4:112::/48", false},
    {"2001:10::/28", true},   {"2001:20::/28", false},   {"2001:30::/28", false},  {"2001:db8::/32", true},
    {"3fff::/20", true},      {"5f00::/16", true},       {"fc00::/7", true},       {"fe80::/10", true},
    {"ff00::/8", true},
};

PrefixMap make_map() {
  std::vector<std::pair<Cidr, std::uint32_t>> networks;
  for (const Block& block : kBlocks) networks.emplace_back(*Cidr::parse(block.cidr), block.reserved ? 1 : 0);
  return PrefixMap(std::move(networks));
}

}  // namespace

bool is_reserved(const Ip& ip) {
  static const PrefixMap blocks = make_map();  // a constant, worked out once
  return blocks.find(ip) == 1U;
}

}  // namespace geo::resolve

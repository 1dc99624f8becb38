#include "clients.h"

#include <algorithm>
#include <array>

#include "geo/io/mmdb.h"
#include "geo/resolve.h"

namespace geoctl {
namespace {

using geo::Cidr;
using geo::Ip;

// The square root of 2^bits, rounded down.
std::uint64_t root(unsigned bits) {
  constexpr double kRootOf2 = 1.4142135623730951;
  const std::uint64_t whole = std::uint64_t{1} << bits / 2;
  return bits % 2 == 0 ? whole : static_cast<std::uint64_t>(static_cast<double>(whole) * kRootOf2);
}

std::uint64_t weight_of(const Cidr& cidr) {
  constexpr unsigned kClientBits = 64;  // of IPv6: the rest is one client's
  if (cidr.base.is_v4()) return std::uint64_t{1} << (32 - cidr.prefix);
  return cidr.prefix >= kClientBits ? 1 : root(kClientBits - cidr.prefix);
}

}  // namespace

geo::Result<Clients> Clients::of(const std::vector<std::filesystem::path>& databases,
                                 std::shared_ptr<const geo::place::Topology> topology) {
  Clients clients;
  if (databases.empty()) clients.nested_ = std::move(topology);
  for (const std::filesystem::path& file : databases)
    if (const auto told = geo::io::each_network(file, [&](const Cidr& cidr) { clients.add(cidr); }); !told)
      return geo::deny(geo::ErrorCode::invalid_config, told.error());
  if (clients.nested_)
    for (const geo::place::Network& row : clients.nested_->rows().networks) clients.add(row.cidr);
  if (clients.ipv4_.empty() && clients.ipv6_.empty())
    return geo::deny(geo::ErrorCode::bad_request,
                     "requests: there is nobody to draw clients from, neither a city database ([resolver.maxmind] "
                     "files) nor `networks` in the topology; --traffic takes them from a file");
  return clients;
}

void Clients::add(const Cidr& cidr) {
  const bool v4 = cidr.base.is_v4();
  Family& family = v4 ? ipv4_ : ipv6_;
  const std::uint64_t weight = weight_of(cidr);
  // Of the millions of IPv4 networks of a file little remains.
  if (v4 && !nested_ && !family.empty()) {
    Network& last = family.back();
    const std::uint64_t before = family.size() > 1 ? family[family.size() - 2].until : 0;
    if (last.base.v4_bits() + (last.until - before) == cidr.base.v4_bits()) {
      last.until += weight;
      return;
    }
  }
  family.push_back({cidr.base, cidr.prefix, total(family) + weight});
}

Ip Clients::draw(Random& random) const {
  constexpr int kTries = 1000;  // who has nobody else takes the next one
  for (int i = 1;; ++i) {
    const Family& family = draw_family(random);
    const std::uint64_t at = random.below(total(family));
    const auto found = std::upper_bound(family.begin(), family.end(), at,
                                        [](std::uint64_t value, const Network& each) { return value < each.until; });
    const Ip ip = draw_from(*found, at - (found == family.begin() ? 0 : std::prev(found)->until), random);
    if (i == kTries || is_good(ip, *found)) return ip;
  }
}

const Clients::Family& Clients::draw_family(Random& random) const {
  if (ipv6_.empty()) return ipv4_;
  if (ipv4_.empty()) return ipv6_;
  if (!nested_) return random.below(2) == 0 ? ipv4_ : ipv6_;
  return random.below(total(ipv4_) + total(ipv6_)) < total(ipv4_) ? ipv4_ : ipv6_;
}

// at: of IPv4 how many addresses after the first.
Ip Clients::draw_from(const Network& network, std::uint64_t at, Random& random) const {
  std::array<std::uint8_t, 16> bytes = network.base.bytes();
  if (network.base.is_v4()) {
    const std::uint64_t address = network.base.v4_bits() + at;
    for (unsigned i = 0; i < 4; ++i) bytes[12 + i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
    return Ip::v4(bytes.data() + 12);
  }
  const std::array<std::uint64_t, 2> halves{random.next(), random.next()};
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned fixed = std::clamp<int>(network.prefix - static_cast<int>(8 * i), 0, 8);
    const auto any = static_cast<std::uint8_t>(halves[i / 8] >> (56 - 8 * (i % 8)));
    bytes[i] = static_cast<std::uint8_t>(bytes[i] | (any & 0xffU >> fixed));
  }
  return Ip::v6(bytes.data());
}

// A network inside another one has its own clients; a reserved address is nobody's of a database.
bool Clients::is_good(const Ip& ip, const Network& from) const {
  if (!nested_) return !geo::resolve::is_reserved(ip);
  const geo::place::Network* const innermost = nested_->network_of(ip);
  return innermost != nullptr && innermost->cidr.base == from.base && innermost->cidr.prefix == from.prefix;
}

}  // namespace geoctl

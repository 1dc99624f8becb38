// IP addresses and networks: parsing, printing, longest-prefix look-up.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/base/export.h"

namespace geo {

// Shape: 16 bytes in network order; an IPv4 address is kept as ::ffff:a.b.c.d. An IPv4-mapped IPv6 address IS that
// IPv4.
class Ip {
 public:
  Ip() = default;
  // IPv4 in dotted quads without leading zeros or IPv6 as of RFC 4291; no zone, brackets, port, blanks.
  GEO_EXPORT static std::optional<Ip> parse(std::string_view text);
  // Four or sixteen bytes in network order.
  GEO_EXPORT static Ip v4(const std::uint8_t* bytes);
  GEO_EXPORT static Ip v6(const std::uint8_t* bytes);

  bool is_v4() const {
    static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes_.data(), kMapped.data(), kMapped.size()) == 0;
  }
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  std::uint64_t high() const { return load(0); }
  std::uint64_t low() const { return load(8); }
  std::uint32_t v4_bits() const { return static_cast<std::uint32_t>(low()); }

  // As RFC 5952 writes it, at most kTextMax characters; IPv4 in dotted quads. Writes no terminating zero.
  static constexpr std::size_t kTextMax = 45;
  GEO_EXPORT std::size_t write(char* out) const;
  GEO_EXPORT std::string to_string() const;
  // The network's part alone: /24 and /48, for logs that must not tell who it was.
  GEO_EXPORT Ip masked() const;

  auto operator<=>(const Ip&) const = default;

 private:
  std::uint64_t load(std::size_t at) const {
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < 8; ++i) v = v << 8 | bytes_[at + i];
    return v;
  }
  std::array<std::uint8_t, 16> bytes_{};
};

// A host as browsers send it in Host, however it is written: in lower case, an IPv6 address in its one short form.
// [2001:0DB8::0001] -> [2001:db8::1], [::ffff:192.0.2.1] -> [::ffff:c000:201]. What is no host is only lowered.
GEO_EXPORT std::string host_as_sent(std::string_view host);

// Shape: 10.1.0.0/16. `prefix` counts within the family: 0..32 or 0..128.
struct Cidr {
  Ip base;
  std::uint8_t prefix = 0;

  // An address alone is a network of one. Why it cannot be read stands in `*why` (if given); host bits are refused.
  GEO_EXPORT static std::optional<Cidr> parse(std::string_view text, std::string* why = nullptr);
  GEO_EXPORT bool contains(const Ip& ip) const;
  GEO_EXPORT Ip last() const;
  GEO_EXPORT std::string to_string() const;
  auto operator<=>(const Cidr&) const = default;
};

// Longest prefix wins. Built once, then read by any number of threads without a lock.
// Shape: nested networks are flattened into disjoint ranges, each with the innermost network's value; a look-up is one
// binary search, IPv4 and IPv6 apart.
class PrefixMap {
 public:
  PrefixMap() = default;
  // Of two equal networks the later one wins.
  GEO_EXPORT explicit PrefixMap(std::vector<std::pair<Cidr, std::uint32_t>> networks);
  GEO_EXPORT std::optional<std::uint32_t> find(const Ip& ip) const;
  bool empty() const { return v4_.empty() && v6_.empty(); }

 private:
  struct Range {
    Ip first;
    std::uint32_t value;
  };
  std::vector<Range> v4_, v6_;
};

}  // namespace geo

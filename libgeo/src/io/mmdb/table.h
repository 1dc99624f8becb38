// Address -> number: the search tree of a MaxMind DB, flattened for look-ups.
#pragma once

#include <maxminddb.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "geo/base/ip.h"
#include "io/mmdb/huge_pages.h"
#include "io/mmdb/tree.h"

namespace geo::io::mmdb {

// Steps of 16 bits. The first is an array by those bits, for each family its own; any further one a node: where ranges
// begin, sorted, and what each leads to - a number, another node, or nothing. What is the same over 16 bits is no node,
// neighbours that lead to the same are one range, and what the file shares at such a step is shared here: 2002::/16 is
// often an alias of the IPv4 tree. IPv4 with many networks takes a first step of 20 bits.
//
//   77.88.55.60   ipv4_[0x4d58] = node     node: begins  0x0000  0x0800  0x3700  0x3800 ..   0x373c lies in the third
//                                                leads to  #17  nothing     #23     #17 ..
//
// A node's ranges stand in chunks of 16, each with its beginnings and what they lead to side by side, behind the
// beginnings of the chunks: a step touches a few cache lines however many ranges there are.
class Table {
 public:
  static constexpr std::uint32_t kNothing = UINT32_MAX;
  static constexpr std::uint32_t kNumberMax = (std::uint32_t{1} << 31) - 1;

  // Of a tree that passed TreeCheck. numbers: by the record's number in `records`; kNothing stands for no record.
  // The error says what is wrong: shared subtrees may stand for more networks than any memory holds.
  static tl::expected<Table, std::string> of(const MMDB_s& file, const Offsets& records,
                                             const std::vector<std::uint32_t>& numbers);

  std::uint32_t find(const Ip& ip) const {
    if (ip.is_v4()) return find_ipv4(ip.v4_bits());
    std::uint32_t to = ipv6_.empty() ? kNothing : ipv6_[ip.high() >> 48];
    for (std::size_t at = 2; to > kNumberMax && to != kNothing; at += 2) {
      const std::uint8_t* const bytes = ip.bytes().data() + at;
      const auto step = static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
      if (to == kIpv4)
        return find_ipv4(std::uint32_t{step} << 16 | static_cast<std::uint32_t>(bytes[2] << 8 | bytes[3]));
      to = in_node(to, step);
    }
    return to;
  }
  std::size_t bytes() const;

  // ---- as it is kept on disk: three arrays, of which IPv4's first step says how many bits it takes ----

  struct Sizes {
    std::uint64_t ipv4 = 0, ipv6 = 0, nodes = 0;
  };
  Table() = default;
  explicit Table(const Sizes& sizes);  // of zeroes, to be written over
  Sizes sizes() const { return {ipv4_.size(), ipv6_.size(), nodes_.size()}; }
  std::array<std::span<const std::byte>, 3> arrays() const;
  std::array<std::span<std::byte>, 3> arrays();
  // Whatever stands in the arrays: does no look-up read outside of them, and is each number found less than `numbers`?
  bool is_whole(std::uint32_t numbers) const;

 private:
  class Builder;
  class Check;
  static constexpr std::uint32_t kNode = std::uint32_t{1} << 31;  // and where it begins in nodes_
  static constexpr std::size_t kChunk = 16;

  static constexpr std::uint32_t kIpv4 = kNothing - 1;  // here begins the IPv4 tree

  std::uint32_t find_ipv4(std::uint32_t address) const {
    const std::uint32_t to = ipv4_[address >> ipv4_rest_];
    return to > kNumberMax && to != kNothing
               ? in_node(to, static_cast<std::uint16_t>(address & ((1U << ipv4_rest_) - 1)))
               : to;
  }

  // The last of `count` ascending ones that is no more than `value`; the first is.
  static std::size_t last_until(const std::uint16_t* first, std::size_t count, std::uint16_t value) {
    const std::uint16_t* at = first;
    while (count > 1) {
      const std::size_t half = count / 2;
      at += at[half] <= value ? half : 0;
      count -= half;
    }
    return static_cast<std::size_t>(at - first);
  }

  std::uint32_t in_node(std::uint32_t to, std::uint16_t step) const {
    const std::uint16_t* at = nodes_.data() + (to & ~kNode);
    const std::size_t count = std::size_t{*at++} + 1;
    const std::size_t chunks = (count + kChunk - 1) / kChunk;
    const std::size_t chunk = chunks == 1 ? 0 : last_until(at, chunks, step);
    if (chunks > 1) at += chunks;
    at += chunk * kChunk * 3;
    __builtin_prefetch(at + kChunk);  // what they lead to, while the beginnings are compared
    __builtin_prefetch(at + kChunk * 3 - 1);
    const std::size_t size = chunk + 1 < chunks ? kChunk : count - chunk * kChunk;
    const std::size_t range = last_until(at, size, step);
    std::uint32_t found = 0;
    std::memcpy(&found, at + size + range * 2, sizeof found);
    return found;
  }

  unsigned ipv4_rest_ = 16;  // bits of an IPv4 address behind its first step
  HugeVector<std::uint32_t> ipv4_, ipv6_;
  HugeVector<std::uint16_t> nodes_;
};

}  // namespace geo::io::mmdb

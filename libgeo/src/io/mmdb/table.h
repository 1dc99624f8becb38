// Address -> number: the search tree of a MaxMind DB, flattened for look-ups.
#pragma once

#include <maxminddb.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "geo/base/ip.h"
#include "io/mmdb/tree.h"

namespace geo::io::mmdb {

// Steps of 16 bits. The first is an array by those bits, for each family its own; any further one a node: where ranges
// begin, sorted, and what each leads to - a number, another node, or nothing. What is the same over 16 bits is no node,
// neighbours that lead to the same are one range, and what the file shares (2002::/16 is often an alias of the IPv4
// tree) is shared here.
//
//   77.88.55.60   ipv4_[0x4d58] = node     node: begins  0x0000  0x0800  0x3700  0x3800 ..   0x373c lies in the third
//                                                leads to  #17  nothing     #23     #17 ..
//
// A node's ranges stand in chunks of 16, each with its beginnings and what they lead to side by side, behind the
// beginnings of the chunks: a look-up touches three or four cache lines.
class Table {
 public:
  static constexpr std::uint32_t kNothing = UINT32_MAX;
  static constexpr std::uint32_t kNumberMax = (std::uint32_t{1} << 31) - 1;

  // Of a tree that passed TreeCheck. numbers: by the record's number in `records`; kNothing stands for no record.
  // The error says what is wrong: shared subtrees may stand for more networks than any memory holds.
  static tl::expected<Table, std::string> of(const MMDB_s& file, const Offsets& records,
                                             const std::vector<std::uint32_t>& numbers);

  std::uint32_t find(const Ip& ip) const {
    if (ip.is_v4()) {
      const std::uint32_t address = ip.v4_bits();
      const std::uint32_t to = ipv4_[address >> 16];
      return is_node(to) ? in_node(to, static_cast<std::uint16_t>(address)) : to;
    }
    std::uint32_t to = ipv6_.empty() ? kNothing : ipv6_[ip.high() >> 48];
    for (std::size_t at = 2; is_node(to); at += 2)
      to = in_node(to, static_cast<std::uint16_t>(ip.bytes()[at] << 8 | ip.bytes()[at + 1]));
    return to;
  }
  std::size_t bytes() const;

 private:
  class Builder;
  static constexpr std::uint32_t kNode = std::uint32_t{1} << 31;  // and where it begins in nodes_
  static constexpr std::size_t kChunk = 16;

  static bool is_node(std::uint32_t to) { return to >= kNode && to != kNothing; }

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
    const std::size_t size = chunk + 1 < chunks ? kChunk : count - chunk * kChunk;
    const std::size_t range = last_until(at, size, step);
    std::uint32_t found = 0;
    std::memcpy(&found, at + size + range * 2, sizeof found);
    return found;
  }

  std::vector<std::uint32_t> ipv4_, ipv6_;
  std::vector<std::uint16_t> nodes_;
};

}  // namespace geo::io::mmdb

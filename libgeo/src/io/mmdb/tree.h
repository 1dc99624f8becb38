// The search tree of a MaxMind DB, and which records it leads to.
#pragma once

#include <maxminddb.h>

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "io/mmdb/record.h"

namespace geo::io::mmdb {

// A set of offsets, as bits; each has its number in their order.
class Offsets {
 public:
  explicit Offsets(std::uint32_t end = 0) : end_(end), bits_(end / 64U + 1) {}

  std::uint32_t end() const { return end_; }  // they are less than that
  bool has(std::uint32_t offset) const { return (bits_[offset / 64] >> offset % 64 & 1U) != 0; }
  void add(std::uint32_t offset) { bits_[offset / 64] |= std::uint64_t{1} << offset % 64; }

  // Once all are there.
  void number();
  std::uint32_t count() const { return count_; }
  std::uint32_t number_of(std::uint32_t offset) const {
    const std::uint64_t before = bits_[offset / 64] & ((std::uint64_t{1} << offset % 64) - 1);
    return numbers_[offset / 64] + static_cast<std::uint32_t>(std::popcount(before));
  }
  // f(offset), in their order.
  template <class F>
  void each(F f) const {
    for (std::size_t word = 0; word < bits_.size(); ++word)
      for (std::uint64_t left = bits_[word]; left != 0; left &= left - 1)
        f(static_cast<std::uint32_t>(word * 64 + static_cast<unsigned>(std::countr_zero(left))));
  }

 private:
  std::uint32_t end_;
  std::uint32_t count_ = 0;
  std::vector<std::uint64_t> bits_;
  std::vector<std::uint32_t> numbers_;  // of each word's first
};

// Visits every node that a look-up can reach, and every record once.
class TreeCheck {
 public:
  // The data section's first byte and size.
  TreeCheck(const MMDB_s& file, const std::uint8_t* data, std::uint32_t data_size);

  bool whole();
  const std::string& fault() const { return fault_; }
  // What was found: networks with a record (those of a shared subtree count once), and the records' offsets.
  std::uint64_t networks() const { return networks_; }
  Offsets& records() { return records_; }

 private:
  bool visit(std::uint32_t node, unsigned depth);
  bool child(std::uint32_t node, unsigned depth, std::uint64_t record, std::uint8_t type, std::uint32_t offset);
  bool refuse(std::uint32_t node, const char* why);

  const MMDB_s& file_;
  Checker values_;
  Offsets records_;
  std::uint64_t networks_ = 0;
  std::vector<std::uint8_t> heights_;
  unsigned bits_;
  std::string fault_;
};

}  // namespace geo::io::mmdb

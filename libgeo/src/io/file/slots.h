// Where the rows of a table stand, by the hash of their key: eight bytes a slot, at most half of them taken, so that a
// look-up costs one line of memory beside the row itself.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace geo::io {

class Slots {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  explicit Slots(std::size_t rows) : slots_(std::bit_ceil(2 * rows + 1)), mask_(slots_.size() - 1) {}

  void insert(std::uint64_t hash, std::size_t row) {
    std::size_t at = hash & mask_;
    while (slots_[at].row != kNone) at = (at + 1) & mask_;
    slots_[at] = {tag_of(hash), static_cast<std::uint32_t>(row)};
  }

  // is_it(row): has that row the key? kNone: none has.
  template <class IsIt>
  std::uint32_t find(std::uint64_t hash, IsIt&& is_it) const {
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t at = hash & mask_; slots_[at].row != kNone; at = (at + 1) & mask_)
      if (slots_[at].tag == tag && is_it(slots_[at].row)) return slots_[at].row;
    return kNone;
  }

 private:
  struct Slot {
    std::uint32_t tag = 0, row = kNone;
  };
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32U); }

  std::vector<Slot> slots_;
  std::size_t mask_;
};

}  // namespace geo::io

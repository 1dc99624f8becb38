#include "io/mmdb/tree.h"

#include <algorithm>

namespace geo::io::mmdb {
namespace {
constexpr std::uint8_t kUnderWay = 255;  // no height: 128 is the most
}

void Offsets::number() {
  numbers_.reserve(bits_.size());
  for (const std::uint64_t word : bits_) {
    numbers_.push_back(count_);
    count_ += static_cast<std::uint32_t>(std::popcount(word));
  }
}

TreeCheck::TreeCheck(const MMDB_s& file, const std::uint8_t* data, std::uint32_t data_size)
    : file_(file),
      values_(data, data_size),
      records_(data_size),
      heights_(file.metadata.node_count),
      bits_(file.metadata.ip_version == 4 ? 32 : 128) {}

bool TreeCheck::whole() {
  if (!visit(0, 0)) return false;
  records_.number();
  return true;
}

// Subtrees may be shared (2002::/16 is often an alias of the IPv4 one), so a node keeps the height below it.
bool TreeCheck::visit(std::uint32_t node, unsigned depth) {
  if (heights_[node] != 0 || depth == bits_) {
    if (depth + std::max<unsigned>(heights_[node], 1) <= bits_) return true;
    return refuse(node, "it is deeper than an address is long, or leads back to itself");
  }
  heights_[node] = kUnderWay;
  MMDB_search_node_s read;
  if (MMDB_read_node(&file_, node, &read) != MMDB_SUCCESS) return refuse(node, "it lies outside of the file");
  const bool good = child(node, depth, read.left_record, read.left_record_type, read.left_record_entry.offset) &&
                    child(node, depth, read.right_record, read.right_record_type, read.right_record_entry.offset);
  if (!good) return false;
  const auto height = [&](std::uint8_t type, std::uint64_t record) {
    return type == MMDB_RECORD_TYPE_SEARCH_NODE ? heights_[record] : 0;
  };
  heights_[node] = static_cast<std::uint8_t>(
      1 + std::max(height(read.left_record_type, read.left_record), height(read.right_record_type, read.right_record)));
  return true;
}

bool TreeCheck::child(std::uint32_t node, unsigned depth, std::uint64_t record, std::uint8_t type,
                      std::uint32_t offset) {
  if (type == MMDB_RECORD_TYPE_SEARCH_NODE) return visit(static_cast<std::uint32_t>(record), depth + 1);
  if (type == MMDB_RECORD_TYPE_EMPTY) return true;
  if (type != MMDB_RECORD_TYPE_DATA || offset >= records_.end())
    return refuse(node, "it leads out of the data section");
  ++networks_;
  if (records_.has(offset)) return true;
  records_.add(offset);
  if (values_.whole(offset)) return true;
  fault_ = "its data is broken: " + values_.fault();
  return false;
}

bool TreeCheck::refuse(std::uint32_t node, const char* why) {
  fault_ = "its search tree is broken at node " + std::to_string(node) + ": " + why;
  return false;
}

}  // namespace geo::io::mmdb

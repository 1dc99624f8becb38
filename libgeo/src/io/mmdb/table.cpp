#include "io/mmdb/table.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace geo::io::mmdb {

class Table::Builder {
 public:
  Builder(const MMDB_s& file, const Offsets& records, const std::vector<std::uint32_t>& numbers)
      : file_(file),
        records_(records),
        numbers_(numbers),
        visits_left_(kVisitsMin + kVisitsPerNode * file.metadata.node_count) {}

  bool build(Table& table) {
    nodes_ = &table.nodes_;
    nodes_->reserve(std::size_t{3} * file_.metadata.node_count);  // pages that are not written to take no memory
    Record ipv4{0, MMDB_RECORD_TYPE_SEARCH_NODE};
    if (file_.metadata.ip_version == 6) {  // IPv4 stands in ::/96
      for (unsigned bit = 0; bit < 96 && is_node(ipv4); ++bit) ipv4 = read(ipv4.to)[0];
      if (is_node(ipv4)) built_.emplace(ipv4.to, kIpv4);
      first_steps({0, MMDB_RECORD_TYPE_SEARCH_NODE}, 16, 16, table.ipv6_);
    }
    built_.clear();  // they are of another step
    const unsigned bits = nodes_below(ipv4, 16) >= kCrowded ? 20 : 16;
    table.ipv4_rest_ = 32 - bits;
    first_steps(ipv4, bits, 32 - bits, table.ipv4_);
    return !too_many_;
  }

 private:
  // No file has a reason to share subtrees so that they are read more often than this; aliases of whole 16 bits, as
  // those of the IPv4 tree, are read once.
  static constexpr std::uint64_t kVisitsPerNode = 16, kVisitsMin = 1 << 20;
  // A first step of 16 bits of IPv4 takes 256 kB, one of 20 takes 4 MB and spares large files a cache line or two.
  static constexpr std::size_t kCrowded = 1 << 14;

  struct Record {
    std::uint32_t to = 0;  // a node, or an offset in the data section
    std::uint8_t type = 0;
  };
  struct Range {
    std::uint32_t begin;  // of 20 bits at most
    std::uint32_t to;
  };

  std::array<Record, 2> read(std::uint32_t node) {
    MMDB_search_node_s node_read;
    MMDB_read_node(&file_, node, &node_read);
    const auto record = [](std::uint8_t type, std::uint64_t to, const MMDB_entry_s& entry) {
      return Record{type == MMDB_RECORD_TYPE_DATA ? entry.offset : static_cast<std::uint32_t>(to), type};
    };
    return {record(node_read.left_record_type, node_read.left_record, node_read.left_record_entry),
            record(node_read.right_record_type, node_read.right_record, node_read.right_record_entry)};
  }

  static bool is_node(const Record& record) { return record.type == MMDB_RECORD_TYPE_SEARCH_NODE; }

  // How many nodes stand `bits` bits below.
  std::size_t nodes_below(const Record& record, unsigned bits) {
    if (!is_node(record) || bits == 0) return is_node(record) ? 1 : 0;
    const std::array<Record, 2> below = read(record.to);
    return nodes_below(below[0], bits - 1) + nodes_below(below[1], bits - 1);
  }

  // bits: of this step; next_bits: of those behind it.
  void first_steps(const Record& from, unsigned bits, unsigned next_bits, HugeVector<std::uint32_t>& steps) {
    next_bits_ = next_bits;
    std::vector<Range> ranges;
    gather(from, bits, 0, ranges);
    steps.reserve(std::size_t{1} << bits);
    for (std::size_t i = 0; i < ranges.size(); ++i)
      steps.resize(i + 1 < ranges.size() ? ranges[i + 1].begin : std::size_t{1} << bits, ranges[i].to);
  }

  // The ranges of a step below a record that has `bits` of its bits left.
  void gather(const Record& record, unsigned bits, std::uint32_t begin, std::vector<Range>& ranges) {
    if (too_many_) return;
    if (!is_node(record) || bits == 0) {
      const std::uint32_t to = leads_to(record);
      if (ranges.empty() || ranges.back().to != to) ranges.push_back({begin, to});
      return;
    }
    if (visits_left_-- == 0) {
      too_many_ = true;
      return;
    }
    const std::array<Record, 2> below = read(record.to);
    gather(below[0], bits - 1, begin, ranges);
    gather(below[1], bits - 1, begin | 1U << (bits - 1), ranges);
  }

  std::uint32_t leads_to(const Record& record) {
    if (record.type == MMDB_RECORD_TYPE_EMPTY) return kNothing;
    if (record.type == MMDB_RECORD_TYPE_DATA) return numbers_[records_.number_of(record.to)];
    if (const auto at = built_.find(record.to); at != built_.end()) return at->second;
    std::vector<Range> ranges;
    gather(record, next_bits_, 0, ranges);
    if (too_many_) return kNothing;
    const std::uint32_t to = ranges.size() == 1 ? ranges.front().to : append(ranges);
    built_.emplace(record.to, to);
    return to;
  }

  std::uint32_t append(const std::vector<Range>& ranges) {
    const std::size_t begins = nodes_->size();
    if (begins > kNumberMax) {
      too_many_ = true;
      return kNothing;
    }
    nodes_->push_back(static_cast<std::uint16_t>(ranges.size() - 1));
    if (ranges.size() > kChunk)
      for (std::size_t i = 0; i < ranges.size(); i += kChunk)
        nodes_->push_back(static_cast<std::uint16_t>(ranges[i].begin));
    for (std::size_t i = 0; i < ranges.size(); i += kChunk) {
      const std::size_t end = std::min(i + kChunk, ranges.size());
      for (std::size_t k = i; k < end; ++k) nodes_->push_back(static_cast<std::uint16_t>(ranges[k].begin));
      for (std::size_t k = i; k < end; ++k) {
        std::array<std::uint16_t, 2> halves;
        std::memcpy(halves.data(), &ranges[k].to, sizeof ranges[k].to);
        nodes_->insert(nodes_->end(), halves.begin(), halves.end());
      }
    }
    return kNode | static_cast<std::uint32_t>(begins);
  }

  const MMDB_s& file_;
  const Offsets& records_;
  const std::vector<std::uint32_t>& numbers_;
  std::uint64_t visits_left_;
  unsigned next_bits_ = 16;
  bool too_many_ = false;
  HugeVector<std::uint16_t>* nodes_ = nullptr;
  std::unordered_map<std::uint32_t, std::uint32_t> built_;  // a node of the file -> what it became
};

tl::expected<Table, std::string> Table::of(const MMDB_s& file, const Offsets& records,
                                           const std::vector<std::uint32_t>& numbers) {
  Table table;
  if (!Builder(file, records, numbers).build(table))
    return tl::unexpected<std::string>("its search tree stands for more networks than can be indexed");
  return table;
}

// Of what leads where, by the steps of 16 bits that may still follow. A node leads to those before it alone.
class Table::Check {
 public:
  Check(const Table& table, std::uint32_t numbers)
      : nodes_(table.nodes_), numbers_(numbers), heights_(table.nodes_.size()) {}

  bool nodes() {
    for (std::size_t at = 0; at < nodes_.size();) {
      const std::size_t count = std::size_t{nodes_[at]} + 1, chunks = (count + kChunk - 1) / kChunk;
      const std::size_t first = at + 1 + (chunks > 1 ? chunks : 0), end = first + count * 3;
      if (end > nodes_.size()) return false;
      unsigned height = 0;
      for (std::size_t chunk = first; chunk < end; chunk += kChunk * 3) {
        const std::size_t size = std::min(kChunk, (end - chunk) / 3);
        for (std::size_t i = 0; i < size; ++i) {
          std::uint32_t to = 0;
          std::memcpy(&to, nodes_.data() + chunk + size + i * 2, sizeof to);
          height = std::max(height, height_of(to));
        }
      }
      if (height >= kSteps) return false;
      heights_[at] = static_cast<std::uint8_t>(height + 1);
      at = end;
    }
    return true;
  }
  // Do they lead to no more than so many steps?
  bool first_steps(const HugeVector<std::uint32_t>& steps, unsigned height_max) const {
    return std::all_of(steps.begin(), steps.end(), [&](std::uint32_t to) { return height_of(to) <= height_max; });
  }

  static constexpr unsigned kSteps = 7;  // of an IPv6 address behind its first one

 private:
  unsigned height_of(std::uint32_t to) const {
    if (to <= kNumberMax) return to < numbers_ ? 0 : kNowhere;
    if (to == kNothing) return 0;
    if (to == kIpv4) return 2;
    const std::uint32_t node = to & ~kNode;
    return node < heights_.size() && heights_[node] != 0 ? heights_[node] : kNowhere;
  }

  static constexpr unsigned kNowhere = 255;
  const HugeVector<std::uint16_t>& nodes_;
  const std::uint32_t numbers_;
  HugeVector<std::uint8_t> heights_;  // by where a node begins; 0: none does, or not yet
};

Table::Table(const Sizes& sizes)
    : ipv4_rest_(sizes.ipv4 == std::size_t{1} << 20 ? 12 : 16),
      ipv4_(sizes.ipv4),
      ipv6_(sizes.ipv6),
      nodes_(sizes.nodes) {}

std::array<std::span<const std::byte>, 3> Table::arrays() const {
  return {std::as_bytes(std::span(ipv4_)), std::as_bytes(std::span(ipv6_)), std::as_bytes(std::span(nodes_))};
}

std::array<std::span<std::byte>, 3> Table::arrays() {
  return {std::as_writable_bytes(std::span(ipv4_)), std::as_writable_bytes(std::span(ipv6_)),
          std::as_writable_bytes(std::span(nodes_))};
}

bool Table::is_whole(std::uint32_t numbers) const {
  if (ipv4_.size() != std::size_t{1} << (32 - ipv4_rest_)) return false;
  if (!ipv6_.empty() && ipv6_.size() != std::size_t{1} << 16) return false;
  Check check(*this, numbers);
  return check.nodes() && check.first_steps(ipv4_, 1) && check.first_steps(ipv6_, Check::kSteps);
}

std::size_t Table::bytes() const {
  return (ipv4_.size() + ipv6_.size()) * sizeof(std::uint32_t) + nodes_.size() * sizeof(std::uint16_t);
}

}  // namespace geo::io::mmdb

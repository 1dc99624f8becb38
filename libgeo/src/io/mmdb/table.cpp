#include "io/mmdb/table.h"

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
    // ::/96 of a file with both holds IPv4
    Record ipv4{0, MMDB_RECORD_TYPE_SEARCH_NODE};
    if (file_.metadata.ip_version == 6) {
      first_steps(ipv4, table.ipv6_);
      for (unsigned bit = 0; bit < 96 && ipv4.type == MMDB_RECORD_TYPE_SEARCH_NODE; ++bit) ipv4 = read(ipv4.to)[0];
    }
    first_steps(ipv4, table.ipv4_);
    table.nodes_.shrink_to_fit();
    return !too_many_;
  }

 private:
  // No file has a reason to share subtrees so that they are read more often than this; aliases of whole 16 bits, as
  // those of the IPv4 tree, are read once.
  static constexpr std::uint64_t kVisitsPerNode = 16, kVisitsMin = 1 << 20;

  struct Record {
    std::uint32_t to = 0;  // a node, or an offset in the data section
    std::uint8_t type = 0;
  };
  struct Range {
    std::uint16_t begin;
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

  void first_steps(const Record& from, std::vector<std::uint32_t>& steps) {
    std::vector<Range> ranges;
    gather(from, 0, 0, ranges);
    steps.reserve(std::size_t{1} << 16);
    for (std::size_t i = 0; i < ranges.size(); ++i)
      steps.resize(i + 1 < ranges.size() ? ranges[i + 1].begin : std::size_t{1} << 16, ranges[i].to);
  }

  // The ranges below a record that `bits` bits of a step lead to.
  void gather(const Record& record, unsigned bits, unsigned begin, std::vector<Range>& ranges) {
    if (too_many_) return;
    if (record.type != MMDB_RECORD_TYPE_SEARCH_NODE || bits == 16) {
      const std::uint32_t to = leads_to(record);
      if (ranges.empty() || ranges.back().to != to) ranges.push_back({static_cast<std::uint16_t>(begin), to});
      return;
    }
    if (visits_left_-- == 0) {
      too_many_ = true;
      return;
    }
    const std::array<Record, 2> below = read(record.to);
    gather(below[0], bits + 1, begin, ranges);
    gather(below[1], bits + 1, begin | 1U << (15 - bits), ranges);
  }

  std::uint32_t leads_to(const Record& record) {
    if (record.type == MMDB_RECORD_TYPE_EMPTY) return kNothing;
    if (record.type == MMDB_RECORD_TYPE_DATA) return numbers_[records_.number_of(record.to)];
    if (const auto at = built_.find(record.to); at != built_.end()) return at->second;
    std::vector<Range> ranges;
    gather(record, 0, 0, ranges);
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
      for (std::size_t i = 0; i < ranges.size(); i += kChunk) nodes_->push_back(ranges[i].begin);
    for (std::size_t i = 0; i < ranges.size(); i += kChunk) {
      const std::size_t end = std::min(i + kChunk, ranges.size());
      for (std::size_t k = i; k < end; ++k) nodes_->push_back(ranges[k].begin);
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
  bool too_many_ = false;
  std::vector<std::uint16_t>* nodes_ = nullptr;
  std::unordered_map<std::uint32_t, std::uint32_t> built_;  // a node of the file -> what it became
};

tl::expected<Table, std::string> Table::of(const MMDB_s& file, const Offsets& records,
                                           const std::vector<std::uint32_t>& numbers) {
  Table table;
  if (!Builder(file, records, numbers).build(table))
    return tl::unexpected<std::string>("its search tree stands for more networks than can be indexed");
  return table;
}

std::size_t Table::bytes() const {
  return (ipv4_.capacity() + ipv6_.capacity()) * sizeof(std::uint32_t) + nodes_.capacity() * sizeof(std::uint16_t);
}

}  // namespace geo::io::mmdb

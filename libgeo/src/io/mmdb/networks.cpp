#include <array>
#include <cstdint>
#include <vector>

#include "geo/io/mmdb.h"
#include "io/mmdb/file.h"
#include "io/mmdb/record.h"

namespace geo::io {
namespace {

// One walk over the search tree, left to right.
class Walk {
 public:
  Walk(const mmdb::File& file, const std::function<void(const Cidr&)>& tell)
      : file_(file), tell_(tell), visits_left_(kVisitsMin + kVisitsPerNode * file.mmdb->metadata.node_count) {
    has_place_.reserve(file.records.count());
    file.records.each(
        [&](std::uint32_t record) { has_place_.push_back(!mmdb::location_of(*file.mmdb, record, "en").empty()); });
    if (mmdb().metadata.ip_version == 4) return;
    Record at{0, MMDB_RECORD_TYPE_SEARCH_NODE};  // IPv4 stands in ::/96
    for (unsigned bit = 0; bit < 96 && is_node(at); ++bit) at = read(at.to)[0];
    if (is_node(at)) ipv4_ = at.to;
  }

  bool run() {
    const bool both = mmdb().metadata.ip_version == 6;
    if (!both) below({0, MMDB_RECORD_TYPE_SEARCH_NODE}, 96);
    if (both && ipv4_ != kNone) below({ipv4_, MMDB_RECORD_TYPE_SEARCH_NODE}, 96);
    ipv6_ = true;
    if (both) below({0, MMDB_RECORD_TYPE_SEARCH_NODE}, 0);
    return visits_left_ > 0;
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  // Subtrees may be shared: a small file may stand for more networks than anybody can count. Beside the aliases that
  // are left out no file has a reason to.
  static constexpr std::uint64_t kVisitsPerNode = 16, kVisitsMin = 1 << 20;

  struct Record {
    std::uint32_t to = 0;  // a node, or an offset in the data section
    std::uint8_t type = 0;
  };

  const MMDB_s& mmdb() const { return *file_.mmdb; }
  static bool is_node(const Record& record) { return record.type == MMDB_RECORD_TYPE_SEARCH_NODE; }
  std::array<Record, 2> read(std::uint32_t node) const {
    MMDB_search_node_s node_read;
    MMDB_read_node(&mmdb(), node, &node_read);
    const auto record = [](std::uint8_t type, std::uint64_t to, const MMDB_entry_s& entry) {
      return Record{type == MMDB_RECORD_TYPE_DATA ? entry.offset : static_cast<std::uint32_t>(to), type};
    };
    return {record(node_read.left_record_type, node_read.left_record, node_read.left_record_entry),
            record(node_read.right_record_type, node_read.right_record, node_read.right_record_entry)};
  }

  // depth: how many bits of the address are known.
  void below(const Record& record, unsigned depth) {
    if (visits_left_ == 0 || --visits_left_ == 0) return;
    if (record.type == MMDB_RECORD_TYPE_DATA) {
      if (has_place_[file_.records.number_of(record.to)]) tell(depth);
      return;
    }
    if (!is_node(record) || depth == 128 || (ipv6_ && record.to == ipv4_)) return;
    const std::array<Record, 2> children = read(record.to);
    const auto bit = static_cast<std::uint8_t>(0x80U >> depth % 8);
    below(children[0], depth + 1);
    address_[depth / 8] |= bit;
    below(children[1], depth + 1);
    address_[depth / 8] &= static_cast<std::uint8_t>(~bit);
  }

  void tell(unsigned depth) const {
    if (ipv6_)
      tell_({Ip::v6(address_.data()), static_cast<std::uint8_t>(depth)});
    else
      tell_({Ip::v4(address_.data() + 12), static_cast<std::uint8_t>(depth - 96)});
  }

  const mmdb::File& file_;
  const std::function<void(const Cidr&)>& tell_;
  std::uint64_t visits_left_;
  std::vector<bool> has_place_;  // by the record's number
  std::uint32_t ipv4_ = kNone;
  bool ipv6_ = false;
  std::array<std::uint8_t, 16> address_{};
};

}  // namespace

tl::expected<void, std::string> each_network(const std::filesystem::path& path,
                                             const std::function<void(const Cidr&)>& tell) {
  const tl::expected<mmdb::File, std::string> file = mmdb::open_file(path);
  if (!file) return tl::unexpected<std::string>(path.string() + ": " + file.error());
  if (!Walk(*file, tell).run())
    return tl::unexpected<std::string>(path.string() + ": its search tree stands for more networks than can be told");
  return {};
}

}  // namespace geo::io

// Writes MaxMind DB files for tests, whole and broken ones. (https://maxmind.github.io/MaxMind-DB/)
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "geo/base/ip.h"

namespace geo::test {

// What a record is made of: MmdbMap{{"city", MmdbMap{{"names", MmdbMap{{"en", "Moscow"}}}}}}
struct MmdbValue;
using MmdbMap = std::vector<std::pair<std::string, MmdbValue>>;
using MmdbArray = std::vector<MmdbValue>;
struct MmdbValue {
  std::variant<std::string, double, float, std::uint16_t, std::uint32_t, std::uint64_t, bool, MmdbMap, MmdbArray> is;

  template <class T>
  MmdbValue(T value) : is(std::move(value)) {}
  MmdbValue(const char* text) : is(std::string(text)) {}
};

class MmdbWriter {
 public:
  struct Options {
    std::string database_type = "GeoLite2-City";
    std::vector<std::string> languages{"en"};
    std::uint16_t ip_version = 6;    // IPv4 stands in an IPv6 tree under ::/96
    std::uint16_t record_size = 28;  // bits: 24, 28 or 32
    std::uint16_t format = 2;
    std::uint64_t build_epoch_s = 1767225600;
    bool pointers = true;  // a value that was there before is pointed to
  };
  explicit MmdbWriter(Options options);
  MmdbWriter() : MmdbWriter(Options()) {}

  // Of two networks the more exact one holds, of equal ones the later.
  void insert(const Cidr& network, const MmdbValue& record);
  // The same for a network as text and for bytes as they shall stand in the data section; for broken records.
  void insert(const char* network, const MmdbValue& record);
  void insert_bytes(const char* network, const std::string& record);
  // Makes all of `network` lead to the node that begins `target`: an alias, or a circle.
  void alias(const char* network, const char* target);

  std::string bytes() const;

  // The pieces, for those who break one: search tree, separator, data section, metadata with its marker.
  std::string tree() const;
  const std::string& data() const { return data_; }
  std::string metadata() const;

 private:
  enum class Leads : std::uint8_t { nowhere, node, data };
  struct Record {
    Leads leads = Leads::nowhere;
    std::uint32_t to = 0;  // a node, or an offset in the data section
    unsigned prefix = 0;   // of the network that this record is from
  };
  using Node = std::array<Record, 2>;

  std::pair<Ip, unsigned> in_tree(const Cidr& network) const;
  Record& record_at(const Ip& address, unsigned bits);
  void fill(Record& record, const Record& with);
  void place(const Cidr& network, std::uint32_t data_offset);
  void encode(std::string& out, const MmdbValue& value);
  std::uint32_t store(const MmdbValue& value);

  Options options_;
  std::vector<Node> nodes_{Node{}};
  std::string data_;
  std::map<std::string, std::uint32_t> stored_;  // a value's bytes without pointers -> where it stands
};

// Control bytes and payload of one value, no pointers.
std::string mmdb_bytes(const MmdbValue& value);
// A pointer of four bytes.
std::string mmdb_pointer(std::uint32_t target);

// A place, in either schema; empty texts and absent numbers are left out (the flat schema has empty texts, as its
// public files do). Names by language; the flat schema takes the first.
struct MmdbPlace {
  std::string country{}, region_iso{};
  std::vector<std::pair<std::string, std::string>> region{}, city{};  // {"en", "Moscow"}
  std::string latitude{}, longitude{};                                // "" or digits
  std::string registered_country{};
};
MmdbValue geoip2_record(const MmdbPlace& place);
MmdbValue flat_record(const MmdbPlace& place);

}  // namespace geo::test

#include "mmdb_writer.h"

#include <bit>
#include <cstdlib>
#include <stdexcept>

namespace geo::test {
namespace {

Cidr network_of(const char* text) {
  std::string why;
  const std::optional<Cidr> network = Cidr::parse(text, &why);
  if (!network) throw std::invalid_argument(std::string(text) + ": " + why);
  return *network;
}

unsigned bit_of(const Ip& address, unsigned bit) { return address.bytes()[bit / 8] >> (7 - bit % 8) & 1U; }

void append_number(std::string& out, std::uint64_t value, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i));
}

// The control byte (two for types above 7), and what of the size does not go into it.
void append_head(std::string& out, unsigned type, std::size_t size) {
  const unsigned small = size < 29 ? static_cast<unsigned>(size) : size < 285 ? 29 : size < 65821 ? 30 : 31;
  out += static_cast<char>((type > 7 ? 0 : type << 5) | small);
  if (type > 7) out += static_cast<char>(type - 7);
  constexpr std::size_t kFrom[] = {0, 29, 285, 65821};
  if (small >= 29) append_number(out, size - kFrom[small - 28], small - 28);
}

void append_unsigned(std::string& out, unsigned type, std::uint64_t value) {
  const auto bytes = static_cast<unsigned>((std::bit_width(value) + 7) / 8);
  append_head(out, type, bytes);
  append_number(out, value, bytes);
}

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // clang before 17 does not deduce it by itself

// inner: writes a value that stands inside this one.
template <class Inner>
void append_value(std::string& out, const MmdbValue& value, const Inner& inner) {
  std::visit(Overloaded{
                 [&](const std::string& text) {
                   append_head(out, 2, text.size());
                   out += text;
                 },
                 [&](double number) {
                   append_head(out, 3, 8);
                   append_number(out, std::bit_cast<std::uint64_t>(number), 8);
                 },
                 [&](float number) {
                   append_head(out, 15, 4);
                   append_number(out, std::bit_cast<std::uint32_t>(number), 4);
                 },
                 [&](std::uint16_t number) { append_unsigned(out, 5, number); },
                 [&](std::uint32_t number) { append_unsigned(out, 6, number); },
                 [&](std::uint64_t number) { append_unsigned(out, 9, number); },
                 [&](bool truth) { append_head(out, 14, truth ? 1 : 0); },
                 [&](const MmdbMap& map) {
                   append_head(out, 7, map.size());
                   for (const auto& [key, held] : map) {
                     inner(out, MmdbValue(key));
                     inner(out, held);
                   }
                 },
                 [&](const MmdbArray& array) {
                   append_head(out, 11, array.size());
                   for (const MmdbValue& held : array) inner(out, held);
                 },
             },
             value.is);
}

void append_plain(std::string& out, const MmdbValue& value) { append_value(out, value, append_plain); }

MmdbMap names_of(const std::vector<std::pair<std::string, std::string>>& names) {
  MmdbMap map;
  for (const auto& [language, name] : names)
    if (!name.empty()) map.emplace_back(language, name);
  return map;
}

}  // namespace

std::string mmdb_bytes(const MmdbValue& value) {
  std::string out;
  append_plain(out, value);
  return out;
}

std::string mmdb_pointer(std::uint32_t target) {
  std::string out("\x38", 1);
  append_number(out, target, 4);
  return out;
}

MmdbWriter::MmdbWriter(Options options) : options_(std::move(options)) {}

// Where a network stands in the tree: the address whose bits lead there, and how many of them.
std::pair<Ip, unsigned> MmdbWriter::in_tree(const Cidr& network) const {
  std::array<std::uint8_t, 16> bytes = network.base.bytes();
  if (!network.base.is_v4()) {
    if (options_.ip_version == 4) throw std::invalid_argument("an IPv6 network in an IPv4 file");
    return {network.base, network.prefix};
  }
  if (options_.ip_version == 6) {
    bytes[10] = bytes[11] = 0;
    return {Ip::v6(bytes.data()), network.prefix + 96U};
  }
  std::copy(bytes.begin() + 12, bytes.end(), bytes.begin());
  return {Ip::v6(bytes.data()), network.prefix};
}

// The record that `bits` bits of the address lead to; the nodes on the way are made, and take over what was there.
MmdbWriter::Record& MmdbWriter::record_at(const Ip& address, unsigned bits) {
  if (bits == 0) throw std::invalid_argument("a network of all addresses has no record of its own");
  std::uint32_t node = 0;
  for (unsigned bit = 0;; ++bit) {
    const unsigned side = bit_of(address, bit);
    if (bit + 1 == bits) return nodes_[node][side];
    if (nodes_[node][side].leads != Leads::node) {
      const Record was = nodes_[node][side];
      nodes_.push_back(Node{was, was});
      nodes_[node][side] = {Leads::node, static_cast<std::uint32_t>(nodes_.size() - 1), 0};
    }
    node = nodes_[node][side].to;
  }
}

void MmdbWriter::fill(Record& record, const Record& with) {
  if (record.leads == Leads::node) {
    for (Record& below : nodes_[record.to]) fill(below, with);
  } else if (record.prefix <= with.prefix) {
    record = with;
  }
}

void MmdbWriter::place(const Cidr& network, std::uint32_t data_offset) {
  const auto [address, bits] = in_tree(network);
  fill(record_at(address, bits), {Leads::data, data_offset, bits});
}

void MmdbWriter::insert(const Cidr& network, const MmdbValue& record) { place(network, store(record)); }
void MmdbWriter::insert(const char* network, const MmdbValue& record) { insert(network_of(network), record); }

void MmdbWriter::insert_bytes(const char* network, const std::string& record) {
  const auto offset = static_cast<std::uint32_t>(data_.size());
  data_ += record;
  place(network_of(network), offset);
}

void MmdbWriter::alias(const char* network, const char* target) {
  const auto [address, bits] = in_tree(network_of(network));
  const auto [target_address, target_bits] = in_tree(network_of(target));
  record_at(address, bits);  // the target may be on the way here
  std::uint32_t node = 0;
  if (target_bits > 0) {
    const Record to = record_at(target_address, target_bits);
    if (to.leads != Leads::node) throw std::invalid_argument(std::string(target) + " begins at no node");
    node = to.to;
  }
  record_at(address, bits) = {Leads::node, node, 0};
}

// In the data section: what was written before is pointed to, where that is no longer than writing it again.
void MmdbWriter::encode(std::string& out, const MmdbValue& value) {
  const std::string plain = mmdb_bytes(value);
  if (options_.pointers && plain.size() > 5) {
    out += mmdb_pointer(store(value));
    return;
  }
  out += plain;
}

std::uint32_t MmdbWriter::store(const MmdbValue& value) {
  const std::string plain = mmdb_bytes(value);
  if (const auto at = stored_.find(plain); at != stored_.end()) return at->second;
  std::string out;  // what it points to is stored first, in front of it
  append_value(out, value, [this](std::string& to, const MmdbValue& held) { encode(to, held); });
  const auto offset = static_cast<std::uint32_t>(data_.size());
  data_ += out;
  stored_.emplace(plain, offset);
  return offset;
}

std::string MmdbWriter::tree() const {
  const auto count = static_cast<std::uint32_t>(nodes_.size());
  const auto number = [&](const Record& record) {
    switch (record.leads) {
      case Leads::node:
        return record.to;
      case Leads::data:
        return count + 16 + record.to;
      default:
        return count;
    }
  };
  std::string out;
  for (const Node& node : nodes_) {
    const std::uint32_t left = number(node[0]), right = number(node[1]);
    if (options_.record_size == 28) {
      append_number(out, left & 0xffffffU, 3);
      out += static_cast<char>((left >> 20 & 0xf0U) | right >> 24);
      append_number(out, right & 0xffffffU, 3);
    } else {
      append_number(out, left, options_.record_size / 8U);
      append_number(out, right, options_.record_size / 8U);
    }
  }
  return out;
}

std::string MmdbWriter::metadata() const {
  MmdbArray languages;
  for (const std::string& language : options_.languages) languages.emplace_back(language);
  return "\xab\xcd\xefMaxMind.com" + mmdb_bytes(MmdbMap{
                                         {"binary_format_major_version", options_.format},
                                         {"binary_format_minor_version", std::uint16_t{0}},
                                         {"build_epoch", options_.build_epoch_s},
                                         {"database_type", options_.database_type},
                                         {"description", MmdbMap{{"en", "a test"}}},
                                         {"ip_version", options_.ip_version},
                                         {"languages", languages},
                                         {"node_count", static_cast<std::uint32_t>(nodes_.size())},
                                         {"record_size", options_.record_size},
                                     });
}

std::string MmdbWriter::bytes() const { return tree() + std::string(16, '\0') + data_ + metadata(); }

MmdbValue geoip2_record(const MmdbPlace& place) {
  MmdbMap record;
  if (MmdbMap names = names_of(place.city); !names.empty())
    record.emplace_back("city", MmdbMap{{"geoname_id", std::uint32_t{524901}}, {"names", names}});
  if (!place.country.empty()) record.emplace_back("country", MmdbMap{{"iso_code", place.country}});
  MmdbMap location;
  if (!place.latitude.empty()) location.emplace_back("latitude", std::strtod(place.latitude.c_str(), nullptr));
  if (!place.longitude.empty()) location.emplace_back("longitude", std::strtod(place.longitude.c_str(), nullptr));
  if (!location.empty()) record.emplace_back("location", location);
  if (!place.registered_country.empty())
    record.emplace_back("registered_country", MmdbMap{{"iso_code", place.registered_country}});
  MmdbMap subdivision;
  if (!place.region_iso.empty()) subdivision.emplace_back("iso_code", place.region_iso);
  if (MmdbMap names = names_of(place.region); !names.empty()) subdivision.emplace_back("names", names);
  if (!subdivision.empty())
    record.emplace_back(
        "subdivisions",
        MmdbArray{subdivision, MmdbMap{{"iso_code", "2ND"}, {"names", MmdbMap{{"en", "A second subdivision"}}}}});
  return record;
}

MmdbValue flat_record(const MmdbPlace& place) {
  const auto first = [](const auto& names) { return names.empty() ? std::string() : names.front().second; };
  MmdbMap record{{"city", first(place.city)}, {"country_code", place.country}};
  if (!place.latitude.empty()) record.emplace_back("latitude", std::strtof(place.latitude.c_str(), nullptr));
  if (!place.longitude.empty()) record.emplace_back("longitude", std::strtof(place.longitude.c_str(), nullptr));
  record.insert(record.end(), {{"postcode", ""}, {"state1", first(place.region)}, {"state2", ""}, {"timezone", ""}});
  return record;
}

}  // namespace geo::test

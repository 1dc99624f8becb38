#include "mmdb_reference.h"

#include <charconv>
#include <functional>
#include <initializer_list>
#include <stdexcept>

namespace geo::test {
namespace {

template <class Number>
std::string shortest(Number value) {
  std::array<char, 400> digits;
  return {digits.data(),
          std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed).ptr};
}

// The first of the paths that leads to a value.
std::string value_at(MMDB_entry_s& record, std::initializer_list<std::vector<const char*>> paths) {
  for (std::vector<const char*> path : paths) {
    path.push_back(nullptr);
    MMDB_entry_data_s data;
    if (MMDB_aget_value(&record, &data, path.data()) != MMDB_SUCCESS || !data.has_data) continue;
    switch (data.type) {
      case MMDB_DATA_TYPE_UTF8_STRING:
        return {data.utf8_string, data.data_size};
      case MMDB_DATA_TYPE_FLOAT:
        return shortest(data.float_value);
      case MMDB_DATA_TYPE_DOUBLE:
        return shortest(data.double_value);
      default:
        break;
    }
  }
  return {};
}

}  // namespace

MmdbReference::MmdbReference(const std::filesystem::path& file) {
  if (const int error = MMDB_open(file.c_str(), MMDB_MODE_MMAP, &file_); error != MMDB_SUCCESS)
    throw std::runtime_error(file.string() + ": " + MMDB_strerror(error));
}

std::string MmdbReference::fields(const std::string& address) const {
  int not_an_address = 0, error = MMDB_SUCCESS;
  MMDB_lookup_result_s found = MMDB_lookup_string(&file_, address.c_str(), &not_an_address, &error);
  if (not_an_address != 0) throw std::invalid_argument(address);
  if (error == MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR) return {};
  if (error != MMDB_SUCCESS) throw std::runtime_error(MMDB_strerror(error));
  if (!found.found_entry) return {};
  MMDB_entry_s& record = found.entry;
  const std::string fields[] = {
      value_at(record, {{"country", "iso_code"}, {"country_code"}}),
      value_at(record, {{"subdivisions", "0", "iso_code"}}),
      value_at(record, {{"subdivisions", "0", "names", "en"}, {"state1"}}),
      value_at(record, {{"city", "names", "en"}, {"city"}}),
      value_at(record, {{"location", "latitude"}, {"latitude"}}),
      value_at(record, {{"location", "longitude"}, {"longitude"}}),
  };
  std::string line;
  bool empty = true;
  for (const std::string& field : fields) {
    line += (&field == fields ? "" : "\t") + field;
    empty = empty && field.empty();
  }
  return empty ? std::string() : line;
}

std::vector<MmdbReference::Network> MmdbReference::networks() const {
  std::vector<Network> found;
  Network at;
  const std::uint32_t ipv4 = file_.ipv4_start_node.netmask == 96 ? file_.ipv4_start_node.node_value : UINT32_MAX;
  const auto is_zero = [&] { return at.first == std::array<std::uint8_t, 16>{}; };
  const std::function<void(std::uint64_t, std::uint8_t)> walk = [&](std::uint64_t record, std::uint8_t type) {
    if (type == MMDB_RECORD_TYPE_DATA) found.push_back(at);
    if (type != MMDB_RECORD_TYPE_SEARCH_NODE || (record == ipv4 && !is_zero())) return;
    MMDB_search_node_s node;
    if (MMDB_read_node(&file_, static_cast<std::uint32_t>(record), &node) != MMDB_SUCCESS)
      throw std::runtime_error("a node that cannot be read");
    const unsigned byte = at.prefix / 8, bit = 0x80U >> at.prefix % 8;
    ++at.prefix;
    walk(node.left_record, node.left_record_type);
    at.first[byte] = static_cast<std::uint8_t>(at.first[byte] | bit);
    walk(node.right_record, node.right_record_type);
    at.first[byte] = static_cast<std::uint8_t>(at.first[byte] & ~bit);
    --at.prefix;
  };
  walk(0, MMDB_RECORD_TYPE_SEARCH_NODE);
  return found;
}

}  // namespace geo::test

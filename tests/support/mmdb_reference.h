// What a MaxMind DB file says, by libmaxminddb alone: what the product's own reading is compared with.
#pragma once

#include <maxminddb.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace geo::test {

class MmdbReference {
 public:
  explicit MmdbReference(const std::filesystem::path& file);
  MmdbReference(const MmdbReference&) = delete;
  MmdbReference& operator=(const MmdbReference&) = delete;
  ~MmdbReference() { MMDB_close(&file_); }

  // Country, region's ISO code, region, city, latitude and longitude, by tabs; names in English, numbers in the fewest
  // digits that read back as the same. Empty: no record, or nothing in it.
  std::string fields(const std::string& address) const;

  // In the file's order; an IPv4 network of a file with both families begins with twelve zero bytes.
  struct Network {
    std::array<std::uint8_t, 16> first{};
    unsigned prefix = 0;  // of 128, or of 32 in a file with IPv4 alone: then `first` has four bytes
  };
  // Those with a record; subtrees that are shared are told each time, but for the aliases of the IPv4 tree.
  std::vector<Network> networks() const;
  unsigned bits() const { return file_.depth; }

  const MMDB_s& file() const { return file_; }

 private:
  MMDB_s file_{};
};

}  // namespace geo::test

// MaxMind DB files: address -> Location.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "geo/base/export.h"
#include "geo/resolve.h"

namespace geo::io {

// What a file says of itself.
struct MmdbInfo {
  std::string path, type;
  std::uint64_t build_epoch_s = 0;  // Unix seconds
  std::uint32_t ip_version = 0;     // 4 or 6
};

// The `maxmind` provider over several files, asked in their order; the first record with anything in it wins.
//
// Read: the GeoIP2/GeoLite2 City schema and the flat one of the public DB-IP files (country_code, state1, city,
// latitude, longitude); `country`, never `registered_country`; the first subdivision; names in `language`, else
// English, else the first there. Owns: the files' contents, read into memory: a file overwritten in place cannot hurt a
// running process. Threads: immutable; any number look up at once.
class GEO_EXPORT MaxMind final : public resolve::Provider {
 public:
  static constexpr std::string_view kName = "maxmind";

  // The error names the file and says what is wrong: missing, not a MaxMind DB, of another type, truncated, broken
  // pointers. Every record of every file is read once before it is used.
  static tl::expected<std::unique_ptr<MaxMind>, std::string> open(const std::vector<std::filesystem::path>& files,
                                                                  std::string_view language);
  ~MaxMind() override;

  std::string_view name() const override { return kName; }
  Polled<resolve::Located> locate(const resolve::Query& query) const override;
  const std::vector<MmdbInfo>& files() const;

 private:
  struct Files;
  explicit MaxMind(std::unique_ptr<Files> files);
  std::unique_ptr<Files> files_;
};

}  // namespace geo::io

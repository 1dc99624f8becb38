// MaxMind DB files: address -> Location. Read directly for a few questions (geoctl), through an index for many (geod).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "geo/base/export.h"
#include "geo/resolve.h"

namespace geo::io {

// What a file says of itself, and what was counted.
struct MmdbInfo {
  std::string path, type;
  std::uint64_t build_epoch_s = 0;  // Unix seconds
  std::uint32_t ip_version = 0;     // 4 or 6
  std::uint64_t networks = 0;       // with a record
  std::uint64_t bytes = 0;          // of memory held: the file's copy, or its index
};

inline constexpr std::string_view kMaxMind = "maxmind";

// The `maxmind` provider over several files, asked in their order; the first record with anything in it wins.
//
// Read: the GeoIP2/GeoLite2 City schema and the flat one of the public DB-IP files (country_code, state1, city,
// latitude, longitude); `country`, never `registered_country`; the first subdivision; names in `language`, else
// English, else the first there. Owns: the files' contents, read into memory: a file overwritten in place cannot hurt a
// running process. Threads: immutable; any number look up at once.
class GEO_EXPORT MaxMind final : public resolve::Provider {
 public:
  // The error names the file and says what is wrong: missing, not a MaxMind DB, of another type, truncated, broken
  // pointers. Every record of every file is read once before it is used.
  static tl::expected<std::unique_ptr<MaxMind>, std::string> open(const std::vector<std::filesystem::path>& files,
                                                                  std::string_view language);
  ~MaxMind() override;

  std::string_view name() const override { return kMaxMind; }
  Polled<resolve::Located> locate(const resolve::Query& query) const override;
  UpstreamStatus status(MonotonicTime now) const override;
  const std::vector<MmdbInfo>& files() const;

 private:
  struct Files;
  explicit MaxMind(std::unique_ptr<Files> files);
  std::unique_ptr<Files> files_;
};

// One file as a table in memory: address -> place, IPv4 and IPv6, without its search tree and its records. Of a city
// file with 6 million networks and 425,000 places: 96 MB, 68 of them the places (tests/bench/README.md).
// Same answers as MaxMind over that file, for every address. Owns: all of it; the file is not needed any more.
// Threads: immutable; any number look up at once.
class GEO_EXPORT CityIndex {
 public:
  using PlaceId = std::uint32_t;

  // Errors: as MaxMind::open(), and a file whose shared parts stand for far more than it holds. Takes seconds for a
  // large file; memory while it is built: the file's copy beside it.
  static tl::expected<std::shared_ptr<const CityIndex>, std::string> build(const std::filesystem::path& file,
                                                                           std::string_view language);
  // What build() makes of `file`, as keep() left it in `kept`: in a tenth of the time. Null: nothing was kept there, or
  // of another content, in another language, by another geod. The error says what is wrong with `kept`, which is
  // damaged then.
  static tl::expected<std::shared_ptr<const CityIndex>, std::string> read(const std::filesystem::path& kept,
                                                                          const std::filesystem::path& file,
                                                                          std::string_view language);
  // Atomic; makes the directory. The error names the file.
  tl::expected<void, std::string> keep(const std::filesystem::path& kept) const;
  bool is_kept() const;  // it was read, or keep() has been there
  ~CityIndex();

  std::optional<PlaceId> find(const Ip& ip) const;
  const place::Location& place(PlaceId id) const;
  std::size_t places() const;
  const MmdbInfo& info() const;

 private:
  struct Tables;
  explicit CityIndex(std::unique_ptr<Tables> tables);
  std::unique_ptr<Tables> tables_;
};

// The `maxmind` provider over indexes, asked in their order, with each place's group in `topology` worked out ahead.
class GEO_EXPORT IndexedMaxMind final : public resolve::Provider {
 public:
  // topology: null where there is none. before: the one whose place this one takes; its counts go on, and its groups
  // where they are the same.
  IndexedMaxMind(std::vector<std::shared_ptr<const CityIndex>> indexes, std::shared_ptr<const place::Topology> topology,
                 const IndexedMaxMind* before = nullptr);

  std::string_view name() const override { return kMaxMind; }
  Polled<resolve::Located> locate(const resolve::Query& query) const override;
  UpstreamStatus status(MonotonicTime now) const override;
  const std::vector<std::shared_ptr<const CityIndex>>& indexes() const { return indexes_; }

 private:
  std::vector<std::shared_ptr<const CityIndex>> indexes_;
  std::shared_ptr<const place::Topology> topology_;
  std::vector<std::shared_ptr<const std::vector<place::Grouped>>> grouped_;  // by index, by place
  std::shared_ptr<Tally> tally_;
};

// Tells each network of a file that has a place, in the order of their addresses, IPv4 first; aliases of IPv4 in IPv6
// (2002::/16) are left out. Errors: as MaxMind::open(), and a file whose shared parts stand for too many.
GEO_EXPORT tl::expected<void, std::string> each_network(const std::filesystem::path& file,
                                                        const std::function<void(const Cidr&)>& tell);

}  // namespace geo::io

// An index on disk: a start need not build it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "geo/io/mmdb.h"
#include "geo/place.h"
#include "io/mmdb/huge_pages.h"
#include "io/mmdb/table.h"

namespace geo::io::mmdb {

// A digest of what an index is made of: a file's content, and a language.
using Source = std::array<std::uint8_t, 16>;
Source source_of(std::string_view content, std::string_view language);

struct Index {
  Source source{};
  MmdbInfo info;
  Table table;
  HugeVector<place::Location> places;  // by the table's numbers
};
std::size_t memory_of(const Index& index);
std::size_t text_bytes(const place::Location& at);

// The error names the file.
tl::expected<void, std::string> write_kept(const std::filesystem::path& kept, const Index& index);

// Nothing: there is no such file, or it is of another source, or of another format. The error says what is wrong with
// it, without its name. Whatever the file holds, the index that is read answers without reading outside of its memory.
tl::expected<std::optional<Index>, std::string> read_kept(const std::filesystem::path& kept,
                                                          const std::filesystem::path& file, std::string_view language);

}  // namespace geo::io::mmdb

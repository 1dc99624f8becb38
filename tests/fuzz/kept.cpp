// A kept index of a city database: whatever stands in it, an error, none, or an index that answers from its own memory.
// The input is written over a good one, 8 bytes each: where, from its begin or its end, and what.
#include <cstring>
#include <fstream>
#include <iterator>

#include "fuzz.h"
#include "geo/io/mmdb.h"
#include "io/mmdb/kept.h"
#include "mmdb_writer.h"
#include "scratch.h"

namespace {

using geo::io::CityIndex;

struct Good {
  Good() {
    geo::test::MmdbWriter writer;
    for (const char* const network : {"198.18.0.0/15", "198.51.100.128/25", "2001:db8::/32", "2400::1/128"})
      writer.insert(network,
                    geo::test::geoip2_record({"RU", "MOW", {{"en", "Moscow"}}, {{"en", network}}, "55.7", "37.6", ""}));
    writer.alias("2002::/16", "0.0.0.0/0");
    scratch.write("city.mmdb", writer.bytes());
    require((*CityIndex::build(database, "en"))->keep(kept).has_value());
    std::ifstream in(kept, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }

  geo::test::Scratch scratch;
  std::filesystem::path database = scratch / "city.mmdb", kept = scratch / "city.index";
  std::string bytes;
};

}  // namespace

void fuzz(std::string_view input) {
  static const Good good;
  std::string bytes = good.bytes;
  const std::size_t end = bytes.size() - sizeof(geo::io::mmdb::Source);
  for (; input.size() >= 8; input.remove_prefix(8)) {
    std::int32_t where = 0;
    std::memcpy(&where, input.data(), sizeof where);
    const std::size_t at =
        where >= 0 ? static_cast<std::size_t>(where) % end : end - static_cast<std::size_t>(-std::int64_t{where}) % end;
    bytes.replace(at, 4, input.substr(4, 4));
  }
  bytes.resize(end);
  const geo::io::mmdb::Source digest = geo::io::mmdb::source_of(bytes, {});
  bytes.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  good.scratch.overwrite("city.index", bytes);

  const auto read = CityIndex::read(good.kept, good.database, "en");
  require(read || !read.error().empty());
  if (!read || *read == nullptr) return;
  const CityIndex& index = **read;
  for (const char* const ip : {"0.0.0.0", "198.18.0.1", "198.51.100.1", "198.51.100.200", "255.255.255.255",
                               "::", "::1", "2001:db8::1", "2002:c612:1::", "2400::1", "2400::2", "ffff::"})
    if (const auto id = index.find(*geo::Ip::parse(ip))) {
      require(*id < index.places());
      require(!index.place(*id).empty());
    }
}

// MaxMind DB files: whatever stands in them, an error, or an index that answers as the file does.
#include <algorithm>
#include <array>
#include <cstring>

#include "fuzz.h"
#include "geo/io/mmdb.h"
#include "scratch.h"

namespace {

void same_answer(const geo::io::MaxMind& file, const geo::io::CityIndex& index, const geo::Ip& ip) {
  const auto theirs = file.locate({ip});
  const auto ours = index.find(ip);
  require(theirs->has_value() == ours.has_value());
  require(!ours || index.place(*ours) == *(*theirs)->location);
}

}  // namespace

void fuzz(std::string_view input) {
  static const geo::test::Scratch scratch;
  const std::filesystem::path path = scratch.overwrite("city.mmdb", input);
  const auto index = geo::io::CityIndex::build(path, "ru");
  const auto file = geo::io::MaxMind::open({path}, "ru");
  if (!file || !index) {
    require((file || !file.error().empty()) && (index || !index.error().empty()));
    require(!index);  // it may refuse what stands for too much
    return;
  }
  require((*file)->files()[0].networks == (*index)->info().networks);
  std::size_t networks = 0;
  const auto told = geo::io::each_network(path, [&](const geo::Cidr& cidr) {
    constexpr std::size_t kLookedAtMax = 1000;
    if (++networks <= kLookedAtMax) require((*index)->find(cidr.base).has_value());
  });
  require(told || !told.error().empty());
  // addresses made of the input's own bytes, behind prefixes that files have
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t at = 0; at < input.size(); at += 1 + input.size() / 64) {
    std::memcpy(bytes.data() + at % 12, input.data() + at, std::min<std::size_t>(4, input.size() - at));
    for (const std::uint8_t first : {0x00, 0x20, 0x24}) {
      bytes[0] = first;
      same_answer(**file, **index, geo::Ip::v6(bytes.data()));
    }
    same_answer(**file, **index, geo::Ip::v4(bytes.data() + at % 12));
  }
  for (const char* const ip : {"::", "::1", "198.18.0.1", "2002:c612:1::", "2001:db8::1", "255.255.255.255"})
    same_answer(**file, **index, *geo::Ip::parse(ip));
}

#include "io/mmdb/kept.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "io/file/bytes.h"
#include "io/mmdb/file.h"

namespace geo::io::mmdb {
namespace {

using place::Location;
using Unexpected = tl::unexpected<std::string>;

// Shape: Head, the database's type, the table's arrays, each place as Place and its texts, a digest of all before it.
// Numbers as this machine has them: a file of another byte order is none of this format.
struct Head {
  std::array<char, 8> mark;
  std::uint64_t format;
  Source source;
  std::uint64_t type_bytes, build_epoch_s, ip_version, networks;  // MmdbInfo
  std::uint64_t ipv4, ipv6, nodes;                                // Table::Sizes
  std::uint64_t places, places_bytes;
};
static_assert(std::has_unique_object_representations_v<Head>);
constexpr std::array<char, 8> kMark{'g', 'e', 'o', ' ', 'c', 'i', 't', 'y'};
// To be raised with whatever changes what stands in a file: its shape, the table's, or what a record is read as.
constexpr std::uint64_t kFormat = 1;

struct Place {
  double latitude, longitude;          // not numbers: it has none
  std::array<std::uint32_t, 4> sizes;  // of its texts
};
static_assert(sizeof(Place) == 32);

template <class L>
auto texts_of(L& at) {
  return std::array{&at.country_code, &at.region_iso, &at.region, &at.city};
}

template <class T>
std::string_view bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// Of what comes in parts.
class Digesting {
 public:
  Digesting() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }
  void add(std::string_view bytes) { XXH3_128bits_update(state_.get(), bytes.data(), bytes.size()); }
  Source digest() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    Source digest;
    static_assert(sizeof canonical.digest == sizeof digest);
    std::memcpy(digest.data(), canonical.digest, sizeof digest);
    return digest;
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

constexpr std::size_t kBuffer = std::size_t{256} * 1024;

// A file's bytes one after the other, all but the digest at its end.
class Reader {
 public:
  Reader(const Descriptor& file, std::uint64_t size) : file_(file), left_(size), buffer_(kBuffer) {}

  // False: there are no more that many; or they cannot be read, and trouble() says why.
  bool read(void* to, std::size_t size) {
    auto* at = static_cast<char*>(to);
    const std::size_t held = std::min(size, end_ - begin_);
    if (size - held > left_) return false;
    at = std::copy_n(buffer_.data() + begin_, held, at);
    begin_ += held;
    size -= held;
    if (size >= kBuffer) return take(at, size);
    if (size == 0) return true;
    begin_ = 0;
    end_ = static_cast<std::size_t>(std::min<std::uint64_t>(kBuffer, left_));
    if (!take(buffer_.data(), end_)) return false;
    std::copy_n(buffer_.data(), size, at);
    begin_ = size;
    return true;
  }
  bool read(std::string& text, std::size_t size) {
    if (size > end_ - begin_ + left_) return false;
    text.resize(size);
    return read(text.data(), size);
  }
  // Was that all, and is it what was digested when it was written?
  bool ends_well() {
    Source digest;
    return begin_ == end_ && left_ == 0 && fill(reinterpret_cast<char*>(digest.data()), digest.size()) &&
           digest == digesting_.digest();
  }
  const std::string& trouble() const { return trouble_; }

 private:
  bool take(char* to, std::size_t size) {
    if (!fill(to, size)) return false;
    left_ -= size;
    digesting_.add({to, size});
    return true;
  }
  bool fill(char* to, std::size_t size) {
    while (size > 0) {
      const ssize_t got = read_some(file_, to, size);
      if (got < 0) trouble_ = "cannot be read: " + std::generic_category().message(errno);
      if (got <= 0) return false;
      to += got;
      size -= static_cast<std::size_t>(got);
    }
    return true;
  }

  const Descriptor& file_;
  std::uint64_t left_;  // behind those in the buffer
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what is in it
  Digesting digesting_;
  std::string trouble_;
};

// Do the parts that the head tells of make up a file of that size? Then none of them is larger than it.
bool fits(const Head& head, std::uint64_t size) {
  std::uint64_t left = size;
  const auto take = [&](std::uint64_t count, std::uint64_t bytes) {
    if (count > left / bytes) return false;
    left -= count * bytes;
    return true;
  };
  return take(1, sizeof head) && take(1, sizeof(Source)) && take(head.type_bytes, 1) &&
         take(head.ipv4, sizeof(std::uint32_t)) && take(head.ipv6, sizeof(std::uint32_t)) &&
         take(head.nodes, sizeof(std::uint16_t)) && take(head.places_bytes, 1) && left == 0 &&
         head.places <= head.places_bytes / sizeof(Place) && head.places <= Table::kNumberMax;
}

// Nothing: it cannot be read; whoever builds the index says why.
std::optional<Source> source_of(const std::filesystem::path& path, std::string_view language) {
  const auto file = open_to_read(path);
  if (!file) return std::nullopt;
  Digesting digesting;
  std::vector<char> buffer(kBuffer);
  for (;;) {
    const ssize_t got = read_some(*file, buffer.data(), buffer.size());
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    digesting.add({buffer.data(), static_cast<std::size_t>(got)});
  }
  digesting.add(language);
  return digesting.digest();
}

// As location_of() would have read it?
bool is_sound(const Location& at) {
  const auto is_text = [](const std::string& text) {
    return text.empty() || (text.find_first_not_of(' ') != std::string::npos && is_plain_text(text));
  };
  return !at.empty() && (at.country_code.empty() || place::is_country_code(at.country_code)) &&
         (at.region_iso.empty() || place::is_region_iso(at.region_iso)) && is_text(at.region) && is_text(at.city) &&
         (!at.coordinates || (std::abs(at.coordinates->latitude) <= 90 && std::abs(at.coordinates->longitude) <= 180));
}

bool read_place(Reader& reader, Location& at) {
  Place place;
  if (!reader.read(&place, sizeof place)) return false;
  if (!std::isnan(place.latitude)) at.coordinates = place::Coordinates{place.latitude, place.longitude};
  const auto texts = texts_of(at);
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (!reader.read(*texts[i], place.sizes[i])) return false;
  return is_sound(at);
}

void append_place(std::string& out, const Location& at) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  Place place{kNone, kNone, {}};
  if (at.coordinates) place.latitude = at.coordinates->latitude, place.longitude = at.coordinates->longitude;
  const auto texts = texts_of(at);
  for (std::size_t i = 0; i < texts.size(); ++i) place.sizes[i] = static_cast<std::uint32_t>(texts[i]->size());
  out += bytes_of(place);
  for (const std::string* const text : texts) out += *text;
}

}  // namespace

Source source_of(std::string_view content, std::string_view language) {
  Digesting digesting;
  digesting.add(content);
  digesting.add(language);
  return digesting.digest();
}

std::size_t text_bytes(const Location& at) {
  std::size_t bytes = 0;
  for (const std::string* const text : texts_of(at)) bytes += text->size();
  return bytes;
}

std::size_t memory_of(const Index& index) {
  std::size_t bytes = index.table.bytes() + index.places.capacity() * sizeof(Location);
  for (const Location& at : index.places)
    for (const std::string* const text : texts_of(at))
      if (text->capacity() > std::string().capacity()) bytes += text->capacity() + 1;
  return bytes;
}

tl::expected<void, std::string> write_kept(const std::filesystem::path& kept, const Index& index) {
  if (auto made = make_parent(kept); !made) return made;
  std::size_t places_bytes = 0;
  for (const Location& at : index.places) places_bytes += sizeof(Place) + text_bytes(at);
  std::string places;
  places.reserve(places_bytes);
  for (const Location& at : index.places) append_place(places, at);
  const Table::Sizes sizes = index.table.sizes();
  const MmdbInfo& info = index.info;
  const Head head{kMark,         kFormat,    index.source, info.type.size(), info.build_epoch_s,  info.ip_version,
                  info.networks, sizes.ipv4, sizes.ipv6,   sizes.nodes,      index.places.size(), places_bytes};
  std::vector<std::string_view> parts{bytes_of(head), info.type};
  for (const std::span<const std::byte> array : index.table.arrays())
    parts.emplace_back(reinterpret_cast<const char*>(array.data()), array.size());
  parts.emplace_back(places);
  Digesting digesting;
  for (const std::string_view part : parts) digesting.add(part);
  const Source digest = digesting.digest();
  parts.push_back(bytes_of(digest));
  return replace_files({{kept, parts}}, 0600);
}

tl::expected<std::optional<Index>, std::string> read_kept(const std::filesystem::path& kept,
                                                          const std::filesystem::path& file,
                                                          std::string_view language) {
  std::error_code error;
  if (!std::filesystem::exists(kept, error)) return std::nullopt;
  const auto opened = open_to_read(kept);
  if (!opened) return Unexpected(opened.error());
  struct stat info {};
  if (fstat(opened->get(), &info) != 0) return Unexpected("cannot be read: " + std::generic_category().message(errno));
  const auto size = static_cast<std::uint64_t>(info.st_size);

  Reader reader(*opened, std::max<std::uint64_t>(size, sizeof(Source)) - sizeof(Source));
  const auto damaged = [&](const char* why) { return Unexpected(reader.trouble().empty() ? why : reader.trouble()); };
  Head head;
  if (!reader.read(&head, sizeof head)) return damaged("is cut short");
  if (head.mark != kMark) return damaged("is no index of a city database");
  if (head.format != kFormat || head.source != source_of(file, language)) return std::nullopt;
  if (!fits(head, size)) return damaged("is not of the size that it says");

  Index index;
  index.source = head.source;
  index.info = {file.string(), {}, head.build_epoch_s, static_cast<std::uint32_t>(head.ip_version), head.networks, 0};
  index.table = Table({head.ipv4, head.ipv6, head.nodes});
  if (!reader.read(index.info.type, head.type_bytes)) return damaged("is cut short");
  if (!is_plain_text(index.info.type)) return damaged("is damaged: its type is broken");
  for (const std::span<std::byte> array : index.table.arrays())
    if (!reader.read(array.data(), array.size())) return damaged("is cut short");
  if (!index.table.is_whole(static_cast<std::uint32_t>(head.places))) return damaged("is damaged: its table is broken");
  index.places.reserve(head.places);
  while (index.places.size() < head.places)
    if (!read_place(reader, index.places.emplace_back())) return damaged("is damaged: a place is broken");
  if (!reader.ends_well()) return damaged("is damaged: its end is not the digest of what stands before it");
  return index;
}

}  // namespace geo::io::mmdb

// Bytes and text: alphabets, percent and base64url encoding, hex, times, JSON.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"

namespace geo {

// Names of servers, cameras, nodes, groups ..: 1-64 of A-Z a-z 0-9 . _ : -
GEO_EXPORT bool is_id(std::string_view text);
inline constexpr std::string_view kIdForm = "1-64 of A-Z a-z 0-9 . _ : -";

GEO_EXPORT std::string lower(std::string_view text);
GEO_EXPORT std::string_view trim(std::string_view text);
GEO_EXPORT bool iequals(std::string_view a, std::string_view b);
GEO_EXPORT std::vector<std::string_view> split(std::string_view text, char separator);

// Is a byte visible ASCII, from kFrom to ~, and none of kBut?
template <unsigned char kFrom, char... kBut>
inline constexpr auto kVisible = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = kFrom; c < 0x7f; ++c) table[c] = ((c != static_cast<unsigned char>(kBut)) && ...);
  return table;
}();

// How many bytes at the front of `text` are; eight at a time.
template <unsigned char kFrom, char... kBut>
std::size_t visible(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = kOnes << 7U;
  const auto below = [](std::uint64_t bytes, std::uint64_t bound) { return (bytes - kOnes * bound) & ~bytes & kHighs; };
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= text.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, text.data() + at, sizeof bytes);
    std::uint64_t others = ((bytes + kOnes) | bytes) & kHighs;  // DEL and all that is no ASCII
    others |= below(bytes, kFrom);
    ((others |= below(bytes ^ kOnes * static_cast<unsigned char>(kBut), 1)), ...);
    if (others != 0) break;
  }
  while (at < text.size() && kVisible<kFrom, kBut...>[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

// Appends `text` with all but RFC 3986 unreserved characters as %XX, upper case.
GEO_EXPORT void append_percent_encoded(std::string& out, std::string_view text);
// Nothing where a % is not followed by two hex digits. `+` stays a plus.
GEO_EXPORT std::optional<std::string> percent_decoded(std::string_view text);

// RFC 4648 section 5, without padding.
GEO_EXPORT void append_base64url(std::string& out, const std::uint8_t* bytes, std::size_t size);
// Writes exactly `size` bytes; false unless `text` is the one canonical form of that many bytes.
GEO_EXPORT bool base64url_decoded(std::string_view text, std::uint8_t* out, std::size_t size);

// A character of UTF-8 (Unicode 15, table 3-7); size 0: the bytes there are none.
struct Utf8 {
  char32_t code = 0;
  std::size_t size = 0;
};
// `at` < text.size().
GEO_EXPORT Utf8 utf8_at(std::string_view text, std::size_t at);

// UTF-8 without control characters (C0, DEL, C1): it may be printed on a terminal and joined into keys.
GEO_EXPORT bool is_plain_text(std::string_view text);

GEO_EXPORT std::string hex(const std::uint8_t* bytes, std::size_t size);
GEO_EXPORT std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);

// Decimal digits only, no sign, no overflow.
GEO_EXPORT std::optional<std::uint64_t> parse_digits(std::string_view text);

// "2027-01-15T08:00:00Z"
GEO_EXPORT std::string rfc3339(WallTime time);
// "2027-01-15T08:00:00.123Z"
inline constexpr std::size_t kRfc3339MillisSize = 24;
GEO_EXPORT std::string_view write_rfc3339_millis(WallTime time, char (&out)[kRfc3339MillisSize]);
// RFC 3339 with an offset or Z, or Unix seconds.
GEO_EXPORT std::optional<WallTime> parse_time(std::string_view text);

// A name in an object that stands in the code: as it is written, `,"name":`, when that is compiled.
class JsonName {
 public:
  consteval JsonName(const char* name) {
    for (; *name != 0; ++name)
      put(kVisible<' ', '"', '\\'>[static_cast<unsigned char>(*name)] ? *name : throw "escape");
    put('"');
    put(':');
  }
  std::string_view text(bool first) const { return {bytes_ + (first ? 1 : 0), size_ - (first ? 1U : 0U)}; }

 private:
  consteval void put(char c) { bytes_[size_++] = c; }

  char bytes_[38] = {',', '"'};
  std::uint8_t size_ = 2;
};

// Writes JSON by appending to a string it does not own. Objects and arrays nest; commas come by themselves.
// Invalid UTF-8 becomes U+FFFD, so that every line is JSON whatever a client sent.
class GEO_EXPORT Json {
 public:
  explicit Json(std::string& out) : out_(out) {}
  Json& open(char bracket);   // '{' or '['
  Json& close(char bracket);  // '}' or ']'
  Json& key(JsonName name) {
    out_ += name.text(first_);
    first_ = true;
    return *this;
  }
  Json& key_of(std::string_view name);  // of whatever
  Json& text(std::string_view value);
  Json& number(std::int64_t value);
  Json& number(double value, int decimals = -1);  // decimals -1: the shortest that reads back the same
  Json& boolean(bool value);
  Json& null();
  Json& raw(std::string_view json);  // already JSON

  Json& field(JsonName name, std::string_view value) { return key(name).text(value); }
  Json& field(JsonName name, const char* value) { return key(name).text(value); }
  Json& field(JsonName name, bool value) { return key(name).boolean(value); }
  Json& field(JsonName name, std::int64_t value) { return key(name).number(value); }
  // An empty text is null: unknown, never invented.
  Json& field_or_null(JsonName name, std::string_view value) {
    key(name);
    return value.empty() ? null() : text(value);
  }

 private:
  void separate();
  std::string& out_;
  bool first_ = true;
};

}  // namespace geo

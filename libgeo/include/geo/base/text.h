// Bytes and text: alphabets, percent and base64url encoding, hex, times, JSON.
#pragma once

#include <chrono>
#include <cstdint>
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
GEO_EXPORT std::string rfc3339_millis(WallTime time);
// RFC 3339 with an offset or Z, or Unix seconds.
GEO_EXPORT std::optional<WallTime> parse_time(std::string_view text);

// Writes JSON by appending to a string it does not own. Objects and arrays nest; commas come by themselves.
// Invalid UTF-8 becomes U+FFFD, so that every line is JSON whatever a client sent.
class GEO_EXPORT Json {
 public:
  explicit Json(std::string& out) : out_(out) {}
  Json& open(char bracket);   // '{' or '['
  Json& close(char bracket);  // '}' or ']'
  Json& key(std::string_view name);
  Json& text(std::string_view value);
  Json& number(std::int64_t value);
  Json& number(double value, int decimals = -1);  // decimals -1: the shortest that reads back the same
  Json& boolean(bool value);
  Json& null();
  Json& raw(std::string_view json);  // already JSON

  Json& field(std::string_view name, std::string_view value) { return key(name).text(value); }
  Json& field(std::string_view name, const char* value) { return key(name).text(value); }
  Json& field(std::string_view name, bool value) { return key(name).boolean(value); }
  Json& field(std::string_view name, std::int64_t value) { return key(name).number(value); }
  // An empty text is null: unknown, never invented.
  Json& field_or_null(std::string_view name, std::string_view value) {
    key(name);
    return value.empty() ? null() : text(value);
  }

 private:
  void separate();
  std::string& out_;
  bool first_ = true;
};

}  // namespace geo

#include "geo/base/text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace geo {
namespace {

constexpr std::array<bool, 256> table_of(std::string_view members) {
  std::array<bool, 256> table{};
  for (const char c : members) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kUnreserved = table_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~");
constexpr auto kIdChars = table_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr auto kBase64UrlValue = [] {
  std::array<std::int8_t, 256> table{};
  for (auto& value : table) value = -1;
  for (std::size_t i = 0; i < kBase64Url.size(); ++i)
    table[static_cast<unsigned char>(kBase64Url[i])] = static_cast<std::int8_t>(i);
  return table;
}();

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

Utf8 utf8_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (size == 0 || first > 0xF4) return {};
  char32_t code = first & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, size};
}

bool is_id(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text)
    if (!kIdChars[static_cast<unsigned char>(c)]) return false;
  return true;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

void append_percent_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (;;) {
    std::size_t plain = 0;
    while (plain < text.size() && kUnreserved[static_cast<unsigned char>(text[plain])]) ++plain;
    out.append(text, 0, plain);
    if (plain == text.size()) return;
    const auto byte = static_cast<unsigned char>(text[plain]);
    const char escaped[] = {'%', kHex[byte >> 4], kHex[byte & 15]};
    out.append(escaped, sizeof escaped);
    text.remove_prefix(plain + 1);
  }
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

void append_base64url(std::string& out, const std::uint8_t* bytes, std::size_t size) {
  const std::size_t begin = out.size();
  out.resize(begin + (size * 8 + 5) / 6);
  char* to = out.data() + begin;
  std::size_t i = 0;
  for (; i + 3 <= size; i += 3) {
    const unsigned v = static_cast<unsigned>(bytes[i]) << 16 | static_cast<unsigned>(bytes[i + 1]) << 8 | bytes[i + 2];
    to[0] = kBase64Url[v >> 18];
    to[1] = kBase64Url[v >> 12 & 63];
    to[2] = kBase64Url[v >> 6 & 63];
    to[3] = kBase64Url[v & 63];
    to += 4;
  }
  if (size - i == 1) {
    const unsigned v = static_cast<unsigned>(bytes[i]) << 4;
    for (const int shift : {6, 0}) *to++ = kBase64Url[v >> shift & 63];
  } else if (size - i == 2) {
    const unsigned v = (static_cast<unsigned>(bytes[i]) << 8 | bytes[i + 1]) << 2;
    for (const int shift : {12, 6, 0}) *to++ = kBase64Url[v >> shift & 63];
  }
}

bool base64url_decoded(std::string_view text, std::uint8_t* out, std::size_t size) {
  if (text.size() != (size * 8 + 5) / 6) return false;
  unsigned bits = 0, held = 0;
  std::size_t written = 0;
  for (const char c : text) {
    const std::int8_t value = kBase64UrlValue[static_cast<unsigned char>(c)];
    if (value < 0) return false;
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xFFFFU;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[written++] = static_cast<std::uint8_t>(bits >> held);
    }
  }
  return written == size && (bits & ((1U << held) - 1)) == 0;  // left-over bits set: not the canonical form
}

bool is_plain_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Utf8 c = utf8_at(text, i);
    if (c.size == 0 || c.code < 0x20 || (c.code >= 0x7f && c.code <= 0x9f)) return false;
    i += c.size;
  }
  return true;
}

std::string hex(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(size * 2);
  for (std::size_t i = 0; i < size; ++i) {
    out += kHex[bytes[i] >> 4];
    out += kHex[bytes[i] & 15];
  }
  return out;
}

std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::vector<std::uint8_t> out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::optional<std::uint64_t> parse_digits(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view write_rfc3339_millis(WallTime time, char (&out)[kRfc3339MillisSize]) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::milliseconds>(time - day));
  std::memcpy(out, "0000-00-00T00:00:00.000Z", sizeof out);
  const auto put = [&out](std::size_t at, std::size_t digits, auto value) {
    for (auto rest = static_cast<unsigned>(value); digits > 0; rest /= 10)
      out[at + --digits] = static_cast<char>('0' + rest % 10);
  };
  put(0, 4, static_cast<int>(date.year()));
  put(5, 2, static_cast<unsigned>(date.month()));
  put(8, 2, static_cast<unsigned>(date.day()));
  put(11, 2, clock.hours().count());
  put(14, 2, clock.minutes().count());
  put(17, 2, clock.seconds().count());
  put(20, 3, clock.subseconds().count());
  return {out, sizeof out};
}

std::string rfc3339(WallTime time) {
  char text[kRfc3339MillisSize];
  return std::string(write_rfc3339_millis(time, text).substr(0, std::string_view("0000-00-00T00:00:00").size())) + 'Z';
}

std::optional<WallTime> parse_time(std::string_view text) {
  constexpr std::int64_t kSecondsMax = 253402300799;  // 9999-12-31T23:59:59Z
  if (const auto seconds = parse_digits(text)) {
    if (*seconds > static_cast<std::uint64_t>(kSecondsMax)) return std::nullopt;
    return WallTime(std::chrono::seconds(*seconds));
  }
  // YYYY-MM-DD T HH:MM:SS [.fraction] Z|+HH:MM|-HH:MM
  const auto number = [&](std::size_t at, std::size_t size) -> int {
    const auto value = at + size <= text.size() ? parse_digits(text.substr(at, size)) : std::nullopt;
    return value ? static_cast<int>(*value) : -1;
  };
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return std::nullopt;
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return std::nullopt;
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (year < 0 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  WallTime time = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
                  std::chrono::seconds(second);
  std::size_t at = 19;
  if (text[at] == '.') {
    std::int64_t micros = 0, unit = 100000;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) micros += (text[at] - '0') * unit;
    if (at == first) return std::nullopt;
    time += std::chrono::microseconds(micros);
  }
  const std::string_view zone = text.substr(at);
  if (zone == "Z" || zone == "z") return time;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const int zone_hour = number(at + 1, 2), zone_minute = number(at + 4, 2);
  if (zone_hour < 0 || zone_hour > 23 || zone_minute < 0 || zone_minute > 59) return std::nullopt;
  const auto offset = std::chrono::hours(zone_hour) + std::chrono::minutes(zone_minute);
  return zone[0] == '+' ? time - offset : time + offset;
}

namespace {
// The first character of `value`, escaped where it has to be; how many bytes of it that is.
std::size_t append_to_json(std::string& out, std::string_view value) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(value[0]);
  if (byte >= 0x80) {
    const std::size_t size = utf8_at(value, 0).size;
    out.append(size == 0 ? "\xEF\xBF\xBD" : value.substr(0, size));
    return size == 0 ? 1 : size;
  }
  out += '\\';
  if (byte == '"' || byte == '\\')
    out += value[0];
  else if (byte == '\n' || byte == '\r' || byte == '\t')
    out += byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't';
  else
    out.append("u00").append({kHex[byte >> 4], kHex[byte & 15]});
  return 1;
}
}  // namespace

void Json::separate() {
  if (!first_) out_ += ',';
  first_ = false;
}

Json& Json::open(char bracket) {
  separate();
  out_ += bracket;
  first_ = true;
  return *this;
}

Json& Json::close(char bracket) {
  out_ += bracket;
  first_ = false;
  return *this;
}

Json& Json::key_of(std::string_view name) {
  text(name);
  out_ += ':';
  first_ = true;
  return *this;
}

Json& Json::text(std::string_view value) {
  separate();
  out_ += '"';
  for (;;) {
    const std::size_t plain = visible<' ', '"', '\\'>(value);
    out_.append(value, 0, plain);
    value.remove_prefix(plain);
    if (value.empty()) break;
    value.remove_prefix(append_to_json(out_, value));
  }
  out_ += '"';
  return *this;
}

Json& Json::number(std::int64_t value) {
  separate();
  char digits[24];
  out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return *this;
}

Json& Json::number(double value, int decimals) {
  if (!std::isfinite(value)) return null();
  separate();
  char digits[64];
  const auto end = decimals < 0
                       ? std::to_chars(digits, digits + sizeof digits, value)
                       : std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals);
  out_.append(digits, end.ec == std::errc{} ? end.ptr : digits);
  return *this;
}

Json& Json::boolean(bool value) { return raw(value ? "true" : "false"); }
Json& Json::null() { return raw("null"); }

Json& Json::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace geo

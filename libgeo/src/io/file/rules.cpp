#include "io/file/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "geo/balance.h"
#include "geo/base/ip.h"
#include "geo/base/text.h"
#include "geo/place.h"

namespace geo::io {
namespace {

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}

// SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]
bool is_url(std::string_view text, std::string&) {
  if (text.size() > 2048 || !std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
    return false;
  std::string_view rest;
  for (const std::string_view scheme : {"http://", "https://"})
    if (text.starts_with(scheme)) rest = text.substr(scheme.size());
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) rest.remove_prefix(at + 1);
  const std::size_t colon = rest.find(':', rest.starts_with('[') ? std::min(rest.find(']'), rest.size()) : 0);
  if (!is_host(rest.substr(0, colon))) return false;
  if (colon == std::string_view::npos) return true;
  const auto port = parse_digits(rest.substr(colon + 1));
  return port && *port >= 1 && *port <= 65535;
}

}  // namespace

bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    if (!text.ends_with(']')) return false;
    const std::string_view address = text.substr(1, text.size() - 2);
    return address.find(':') != std::string_view::npos && Ip::parse(address);
  }
  if (text.empty() || text.size() > 253) return false;
  const auto labels = split(text, '.');
  if (is_digits(labels.back())) return text.find(':') == std::string_view::npos && Ip::parse(text);
  return std::all_of(labels.begin(), labels.end(), is_label);
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShownMax = 80;
  std::size_t end = text.size();
  if (end > kShownMax) {
    end = kShownMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not inside a character
  }
  std::string json;
  Json(json).text(text.substr(0, end));
  // JSON lets DEL and the C1 controls stand, and a terminal obeys them.
  std::string out;
  for (std::size_t i = 0; i < json.size();) {
    const Utf8 c = utf8_at(json, i);
    if (c.code >= 0x7f && c.code <= 0x9f)
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c.code));
    else
      out += json.substr(i, c.size);
    i += c.size;
  }
  if (end < text.size()) out.insert(out.size() - 1, "...");
  return out;
}

std::string shown_key(std::string_view key) {
  const bool bare = !key.empty() && key.size() <= 80 &&
                    std::all_of(key.begin(), key.end(), [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
  return bare ? std::string(key) : in_quotes(key);
}

std::optional<std::string> problem_of(std::string_view text, const TextRule& rule) {
  std::string why;
  if (rule.accepts(text, why)) return std::nullopt;
  std::string problem = fmt::format("expected {}", rule.expected);
  if (!rule.secret) problem += fmt::format(", found {}", in_quotes(text));
  if (!why.empty()) problem += fmt::format(" ({})", why);
  return problem;
}

std::string integer_form(std::int64_t min, std::int64_t max) {
  return max == INT64_MAX ? fmt::format("an integer of {} or more", min)
                          : fmt::format("an integer from {} to {}", min, max);
}

std::string number_form(double min, double max) { return fmt::format("a number from {} to {}", min, max); }

namespace rules {

const TextRule& id() {
  static const TextRule rule{std::string(kIdForm), [](std::string_view text, std::string&) { return is_id(text); }};
  return rule;
}

const TextRule& free_text() {
  static const TextRule rule{
      "at most 256 bytes of text without control characters",
      [](std::string_view text, std::string&) { return text.size() <= 256 && is_plain_text(text); }};
  return rule;
}

const TextRule& path() {
  static const TextRule rule{"a path", [](std::string_view text, std::string&) {
                               return !text.empty() && text.size() <= 4096 && !has_control(text);
                             }};
  return rule;
}

const TextRule& host() {
  static const TextRule rule{"a host name, an IPv4 address or an IPv6 address in brackets, without scheme and port",
                             [](std::string_view text, std::string&) { return is_host(text); }};
  return rule;
}

const TextRule& url() {
  static const TextRule rule{"a URL that begins with http:// or https://", is_url};
  return rule;
}

const TextRule& country() {
  static const TextRule rule{"two capital letters such as RU",
                             [](std::string_view text, std::string&) { return place::is_country_code(text); }};
  return rule;
}

const TextRule& forbid() {
  static const TextRule rule{"CLIENT>NODE, each two capital letters or *, such as RU>US",
                             [](std::string_view text, std::string&) { return place::parse_forbid(text).has_value(); }};
  return rule;
}

const TextRule& cidr() {
  static const TextRule rule{
      "a network such as 10.1.0.0/16 or 2001:db8::/32",
      [](std::string_view text, std::string& why) { return Cidr::parse(text, &why).has_value(); }};
  return rule;
}

const TextRule& sha256() {
  // Whoever puts the token itself here by mistake must not find it in a log.
  static const TextRule rule{"64 hex digits, the SHA-256 of the token",
                             [](std::string_view text, std::string&) { return text.size() == 64 && from_hex(text); },
                             true};
  return rule;
}

const TextRule& format() {
  static const TextRule rule = one_of({balance::kFormatNames.begin(), balance::kFormatNames.end()});
  return rule;
}

const TextRule& policy() {
  static const TextRule rule = or_empty(one_of({"affinity", "weighted", "least_loaded", "nearest"}));
  return rule;
}

const TextRule& id_or_empty() {
  static const TextRule rule = or_empty(id());
  return rule;
}

const TextRule& country_or_empty() {
  static const TextRule rule = or_empty(country());
  return rule;
}

const TextRule& check_or_empty() {
  static const TextRule rule = [] {
    TextRule secret = or_empty(url());
    secret.secret = true;
    return secret;
  }();
  return rule;
}

TextRule one_of(std::vector<std::string> names) {
  std::string expected = fmt::format("one of {}", fmt::join(names, ", "));
  return {std::move(expected), [names = std::move(names)](std::string_view text, std::string&) {
            return std::find(names.begin(), names.end(), text) != names.end();
          }};
}

TextRule or_empty(TextRule rule) {
  rule.expected += " or \"\"";
  rule.accepts = [accepts = std::move(rule.accepts)](std::string_view text, std::string& why) {
    return text.empty() || accepts(text, why);
  };
  return rule;
}

}  // namespace rules
}  // namespace geo::io

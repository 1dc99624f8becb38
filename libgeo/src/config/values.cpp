#include "config/values.h"

#include <algorithm>
#include <array>
#include <utility>

#include "geo/base/text.h"

namespace geo::config {

using io::TextRule;
namespace rules = io::rules;

namespace {

TextRule text(std::string expected, bool (*accepts)(std::string_view)) {
  return {std::move(expected), [accepts](std::string_view value, std::string&) { return accepts(value); }};
}

}  // namespace

TextRule path_or_empty() { return rules::or_empty(rules::path()); }

TextRule address(bool unix_too) {
  if (!unix_too)
    return text("\"HOST:PORT\", \"[IPV6]:PORT\" or \"\"",
                [](std::string_view value) { return value.empty() || !parse_address(value).host.empty(); });
  return {"\"HOST:PORT\", \"[IPV6]:PORT\", \"unix:/PATH\" or \"\"", [](std::string_view value, std::string& why) {
            if (!value.starts_with("unix:")) return value.empty() || !parse_address(value).host.empty();
            // sun_path of a socket address has 108 bytes, the last one a zero (unix(7))
            const bool fits = value.size() - 5 < 108;
            if (!fits) why = "a unix socket's path has at most 107 bytes";
            return fits && value.size() > 6 && value[5] == '/' && std::all_of(value.begin(), value.end(), [](char c) {
                     return static_cast<unsigned char>(c) >= 0x20;
                   });
          }};
}

// A URL may hold a user's password.
TextRule url_or_empty() {
  TextRule rule = rules::or_empty(rules::url());
  rule.secret = true;
  return rule;
}

TextRule mongodb_uri() {
  TextRule rule = text("a URI that begins with mongodb:// or mongodb+srv://, or \"\"", [](std::string_view value) {
    return value.empty() ||
           ((value.starts_with("mongodb://") || value.starts_with("mongodb+srv://")) && value.size() <= 4096 &&
            std::all_of(value.begin(), value.end(), [](char c) { return c > 0x20 && c < 0x7f; }));
  });
  rule.secret = true;
  return rule;
}

TextRule database_name() {
  return text("1-63 of A-Z a-z 0-9 _ -", [](std::string_view value) {
    return is_id(value) && value.size() <= 63 && value.find_first_of(".:") == std::string_view::npos;
  });
}

TextRule language() {
  return text("a language such as en or pt-BR", [](std::string_view value) {
    return is_id(value) && value.size() >= 2 && value.size() <= 16 &&
           value.find_first_of(".:_0123456789") == std::string_view::npos && value.front() != '-' &&
           value.back() != '-';
  });
}

TextRule url_path() {
  return text("a path such as /health, or \"\"", [](std::string_view value) {
    return value.empty() || (value.front() == '/' && value.size() <= 1024 &&
                             std::all_of(value.begin(), value.end(), [](char c) { return c > 0x20 && c < 0x7f; }));
  });
}

TextRule origin() {
  return text("\"*\" or an origin such as https://app.example.com", [](std::string_view value) {
    if (value == "*") return true;
    std::string why;
    return rules::url().accepts(value, why) &&
           value.find_first_of("/?#@", value.find("://") + 3) == std::string_view::npos;
  });
}

TextRule parameter() {
  return text("the name of a query parameter that is not one of the redirect's own", [](std::string_view value) {
    constexpr std::array<std::string_view, 11> kOwn{"exp",    "kid",          "sig",    "cip",     "token",   "server",
                                                    "camera", "access_token", "format", "exclude", "redirect"};
    return is_id(value) && std::find(kOwn.begin(), kOwn.end(), value) == kOwn.end();
  });
}

TextRule access_log() {
  TextRule rule = rules::path();
  rule.expected = "stdout, stderr, off or the path of a file";
  return rule;
}

const TextRule& secret_file_rule() {
  // Whoever puts the secret itself there by mistake must not find it in a message.
  static const TextRule rule{"a path or credential:NAME, not the secret itself",
                             [](std::string_view value, std::string& why) {
                               return rules::path().accepts(value, why) && (value.size() < 64 || !from_hex(value));
                             },
                             true};
  return rule;
}

Address parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view digits = text.substr(colon + 1);
  const auto port = parse_digits(digits);
  if (!io::is_host(text.substr(0, colon)) || !port || *port > 65535 || digits.size() > 5) return {};
  return {text.substr(0, colon), static_cast<std::uint16_t>(*port)};
}

}  // namespace geo::config

#include "io/http/url.h"

#include <algorithm>
#include <optional>

#include "geo/base/ip.h"
#include "geo/base/text.h"
#include "geo/io/http.h"

namespace geo::io {
namespace http {
namespace {

constexpr std::size_t kUrlMax = 2048;

bool is_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  const auto labels = split(host, '.');
  const bool all_digits = parse_digits(labels.back()).has_value();  // then it has to be an address
  if (all_digits) return Ip::parse(host).has_value();
  return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
    return !label.empty() && label.size() <= 63 && std::all_of(label.begin(), label.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    });
  });
}

bool is_v6(std::string_view host) { return host.find(':') != std::string_view::npos && Ip::parse(host); }

}  // namespace

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : '[' + host + ']';
  if (port != (tls ? 443 : 80)) out += ':' + std::to_string(port);
  return out;
}

tl::expected<Url, std::string> parse_url(std::string_view text) {
  const auto wrong = [](std::string_view why) { return tl::unexpected<std::string>(std::string(why)); };
  Url url;
  const std::string scheme = lower(text.substr(0, 8));
  if (scheme.starts_with("http://")) {
    text.remove_prefix(7);
  } else if (scheme == "https://") {
    text.remove_prefix(8);
    url.tls = true;
    url.port = 443;
  } else {
    return wrong("it must begin with http:// or https://");
  }
  if (text.size() > kUrlMax) return wrong("it is too long");
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
    return wrong("it holds a blank or a character that is not ASCII");
  if (text.find_first_of("?#") != std::string_view::npos) return wrong("it may have neither a query nor a fragment");

  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view host = text.substr(0, slash);
  std::string_view base = text.substr(slash);
  while (base.ends_with('/')) base.remove_suffix(1);
  url.base = base;
  if (host.find('@') != std::string_view::npos) return wrong("it may not have a user");

  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos || !is_v6(host.substr(1, end - 1)))
      return wrong("what is in brackets is no IPv6 address");
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else {
    const std::size_t colon = std::min(host.find(':'), host.size());
    port = host.substr(colon);
    host = host.substr(0, colon);
    if (!is_name(host)) return wrong("its host is neither a name nor an address");
  }
  if (!port.empty()) {
    const std::optional<std::uint64_t> number = port.front() == ':' ? parse_digits(port.substr(1)) : std::nullopt;
    if (!number || *number == 0 || *number > 65535) return wrong("its port is none of 1-65535");
    url.port = static_cast<std::uint16_t>(*number);
  }
  url.host = lower(host);
  return url;
}

}  // namespace http

tl::expected<void, std::string> check_http_url(std::string_view url) {
  const auto parsed = http::parse_url(url);
  if (!parsed) return tl::unexpected<std::string>(parsed.error());
  return {};
}

}  // namespace geo::io

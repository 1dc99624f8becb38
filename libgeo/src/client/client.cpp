#include "geo/client.h"

#include <optional>

#include "geo/base/text.h"

namespace geo::client {
namespace {

// "203.0.113.7", "203.0.113.7:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711"
std::optional<Ip> read_address(std::string_view text) {
  text = trim(text);
  if (const auto ip = Ip::parse(text)) return ip;
  const auto is_port = [](std::string_view port) {
    const auto number = parse_digits(port);
    return number && *number <= 65535 && port.size() <= 5;
  };
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return std::nullopt;
    const std::string_view inside = text.substr(1, end - 1);
    return inside.find(':') == std::string_view::npos ? std::nullopt : Ip::parse(inside);
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_port(text.substr(colon + 1))) return std::nullopt;
  return Ip::parse(text.substr(0, colon));
}

// Cuts the last element off a comma-separated list. Quotes are followed from the right, where the trusted proxies
// wrote: one that a client left open hides nothing of theirs.
std::optional<std::string_view> take_last(std::string_view& list, bool quoted_strings) {
  if (list.data() == nullptr) return std::nullopt;
  bool quoted = false;
  std::size_t begin = list.size();
  for (; begin > 0; --begin) {
    const char c = list[begin - 1];
    if (quoted_strings && c == '"') quoted = !quoted;
    if (c == ',' && !quoted) break;
  }
  const std::string_view last = list.substr(begin);
  list = begin == 0 ? std::string_view() : list.substr(0, begin - 1);
  return last;
}

// The `for` of one element of Forwarded: for="[2001:db8::1]:4711";proto=http
std::optional<Ip> read_forwarded(std::string_view element) {
  std::optional<Ip> found;
  bool seen = false;
  while (!element.empty()) {
    bool quoted = false;
    std::size_t end = 0;
    for (; end < element.size() && (quoted || element[end] != ';'); ++end) {
      if (quoted && element[end] == '\\')
        ++end;
      else if (element[end] == '"')
        quoted = !quoted;
    }
    if (quoted) return std::nullopt;
    end = std::min(end, element.size());
    const std::string_view pair = trim(element.substr(0, end));
    element.remove_prefix(std::min(end + 1, element.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || !iequals(trim(pair.substr(0, equals)), "for")) continue;
    if (seen) return std::nullopt;
    seen = true;
    std::string_view value = trim(pair.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    found = read_address(value);
  }
  return found;
}

}  // namespace

TrustedProxies::TrustedProxies(const std::vector<Cidr>& networks) {
  std::vector<std::pair<Cidr, std::uint32_t>> rows;
  rows.reserve(networks.size());
  for (const Cidr& network : networks) rows.emplace_back(network, 1);
  networks_ = PrefixMap(std::move(rows));
}

Ip address_of(const Ip& peer, std::string_view forwarded, std::string_view x_forwarded_for,
              const TrustedProxies& trusted) {
  Ip client = peer;
  const bool standard = !forwarded.empty();
  std::string_view list = standard ? forwarded : x_forwarded_for;
  if (list.empty()) return client;
  while (trusted.contains(client)) {
    const auto element = take_last(list, standard);
    if (!element) break;
    const auto ip = standard ? read_forwarded(*element) : read_address(*element);
    if (!ip) break;
    client = *ip;
  }
  return client;
}

bool is_request_id(std::string_view text) { return is_id(text) && text.find(':') == std::string_view::npos; }

}  // namespace geo::client

#include "query.h"

#include "geo/base/text.h"

namespace geod {
namespace {

tl::unexpected<geo::Denial> bad(std::string_view name, std::string_view what) {
  return geo::deny(geo::ErrorCode::bad_request, std::string(name).append(": ").append(what));
}

}  // namespace

geo::Result<std::optional<std::string>> parameter_of(std::string_view query, std::string_view name) {
  std::optional<std::string> found;
  for (const std::string_view pair : geo::split(query, '&')) {
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    if (found) return bad(name, "given twice");
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (value.empty()) return bad(name, "empty");
    found = geo::percent_decoded(value);
    if (!found) return bad(name, "% is not followed by two hex digits");
  }
  return found;
}

geo::Result<geo::Ip> ip_of(std::string_view query) {
  const auto text = parameter_of(query, "ip");
  if (!text) return tl::unexpected<geo::Denial>(text.error());
  if (!*text) return bad("ip", "missing");
  const auto ip = geo::Ip::parse(**text);
  if (!ip) return bad("ip", "not an address");
  return *ip;
}

}  // namespace geod

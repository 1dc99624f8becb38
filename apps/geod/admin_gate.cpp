#include "admin_gate.h"

#include <string_view>

#include "geo/auth.h"
#include "geo/base/hmac.h"
#include "geo/base/ip.h"
#include "geo/base/text.h"

namespace geod {
namespace {

using geo::ErrorCode;

// "localhost:8081" -> "localhost", "[::1]:8081" -> "::1"
std::string_view name_in(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

bool is_own(std::string_view host) {
  const std::string_view name = name_in(host);
  return geo::iequals(name, "localhost") || geo::Ip::parse(name);
}

// "http://localhost:8081" -> "localhost:8081"
std::string_view host_of_origin(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

}  // namespace

bool shows_admin_token(Exchange& exchange, const geo::compose::World& world) {
  if (!world.admin_token) return true;
  const auto token = geo::auth::bearer_token(exchange.in.headers[Known::authorization]);
  if (token && geo::equal_in_constant_time(geo::sha256(*token), *world.admin_token)) return true;
  if (token)
    refuse(exchange, {ErrorCode::token_unknown, "that is not the token of [admin] token_file"});
  else
    refuse(exchange, {ErrorCode::missing_token, "the token of [admin] token_file is needed, as Authorization: Bearer"});
  return false;
}

bool is_from_here(Exchange& exchange, const geo::compose::World& world) {
  const Headers& headers = exchange.in.headers;
  if (headers.lines(Known::origin) > 0 && !geo::iequals(host_of_origin(headers[Known::origin]), exchange.in.host)) {
    refuse(exchange, {ErrorCode::forbidden, "pages of other sites may not ask for this"});
    return false;
  }
  if (world.admin_token || is_own(exchange.in.host)) return true;
  refuse(exchange, {ErrorCode::forbidden, "without [admin] token_file this is asked of an address or of localhost"});
  return false;
}

}  // namespace geod

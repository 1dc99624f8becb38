#include "admin_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "geo/auth.h"
#include "geo/base/hmac.h"
#include "geo/base/ip.h"
#include "geo/base/text.h"
#include "socket.h"

namespace geod {
namespace {

constexpr std::chrono::seconds kTellEvery{1};

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

// Of "Basic dXNlcjpwYXNzd29yZA==" (RFC 7617): what stands after the first colon. Nothing for any other form.
std::optional<std::string> basic_password(std::string_view authorization) {
  const std::string_view field = geo::trim(authorization);
  const std::string_view scheme = field.substr(0, field.find(' '));
  if (!geo::iequals(scheme, "basic")) return std::nullopt;
  std::string text(geo::trim(field.substr(scheme.size())));
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  std::string pair(text.size() * 3 / 4, '\0');
  if (!geo::base64url_decoded(text, reinterpret_cast<std::uint8_t*>(pair.data()), pair.size())) return std::nullopt;
  const std::size_t colon = pair.find(':');
  if (colon == std::string::npos) return std::nullopt;
  return pair.substr(colon + 1);
}

std::optional<std::string> shown_token(std::string_view authorization) {
  if (const auto token = geo::auth::bearer_token(authorization)) return std::string(*token);
  return basic_password(authorization);
}

}  // namespace

bool shows_admin_token(Exchange& exchange, const geo::compose::World& world, bool ask) {
  if (!world.admin_token) return true;
  const auto token = shown_token(exchange.in.headers[Known::authorization]);
  if (token && geo::equal_in_constant_time(geo::sha256(*token), *world.admin_token)) return true;
  if (token)
    refuse(exchange, {ErrorCode::token_unknown, "that is not the token of [admin] token_file"});
  else
    refuse(exchange, {ErrorCode::missing_token, "the token of [admin] token_file is needed, as Authorization: Bearer"});
  if (ask) exchange.out.header("WWW-Authenticate", "Basic realm=\"geod\"");
  return false;
}

bool is_asked_here(Exchange& exchange, const geo::compose::World& world) {
  const Incoming& in = exchange.in;
  if (world.admin_token || in.host.empty() || is_own(in.host) || peer_uid(in.fd)) return true;
  refuse(exchange, {ErrorCode::forbidden, "without [admin] token_file this is asked of an address or of localhost"});
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

std::string asker_of(const Incoming& in) {
  if (const auto uid = peer_uid(in.fd)) return fmt::format("uid {}", *uid);
  return in.client.to_string();
}

void Refusals::add(const Exchange& exchange) {
  std::string last =
      fmt::format("{} of {}: {}", exchange.entry.path, asker_of(exchange.in), name_of(exchange.entry.code));
  untold_.with([&](Untold& untold) {
    ++untold.count;
    untold.last = std::move(last);
  });
}

void Refusals::tell(geo::MonotonicTime now, const AppLog& log) {
  Untold told;  // not while the admin listener might wait for it
  untold_.with([&](Untold& untold) {
    if (untold.count == 0 || now < untold.next) return;
    told = std::exchange(untold, {0, {}, now + kTellEvery});
  });
  if (told.count > 0) log.warn("admin: refused requests: {}, the last one: {}", told.count, told.last);
}

}  // namespace geod

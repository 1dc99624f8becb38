#include <array>

#include "geo/base/text.h"
#include "geo/sign.h"

namespace geo::sign {
namespace {

constexpr std::uint64_t kExpiryMax = 253402300799;  // 9999-12-31T23:59:59Z

// What a signed target says of itself. Nothing is decoded: the signature is over the bytes as they are.
struct Claims {
  std::string_view signed_part;  // up to but without "&sig="
  std::string_view key_id;       // still encoded
  std::string_view client_ip;    // still encoded; empty: not bound
  bool bound = false;
  std::uint64_t expires_at_s = 0;
  Digest signature{};
};

// Nothing: malformed. `sig` is last, `exp`, `kid` and `sig` stand there once, `cip` at most once.
std::optional<Claims> read_claims(std::string_view target) {
  constexpr std::string_view kSig = "&sig=";
  if (target.empty() || target.front() != '/') return std::nullopt;
  for (const char c : target)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) return std::nullopt;
  const std::size_t query_at = target.find('?');
  const std::size_t sig_at = target.rfind(kSig);
  if (query_at == std::string_view::npos || sig_at == std::string_view::npos || sig_at < query_at) return std::nullopt;
  Claims claims;
  claims.signed_part = target.substr(0, sig_at);
  if (!base64url_decoded(target.substr(sig_at + kSig.size()), claims.signature.data(), claims.signature.size()))
    return std::nullopt;

  int expiries = 0, key_ids = 0, client_ips = 0;
  std::string_view rest = claims.signed_part.substr(query_at + 1);
  for (bool more = true; more;) {
    const std::size_t ampersand = rest.find('&');
    const std::string_view parameter = rest.substr(0, ampersand);
    more = ampersand != std::string_view::npos;
    if (more) rest.remove_prefix(ampersand + 1);
    const std::size_t equals = parameter.find('=');
    const std::string_view name = parameter.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : parameter.substr(equals + 1);
    if (name == "sig") return std::nullopt;
    if (name == "exp") {
      const auto seconds = parse_digits(value);
      if (++expiries > 1 || !seconds || *seconds > kExpiryMax) return std::nullopt;
      claims.expires_at_s = *seconds;
    } else if (name == "kid") {
      if (++key_ids > 1 || value.empty()) return std::nullopt;
      claims.key_id = value;
    } else if (name == "cip") {
      if (++client_ips > 1) return std::nullopt;
      claims.client_ip = value;
      claims.bound = true;
    }
  }
  if (expiries != 1 || key_ids != 1) return std::nullopt;
  return claims;
}

// The key whose id stands in URLs like this; written in any other way it is nobody's.
const Key* find_encoded(const Keyring& keys, std::string_view text) {
  const auto id = percent_decoded(text);
  if (!id) return nullptr;
  std::string again;
  append_percent_encoded(again, *id);
  return again == text ? keys.find(*id) : nullptr;
}

bool ends_with_default_port(std::string_view host) { return host.ends_with(":443") || host.ends_with(":80"); }

}  // namespace

std::string_view name_of(Reason reason) {
  constexpr std::array<std::string_view, 7> kNames{
      "ok", "malformed", "wrong_host", "unknown_key", "bad_signature", "expired", "wrong_client"};
  return kNames[static_cast<std::size_t>(reason)];
}

Reason verify(const Presented& presented, const Keyring& keys, std::chrono::seconds leeway,
              const std::function<bool(std::string_view)>& is_node_host) {
  const std::optional<Claims> claims = read_claims(presented.target);
  if (!claims) return Reason::malformed;

  // A default port may stand in Host or not; the URL was signed without.
  const std::string host = lower(presented.host);
  std::array<std::string_view, 2> hosts{host, {}};
  if (ends_with_default_port(host)) hosts[1] = std::string_view(host).substr(0, host.rfind(':'));
  bool known = !is_node_host;
  for (const std::string_view candidate : hosts)
    if (!candidate.empty() && is_node_host && is_node_host(candidate)) known = true;
  if (host.empty() || !known) return Reason::wrong_host;

  const Key* key = find_encoded(keys, claims->key_id);
  if (key == nullptr) return Reason::unknown_key;
  bool good = false;
  for (const std::string_view candidate : hosts)
    if (!candidate.empty())
      good |= equal_in_constant_time(key->hmac.sign(candidate, claims->signed_part), claims->signature);
  if (!good) return Reason::bad_signature;

  const WallTime end = WallTime(std::chrono::seconds(claims->expires_at_s)) + leeway;
  if (std::chrono::floor<std::chrono::seconds>(presented.now) > end) return Reason::expired;
  if (claims->bound) {
    const auto decoded = percent_decoded(claims->client_ip);
    const auto bound_to = decoded ? Ip::parse(*decoded) : std::nullopt;
    if (!bound_to || !presented.client_ip || *bound_to != *presented.client_ip) return Reason::wrong_client;
  }
  return Reason::ok;
}

}  // namespace geo::sign

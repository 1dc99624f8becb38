// Upstreams over HTTP: pooled keep-alive connections, deadlines, a circuit breaker each.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "geo/auth.h"
#include "geo/base/cache.h"
#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/upstream.h"
#include "geo/resolve.h"

namespace geo::io {

// http://HOST[:PORT][/BASE] or https://..; no user, query or fragment. The error says what is wrong, for a config's
// fault; nothing: it is one.
GEO_EXPORT tl::expected<void, std::string> check_http_url(std::string_view url);

// The `ip-api` provider: http://ip-api.com, or https://pro.ip-api.com with a key.
//
// Misses that come within a few milliseconds go together in one /batch call of at most 100 addresses. Without a key at
// most 45 /json and 15 /batch calls leave within any 60 s - the more of them are used, the longer misses are gathered,
// up to a third of a load's budget -, and none while X-Rl is 0 or after a 429, until X-Ttl has passed; when neither may
// leave in time, upstream_unavailable with what is left as retry_after. The limits are the
// service's per address: several processes behind one address share them without knowing of each other.
// Sends clients' addresses to others; unencrypted without https.
struct IpApiSettings {
  std::string url = "http://ip-api.com";
  std::string key;              // of the paid service; never shown
  std::string language = "en";  // of names; one that ip-api does not offer: en
  std::chrono::milliseconds gather{5};
  ToldOfCalls told{};
};
GEO_EXPORT std::shared_ptr<const resolve::Upstream> ip_api(const IpApiSettings& settings, const Clock& clock);

// The `remote` provider: asks another geo-resolver, GET {url}/resolve?ip=.., with `Geo-Hops: n`. Misses that have to
// wait for one of its connections go together, POST {url}/resolve, at most 100 addresses at once; one that takes no
// POST is asked for each by itself.
//
// unknown_address and reserved_address are its answers. upstream_unavailable, deadline_exceeded and rate_limited in the
// contract's form fail what was asked for and no more: it is well itself. Anything else that is no location is its
// failure, but a call's that left late because it had waited here. kHopsMax ends circles: a query that has passed so
// many geo-resolvers already is upstream_unavailable, and the breaker does not count it.
inline constexpr unsigned kHopsMax = 4;
inline constexpr std::string_view kHopsHeader = "Geo-Hops";
struct RemoteSettings {
  std::string url;
  ToldOfCalls told{};
};
GEO_EXPORT std::shared_ptr<const resolve::Upstream> remote(const RemoteSettings& settings, const Clock& clock);

// The auth client: POST {url}/authorize, one call per (token, right, object) however many wait; what it is told is kept
// as long as max_age_s, the token and `limits` allow.
//
// 401 with token_unknown or token_expired and 403 with forbidden are its answers, kept apart and kept for the negative
// life. Anything else that is no decision is the auth-server's failure, but upstream_unavailable, deadline_exceeded and
// rate_limited in the contract's form: it is well itself.
class AuthClient : public auth::Authorizer {
 public:
  static constexpr std::string_view kName = "auth";
  std::string_view name() const override { return kName; }
  virtual UpstreamStatus status(MonotonicTime now) const = 0;
  virtual CacheStats stats() const = 0;
};
struct AuthClientSettings {
  std::string url;
  std::chrono::milliseconds budget{1000};  // of a call
  CacheLimits limits;
  ToldOfCalls told{};
};
GEO_EXPORT std::shared_ptr<const AuthClient> auth_client(const AuthClientSettings& settings, const Clock& clock);

}  // namespace geo::io

#include <algorithm>

#include "geo/auth.h"
#include "geo/base/text.h"

namespace geo::auth {

Denial denial(ErrorCode code) {
  if (code == ErrorCode::token_unknown) return {code, "the token is not known"};
  if (code == ErrorCode::token_expired) return {code, "the token has expired"};
  return {ErrorCode::forbidden, "the token does not give this right to this camera"};
}

std::chrono::seconds max_age(const Right& right, const Moment& at, std::chrono::seconds ttl) {
  using std::chrono::floor, std::chrono::seconds;
  if (right.token.from == From::stale) return seconds{0};
  if (const auto& end = right.token->expires_at) ttl = std::min(ttl, floor<seconds>(*end - at.now));
  if (right.token.fresh_until != MonotonicTime::max())
    ttl = std::min(ttl, floor<seconds>(right.token.fresh_until - at.monotonic));
  return std::max(ttl, seconds{0});
}

void append_json(std::string& out, const Right& right, std::chrono::seconds max_age) {
  const auto& end = right.token->expires_at;
  Json json(out);
  json.open('{').field("owner_type", right.owner().type).field("owner_id", right.owner().id);
  json.field_or_null("expires_at", end ? rfc3339(*end) : std::string());
  json.field("max_age_s", std::int64_t{max_age.count()}).close('}');
}

}  // namespace geo::auth

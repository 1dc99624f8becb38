#include <algorithm>

#include "geo/auth.h"
#include "geo/base/text.h"

namespace geo::auth {

Denial denial(ErrorCode code) {
  if (code == ErrorCode::token_unknown) return {code, "the token is not known"};
  if (code == ErrorCode::token_expired) return {code, "the token has expired"};
  return {ErrorCode::forbidden, "the token does not give this right to this camera"};
}

std::chrono::seconds max_age(const Right& right, WallTime now, std::chrono::seconds ttl) {
  using std::chrono::seconds;
  if (right.token.from == From::stale) return seconds{0};
  if (const auto& end = right.token->expires_at) ttl = std::min(ttl, std::chrono::floor<seconds>(*end - now));
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

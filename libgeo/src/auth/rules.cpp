#include <algorithm>

#include "geo/auth.h"

namespace geo::auth {

bool is_well_formed(std::string_view token) {
  return !token.empty() && token.size() <= 4096 &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

Polled<Right> Rules::authorize(const Query& query, WallTime now, Wait wait) const {
  auto token = store_->token(sha256(query.token), wait);
  if (!token) return std::nullopt;
  if (!*token) return tl::unexpected(std::move(token->error()));
  const std::shared_ptr<const Token>& held = **token;
  if (!held) return deny(ErrorCode::token_unknown, "the token is not known");
  if (held->expires_at && now >= *held->expires_at) return deny(ErrorCode::token_expired, "the token has expired");

  if (query.rights == "view") {
    auto owner = store_->owner_of(query.server, wait);
    if (!owner) return std::nullopt;
    if (!*owner) return tl::unexpected(std::move(owner->error()));
    if (**owner && ***owner == held->owner) return Right{held};
  }
  auto granted = store_->granted(held->owner, query, wait);
  if (!granted) return std::nullopt;
  if (!*granted) return tl::unexpected(std::move(granted->error()));
  if (**granted) return Right{held};
  return deny(ErrorCode::forbidden, "the token does not give this right to this camera");
}

}  // namespace geo::auth

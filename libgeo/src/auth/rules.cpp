#include <algorithm>

#include "geo/auth.h"
#include "geo/base/text.h"

namespace geo::auth {

bool is_well_formed(std::string_view token) {
  return !token.empty() && token.size() <= 4096 && visible<'!'>(token) == token.size();
}

std::optional<std::string_view> bearer_token(std::string_view authorization) {
  const std::string_view field = trim(authorization);
  const std::string_view scheme = field.substr(0, field.find(' '));
  if (!iequals(scheme, "bearer")) return std::nullopt;
  return trim(field.substr(scheme.size()));
}

namespace {

// By the token and what gives it the right, as old as the older of them: token and grant can be taken back, and
// [cache.tokens] says how long that may take. Who owns a server is no such matter.
Right right_by(Held<Token>& token, From reason, MonotonicTime fresh_until = MonotonicTime::max()) {
  return {{std::move(token.row), std::max(token.from, reason), std::min(token.fresh_until, fresh_until)}};
}

}  // namespace

Polled<Right> Rules::authorize(const Query& query, const Moment& at) const {
  auto token = store_->token(sha256(query.token), at);
  if (!token) return std::nullopt;
  if (!*token) return tl::unexpected(std::move(token->error()));
  Held<Token>& held = **token;
  if (!held) return tl::unexpected(denial(ErrorCode::token_unknown));
  if (held->expires_at && at.now >= *held->expires_at) return tl::unexpected(denial(ErrorCode::token_expired));

  if (query.rights == "view") {
    auto owner = store_->owner_of(query.server, at);
    if (!owner) return std::nullopt;
    if (!*owner) return tl::unexpected(std::move(owner->error()));
    if (**owner && ***owner == held->owner) return right_by(held, (*owner)->from);
  }
  struct Object {
    std::string_view type, id;
  };
  // Both side by side, where waiting is allowed.
  if (at.wait.allowed())
    (void)store_->rights(held->owner, "server", query.server, query.server,
                         {at.now, at.monotonic, Wait::never(), at.aside});
  for (const Object& object : {Object{query.object_type, query.object_id}, Object{"server", query.server}}) {
    auto rights = store_->rights(held->owner, object.type, query.server, object.id, at);
    if (!rights) return std::nullopt;
    if (!*rights) return tl::unexpected(std::move(rights->error()));
    if (**rights && std::find((*rights)->row->begin(), (*rights)->row->end(), query.rights) != (*rights)->row->end())
      return right_by(held, (*rights)->from, (*rights)->fresh_until);
  }
  return tl::unexpected(denial(ErrorCode::forbidden));
}

}  // namespace geo::auth

#include "geo/billing.h"

#include <fmt/format.h>

#include <algorithm>

namespace geo::billing {

Polled<Bill> bill(const Store& store, const Query& query, WallTime now, Wait wait) {
  if (query.owner_type != "user") return deny(ErrorCode::payment_required, "the token's owner has no account");
  auto user = store.user(query.owner_id, wait);
  if (!user) return std::nullopt;
  if (!*user) return tl::unexpected(std::move(user->error()));
  const std::shared_ptr<const User>& account = **user;
  if (!account) return deny(ErrorCode::payment_required, "the token's owner has no account");
  if (account->blocked) return deny(ErrorCode::payment_required, "the account is blocked");
  if (account->paid_until && now >= *account->paid_until)
    return deny(ErrorCode::payment_required, "the tariff has run out");

  auto tariff = store.tariff(account->tariff, wait);
  if (!tariff) return std::nullopt;
  if (!*tariff) return tl::unexpected(std::move(tariff->error()));
  const std::shared_ptr<const Tariff>& terms = **tariff;
  if (!terms) return deny(ErrorCode::payment_required, "the account has no tariff");
  if (std::find(terms->formats.begin(), terms->formats.end(), query.format) == terms->formats.end())
    return deny(ErrorCode::format_not_in_tariff, fmt::format("the tariff does not include {}", query.format));

  Bill answer{0, terms->max_streams, terms->id, terms};
  if (!terms->max_streams) return answer;
  auto usage = store.usage(account->id, wait);
  if (!usage) return std::nullopt;
  if (!*usage) return tl::unexpected(std::move(usage->error()));
  if (**usage) answer.streams = (**usage)->streams;
  if (answer.streams >= *terms->max_streams)
    return deny(ErrorCode::limit_exceeded,
                fmt::format("{} of {} concurrent streams are in use", answer.streams, *terms->max_streams),
                std::chrono::seconds(5));
  return answer;
}

}  // namespace geo::billing

#include <fmt/format.h>

#include <algorithm>

#include "geo/billing.h"

namespace geo::billing {
namespace {

constexpr std::chrono::seconds kAheadMax{15};  // of the clock of whoever counts streams

LeaseKey key_of(const Query& query) {
  return {query.owner_id, query.token, query.server, query.camera, query.client_ip};
}

Denial limit_exceeded(std::int64_t streams, std::int64_t max_streams) {
  return {ErrorCode::limit_exceeded, fmt::format("{} of {} concurrent streams are in use", streams, max_streams),
          std::chrono::seconds(5)};
}

Denial not_known() { return {ErrorCode::upstream_unavailable, "the account cannot be asked for at the moment"}; }

// A row, by the rule for what is not known.
template <class Row>
Result<Held<Row>> settled(Result<Held<Row>> answer, OnUnknown on_unknown) {
  const bool is_old = answer && answer->from == From::stale;
  if (is_old && on_unknown == OnUnknown::refuse) return tl::unexpected<Denial>(not_known());
  return answer;
}

// The rows in their order, and what they say.
class Account {
 public:
  Account(const Books& books, const Query& query, const Moment& at) : books_(books), query_(query), at_(at) {}

  Polled<Bill> bill() {
    // Both are known by the user's id: side by side, where waiting is allowed.
    if (at_.wait.allowed())
      (void)books_.store->usage(query_.owner_id, {at_.now, at_.monotonic, Wait::never(), at_.aside});
    auto user = books_.store->user(query_.owner_id, at_);
    if (!user) return std::nullopt;
    const Result<Held<User>> account = settled(std::move(*user), books_.on_unknown);
    if (!account) return unknown(account.error());
    note(account->from);
    if (!*account) return deny(ErrorCode::payment_required, "the token's owner has no account");
    if ((*account)->blocked) return deny(ErrorCode::payment_required, "the account is blocked");
    if ((*account)->paid_until && at_.now >= *(*account)->paid_until)
      return deny(ErrorCode::payment_required, "the tariff has run out");

    auto tariff = books_.store->tariff((*account)->tariff, at_);
    if (!tariff) return std::nullopt;
    const Result<Held<Tariff>> terms = settled(std::move(*tariff), books_.on_unknown);
    if (!terms) return unknown(terms.error());
    note(terms->from);
    if (!*terms) return deny(ErrorCode::payment_required, "the account has no tariff");
    const std::vector<std::string>& formats = (*terms)->formats;
    if (std::find(formats.begin(), formats.end(), query_.format) == formats.end())
      return deny(ErrorCode::format_not_in_tariff, fmt::format("the tariff does not include {}", query_.format));

    answer_.max_streams = (*terms)->max_streams;
    answer_.tariff = (*terms)->id;
    answer_.held = terms->row;
    if (answer_.max_streams) return within(*answer_.max_streams);
    return std::move(answer_);
  }

 private:
  Polled<Bill> within(std::int64_t max_streams) {
    auto found = books_.store->usage(query_.owner_id, at_);
    if (!found) return std::nullopt;
    const Result<Held<Usage>> usage = settled(std::move(*found), books_.on_unknown);
    if (!usage) return unknown(usage.error());
    note(usage->from);
    if (*usage) {
      answer_.streams = (*usage)->streams;
      // A clock that far ahead says nothing of what began since: as if it were not there, all leases count.
      if ((*usage)->reported_at && *(*usage)->reported_at - at_.now <= kAheadMax)
        answer_.reported_at = (*usage)->reported_at;
    }
    const bool is_full = answer_.streams >= max_streams;
    // One that takes a lease is counted when it does, and one that has its lease is within its streams.
    if (books_.leases != nullptr && (is_full || !query_.takes_lease)) {
      auto leased = books_.leases->look(key_of(query_), {max_streams, answer_.streams, answer_.reported_at}, at_);
      if (!leased) return std::nullopt;
      if (!*leased && (!books_.store->is_away() || books_.on_unknown == OnUnknown::refuse))
        return tl::unexpected(std::move(leased->error()));
      if (*leased && (*leased)->own) return std::move(answer_);
      if (*leased) answer_.streams += (*leased)->others;
    }
    if (answer_.streams >= max_streams) return tl::unexpected<Denial>(limit_exceeded(answer_.streams, max_streams));
    return std::move(answer_);
  }

  // The store could not tell.
  Polled<Bill> unknown(const Denial& denial) const {
    if (books_.on_unknown != OnUnknown::allow || !is_failure(denial.code) || !books_.store->is_away())
      return tl::unexpected<Denial>(denial);
    Bill pass;
    pass.known = false;
    return pass;
  }

  void note(From from) { answer_.from = std::max(answer_.from, from); }

  const Books& books_;
  const Query& query_;
  const Moment& at_;
  Bill answer_;
};

}  // namespace

Polled<Bill> bill(const Books& books, const Query& query, const Moment& at) {
  if (query.owner_type != "user") return deny(ErrorCode::payment_required, "the token's owner has no account");
  return Account(books, query, at).bill();
}

bool takes_lease(const Books& books, const Query& query, const Bill& bill) {
  return books.leases != nullptr && query.takes_lease && bill.max_streams.has_value();
}

Polled<std::optional<Lease>> take_lease(const Books& books, const Query& query, const Bill& bill, const Moment& at) {
  if (!takes_lease(books, query, bill)) return std::optional<Lease>();
  auto lease = books.leases->take(key_of(query), {*bill.max_streams, bill.streams, bill.reported_at}, at);
  if (!lease) return std::nullopt;
  if (!*lease) return tl::unexpected(std::move(lease->error()));
  if (**lease == Lease::none && books.on_unknown == OnUnknown::refuse) return tl::unexpected<Denial>(not_known());
  return std::optional(**lease);
}

}  // namespace geo::billing

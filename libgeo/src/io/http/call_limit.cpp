#include "io/http/call_limit.h"

#include <algorithm>
#include <chrono>

#include "geo/base/text.h"

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;

constexpr auto kWindow = 60s;
constexpr std::uint64_t kTtlMax = 3600;  // seconds; more is a mistake: the service's window is a minute

}  // namespace

MonotonicTime CallLimit::next(MonotonicTime now) const {
  MonotonicTime at = now;
  if (now < allowed_until_ && allowed_ == 0) at = allowed_until_;
  if (!most_) return at;
  const std::size_t too_many = used(now) + 1 - std::min(used(now) + 1, *most_);
  if (too_many == 0) return at;
  // so many have to be forgotten first; when those under way will be, nobody knows
  const std::size_t ended = used(now) - under_way_;
  if (too_many > ended) return std::max(at, now + kWindow);
  return std::max(at, ended_[ended_.size() - ended + too_many - 1] + kWindow);
}

std::size_t CallLimit::left_now(MonotonicTime now) const {
  const std::size_t ours = *most_ - std::min(*most_, used(now));
  return now < allowed_until_ ? std::min<std::size_t>(ours, allowed_) : ours;
}

std::size_t CallLimit::used(MonotonicTime now) const {
  const auto counted = std::upper_bound(ended_.begin(), ended_.end(), now - kWindow);
  return under_way_ + static_cast<std::size_t>(ended_.end() - counted);
}

void CallLimit::left(MonotonicTime now) {
  while (!ended_.empty() && ended_.front() <= now - kWindow) ended_.pop_front();
  ++under_way_;
  if (now < allowed_until_ && allowed_ > 0) --allowed_;
}

void CallLimit::came_back(MonotonicTime now, std::string_view rl, std::string_view ttl, bool is_refused) {
  --under_way_;
  if (most_) ended_.push_back(now);
  const std::optional<std::uint64_t> more = is_refused ? 0 : parse_digits(rl);
  if (!more) return;
  const MonotonicTime until =
      now + std::chrono::seconds(std::clamp<std::uint64_t>(parse_digits(ttl).value_or(60), 1, kTtlMax));
  // Those still under way may have come after this one was counted.
  const std::uint64_t allowed = *more - std::min<std::uint64_t>(*more, under_way_);
  if (now < allowed_until_ && allowed_ == 0)
    allowed_until_ = std::max(allowed_until_, allowed == 0 ? until : allowed_until_);  // what was forbidden stays so
  else {
    allowed_ = now < allowed_until_ ? std::min(allowed_, allowed) : allowed;
    allowed_until_ = until;
  }
}

}  // namespace geo::io::http

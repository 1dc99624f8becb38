#include "geo/base/breaker.h"

namespace geo {

bool Breaker::admit(MonotonicTime now) {
  const std::lock_guard lock(mutex_);
  if (!open_) return true;
  if (now < open_until_) return false;
  probing_ = true;
  open_until_ = now + kOpenFor;
  return true;
}

void Breaker::succeeded() {
  const std::lock_guard lock(mutex_);
  if (open_ && !probing_) return;
  open_ = probing_ = false;
  failures_ = 0;
}

void Breaker::failed(MonotonicTime now) {
  const std::lock_guard lock(mutex_);
  if (open_ && !probing_) return;
  if (!open_ && ++failures_ < kFailures) return;
  open_ = true;
  probing_ = false;
  open_until_ = now + kOpenFor;
}

void Breaker::recovered() {
  const std::lock_guard lock(mutex_);
  open_ = probing_ = false;
  failures_ = 0;
}

void Breaker::returned() {
  const std::lock_guard lock(mutex_);
  if (!probing_) return;
  probing_ = false;
  open_until_ = MonotonicTime::min();
}

Breaker::State Breaker::state(MonotonicTime now) const {
  const std::lock_guard lock(mutex_);
  if (!open_) return State::closed;
  return probing_ || now >= open_until_ ? State::half_open : State::open;
}

bool Breaker::is_failing() const {
  const std::lock_guard lock(mutex_);
  return open_ || failures_ > 0;
}

std::chrono::milliseconds Breaker::wait(MonotonicTime now) const {
  const std::lock_guard lock(mutex_);
  if (!open_ || now >= open_until_) return {};
  return std::chrono::ceil<std::chrono::milliseconds>(open_until_ - now);
}

std::string_view name_of(Breaker::State state) {
  switch (state) {
    case Breaker::State::closed:
      return "closed";
    case Breaker::State::open:
      return "open";
    case Breaker::State::half_open:
      break;
  }
  return "half_open";
}

}  // namespace geo

#include "io/http/loads.h"

#include <algorithm>
#include <utility>

namespace geo::io::http {

using namespace std::chrono_literals;
using resolve::Outcome;

Loads::Loads(std::string_view name, const Clock& clock, std::size_t most)
    : name_(name), clock_(clock), most_(most), thread_([this] { run(); }) {}

void Loads::close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Loads::Ptr Loads::take(Load load, std::chrono::milliseconds budget) {
  const MonotonicTime now = clock_.monotonic();
  if (breaker_.state(now) == Breaker::State::open) {
    finish(std::move(load), denial(until_admitted()), false);
    return nullptr;
  }
  Ptr taken = std::make_shared<Taken>(std::move(load), now, now + budget);
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && waiting_.size() < most_) {
      const auto at = waiting_.emplace(taken->due, taken);
      if (at == waiting_.begin()) wake_.notify_all();
      return taken;
    }
  }
  refuse(std::move(*taken->load_), "too many addresses are waiting for it");
  return nullptr;
}

bool Loads::is_finished(const Taken& taken) const {
  const std::lock_guard lock(mutex_);
  return !taken.load_;
}

void Loads::called(Taken& taken) {
  const std::lock_guard lock(mutex_);
  if (taken.load_) taken.called_ = true;
}

void Loads::answer(Taken& taken, Result<place::Location> answer, std::optional<std::chrono::milliseconds> ttl) {
  const Outcome outcome = answer ? Outcome::found : Outcome::unknown;
  if (auto load = release(taken)) finish(std::move(*load), std::move(answer), ttl, outcome);
}

void Loads::fail(Taken& taken, std::string why, std::chrono::seconds retry_after) {
  auto load = release(taken);
  if (!load) return;
  note(std::move(why));
  finish(std::move(*load), denial(retry_after), taken.called_);
}

void Loads::fail_open(Taken& taken) {
  if (auto load = release(taken)) finish(std::move(*load), denial(until_admitted()), taken.called_);
}

void Loads::fail(const Batch& batch, std::string_view why, std::chrono::seconds retry_after) {
  for (const Ptr& each : batch) fail(*each, std::string(why), retry_after);
}

void Loads::fail_open(const Batch& batch) {
  for (const Ptr& each : batch) fail_open(*each);
}

void Loads::failed(const Batch& batch, std::string_view why, std::chrono::seconds retry_after) {
  breaker_.failed(clock_.monotonic());
  fail(batch, why, retry_after);
}

void Loads::settle(const Batch& batch, Entries entries, std::optional<std::chrono::milliseconds> ttl) {
  if (std::none_of(entries.begin(), entries.end(), [](const auto& each) { return each.has_value(); }))
    return failed(batch, entries.front().error());
  breaker_.succeeded();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto& entry = entries[i];
    if (!entry)
      fail(*batch[i], entry.error());
    else if (!*entry && is_failure(entry->error().code))
      fail(*batch[i], "it answers " + std::string(name_of(entry->error().code)));
    else
      answer(*batch[i], std::move(*entry), ttl);
  }
}

void Loads::refuse(Load load, std::string why, std::chrono::seconds retry_after) {
  note(std::move(why));
  finish(std::move(load), denial(retry_after), false);
}

resolve::ProviderStatus Loads::status(MonotonicTime now) const {
  resolve::ProviderStatus status{name_, breaker_.state(now), {}, calls_.sums()};
  const std::lock_guard lock(mutex_);
  status.last_error = last_error_;
  return status;
}

void Loads::finish(Load load, Result<place::Location> answer, std::optional<std::chrono::milliseconds> ttl,
                   Outcome outcome) {
  calls_.add(outcome);
  load.finish(std::move(answer), clock_.monotonic(), ttl);
}
void Loads::finish(Load load, Denial denial, bool called) {
  finish(std::move(load), tl::unexpected<Denial>(std::move(denial)), {}, called ? Outcome::failed : Outcome::refused);
}

std::optional<Loads::Load> Loads::release(Taken& taken) {
  const std::lock_guard lock(mutex_);
  if (!taken.load_) return std::nullopt;
  const auto [first, last] = waiting_.equal_range(taken.due);
  waiting_.erase(std::find_if(first, last, [&](const auto& each) { return each.second.get() == &taken; }));
  return std::exchange(taken.load_, std::nullopt);
}

std::chrono::seconds Loads::until_admitted() const {
  return std::max(1s, std::chrono::ceil<std::chrono::seconds>(breaker_.wait(clock_.monotonic())));
}

// What clients are told; why it is so is for the operator.
Denial Loads::denial(std::chrono::seconds retry_after) const {
  return {ErrorCode::upstream_unavailable, std::string(name_) + " cannot be asked at the moment", retry_after};
}

void Loads::note(std::string why) {
  const std::lock_guard lock(mutex_);
  last_error_ = std::move(why);
}

void Loads::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_ || !waiting_.empty()) {
    const MonotonicTime now = clock_.monotonic();
    if (waiting_.empty()) {
      wake_.wait(lock);
      continue;
    }
    if (const auto due = waiting_.begin()->first; !stopping_ && due > now) {
      wake_.wait_for(lock, due - now);
      continue;
    }
    const Ptr late = waiting_.begin()->second;
    const char* why = late->called_ ? "it did not answer in time" : "too many addresses are waiting for it";
    if (stopping_) why = "it is being closed";
    lock.unlock();
    fail(*late, why);
    lock.lock();
  }
}

}  // namespace geo::io::http

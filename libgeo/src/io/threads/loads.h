// The loads of a cache that an upstream has taken, and how it fares with them.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "geo/base/cache.h"
#include "geo/base/upstream.h"

namespace geo::io {

// What a call brought for one of those it was made for: an answer, or why there is none. The error is for people and
// holds nothing of the answer.
template <class Value>
using Entry = tl::expected<Result<Value>, std::string>;
// .. and for each of several, in their order.
template <class Value>
using Entries = std::vector<Entry<Value>>;

// Each load is finished once: by its answer, or when its budget ends, whatever a call may hang in.
// Owns: a thread that ends what is late. Threads: any number at once; nothing is finished under a lock.
template <class Key, class Value, class Hash>
class Loads {
 public:
  using Load = typename Cache<Key, Value, Hash>::Load;

  // One load. Known by its key; `since` .. `due` is its budget.
  class Taken {
   public:
    Taken(Load load, MonotonicTime since_, MonotonicTime due_)
        : key(load.key()), since(since_), due(due_), load_(std::move(load)) {}
    const Key key;
    const MonotonicTime since, due;

   private:
    friend class Loads;
    std::optional<Load> load_;  // nothing: finished
    bool called_ = false;       // stays once finished
  };
  using Ptr = std::shared_ptr<Taken>;
  using Batch = std::vector<Ptr>;  // of one call

  // name: of the upstream, static text. `most` at once. health: the upstream's, whoever else asks it.
  Loads(std::string_view name, const Clock& clock, std::size_t most,
        std::shared_ptr<Health> health = std::make_shared<Health>())
      : name_(name), clock_(clock), most_(most), health_(std::move(health)), thread_([this] { run(); }) {}
  ~Loads() { close(); }
  Loads(const Loads&) = delete;
  Loads& operator=(const Loads&) = delete;

  // Null: it was failed at once, because the breaker is open or too many wait.
  Ptr take(Load load, std::chrono::milliseconds budget);
  bool is_finished(const Taken& taken) const {
    const std::lock_guard lock(mutex_);
    return !taken.load_;
  }
  // A call is made for it: from now on its failure is one of the upstream, before it is only held back.
  void called(Taken& taken) {
    const std::lock_guard lock(mutex_);
    if (taken.load_) taken.called_ = true;
  }
  // All three do nothing where it is finished already.
  void answer(Taken& taken, Result<Value> answer, std::optional<std::chrono::milliseconds> ttl = {});
  void fail(Taken& taken, std::string why, std::chrono::seconds retry_after = std::chrono::seconds{1});
  // Because the breaker does not admit the call.
  void fail_open(Taken& taken) {
    if (auto load = release(taken)) finish(std::move(*load), denial(until_admitted()), taken.called_);
  }
  // The same for each of a batch.
  void fail(const Batch& batch, std::string_view why, std::chrono::seconds retry_after = std::chrono::seconds{1}) {
    for (const Ptr& each : batch) fail(*each, std::string(why), retry_after);
  }
  void fail_open(const Batch& batch) {
    for (const Ptr& each : batch) fail_open(*each);
  }
  // The call for it was in vain: the breaker counts that.
  void failed(const Batch& batch, std::string_view why, std::chrono::seconds retry_after = std::chrono::seconds{1}) {
    breaker().failed(clock_.monotonic());
    fail(batch, why, retry_after);
  }
  // That call, begun at `began`, brought nothing. Where all had waited here for longer than they had left, and it did
  // not end before them, it left late by our queue: that says nothing about the upstream.
  void failed_since(const Batch& batch, MonotonicTime began, std::string_view why);
  // What the call brought. An answer that has nothing of what was asked for is none.
  void settle(const Batch& batch, Entries<Value> entries, std::optional<std::chrono::milliseconds> ttl = {});
  // A call came back: of what, and what it brought.
  void tell(std::string_view what, MonotonicTime began, std::string_view outcome) const {
    health_->tell({.upstream = name_, .what = what, .outcome = outcome, .took = clock_.monotonic() - began});
  }
  // One that was never taken.
  void refuse(Load load, std::string why, std::chrono::seconds retry_after = std::chrono::seconds{1}) {
    health_->note(std::move(why));
    finish(std::move(load), denial(retry_after), false);
  }

  // When the last of them is due.
  static MonotonicTime due_of(const Batch& batch) {
    MonotonicTime due = MonotonicTime::min();
    for (const Ptr& each : batch) due = std::max(due, each->due);
    return due;
  }

  // Fails what is left and takes nothing new. Once.
  void close();

  Breaker& breaker() { return health_->breaker; }
  UpstreamStatus status(MonotonicTime now) const { return health_->status(name_, now); }

 private:
  using Waiting = std::multimap<MonotonicTime, Ptr>;
  static constexpr const char* kTooMany = "too many are waiting for it";

  void finish(Load load, Result<Value> answer, std::optional<std::chrono::milliseconds> ttl, Outcome outcome) {
    if (!load.aside()) health_->calls.add(outcome);
    load.finish(std::move(answer), clock_.monotonic(), ttl);
  }
  void finish(Load load, Denial denial, bool called) {
    finish(std::move(load), tl::unexpected<Denial>(std::move(denial)), {}, called ? Outcome::failed : Outcome::refused);
  }
  std::optional<Load> release(Taken& taken);
  std::chrono::seconds until_admitted() {
    const std::chrono::seconds one{1};
    return std::max(one, std::chrono::ceil<std::chrono::seconds>(breaker().wait(clock_.monotonic())));
  }
  // What clients are told; why it is so is for the operator.
  Denial denial(std::chrono::seconds retry_after) const {
    return {ErrorCode::upstream_unavailable, std::string(name_) + " cannot be asked at the moment", retry_after};
  }
  void run();

  const std::string_view name_;
  const Clock& clock_;
  const std::size_t most_;
  const std::shared_ptr<Health> health_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Waiting waiting_;  // by due
  bool stopping_ = false;
  std::thread thread_;
};

template <class Key, class Value, class Hash>
void Loads<Key, Value, Hash>::close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

template <class Key, class Value, class Hash>
auto Loads<Key, Value, Hash>::take(Load load, std::chrono::milliseconds budget) -> Ptr {
  const MonotonicTime now = clock_.monotonic();
  if (breaker().state(now) == Breaker::State::open) {
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
  refuse(std::move(*taken->load_), kTooMany);
  return nullptr;
}

template <class Key, class Value, class Hash>
void Loads<Key, Value, Hash>::answer(Taken& taken, Result<Value> answer, std::optional<std::chrono::milliseconds> ttl) {
  const Outcome outcome = answer ? Outcome::found : Outcome::unknown;
  if (auto load = release(taken)) finish(std::move(*load), std::move(answer), ttl, outcome);
}

template <class Key, class Value, class Hash>
void Loads<Key, Value, Hash>::fail(Taken& taken, std::string why, std::chrono::seconds retry_after) {
  auto load = release(taken);
  if (!load) return;
  health_->note(std::move(why));
  finish(std::move(*load), denial(retry_after), taken.called_);
}

template <class Key, class Value, class Hash>
void Loads<Key, Value, Hash>::failed_since(const Batch& batch, MonotonicTime began, std::string_view why) {
  const bool left_late =
      std::all_of(batch.begin(), batch.end(), [&](const Ptr& each) { return began - each->since > each->due - began; });
  if (!left_late || clock_.monotonic() < due_of(batch)) return failed(batch, why);
  breaker().returned();
  fail(batch, why);
}

template <class Key, class Value, class Hash>
void Loads<Key, Value, Hash>::settle(const Batch& batch, Entries<Value> entries,
                                     std::optional<std::chrono::milliseconds> ttl) {
  if (std::none_of(entries.begin(), entries.end(), [](const auto& each) { return each.has_value(); }))
    return failed(batch, entries.front().error());
  breaker().succeeded();
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

template <class Key, class Value, class Hash>
auto Loads<Key, Value, Hash>::release(Taken& taken) -> std::optional<Load> {
  const std::lock_guard lock(mutex_);
  if (!taken.load_) return std::nullopt;
  const auto [first, last] = waiting_.equal_range(taken.due);
  waiting_.erase(std::find_if(first, last, [&](const auto& each) { return each.second.get() == &taken; }));
  return std::exchange(taken.load_, std::nullopt);
}

template <class Key, class Value, class Hash>
void Loads<Key, Value, Hash>::run() {
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
    const char* why = late->called_ ? "it did not answer in time" : kTooMany;
    if (stopping_) why = "it is being closed";
    lock.unlock();
    fail(*late, why);
    lock.lock();
  }
}

// Loads that no call is made for yet, the oldest first. Holds what is finished too, until it is passed over.
// Threads: any number at once.
template <class Loads>
class LoadQueue {
 public:
  using Ptr = typename Loads::Ptr;
  using Batch = typename Loads::Batch;

  // `most` wait at once, `batch_max` go in a call.
  LoadQueue(const Loads& loads, std::size_t most, std::size_t batch_max)
      : loads_(loads), most_(most), batch_max_(batch_max) {}

  void put(Ptr taken) {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= most_) std::erase_if(queue_, [&](const Ptr& each) { return loads_.is_finished(*each); });
    queue_.push_back(std::move(taken));
  }
  // First again; and from now on each goes in a call of its own.
  void put_back_alone(const Batch& batch) {
    const std::lock_guard lock(mutex_);
    batch_max_ = 1;
    queue_.insert(queue_.begin(), batch.begin(), batch.end());
  }
  // The oldest that are still waited for, for one call: those that go_together(first, other).
  template <class GoTogether>
  Batch take(MonotonicTime now, GoTogether go_together) {
    Batch batch;
    const std::lock_guard lock(mutex_);
    for (auto at = queue_.begin(); at != queue_.end() && batch.size() < batch_max_;) {
      const bool is_over = (*at)->due <= now || loads_.is_finished(**at);
      if (!is_over && !batch.empty() && !go_together(*batch.front(), **at)) {
        ++at;
        continue;
      }
      if (!is_over) batch.push_back(std::move(*at));
      at = queue_.erase(at);
    }
    return batch;
  }

 private:
  const Loads& loads_;
  const std::size_t most_;
  std::mutex mutex_;
  std::size_t batch_max_;
  std::deque<Ptr> queue_;
};

}  // namespace geo::io

// Data inside its lock: there is no way to the value but through the lock.
#pragma once

#include <mutex>
#include <utility>

namespace geo {

template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}

  template <class F>
  decltype(auto) with(F&& use) {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(use)(value_);
  }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace geo

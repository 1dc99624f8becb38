// A value that many threads read without a lock while another one replaces it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace geo {

// Life: publish() puts a new value in place; each Reader keeps the last one it saw and looks for a newer one with one
// atomic load. The old value goes when the last reader (or request) that holds it lets go.
// Threads: publish() and latest() from any; a Reader belongs to one thread.
template <class T>
class Published {
 public:
  Published() = default;
  explicit Published(std::shared_ptr<const T> value) : value_(std::move(value)), version_(1) {}

  void publish(std::shared_ptr<const T> value) {
    {
      const std::lock_guard lock(mutex_);
      value_.swap(value);
      version_.fetch_add(1, std::memory_order_release);
    }
    // `value`, now the old one, is destroyed outside the lock
  }
  std::shared_ptr<const T> latest() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  class Reader {
   public:
    explicit Reader(const Published& source) : source_(&source) {}
    // Valid until the next call.
    const std::shared_ptr<const T>& get() {
      const std::uint64_t version = source_->version_.load(std::memory_order_acquire);
      if (version != seen_) {
        value_ = source_->latest();
        seen_ = version;
      }
      return value_;
    }

   private:
    const Published* source_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const T> value_;
  };

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace geo

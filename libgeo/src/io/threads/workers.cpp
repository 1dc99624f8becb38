#include <exception>
#include <utility>

#include "geo/io/threads.h"

namespace geo::io {

Workers::Workers(std::size_t threads_max, std::size_t queue_max) : threads_max_(threads_max), queue_max_(queue_max) {
  threads_.reserve(threads_max_);
  start();
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Workers::submit(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= queue_max_) return false;
    queue_.push_back(std::move(job));
    if (queue_.size() > idle_ && threads_.size() < threads_max_) {
      try {
        start();
      } catch (const std::exception&) {
        // those that are there will come to it
      }
    }
  }
  wake_.notify_one();
  return true;
}

// It is idle until it is seen to work: what is queued next finds it.
void Workers::start() {
  threads_.emplace_back([this] { run(); });
  ++idle_;
}

bool Workers::stop(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
  const auto is_done = [this] { return queue_.empty() && running_ == 0; };
  if (deadline != std::chrono::steady_clock::time_point::max()) return done_.wait_until(lock, deadline, is_done);
  done_.wait(lock, is_done);
  return true;
}

void Workers::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    --idle_;
    const std::function<void()> job = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    job();
    lock.lock();
    --running_;
    ++idle_;
    done_.notify_all();
  }
}

}  // namespace geo::io

#include "repeated.h"

#include <chrono>
#include <exception>
#include <utility>

#include "geo/io/system.h"

namespace geod {
namespace {

constexpr std::chrono::seconds kAfterTrouble{2};

}  // namespace

Repeated::Repeated(const char* what, const geo::Clock& clock, const AppLog& log,
                   std::function<geo::MonotonicTime()> look)
    : what_(what), clock_(clock), log_(log), look_(std::move(look)), thread_([this] { run(); }) {}

Repeated::~Repeated() {
  stop(geo::MonotonicTime::min());
  thread_.join();
}

void Repeated::now() {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  wake_.notify_all();
}

bool Repeated::stop(geo::MonotonicTime deadline) {
  std::unique_lock lock(mutex_);
  ending_ = true;
  wake_.notify_all();
  return done_.wait_until(lock, deadline, [this] { return finished_; });
}

void Repeated::run() {
  geo::io::stand_back();
  std::unique_lock lock(mutex_);
  while (!ending_) {
    wanted_ = false;
    lock.unlock();
    const geo::MonotonicTime next = look();
    lock.lock();
    wake_.wait_until(lock, next, [this] { return ending_ || wanted_; });
  }
  finished_ = true;
  done_.notify_all();
}

geo::MonotonicTime Repeated::look() const {
  try {
    return look_();
  } catch (const std::exception& fault) {
    log_.error("{} cannot be looked at: {}", what_, fault.what());
    return clock_.monotonic() + kAfterTrouble;
  }
}

}  // namespace geod

#include "databases.h"

#include <chrono>
#include <exception>
#include <utility>

#include "geo/base/text.h"
#include "geo/io/mmdb.h"

namespace geod {
namespace {

constexpr std::chrono::seconds kEvery{2};

}  // namespace

Databases::Databases(Worlds& worlds, const geo::Clock& clock, const AppLog& log)
    : worlds_(worlds), clock_(clock), log_(log), thread_([this] { run(); }) {}

Databases::~Databases() {
  stop(geo::MonotonicTime::min());
  thread_.join();
}

void Databases::look() {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  wake_.notify_all();
}

bool Databases::stop(geo::MonotonicTime deadline) {
  std::unique_lock lock(mutex_);
  ending_ = true;
  wake_.notify_all();
  return done_.wait_until(lock, deadline, [this] { return finished_; });
}

void Databases::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    wanted_ = false;
    lock.unlock();
    try {
      refresh();
    } catch (const std::exception& fault) {
      log_.error("the databases cannot be looked at: {}", fault.what());
    }
    lock.lock();
    wake_.wait_for(lock, kEvery, [this] { return ending_ || wanted_; });
  }
  finished_ = true;
  done_.notify_all();
}

void Databases::refresh() {
  std::erase_if(past_, [](const auto& world) { return world.use_count() == 1; });
  const geo::MonotonicTime start = clock_.monotonic();
  geo::compose::Refreshed refreshed = geo::compose::refresh_databases(*worlds_.latest());
  const std::chrono::duration<double> took = clock_.monotonic() - start;
  for (const geo::Fault& fault : refreshed.faults)
    log_.error("{}; what was read before stays in service", to_string(fault));
  if (refreshed.change == nullptr) return;
  past_.push_back(worlds_.change(refreshed.change));
  const geo::io::MmdbInfo& info = *refreshed.loaded;
  log_.info("{} is in service: {}, built {}, {} networks, {:.1f} s", info.path, info.type,
            geo::rfc3339(geo::WallTime(std::chrono::seconds(info.build_epoch_s))), info.networks, took.count());
  look();  // at the others
}

}  // namespace geod

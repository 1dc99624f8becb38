#include "service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdint>

namespace geod {
namespace {

constexpr std::chrono::milliseconds kLook{20};  // at loops that do not answer

// Of a service manager that cannot be reached there is nobody to tell.
void tell(const std::string& message) { static_cast<void>(sd_notify(0, message.c_str())); }

}  // namespace

ServiceManager::ServiceManager(const geo::Clock& clock) : clock_(clock), next_(clock.monotonic()) {
  std::uint64_t limit_us = 0;
  if (sd_watchdog_enabled(0, &limit_us) > 0) watchdog_period_ = std::chrono::microseconds(limit_us / 2);
}

void ServiceManager::ready() const { tell("READY=1"); }

void ServiceManager::reloading() const {
  // CLOCK_MONOTONIC, as the service manager means it
  const auto now = std::chrono::floor<std::chrono::microseconds>(clock_.monotonic().time_since_epoch());
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
}

void ServiceManager::stopping(std::chrono::seconds at_most) const {
  tell(fmt::format("STOPPING=1\nSTATUS=answering what has begun\nEXTEND_TIMEOUT_USEC={}",
                   std::chrono::microseconds(at_most).count()));
}

void ServiceManager::status(const std::string& line) {
  if (line == told_) return;
  told_ = line;
  tell("STATUS=" + line);
}

void ServiceManager::watch(const std::function<bool()>& lives) {
  const geo::MonotonicTime now = clock_.monotonic();
  if (watchdog_period_.count() == 0 || now < next_ || !lives()) return;
  next_ = now + watchdog_period_;
  tell("WATCHDOG=1");
}

std::chrono::nanoseconds ServiceManager::patience(std::chrono::nanoseconds most) const {
  if (watchdog_period_.count() == 0) return most;
  return std::clamp<std::chrono::nanoseconds>(next_ - clock_.monotonic(), kLook, most);
}

}  // namespace geod

// Reading everything anew while geod runs: config, data, keys, databases. All of it counts, or nothing. The access
// log's file is opened anew with it, whatever comes of the rest: whoever moved it away wants no more lines in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access_log.h"
#include "app_log.h"
#include "geo/base/clock.h"
#include "geo/base/fault.h"
#include "geo/base/result.h"
#include "geo/config.h"
#include "repeated.h"
#include "service_manager.h"
#include "worlds.h"

namespace geod {

// What one came to.
struct Reloaded {
  std::vector<std::string> needing_restart;  // keys whose new values do not count yet
  geo::Faults faults;                        // some: refused
  std::optional<geo::Denial> denial;         // what is needed cannot be reached: refused

  bool ok() const { return faults.empty() && !denial; }
};

// Threads: any; one reload after the other.
class Reloads {
 public:
  // worlds: their first one's config is the one that geod was started with. access_log: null where it is off. Throws
  // std::system_error where the thread cannot be started.
  Reloads(Worlds& worlds, const geo::Clock& clock, AppLog& log, AccessLog* access_log, const ServiceManager& manager);

  // by: who wants it, for the log: "SIGHUP of uid 0". Blocks, for seconds where databases or the store are slow.
  Reloaded reload(std::string_view by);
  // The same, in a thread of its own.
  void begin(std::string_view by);
  // Begins no other one. False: one was still under way at the deadline.
  bool stop(geo::MonotonicTime deadline) { return repeated_.stop(deadline); }

  struct Last {
    bool ok;
    geo::WallTime at;
  };
  std::optional<Last> last() const;
  // Since the start, by `ok`.
  std::uint64_t count(bool ok) const { return (ok ? done_ : refused_).load(std::memory_order_relaxed); }

 private:
  Reloaded try_it();
  void tell(const Reloaded& reloaded, std::string_view by) const;
  geo::MonotonicTime look();

  Worlds& worlds_;
  const geo::Clock& clock_;
  AppLog& log_;
  AccessLog* const access_log_;
  const ServiceManager& manager_;
  const geo::config::Config started_with_;
  std::mutex reloading_;
  mutable std::mutex mutex_;
  std::optional<Last> last_;
  std::string wanted_by_;  // empty: nobody wants one
  std::atomic<std::uint64_t> done_{0}, refused_{0};
  Repeated repeated_;  // the last: its thread uses all else
};

}  // namespace geod

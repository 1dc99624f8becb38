// Many GETs at once in one thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "geo/io/checks.h"
#include "io/checks/fetch.h"
#include "io/checks/schedule.h"

namespace geo::io::checks {

// Threads: one alone, but for wake().
class Fetches {
 public:
  explicit Fetches(const CheckSettings& settings);
  ~Fetches();
  Fetches(const Fetches&) = delete;
  Fetches& operator=(const Fetches&) = delete;

  bool has_room() const;
  // addresses: of a host that is a name, as of Names. Where there is room.
  void start(std::shared_ptr<Target> target, const Host& host, const std::string& addresses,
             std::chrono::milliseconds budget);
  // Lets those under way go on. Returns once some have ended, after `most`, or after wake().
  std::vector<Ended> wait(std::chrono::milliseconds most);
  void wake() const;
  // Forgets the addresses of all other hosts, each with its port.
  void keep(const std::unordered_set<std::string>& hosts);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace geo::io::checks

// Many GETs at once in one thread, by libcurl; the only place that knows it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "geo/base/clock.h"
#include "geo/io/checks.h"
#include "io/checks/schedule.h"

namespace geo::io::checks {

inline constexpr std::size_t kBodyMax = 64 << 10;
inline constexpr std::size_t kHeaderMax = 64 << 10;

// Of a URL as libcurl understands it.
struct Host {
  std::string name;  // an IPv6 address in brackets
  std::string port;
  bool is_name = false;  // none: an address
  std::string at() const { return name + ':' + port; }
};
std::optional<Host> host_of(const std::string& url);

// Threads: one alone, but for wake().
class Fetches {
 public:
  struct Ended {
    std::shared_ptr<Target> target;
    CheckOutcome outcome = CheckOutcome::failed;
    std::string why;
    std::string body;  // of one that passed; nothing where it is too long
  };

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

// Active health checks: a GET of each node's URL once an interval, however many nodes there are and whatever they do.
//
// Shape: one check, from left to right
//
//    due        begins                                                        ends
//     |-- waits --|-- its name -- connect, TLS -- GET -- 200 {"sessions":12} --|  told({node, passed, .., report})
//                 |---------------- at most `timeout` --------------------------|
//                 |-------------------- at most `interval` ----------------------------------| due again
//
// It waits only while as many as `most_at_once` are under way or too many names are being looked up: then checks are
// late, the longest due first, and none is dropped. Of the time in which this side was busy or not let run a quarter
// counts: a machine under load is late with what it tells, and does not take its own slowness for the nodes'.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/balance.h"
#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/place.h"

namespace geo::io {

namespace checks {
class Loop;
}

struct CheckTarget {
  std::string id;   // the node's; no two targets have the same
  std::string url;  // http:// or https://, perhaps with a password in it: for no log
  bool operator==(const CheckTarget&) const = default;
};

// The node's own `check`, else `health_path` at its host: over https, where it offers nothing else over http. Nothing:
// it is not checked.
GEO_EXPORT std::optional<CheckTarget> check_target(const place::Node& node, std::string_view health_path);

enum class CheckOutcome : std::uint8_t {
  passed,
  failed,
  not_made,  // for want of descriptors, memory or authorities here: says nothing about the node
};

struct CheckResult {
  std::string id;
  CheckOutcome outcome = CheckOutcome::failed;
  std::string why;                        // for people, of our own words alone; empty: passed
  std::optional<balance::Report> report;  // what a 200 says of the node, as of now
  MonotonicTime::duration took{};
};

struct CheckSettings {
  std::chrono::milliseconds interval{2000};  // between the starts of two checks of a node, at most
  std::chrono::milliseconds timeout{1000};   // of a check, its name, TLS and body included
  int jitter_percent = 10;                   // by so much an interval is shorter, at random
  std::size_t most_at_once = 256;
  std::size_t connections_max = 4096;  // open, and so descriptors; what is beyond connects anew for each check
  std::string user_agent = "geod";
  std::string ca_file;  // nothing: $SSL_CERT_FILE, else the system's
  bool operator==(const CheckSettings&) const = default;
};

// Only a 200 passes; redirects are not followed. A body of more than 64 kB passes unread. Names are looked up once a
// minute by the system's resolver, the last good addresses serve while it is away; of a host with several the first one
// that answers is checked. Connections are kept for a minute at most: who is checked is checked for taking new ones
// too. Proxies of the environment are not used.
//
// Threads: one, and up to sixteen while names are being looked up.
class GEO_EXPORT Checks {
 public:
  // `told` is called by that thread, for one result after another: it neither waits nor throws.
  Checks(const CheckSettings& settings, const Clock& clock, std::function<void(const CheckResult&)> told);
  // Ends what is under way; waits for `told` alone.
  ~Checks();
  Checks(const Checks&) = delete;
  Checks& operator=(const Checks&) = delete;

  // From now on these, from any thread. Who was there with the same URL keeps its place in time; the first checks of
  // all others are spread over one interval. A result of one that has gone may still be on its way to `told`.
  void watch(std::vector<CheckTarget> targets);

 private:
  const std::unique_ptr<checks::Loop> loop_;
};

}  // namespace geo::io

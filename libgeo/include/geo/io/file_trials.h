// checks.toml: what the balancing is held to before anybody is sent anywhere. A row of it is a trial: a "check" alone
// would be one of a node's health.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "geo/balance.h"
#include "geo/base/clock.h"
#include "geo/base/error.h"
#include "geo/base/export.h"
#include "geo/base/fault.h"
#include "geo/base/ip.h"
#include "geo/place.h"

namespace geo::io {

inline constexpr std::size_t kTrialExcludeMax = 4;

// What cases and shares have in common: who asks for what, in which world.
struct Trial {
  std::string name;      // "case 3" where the file gives none
  std::size_t line = 0;  // of its header
  std::optional<Ip> ip;  // this or `place`
  std::optional<place::Location> place;
  std::string who;               // the one of them, as it stands in the file
  std::string server, camera;    // both or none
  std::string partner, pattern;  // empty: default, streaming
  std::optional<balance::Format> format;
  std::vector<std::string> exclude;
  // what if
  std::set<std::string> down, drain;   // nodes
  std::map<std::string, double> load;  // by node: 0 idle, 1 full
  std::optional<WallTime> at;
};

// One request. What is not expected may be anything.
struct Case : Trial {
  std::optional<std::string> token;                  // nothing: locate, group and select alone
  std::vector<std::string> groups, nodes, patterns;  // one of them serves
  std::optional<ErrorCode> code;                     // nothing: it is a redirect
};

// Many requests: the part of all of them that each node gets.
struct Share : Trial {
  std::int64_t requests = 10000;
  std::map<std::string, double> percent;  // by node
  double tolerance = 2;                   // percentage points
};

// Something of the topology that a trial names.
struct TrialReference {
  enum class To : std::uint8_t { node, group, pattern, partner };
  To to = To::node;
  std::string id;
  Fault at;  // where it stands; without a message
};

struct ReadTrials {
  std::vector<Case> cases;
  std::vector<Share> shares;
  std::vector<TrialReference> references;
  Faults faults;  // a missing file and one without a trial are faults of its first line
};
GEO_EXPORT ReadTrials read_trials(const std::filesystem::path& file);

// The references to what is not there.
GEO_EXPORT Faults dangling(const std::vector<TrialReference>& references, const place::Topology& topology);

}  // namespace geo::io

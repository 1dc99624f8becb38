// What would be decided in a world that is not: nodes offline, drained or loaded, at another time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/result.h"
#include "geo/compose.h"
#include "geo/redirect.h"

namespace geoctl {

// By node id.
struct WhatIf {
  std::set<std::string> down, drain;   // admin is offline, drain; in both: offline
  std::map<std::string, double> load;  // reported this moment: 0 idle, 1 full
  std::optional<geo::WallTime> at;     // the clock
  bool operator==(const WhatIf&) const = default;
};

// One world, and what-ifs in it. Owns: a topology for each set of nodes that are down or drained, made when it is first
// asked for.
class WhatIfs {
 public:
  // World: has a topology.
  explicit WhatIfs(std::shared_ptr<const geo::compose::World> world) : world_(std::move(world)) {}

  // The time that it is then.
  static geo::WallTime now(const WhatIf& what_if);
  // bad_request: there is no such node.
  geo::Result<void> check(const WhatIf& what_if) const;
  // What requests are decided by then, of a what-if that was checked. Each call starts anew with what the nodes report:
  // no redirects are under way but those.
  geo::redirect::Snapshot snapshot(const WhatIf& what_if);
  // Of nodes that are down or drained, checked.
  static geo::Result<geo::redirect::Snapshot> without(std::shared_ptr<const geo::compose::World> world,
                                                      const std::vector<std::string>& down,
                                                      const std::vector<std::string>& drain = {});

 private:
  using Shared = std::shared_ptr<const geo::balance::Balancer>;
  Shared balancer_of(const WhatIf& what_if);

  std::shared_ptr<const geo::compose::World> world_;
  std::map<std::pair<std::set<std::string>, std::set<std::string>>, Shared> balancers_;  // by down and drain
};

}  // namespace geoctl

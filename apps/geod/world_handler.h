// What all listeners of geod have in common: they decide by the world as of now.
#pragma once

#include "handler.h"
#include "worlds.h"

namespace geod {

// While there is no topology yet.
inline const geo::Denial kNoTopology{geo::ErrorCode::upstream_unavailable, "the store cannot be asked at the moment"};

// Who asks is read by the world's trusted proxies.
class WorldHandler : public Handler {
 public:
  explicit WorldHandler(const Worlds& worlds) : world_(worlds) {}
  void meet(Exchange& exchange) override;
  void catch_up() override { world_.get(); }

 protected:
  Worlds::Reader world_;  // its loop's: as of now, without a lock
};

}  // namespace geod

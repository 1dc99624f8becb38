// What all listeners of geod have in common: they decide by the world as of now.
#pragma once

#include "handler.h"
#include "rate_limit.h"
#include "worlds.h"

namespace geod {

// While there is no topology yet.
inline const geo::Denial kNoTopology{geo::ErrorCode::upstream_unavailable, "the store cannot be asked at the moment"};

// Who asks is read by the world's trusted proxies.
class WorldHandler : public Handler {
 public:
  // rate_limit: of the clients, where the world's config has one; null: none here.
  explicit WorldHandler(const Worlds& worlds, RateLimit* rate_limit = nullptr)
      : world_(worlds), rate_limit_(rate_limit) {}
  void meet(Exchange& exchange) override;
  void catch_up() override { world_.get(); }

 protected:
  // Does the client ask more often than it may? Refused then. Trusted proxies that ask for themselves may.
  bool asks_too_often(Exchange& exchange);

  Worlds::Reader world_;  // its loop's: as of now, without a lock

 private:
  RateLimit* const rate_limit_;
};

}  // namespace geod

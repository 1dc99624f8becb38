// GET, HEAD /resolve?ip= and POST /resolve: where addresses are.
#pragma once

#include "geo/base/clock.h"
#include "world_handler.h"

namespace geod {

class ResolveHandler final : public WorldHandler {
 public:
  // 1000 IPv6 addresses, each on a line of its own.
  static constexpr std::size_t kBodyMax = 65536;

  ResolveHandler(const Worlds& worlds, const geo::Clock& clock, RateLimit* rate_limit = nullptr)
      : WorldHandler(worlds, rate_limit), clock_(clock) {}
  std::size_t body_max() const override { return kBodyMax; }
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;

 private:
  const geo::Clock& clock_;
};

}  // namespace geod

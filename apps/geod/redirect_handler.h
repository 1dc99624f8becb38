// GET, HEAD, OPTIONS /flv /hls /ws-fmp4 /stream
#pragma once

#include "cors.h"
#include "geo/base/clock.h"
#include "world_handler.h"

namespace geod {

class RedirectHandler final : public WorldHandler {
 public:
  RedirectHandler(const Worlds& worlds, const geo::Clock& clock, const Cors& cors, RateLimit* rate_limit = nullptr);
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;
  void decorate(Exchange& exchange) override { cors_.decorate(exchange); }

 private:
  const geo::Clock& clock_;
  const Cors& cors_;
  std::uint64_t dice_;
  geo::MonotonicTime next_timed_ = geo::MonotonicTime::min();  // the steps of a request from then on
};

}  // namespace geod

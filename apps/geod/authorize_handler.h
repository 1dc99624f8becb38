// POST /authorize: who holds a token, and may they?
#pragma once

#include "geo/base/clock.h"
#include "world_handler.h"

namespace geod {

// Answers from the store, whatever [auth] url says: so one geod may serve this and ask itself by it.
class AuthorizeHandler final : public WorldHandler {
 public:
  static constexpr std::size_t kBodyMax = 16384;

  AuthorizeHandler(const Worlds& worlds, const geo::Clock& clock) : WorldHandler(worlds), clock_(clock) {}
  std::size_t body_max() const override { return kBodyMax; }
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;

 private:
  const geo::Clock& clock_;
};

}  // namespace geod

// GET /healthz /status.json /metrics, for operators.
#pragma once

#include "geo/base/clock.h"
#include "status.h"
#include "world_handler.h"

namespace geod {

class AdminHandler final : public WorldHandler {
 public:
  AdminHandler(const Worlds& worlds, const geo::Clock& clock, const Process& process)
      : WorldHandler(worlds), clock_(clock), process_(process) {}
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;

 private:
  const geo::Clock& clock_;
  const Process& process_;
};

}  // namespace geod

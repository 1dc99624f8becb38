// GET /verify, for a node's auth_request.
#pragma once

#include "world_handler.h"

namespace geod {

class VerifyHandler final : public WorldHandler {
 public:
  using WorldHandler::WorldHandler;
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;
};

}  // namespace geod

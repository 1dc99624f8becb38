// What the listeners of geod serve.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "current_world.h"
#include "geo/base/clock.h"
#include "handler.h"

namespace geod {

// Decides by a world: who asks is read by its trusted proxies.
class WorldHandler : public Handler {
 public:
  explicit WorldHandler(const Worlds& worlds) : world_(worlds) {}
  void meet(Exchange& exchange) override;

 protected:
  CurrentWorld world_;
};

// Contract 2.1, the CORS part. Threads: immutable.
class Cors {
 public:
  explicit Cors(std::vector<std::string> origins);
  // On every answer.
  void decorate(Exchange& exchange) const;
  // Beside that on the answer to OPTIONS.
  static void preflight(Exchange& exchange);

 private:
  std::vector<std::string> origins_;
  bool any_;
};

// GET, HEAD, OPTIONS /flv /hls /ws-fmp4 /stream
class RedirectHandler final : public WorldHandler {
 public:
  RedirectHandler(const Worlds& worlds, const geo::Clock& clock, const Cors& cors);
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;
  void decorate(Exchange& exchange) override { cors_.decorate(exchange); }

 private:
  const geo::Clock& clock_;
  const Cors& cors_;
};

// GET /verify, for a node's auth_request
class VerifyHandler final : public WorldHandler {
 public:
  using WorldHandler::WorldHandler;
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;
};

// GET /healthz
class AdminHandler final : public WorldHandler {
 public:
  using WorldHandler::WorldHandler;
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;
};

}  // namespace geod

// The world that a loop decides by, as of now, without a lock.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "geo/balance.h"
#include "geo/base/published.h"
#include "geo/compose.h"

namespace geod {

// The world in service. Threads: any; whoever changes it waits for whoever does.
class Worlds : public geo::Published<geo::compose::World> {
 public:
  using Published::Published;

  void change(const geo::compose::Change& change) {
    const std::lock_guard lock(changing_);
    std::shared_ptr<const geo::compose::World> before = latest();
    publish(change(*before));
    past_.push_back(std::move(before));
  }
  // Lets go of worlds of the past that nobody else holds: they hold large tables, and an event loop that let go of one
  // last would stand still meanwhile.
  void forget_past() {
    const std::lock_guard lock(changing_);
    std::erase_if(past_, [](const auto& world) { return world.use_count() == 1; });
  }

 private:
  std::mutex changing_;
  std::vector<std::shared_ptr<const geo::compose::World>> past_;
};

// Threads: belongs to one.
class CurrentWorld {
 public:
  explicit CurrentWorld(const Worlds& worlds) : worlds_(worlds) {}

  // Valid until the next call.
  const std::shared_ptr<const geo::compose::World>& get() {
    const auto& latest = worlds_.get();
    if (latest != world_) {  // `world_` is held, so its address is not another's
      world_ = latest;
      states_.emplace(*world_->states);
    }
    return world_;
  }
  // Of the world that get() gave last.
  const geo::balance::States& states() {
    const auto& states = states_->get();
    return states == nullptr ? none_ : *states;
  }

 private:
  Worlds::Reader worlds_;
  std::shared_ptr<const geo::compose::World> world_;
  std::optional<geo::Published<geo::balance::States>::Reader> states_;
  geo::balance::States none_;
};

}  // namespace geod

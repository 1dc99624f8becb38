// The world in service, and how it is changed.
#pragma once

#include <malloc.h>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "geo/base/published.h"
#include "geo/compose.h"

namespace geod {

// The world in service. Threads: any; whoever changes it waits for whoever does.
class Worlds : public geo::Published<geo::compose::World> {
 public:
  using Published::Published;

  // What the change made of what: others may have changed the world since it was thought of.
  struct Changed {
    std::shared_ptr<const geo::compose::World> from;
    std::shared_ptr<const geo::compose::World> to;
  };
  Changed change(const geo::compose::Change& change) {
    const std::lock_guard lock(changing_);
    Changed changed{latest(), nullptr};
    changed.to = change(*changed.from);
    publish(changed.to);
    past_.push_back(changed.from);
    return changed;
  }
  // Lets go of worlds of the past that nobody else holds: they hold large tables, and an event loop that let go of one
  // last would stand still meanwhile.
  void forget_past() {
    const std::lock_guard lock(changing_);
    // What they held goes back to the system: the next one is built elsewhere in the heap.
    if (std::erase_if(past_, [](const auto& world) { return world.use_count() == 1; }) > 0) ::malloc_trim(0);
  }

 private:
  std::mutex changing_;
  std::vector<std::shared_ptr<const geo::compose::World>> past_;
};

}  // namespace geod

// One listen address and its loops.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "loop.h"
#include "passed_sockets.h"
#include "socket.h"

namespace geod {

class Listener {
 public:
  using MakeHandler = std::function<std::unique_ptr<Handler>()>;  // one per loop

  // name: as its socket is passed, "redirect" or "tls.redirect".
  Listener(std::string name, Surroundings surroundings) : name_(std::move(name)), around_(std::move(surroundings)) {}
  // Ends the loops; see Loop.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Errors name the address.
  tl::expected<void, std::string> bind(const Address& address, std::size_t loops);
  // In the place of bind(): all loops accept from the one socket.
  tl::expected<void, std::string> take(PassedSocket socket, std::size_t loops);
  tl::expected<void, std::string> start(const MakeHandler& make_handler, const LoopLimits& limits);

  const std::string& name() const { return name_; }
  const Address& address() const { return bound_.address; }

  void quiesce();
  void sweep(const Sweep& wanted);
  void wake();
  // Have all loops been round since they were woken?
  bool is_awake() const;
  std::size_t open_count() const { return open_.load(); }

 private:
  const std::string name_;
  const Surroundings around_;
  Bound bound_;
  bool passed_ = false;
  std::atomic<std::size_t> open_{0};
  std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace geod

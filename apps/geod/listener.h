// One listen address and its loops.
#pragma once

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

  explicit Listener(Surroundings surroundings) : around_(std::move(surroundings)) {}
  // Ends the loops; see Loop.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Errors name the address.
  tl::expected<void, std::string> bind(const Address& address, std::size_t loops);
  // In the place of bind(): all loops accept from the one socket.
  tl::expected<void, std::string> take(PassedSocket socket, std::size_t loops);
  tl::expected<void, std::string> start(const MakeHandler& make_handler);

  // As its socket is passed, "redirect" or "tls.redirect".
  const std::string& name() const { return around_.occupancy.listener; }
  // Then others may accept from it too, now and when geod is gone.
  bool is_passed() const { return passed_; }
  const Address& address() const { return bound_.address; }

  void quiesce();
  bool is_quiesced() const { return quiesced_; }
  void sweep(const Sweep& wanted);
  void wake();
  // Have all loops been round since they were woken?
  bool is_awake() const;
  const Occupancy& occupancy() const { return around_.occupancy; }

 private:
  const Surroundings around_;
  Bound bound_;
  bool passed_ = false, quiesced_ = false;
  std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace geod

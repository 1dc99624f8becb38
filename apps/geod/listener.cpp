#include "listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace geod {

Listener::~Listener() {
  loops_.clear();
  if (bound_.address.is_unix() && !passed_) ::unlink(bound_.address.path.c_str());
}

tl::expected<void, std::string> Listener::bind(const Address& address, std::size_t loops) {
  auto bound = listen_on(address, loops);
  if (!bound) return tl::unexpected(std::move(bound.error()));
  bound_ = std::move(*bound);
  return {};
}

tl::expected<void, std::string> Listener::take(PassedSocket socket, std::size_t loops) {
  passed_ = true;
  bound_.address = std::move(socket.address);
  for (std::size_t i = 1; i < loops; ++i) {
    Fd another(::fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!another) return tl::unexpected(fmt::format("the passed socket: {}", std::strerror(errno)));
    bound_.sockets.push_back(std::move(another));
  }
  bound_.sockets.push_back(std::move(socket.fd));
  return {};
}

tl::expected<void, std::string> Listener::start(const MakeHandler& make_handler) {
  for (Fd& socket : bound_.sockets) {
    loops_.push_back(std::make_unique<Loop>(around_, make_handler()));
    if (auto started = loops_.back()->start(std::move(socket), passed_); !started) return started;
  }
  bound_.sockets.clear();
  return {};
}

void Listener::quiesce() {
  quiesced_ = true;
  for (const auto& loop : loops_) loop->quiesce();
}

void Listener::sweep(const Sweep& wanted) {
  for (const auto& loop : loops_) loop->sweep(wanted);
}

void Listener::wake() {
  for (const auto& loop : loops_) loop->wake();
}

bool Listener::is_awake() const {
  return std::all_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->is_awake(); });
}

}  // namespace geod

// Listening sockets on loopback, on ports that the kernel picks.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <stdexcept>

namespace geo::test {

struct Loopback {
  int socket = -1;         // whoever asked for it closes it
  sockaddr_in6 address{};  // or a sockaddr_in: the port is at the same place

  std::uint16_t port() const { return ntohs(address.sin6_port); }
};

// AF_INET6: on ::1. port 0: one that the kernel picks.
inline Loopback listen_on_loopback(int backlog, int family = AF_INET, std::uint16_t port = 0) {
  Loopback out;
  out.socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto* const address = reinterpret_cast<sockaddr*>(&out.address);
  out.address.sin6_port = htons(port);
  address->sa_family = static_cast<sa_family_t>(family);
  if (family == AF_INET6)
    out.address.sin6_addr = in6addr_loopback;
  else
    reinterpret_cast<sockaddr_in*>(address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (::bind(out.socket, address, size) != 0 || ::listen(out.socket, backlog) != 0 ||
      ::getsockname(out.socket, address, &size) != 0)
    throw std::runtime_error("no socket on loopback");
  return out;
}

// As good as a host that is gone: a listening socket whose queue is full answers no SYN.
class Silent {
 public:
  explicit Silent(int family = AF_INET, std::uint16_t port = 0) : listener_(listen_on_loopback(0, family, port)) {
    for (int& each : crowd_) {
      each = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      (void)::connect(each, reinterpret_cast<const sockaddr*>(&listener_.address), sizeof listener_.address);
    }
  }
  ~Silent() {
    for (const int each : crowd_) ::close(each);
    ::close(listener_.socket);
  }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  std::uint16_t port() const { return listener_.port(); }

 private:
  const Loopback listener_;
  std::array<int, 4> crowd_{};
};

}  // namespace geo::test

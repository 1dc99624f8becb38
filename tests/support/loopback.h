// A listening socket on loopback, on a port that the kernel picks.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <stdexcept>

namespace geo::test {

struct Loopback {
  int socket = -1;  // whoever asked for it closes it
  sockaddr_in address{};

  std::uint16_t port() const { return ntohs(address.sin_port); }
};

inline Loopback listen_on_loopback(int backlog) {
  Loopback out;
  out.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  out.address.sin_family = AF_INET;
  out.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof out.address;
  auto* const address = reinterpret_cast<sockaddr*>(&out.address);
  if (::bind(out.socket, address, size) != 0 || ::listen(out.socket, backlog) != 0 ||
      ::getsockname(out.socket, address, &size) != 0)
    throw std::runtime_error("no socket on loopback");
  return out;
}

}  // namespace geo::test

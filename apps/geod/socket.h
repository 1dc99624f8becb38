// Listen addresses and the sockets on them.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "fd.h"
#include "geo/base/ip.h"

namespace geod {

// Shape: 0.0.0.0:8080, [::]:8080 (serves IPv4 too), localhost:8081, unix:/run/geod/admin.sock
struct Address {
  geo::Ip ip;
  bool ipv6 = false;
  std::uint16_t port = 0;  // 0: the kernel picks one
  std::string path;        // not empty: a unix socket

  bool is_unix() const { return !path.empty(); }
  std::string to_string() const;
};
// Looks up a host name. The error says what is wrong.
tl::expected<Address, std::string> parse_address(std::string_view text);

struct Bound {
  std::vector<Fd> sockets;
  Address address;  // with the port that the kernel picked
};
// `count` listening sockets that share one TCP port (SO_REUSEPORT), one unix socket. An address that somebody else
// listens on already is an error, though SO_REUSEPORT would let us join in. Errors name the address.
tl::expected<Bound, std::string> listen_on(const Address& address, std::size_t count);

// What a socket is bound to. The error says why that is nothing to listen on.
tl::expected<Address, std::string> address_of(int fd);

// The other end's address; for a unix socket the unspecified one.
geo::Ip peer_of(const sockaddr* address);
// Who is at the other end of a unix socket's connection; nothing where it is another.
std::optional<uid_t> peer_uid(int fd);

}  // namespace geod

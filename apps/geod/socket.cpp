#include "socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>

#include "geo/base/text.h"

namespace geod {
namespace {

constexpr int kBacklog = 4096;  // the kernel caps it at net.core.somaxconn

struct SocketName {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketName name_of(const Address& address) {
  SocketName name;
  const auto put = [&](const auto& filled) {
    std::memcpy(&name.storage, &filled, sizeof filled);
    name.size = sizeof filled;
  };
  if (address.is_unix()) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path, address.path.data(), address.path.size());
    put(un);
  } else if (address.ipv6) {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(address.port);
    std::memcpy(&in6.sin6_addr, address.ip.bytes().data(), 16);
    put(in6);
  } else {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    in.sin_addr.s_addr = htonl(address.ip.v4_bits());
    put(in);
  }
  return name;
}

// Of IPv4 and IPv6: sin6_port is in the same place.
std::uint16_t port_of(const sockaddr_storage& storage) {
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

tl::unexpected<std::string> failed(const Address& address, std::string_view what) {
  return tl::unexpected(fmt::format("{}: {}: {}", address.to_string(), what, std::strerror(errno)));
}

tl::expected<Fd, std::string> open_socket(const Address& address) {
  const int family = address.is_unix() ? AF_UNIX : address.ipv6 ? AF_INET6 : AF_INET;
  Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failed(address, "cannot open a socket");
  const int on = 1, off = 0;
  if (!address.is_unix()) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ipv6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  return fd;
}

tl::expected<void, std::string> bind_to(const Fd& fd, const Address& address) {
  const SocketName name = name_of(address);
  if (::bind(fd.get(), name.get(), name.size) != 0) return failed(address, "cannot listen");
  return {};
}

// Without SO_REUSEPORT the kernel refuses a port that anybody listens on.
tl::expected<void, std::string> check_free(const Address& address) {
  auto probe = open_socket(address);
  if (!probe) return tl::unexpected(std::move(probe.error()));
  return bind_to(*probe, address);
}

tl::expected<Bound, std::string> listen_on_tcp(const Address& address, std::size_t count) {
  if (address.port != 0)
    if (auto is_free = check_free(address); !is_free) return tl::unexpected(std::move(is_free.error()));
  Bound bound{{}, address};
  for (std::size_t i = 0; i < count; ++i) {
    auto fd = open_socket(address);
    if (!fd) return tl::unexpected(std::move(fd.error()));
    const int on = 1;
    if (::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return failed(address, "SO_REUSEPORT");
    if (auto done = bind_to(*fd, bound.address); !done) return tl::unexpected(std::move(done.error()));
    if (bound.address.port == 0) {
      SocketName name;
      name.size = sizeof name.storage;
      ::getsockname(fd->get(), reinterpret_cast<sockaddr*>(&name.storage), &name.size);
      bound.address.port = port_of(name.storage);
    }
    bound.sockets.push_back(std::move(*fd));
  }
  for (const Fd& fd : bound.sockets)
    if (::listen(fd.get(), kBacklog) != 0) return failed(bound.address, "cannot listen");
  return bound;
}

// A socket file that nobody listens on any more is left over from a process that died.
tl::expected<void, std::string> remove_stale(const Address& address) {
  struct stat status {};
  if (::lstat(address.path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return tl::unexpected(fmt::format("{}: exists and is no socket", address.to_string()));
  auto probe = open_socket(address);
  if (!probe) return tl::unexpected(std::move(probe.error()));
  const SocketName name = name_of(address);
  if (::connect(probe->get(), name.get(), name.size) == 0 || errno == EAGAIN)
    return tl::unexpected(fmt::format("{}: somebody else listens there", address.to_string()));
  if (errno != ECONNREFUSED) return failed(address, "cannot tell whether it is in use");
  if (::unlink(address.path.c_str()) != 0) return failed(address, "cannot remove the old socket");
  return {};
}

tl::expected<Bound, std::string> listen_on_unix(const Address& address) {
  if (auto done = remove_stale(address); !done) return tl::unexpected(std::move(done.error()));
  auto fd = open_socket(address);
  if (!fd) return tl::unexpected(std::move(fd.error()));
  const mode_t before = ::umask(0117);  // 0660 from the first moment on
  auto done = bind_to(*fd, address);
  ::umask(before);
  if (!done) return tl::unexpected(std::move(done.error()));
  if (::listen(fd->get(), kBacklog) != 0) return failed(address, "cannot listen");
  Bound bound{{}, address};
  bound.sockets.push_back(std::move(*fd));
  return bound;
}

// An address in numbers, or the first one that a name stands for.
tl::expected<geo::Ip, std::string> resolved(const std::string& host) {
  if (const auto ip = geo::Ip::parse(host)) return *ip;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failure = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); failure != 0)
    return tl::unexpected(fmt::format("\"{}\" has no address: {}", host, ::gai_strerror(failure)));
  const geo::Ip ip = peer_of(found->ai_addr);
  ::freeaddrinfo(found);
  return ip;
}

}  // namespace

std::string Address::to_string() const {
  if (is_unix()) return "unix:" + path;
  return ipv6 ? fmt::format("[{}]:{}", ip.to_string(), port) : fmt::format("{}:{}", ip.to_string(), port);
}

tl::expected<Address, std::string> parse_address(std::string_view text) {
  Address address;
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    address.path = text.substr(kUnix.size());
    if (address.path.empty() || address.path[0] != '/')
      return tl::unexpected<std::string>("a unix socket's path must be absolute");
    if (address.path.size() >= sizeof(sockaddr_un::sun_path))
      return tl::unexpected<std::string>("a unix socket's path has at most 107 bytes");
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return tl::unexpected<std::string>("must be ADDRESS:PORT, [IPv6]:PORT or unix:/PATH");
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  auto ip = resolved(std::string(host));
  if (!ip) return tl::unexpected(std::move(ip.error()));
  address.ip = *ip;
  address.ipv6 = !ip->is_v4();
  const auto port = geo::parse_digits(text.substr(colon + 1));
  if (!port || *port > std::numeric_limits<std::uint16_t>::max())
    return tl::unexpected<std::string>("the port must be 0 to 65535");
  address.port = static_cast<std::uint16_t>(*port);
  return address;
}

tl::expected<Bound, std::string> listen_on(const Address& address, std::size_t count) {
  return address.is_unix() ? listen_on_unix(address) : listen_on_tcp(address, count);
}

tl::expected<Address, std::string> address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return tl::unexpected<std::string>(std::strerror(errno));
  Address address;
  if (storage.ss_family == AF_UNIX) {
    const char* const path = reinterpret_cast<const sockaddr_un*>(&storage)->sun_path;
    const std::size_t length = size - offsetof(sockaddr_un, sun_path);
    if (length == 0 || path[0] == '\0') return tl::unexpected<std::string>("is a unix socket without a path");
    address.path.assign(path, ::strnlen(path, length));
    return address;
  }
  if (storage.ss_family != AF_INET && storage.ss_family != AF_INET6)
    return tl::unexpected<std::string>("is neither IPv4 nor IPv6");
  address.ipv6 = storage.ss_family == AF_INET6;
  address.ip = peer_of(reinterpret_cast<const sockaddr*>(&storage));
  address.port = port_of(storage);
  return address;
}

geo::Ip peer_of(const sockaddr* address) {
  if (address->sa_family == AF_INET)
    return geo::Ip::v4(reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr));
  if (address->sa_family == AF_INET6)
    return geo::Ip::v6(
        reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr));
  return {};
}

std::optional<uid_t> peer_uid(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid == static_cast<uid_t>(-1))
    return std::nullopt;
  return peer.uid;
}

}  // namespace geod

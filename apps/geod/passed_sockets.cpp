#include "passed_sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

namespace geod {
namespace {

constexpr std::array<std::string_view, 7> kListeners{"redirect", "resolver",     "auth",        "verify",
                                                     "admin",    "tls.redirect", "tls.resolver"};

// "GEO_LISTEN_REDIRECT", "GEO_TLS_REDIRECT"
std::string variable_of(std::string_view listener) {
  std::string name = fmt::format("GEO_{}{}", listener.starts_with("tls.") ? "" : "LISTEN_", listener);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    if (c == '.') return '_';
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return name;
}

tl::unexpected<std::string> unfit(std::string_view listener, std::string_view why) {
  return tl::unexpected(fmt::format("the socket that is passed as \"{}\" {}", listener, why));
}

}  // namespace

tl::expected<PassedSocket, std::string> passed_socket(std::string_view listener, Fd fd) {
  if (std::find(kListeners.begin(), kListeners.end(), listener) == kListeners.end())
    return unfit(listener, fmt::format("is no listener's: {}", fmt::join(kListeners, ", ")));
  if (sd_is_socket(fd.get(), AF_UNSPEC, SOCK_STREAM, 1) <= 0)
    return unfit(listener, "is not one that streams are accepted from");
  auto address = address_of(fd.get());
  if (!address) return unfit(listener, address.error());
  if (address->is_unix() && listener != "admin") return unfit(listener, "is a unix socket; only admin's may be one");
  // All loops accept from it, and one of them gets the client.
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return unfit(listener, std::strerror(errno));
  return PassedSocket{std::move(fd), std::move(*address)};
}

tl::expected<PassedSockets, std::string> take_passed_sockets() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  if (count == -EINVAL) return tl::unexpected<std::string>("LISTEN_FDS, LISTEN_FDNAMES: not one name for each socket");
  if (count < 0) return tl::unexpected(fmt::format("LISTEN_FDS: {}", std::strerror(-count)));
  const auto free_names = [count](char** all) {
    for (int i = 0; i < count; ++i) std::free(all[i]);
    std::free(all);
  };
  const std::unique_ptr<char*, decltype(free_names)> owned(names, free_names);
  PassedSockets sockets;
  std::optional<std::string> fault;
  for (int i = 0; i < count; ++i) {
    const std::string name = names[i];
    auto socket = passed_socket(name, Fd(SD_LISTEN_FDS_START + i));  // each is ours to close, whatever is wrong
    if (!socket)
      fault = fault.value_or(std::move(socket.error()));
    else if (!sockets.emplace(name, std::move(*socket)).second)
      fault = fault.value_or(unfit(name, "is one of two; a listener has one").value());
  }
  if (fault) return tl::unexpected(std::move(*fault));
  return sockets;
}

void put_into_environment(const PassedSockets& sockets) {
  for (const auto& [listener, socket] : sockets)
    ::setenv(variable_of(listener).c_str(), socket.address.to_string().c_str(), 1);
}

}  // namespace geod

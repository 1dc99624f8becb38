// Listening sockets that the service manager has opened and passes on (socket activation, sd_listen_fds(3)).
//
// Shape: LISTEN_FDS=2 LISTEN_FDNAMES=redirect:admin -> {"redirect": 0.0.0.0:80, "admin": unix:/run/geod/admin.sock}
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "fd.h"
#include "socket.h"

namespace geod {

struct PassedSocket {
  Fd fd;
  Address address;
};
// By listener.
using PassedSockets = std::map<std::string, PassedSocket, std::less<>>;

// Takes them over; once in a process, as the variables are gone then. The error names the one that geod has no use for.
tl::expected<PassedSockets, std::string> take_passed_sockets();

// One of them, whatever descriptor it is.
tl::expected<PassedSocket, std::string> passed_socket(std::string_view listener, Fd fd);

// Each takes the place of [listen] NAME - of [tls] NAME, where it is tls.NAME - whenever the config is read, by the
// environment: GEO_LISTEN_REDIRECT=0.0.0.0:80 Before any thread is started.
void put_into_environment(const PassedSockets& sockets);

}  // namespace geod

// Asks a running geod over its admin listener.
#pragma once

#include <chrono>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "geo/base/export.h"

namespace geo::io {

struct AdminRequest {
  std::string address;  // as [listen] admin has it: "127.0.0.1:8081", "[::]:8081", "unix:/run/geod/admin.sock"
  std::string target;   // "/status.json"
  std::vector<std::pair<std::string, std::string>> headers;  // of visible ASCII
  bool post = false;                                         // with an empty body
};
struct AdminAnswer {
  int status = 0;
  std::string body;
};

// One call, over a connection of its own; by no proxy. Blocks, at most for `budget`.
// Errors: why there is no answer, for people: "it refused the connection".
GEO_EXPORT tl::expected<AdminAnswer, std::string> ask_admin(const AdminRequest& request,
                                                            std::chrono::milliseconds budget);

}  // namespace geo::io

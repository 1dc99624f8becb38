// How the descriptors that the process may have are shared out.
#pragma once

#include <cstddef>

#include "geo/config.h"

namespace geod {

struct Descriptors {
  std::size_t max = 0;          // RLIMIT_NOFILE
  std::size_t connections = 0;  // that each listener may have open: [http] max_connections, or less where they are few
  std::size_t left = 0;         // beside those and geod's own files, for checks of nodes
};

// The most of them that an admin listener may have: whatever viewers do, it has them.
inline constexpr std::size_t kAdminConnections = 256;

Descriptors share_out(const geo::config::Config& config);

}  // namespace geod

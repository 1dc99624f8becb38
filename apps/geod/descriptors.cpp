#include "descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <string>

namespace geod {
namespace {

// Files, listeners, and connections to all that geod asks.
constexpr std::size_t kOthers = 512;

}  // namespace

Descriptors share_out(const geo::config::Config& config) {
  rlimit limit{};
  const auto max = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::size_t>(limit.rlim_cur) : 0;
  std::size_t listeners = 0;
  for (const std::string* const address : {&config.listen.redirect, &config.listen.resolver, &config.listen.auth,
                                           &config.listen.verify, &config.tls.redirect, &config.tls.resolver})
    if (!address->empty()) ++listeners;
  const std::size_t kept = std::min(kOthers + kAdminConnections, max / 2);
  const auto wanted = static_cast<std::size_t>(config.http.max_connections);
  const std::size_t each = std::max<std::size_t>(1, (max - kept) / std::max<std::size_t>(1, listeners));
  const std::size_t connections = std::min(wanted, each);
  const std::size_t taken = kept + listeners * connections;
  return {max, connections, max > taken ? max - taken : 0};
}

}  // namespace geod

#include "geo/balance.h"

namespace geo::balance {

Endpoint endpoint_of(const place::Node& node, Format format, bool allow_plain) {
  const bool socket = format == Format::ws_fmp4;
  if (const std::uint16_t port = socket ? node.ports.wss : node.ports.https; port != 0)
    return {socket ? "wss" : "https", port};
  const bool offers_nothing_else = node.ports.https == 0 && node.ports.wss == 0;
  if (allow_plain && offers_nothing_else)
    if (const std::uint16_t port = socket ? node.ports.ws : node.ports.http; port != 0)
      return {socket ? "ws" : "http", port};
  return {};
}

}  // namespace geo::balance

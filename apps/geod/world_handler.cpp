#include "world_handler.h"

#include "geo/client.h"
#include "request_id.h"

namespace geod {

void WorldHandler::meet(Exchange& exchange) {
  const auto& world = world_.get();
  Incoming& in = exchange.in;
  in.client = geo::client::address_of(in.peer, in.headers[Known::forwarded], in.headers[Known::x_forwarded_for],
                                      world->trusted_proxies);
  const std::string_view given = in.headers[Known::x_request_id];
  if (geo::client::is_request_id(given) && world->trusted_proxies.contains(in.peer))
    in.request_id = given;
  else
    append_request_id(in.request_id);
}

}  // namespace geod

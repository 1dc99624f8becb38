#include "world_handler.h"

#include <fmt/format.h>

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

bool WorldHandler::asks_too_often(Exchange& exchange) {
  const auto& world = world_.get();
  const std::int64_t most = world->config.limits.requests_per_s;
  const Incoming& in = exchange.in;
  if (most == 0 || rate_limit_ == nullptr || rate_limit_->admits(in.client, in.started, most)) return false;
  if (world->trusted_proxies.contains(in.client)) return false;
  refuse(exchange, {geo::ErrorCode::rate_limited, fmt::format("more than {} requests a second", most)});
  return true;
}

}  // namespace geod

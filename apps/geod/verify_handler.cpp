#include "verify_handler.h"

#include "geo/sign.h"

namespace geod {
namespace {

geo::sign::Reason verify(const Incoming& in, const geo::compose::World& world) {
  const Headers& headers = in.headers;
  if (headers.lines(Known::x_original_uri) != 1 || headers.lines(Known::x_original_host) > 1 ||
      headers.lines(Known::x_real_ip) > 1)
    return geo::sign::Reason::malformed;
  geo::sign::Presented presented;
  presented.target = headers[Known::x_original_uri];
  presented.host = headers.lines(Known::x_original_host) == 1 ? headers[Known::x_original_host] : in.host;
  presented.client_ip = geo::Ip::parse(headers[Known::x_real_ip]);
  presented.now = in.at;
  std::function<bool(std::string_view)> is_node_host;
  if (world.has_topology())
    is_node_host = [&world](std::string_view host) { return world.snapshot.topology->is_node_host(host); };
  return geo::sign::verify(presented, *world.snapshot.keys, std::chrono::seconds(world.config.signing.leeway_s),
                           is_node_host);
}

}  // namespace

bool VerifyHandler::answer(Exchange& exchange) {
  if (exchange.in.path != "/verify") {
    refuse(exchange, {geo::ErrorCode::no_such_path, "there is only /verify"});
    return true;
  }
  exchange.entry.path = exchange.in.path;
  if (!is_get(exchange)) return true;
  const geo::sign::Reason reason = verify(exchange.in, *world_.get());
  if (reason == geo::sign::Reason::ok) {
    exchange.out.status = 204;
    exchange.entry.code = Code::ok;
    return true;
  }
  const std::string_view name = geo::sign::name_of(reason);
  refuse(exchange, {geo::ErrorCode::forbidden, std::string(name)});
  exchange.out.header("X-Geo-Reason", name);
  exchange.entry.reason = name;
  return true;
}

void VerifyHandler::answer_waiting(Exchange& exchange) {
  refuse(exchange, {geo::ErrorCode::internal, "verify never waits"});
}

}  // namespace geod

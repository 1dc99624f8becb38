#include "handlers.h"

#include <algorithm>

#include "geo/base/text.h"
#include "geo/client.h"
#include "geo/sign.h"
#include "request_id.h"

namespace geod {
namespace {

constexpr std::string_view kGetHead = "GET, HEAD";

// Only `known` is served, by GET and HEAD. False: refused.
bool is_for(std::string_view known, Exchange& exchange) {
  if (exchange.in.path != known) {
    refuse(exchange, {geo::ErrorCode::no_such_path, "there is only " + std::string(known)});
    return false;
  }
  exchange.entry.path = known;
  if (exchange.in.method != "GET" && !exchange.in.head()) {
    refuse(exchange, {geo::ErrorCode::method_not_allowed, "GET and HEAD are allowed"}, kGetHead);
    return false;
  }
  return true;
}

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
  if (world.has_topology)
    is_node_host = [&world](std::string_view host) { return world.snapshot.topology->is_node_host(host); };
  return geo::sign::verify(presented, *world.snapshot.keys, std::chrono::seconds(world.config.signing.leeway_s),
                           is_node_host);
}

}  // namespace

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

Cors::Cors(std::vector<std::string> origins)
    : origins_(std::move(origins)), any_(std::find(origins_.begin(), origins_.end(), "*") != origins_.end()) {}

void Cors::decorate(Exchange& exchange) const {
  if (origins_.empty()) return;
  Answer& out = exchange.out;
  if (any_) {
    out.header("Access-Control-Allow-Origin", "*");
  } else {
    out.header("Vary", "Origin");
    const std::string_view origin = exchange.in.headers[Known::origin];
    if (std::find(origins_.begin(), origins_.end(), origin) == origins_.end()) return;
    out.header("Access-Control-Allow-Origin", origin);
  }
  out.header("Access-Control-Expose-Headers", "Location, X-Request-Id, Retry-After");
}

void Cors::preflight(Exchange& exchange) {
  exchange.out.header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
  exchange.out.header("Access-Control-Allow-Headers", "Authorization");
  exchange.out.header("Access-Control-Max-Age", "600");
}

bool VerifyHandler::answer(Exchange& exchange) {
  if (!is_for("/verify", exchange)) return true;
  const geo::sign::Reason reason = verify(exchange.in, *world_.get());
  if (reason == geo::sign::Reason::ok) {
    exchange.out.status = 204;
    exchange.entry.code = "ok";
    return true;
  }
  const std::string_view name = geo::sign::name_of(reason);
  refuse(exchange, {geo::ErrorCode::forbidden, std::string(name)});
  exchange.out.header("X-Geo-Reason", name);
  return true;
}

void VerifyHandler::answer_waiting(Exchange& exchange) {
  refuse(exchange, {geo::ErrorCode::internal, "verify never waits"});
}

bool AdminHandler::answer(Exchange& exchange) {
  if (!is_for("/healthz", exchange)) return true;
  exchange.out.status = 200;
  exchange.out.header("Content-Type", "application/json");
  exchange.out.body = R"({"status":"ok"})";
  exchange.entry.code = "ok";
  return true;
}

void AdminHandler::answer_waiting(Exchange& exchange) {
  refuse(exchange, {geo::ErrorCode::internal, "healthz never waits"});
}

}  // namespace geod

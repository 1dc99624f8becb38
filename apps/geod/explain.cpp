#include "explain.h"

#include <fmt/format.h>

#include "query.h"
#include "world_handler.h"

namespace geod {
namespace {

using geo::ErrorCode;

geo::Result<void> bad(std::string detail) { return geo::deny(ErrorCode::bad_request, std::move(detail)); }

// What is not asked for here, the checks of a request want to see nevertheless.
geo::Result<bool> add_where_missing(std::string& query, std::string_view name, std::string_view value) {
  const auto given = parameter_of(query, name);
  if (!given) return tl::unexpected<geo::Denial>(given.error());
  if (!*given) query.append("&").append(name).append("=").append(value);
  return given->has_value();
}

geo::Result<void> parse_token(const Headers& headers, geo::redirect::Request& request) {
  if (headers.lines(Known::x_client_token) > 1) return bad("X-Client-Token: given twice");
  request.token = headers[Known::x_client_token];
  if (!geo::auth::is_well_formed(request.token))
    return bad("X-Client-Token: a token is 1-4096 visible ASCII characters");
  return {};
}

geo::Result<void> parse_partner(std::string_view query, const geo::place::Topology& topology,
                                geo::redirect::Request& request) {
  auto partner = parameter_of(query, "partner");
  if (!partner) return tl::unexpected<geo::Denial>(partner.error());
  if (!*partner) return {};
  if (topology.find_partner(**partner) == geo::place::kNone) return bad("partner: there is no such partner");
  request.partner = *request.decoded.emplace_back(std::make_unique<std::string>(std::move(**partner)));
  return {};
}

}  // namespace

geo::Result<void> parse_explain(Exchange& exchange, const geo::compose::World& world) {
  const Incoming& in = exchange.in;
  geo::redirect::Request& request = exchange.request.emplace();
  const auto ip = ip_of(in.query);
  if (!ip) return tl::unexpected<geo::Denial>(ip.error());
  // URLs are remembered in many places.
  const auto token = parameter_of(in.query, "access_token");
  if (!token || *token) return bad("access_token: the client's token is given in the header X-Client-Token");
  const bool has_token = in.headers.lines(Known::x_client_token) > 0;

  std::string& query = *request.decoded.emplace_back(std::make_unique<std::string>(in.query));
  bool has_camera = true;
  if (!has_token) {
    const auto server = add_where_missing(query, "server", "-"), camera = add_where_missing(query, "camera", "-");
    if (!server) return tl::unexpected<geo::Denial>(server.error());
    if (!camera) return tl::unexpected<geo::Denial>(camera.error());
    if (*server != *camera)
      return bad(fmt::format("{}: missing; server and camera go together", *camera ? "server" : "camera"));
    has_camera = *camera;
  }
  if (const auto format = add_where_missing(query, "format", "flv"); !format)
    return tl::unexpected<geo::Denial>(format.error());
  const geo::redirect::RawRequest raw{"/stream", query, "Bearer -", {}};
  if (auto parsed = geo::redirect::parse_request(raw, world.config.redirect.pass_through, request); !parsed)
    return parsed;
  request.token = {};
  if (!has_camera) request.server = request.camera = {};
  if (has_token)
    if (auto parsed = parse_token(in.headers, request); !parsed) return parsed;
  if (!world.has_topology()) return tl::unexpected<geo::Denial>(kNoTopology);
  if (auto parsed = parse_partner(in.query, *world.snapshot.topology, request); !parsed) return parsed;
  request.client_ip = *ip;
  request.now = in.at;
  request.arrived = in.started;
  request.aside = true;
  return {};
}

void explain(Exchange& exchange, const geo::compose::World& world, const geo::Clock& clock) {
  geo::redirect::Snapshot snapshot = world.snapshot;
  if (exchange.request->token.empty()) snapshot.options.upto = geo::redirect::Upto::select;
  geo::redirect::Trace trace;
  const auto patience = std::chrono::milliseconds(world.config.deadline.request_ms);
  geo::redirect::decide(*exchange.request, snapshot, geo::Wait::until(exchange.in.started + patience), clock,
                        exchange.decision, &trace);
  geo::redirect::append_json(exchange.out.body, trace, snapshot, exchange.decision);
}

}  // namespace geod

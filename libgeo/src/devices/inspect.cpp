#include "geo/devices.h"

#include <fmt/format.h>

#include <algorithm>

namespace geo::devices {

Polled<Device> inspect(const Store& store, const Query& query, const Moment& at) {
  auto server = store.server(query.server, at);
  if (!server) return std::nullopt;
  if (!*server) return tl::unexpected(std::move(server->error()));
  const Held<Server>& box = **server;
  // a server of another partner is not known here
  if (!box || (!box->partner.empty() && box->partner != query.partner))
    return deny(ErrorCode::not_found, "the server is not known");

  auto camera = store.camera(query.server, query.camera, at);
  if (!camera) return std::nullopt;
  if (!*camera) return tl::unexpected(std::move(camera->error()));
  const Held<Camera>& eye = **camera;
  if (!eye) return deny(ErrorCode::not_found, "the server has no such camera");
  if (!box->online) return deny(ErrorCode::offline, "the server is offline");
  if (!eye->online) return deny(ErrorCode::offline, "the camera is offline");
  if (std::find(eye->streams.begin(), eye->streams.end(), query.format) == eye->streams.end())
    return deny(ErrorCode::format_unavailable, fmt::format("the camera has no {} stream", query.format));
  return Device{box, eye};
}

}  // namespace geo::devices

// Inspect: do the server and the camera exist, and are they on?
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/held.h"
#include "geo/base/result.h"

namespace geo::devices {

// ---- rows ----
struct Server {
  std::string id, dc;
  bool online = false;
  std::string partner;  // empty: every partner's hosts
  std::string owner_type, owner_id;
  bool operator==(const Server&) const = default;
};
struct Camera {
  std::string server, id;
  bool online = false;
  std::vector<std::string> streams;
  bool operator==(const Camera&) const = default;
};

// Null: no such row.
class Store {
 public:
  virtual ~Store() = default;
  virtual Polled<Held<Server>> server(std::string_view id, const Moment& at) const = 0;
  virtual Polled<Held<Camera>> camera(std::string_view server, std::string_view id, const Moment& at) const = 0;
};

struct Query {
  std::string_view server, camera;
  std::string_view partner;  // the request's
  std::string_view format;   // "flv"
};

struct Device {
  Held<Server> server;
  Held<Camera> camera;
};

// Errors: not_found, offline, format_unavailable, upstream_unavailable; nothing where it would have to wait.
GEO_EXPORT Polled<Device> inspect(const Store& store, const Query& query, const Moment& at);

}  // namespace geo::devices

// Locate: address -> Location, by the providers in their order.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "geo/place.h"

namespace geo::resolve {

// Owns: `location` may point into a snapshot that the caller holds (a network row) or own its value.
struct Located {
  std::shared_ptr<const place::Location> location;
  std::string_view provider;  // static text: "networks", "maxmind", ..
  bool cached = false;
};

struct Query {
  const Ip& ip;
  const place::Topology* topology = nullptr;  // for `networks`; none: that provider knows nothing
  Wait wait = Wait::never();
};

// Errors: unknown_address, reserved_address, upstream_unavailable; nothing (see Polled) where it would have to wait.
// Threads: locate() may be called by any number at once.
class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::string_view name() const = 0;
  virtual Polled<Located> locate(const Query& query) const = 0;
};

// CIDR -> place, from the topology's `networks`.
class GEO_EXPORT Networks final : public Provider {
 public:
  static constexpr std::string_view kName = "networks";
  std::string_view name() const override { return kName; }
  Polled<Located> locate(const Query& query) const override;
};

// Not globally reachable by IANA's special-purpose registries (IPv4 and IPv6, as of 2025-10-09), or multicast.
// 6to4 (2002::/16) and Teredo (2001::/32) count as reachable.
GEO_EXPORT bool is_reserved(const Ip& ip);

// The providers in their order; the first answer wins. A reserved address is asked of `networks` alone.
class GEO_EXPORT Resolver {
 public:
  explicit Resolver(std::vector<std::unique_ptr<const Provider>> providers) : providers_(std::move(providers)) {}
  Polled<Located> locate(const Query& query) const;
  const std::vector<std::unique_ptr<const Provider>>& providers() const { return providers_; }

 private:
  std::vector<std::unique_ptr<const Provider>> providers_;
};

// Appends the object of `/resolve`: {"ip":..,"country_code":..,..,"provider":..,"cached":..}
GEO_EXPORT void append_json(std::string& out, const Ip& ip, const Located& located);

}  // namespace geo::resolve

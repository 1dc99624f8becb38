// Locate: address -> Location, by the providers in their order.
//
//   networks, maxmind     tables in memory: they answer at once
//   ip-api, remote        upstreams: asked through the cache of places, one call per address however many wait
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/cache.h"
#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/held.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "geo/base/upstream.h"
#include "geo/place.h"

namespace geo::resolve {

// Owns: `location` may point into a snapshot that the caller holds (a network row, a place of an index) or own its
// value.
struct Located {
  std::shared_ptr<const place::Location> location;
  std::string_view provider;  // static text: "networks", "maxmind", ..
  From from = From::upstream;
  // How long it may be kept, 0 once stale; nothing: it is in memory here and has no end of its own.
  std::optional<std::chrono::seconds> left{};
  // Of the location in Query::topology where that was worked out ahead; null: it was not.
  const place::Grouped* grouped = nullptr;

  bool cached() const { return from != From::upstream; }
};

struct Query {
  const Ip& ip;
  const place::Topology* topology = nullptr;  // for `networks`; none: that provider knows nothing
  Wait wait = Wait::never();
  MonotonicTime now{};  // when the request came
  unsigned hops = 0;    // geo-resolvers that passed it on before this one
  bool counts = true;   // false: whoever asks has asked before, and tables in memory counted that
  bool aside = false;   // see Moment
};

// Errors: unknown_address, reserved_address, upstream_unavailable; nothing (see Polled) where it would have to wait:
// then it has begun to ask, so that a second call with a deadline finds the answer or the rest of the wait.
// Threads: any number at once.
class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::string_view name() const = 0;
  virtual Polled<Located> locate(const Query& query) const = 0;
  virtual UpstreamStatus status(MonotonicTime now) const = 0;
  // Asked over the network: takes time, and may fail.
  virtual bool is_upstream() const { return false; }
};

// CIDR -> place, from the topology's `networks`.
class GEO_EXPORT Networks final : public Provider {
 public:
  static constexpr std::string_view kName = "networks";
  std::string_view name() const override { return kName; }
  Polled<Located> locate(const Query& query) const override;
  UpstreamStatus status(MonotonicTime now) const override;

 private:
  mutable Tally tally_;
};

// ---- upstreams ----

// An address as the cache knows it: IPv4 whole, IPv6 by its /64 (but 64:ff9b::/96, which holds IPv4 addresses, whole).
struct PlaceKey {
  Ip ip;                      // the first one that was asked for
  std::uint8_t upstream = 0;  // who was asked
  std::uint8_t hops = 0;      // a circle of geo-resolvers must not wait for itself

  // Its host part is no part of the key.
  GEO_EXPORT bool operator==(const PlaceKey& other) const;
  struct Hash {
    GEO_EXPORT std::size_t operator()(const PlaceKey& key) const;
  };
};
using PlaceCache = Cache<PlaceKey, place::Location, PlaceKey::Hash>;

// Owns: its threads and connections. Threads: any number at once.
class Upstream {
 public:
  virtual ~Upstream() = default;
  virtual std::string_view name() const = 0;
  // Returns at once. The load is finished within `budget` from now, by whatever thread; at once with
  // upstream_unavailable where the breaker is open, too much is waiting already, or the budget of calls is used up for
  // longer than that.
  virtual void ask(PlaceCache::Load load, std::chrono::milliseconds budget) const = 0;
  virtual UpstreamStatus status(MonotonicTime now) const = 0;
};

// An upstream behind the cache.
class GEO_EXPORT Cached final : public Provider {
 public:
  // `number` tells it from the other upstreams that share the cache.
  Cached(std::shared_ptr<const Upstream> upstream, std::shared_ptr<PlaceCache> cache, std::uint8_t number,
         std::chrono::milliseconds budget);
  std::string_view name() const override { return upstream_->name(); }
  Polled<Located> locate(const Query& query) const override;
  UpstreamStatus status(MonotonicTime now) const override { return upstream_->status(now); }
  bool is_upstream() const override { return true; }

 private:
  std::shared_ptr<const Upstream> upstream_;
  std::shared_ptr<PlaceCache> cache_;
  std::uint8_t number_;
  std::chrono::milliseconds budget_;
};

// ---- the resolver ----

// Not globally reachable by IANA's special-purpose registries (IPv4 and IPv6, as of 2025-10-09), or multicast.
// 6to4 (2002::/16) and Teredo (2001::/32) count as reachable.
GEO_EXPORT bool is_reserved(const Ip& ip);

struct Settings {
  std::chrono::milliseconds budget{1500};  // for all providers together, from Query::now on
  bool complete = false;                   // nulls are filled by later providers that agree on the country
  bool far_decides = false;                // [resolver] url: reserved addresses are asked like any other
};

// The providers in their order; the first answer wins. A reserved address is asked of `networks` alone.
class GEO_EXPORT Resolver {
 public:
  explicit Resolver(std::vector<std::shared_ptr<const Provider>> providers, Settings settings = {});
  Polled<Located> locate(const Query& query) const;
  const std::vector<std::shared_ptr<const Provider>>& providers() const { return providers_; }
  const Settings& settings() const { return settings_; }
  bool asks_upstreams() const { return upstreams_ > 0; }

 private:
  std::vector<std::shared_ptr<const Provider>> providers_;
  Settings settings_;
  std::ptrdiff_t upstreams_;  // among the providers
};

// Appends the object of `/resolve`: {"ip":..,"country_code":..,..,"provider":..,"cached":..}
GEO_EXPORT void append_json(std::string& out, const Ip& ip, const Located& located);

}  // namespace geo::resolve

// Bill: is the camera within the limits of its viewer's tariff?
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/held.h"
#include "geo/base/hmac.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"

namespace geo::billing {

// ---- rows ----
struct User {
  std::string id;
  std::string tariff;
  std::optional<WallTime> paid_until;  // nothing: no end
  bool blocked = false;
  bool operator==(const User&) const = default;
};
struct Tariff {
  std::string id;
  std::vector<std::string> formats;
  std::optional<std::int64_t> max_streams;  // nothing: no limit
  bool operator==(const Tariff&) const = default;
};
struct Usage {
  std::string user;
  std::int64_t streams = 0;
  std::optional<WallTime> reported_at;
  bool operator==(const Usage&) const = default;
};

// Null: no such row. Threads: any number at once.
class Store {
 public:
  virtual ~Store() = default;
  virtual Polled<Held<User>> user(std::string_view id, const Moment& at) const = 0;
  virtual Polled<Held<Tariff>> tariff(std::string_view id, const Moment& at) const = 0;
  virtual Polled<Held<Usage>> usage(std::string_view user, const Moment& at) const = 0;
  // Did the last call fail, so that what cannot be told is not known rather than wrong?
  virtual bool is_away() const { return false; }
};

// ---- leases: streams that were sent off and that no node has reported yet ----

// One stream of one client. The same again is the same lease, with a later end.
struct LeaseKey {
  std::string_view user;
  Digest token{};
  std::string_view server, camera;
  Ip client_ip;
};
// Those that count: unexpired, and taken after the usage was reported.
struct Leased {
  std::int64_t others = 0;
  bool own = false;  // unexpired, whenever it was taken
};
struct LeaseTerms {
  std::int64_t max_streams = 0, streams = 0;
  std::optional<WallTime> reported_at;  // of `streams`; nothing: all leases count
};
// none: the store is away.
enum class Lease : std::uint8_t { taken, renewed, none };
inline constexpr std::array<std::string_view, 3> kLeaseNames{"taken", "renewed", "none"};
constexpr std::string_view name_of(Lease lease) { return kLeaseNames[static_cast<std::size_t>(lease)]; }

// Threads: any number at once.
class Leases {
 public:
  virtual ~Leases() = default;
  // Takes one where streams + leases that count < max_streams, or renews what is there. Where it may not wait it does
  // nothing and tells nothing. Errors: limit_exceeded, upstream_unavailable (it was not told in time).
  virtual Polled<Lease> take(const LeaseKey& key, const LeaseTerms& terms, const Moment& at) const = 0;
  // Asks and changes nothing. Errors: upstream_unavailable.
  virtual Polled<Leased> look(const LeaseKey& key, const LeaseTerms& terms, const Moment& at) const = 0;
};

// ---- the step ----

// What is done about users who cannot be asked for because the store is away. An unreadable row is never let pass.
enum class OnUnknown : std::uint8_t {
  known_only,  // what is cached serves, also past its life; others are refused
  allow,       // others pass
  refuse,      // what is past its life does not serve either, and nobody passes without a lease
};

// What is asked. leases: null: they are not counted (the file store has none).
struct Books {
  const Store* store = nullptr;
  const Leases* leases = nullptr;
  OnUnknown on_unknown = OnUnknown::known_only;
};

struct Query {
  std::string_view owner_type, owner_id;
  std::string_view server, camera;
  std::string_view format;  // "flv"
  Digest token{};
  Ip client_ip;
  bool takes_lease = false;  // false: those of others are counted here, none is taken
};

struct Bill {
  std::int64_t streams = 0;                 // in use
  std::optional<std::int64_t> max_streams;  // nothing: no limit
  std::string_view tariff;                  // as in the store's row; valid while `held` is; empty: not known
  std::shared_ptr<const Tariff> held;
  std::optional<WallTime> reported_at;  // of `streams`
  From from = From::upstream;           // the oldest of the rows
  bool known = true;                    // false: nobody could be asked, and the user passes all the same
};

// Errors: payment_required, format_not_in_tariff, limit_exceeded, upstream_unavailable; nothing where it would have to
// wait.
GEO_EXPORT Polled<Bill> bill(const Books& books, const Query& query, const Moment& at);

// Not where there is no limit, or nobody knows of one.
GEO_EXPORT bool takes_lease(const Books& books, const Query& query, const Bill& bill);

// The lease of what was billed; nothing where it takes none.
// Errors: limit_exceeded, upstream_unavailable. Outer nothing: it would have to wait.
GEO_EXPORT Polled<std::optional<Lease>> take_lease(const Books& books, const Query& query, const Bill& bill,
                                                   const Moment& at);

}  // namespace geo::billing

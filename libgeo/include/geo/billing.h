// Bill: is the camera within the limits of its viewer's tariff?
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
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

// Null: no such row.
class Store {
 public:
  virtual ~Store() = default;
  virtual Polled<std::shared_ptr<const User>> user(std::string_view id, Wait wait) const = 0;
  virtual Polled<std::shared_ptr<const Tariff>> tariff(std::string_view id, Wait wait) const = 0;
  virtual Polled<std::shared_ptr<const Usage>> usage(std::string_view user, Wait wait) const = 0;
};

struct Query {
  std::string_view owner_type, owner_id;
  std::string_view server, camera;
  std::string_view format;  // "flv"
};

struct Bill {
  std::int64_t streams = 0;                 // in use
  std::optional<std::int64_t> max_streams;  // nothing: no limit
  std::string_view tariff;                  // as in the store's row; valid while `held` is
  std::shared_ptr<const Tariff> held;
};

// Errors: payment_required, format_not_in_tariff, limit_exceeded, upstream_unavailable; nothing where it would have to
// wait.
GEO_EXPORT Polled<Bill> bill(const Store& store, const Query& query, WallTime now, Wait wait);

}  // namespace geo::billing

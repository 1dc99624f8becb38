// The store in MongoDB: rows by key through caches, the topology whole, what nodes report, leases.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "geo/auth.h"
#include "geo/balance.h"
#include "geo/base/cache.h"
#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/upstream.h"
#include "geo/billing.h"
#include "geo/devices.h"
#include "geo/place.h"

namespace geo::io {

struct MongoSettings {
  std::string uri;  // with all that libmongoc knows; its password is told to nobody
  std::string database = "geo";
  std::chrono::milliseconds timeout{1000};  // of a look-up from its start to its end, whatever the server does
  // For each kind of row by itself: tokens and rights; users and tariffs; usage; servers and cameras.
  CacheLimits tokens, billing, usage, devices;
  std::chrono::seconds lease{30};
  // Told of each document that cannot be read, its collection and _id, once a minute for each. From any thread.
  std::function<void(const std::string&)> log = [](const std::string&) {};
  ToldOfCalls told{};
};

// Which topology holds: the version document's word. A new stamp: something in that version changed.
struct TopologyStamp {
  std::string version, stamp;
  bool operator==(const TopologyStamp&) const = default;
};

struct MongoTopology {
  TopologyStamp stamp;
  place::Rows rows;                  // have passed place::check(), as far as they were not skipped
  std::vector<std::string> skipped;  // documents, with what is wrong: "nodes v1/node-7: group: .."
};

// Why there is no topology.
struct NoTopology {
  bool away = false;        // nobody could be asked; false: what the store says is no topology
  bool locked_out = false;  // away, since it does not take the URI's user and password
  bool gone = false;        // away, since nobody is there
  std::string why;
};

// Owns: its connections, caches and threads. Threads: any number at once.
class GEO_EXPORT MongoStore final : public auth::Store, public billing::Store, public devices::Store {
 public:
  // Connects to nobody yet. The error is a fault of the URI, as text.
  static tl::expected<std::shared_ptr<const MongoStore>, std::string> open(const MongoSettings& settings,
                                                                           const Clock& clock);
  ~MongoStore() override;

  // ---- the ports ----
  Polled<Held<auth::Token>> token(const Digest& sha256, const Moment& at) const override;
  Polled<Held<auth::Rights>> rights(const auth::Owner& owner, std::string_view object_type, std::string_view server,
                                    std::string_view object_id, const Moment& at) const override;
  Polled<Held<auth::Owner>> owner_of(std::string_view server, const Moment& at) const override;
  Polled<Held<billing::User>> user(std::string_view id, const Moment& at) const override;
  Polled<Held<billing::Tariff>> tariff(std::string_view id, const Moment& at) const override;
  Polled<Held<billing::Usage>> usage(std::string_view user, const Moment& at) const override;
  bool is_away() const override;
  Polled<Held<devices::Server>> server(std::string_view id, const Moment& at) const override;
  Polled<Held<devices::Camera>> camera(std::string_view server, std::string_view id, const Moment& at) const override;
  // As long as the store.
  const billing::Leases& leases() const;

  // ---- what is read whole; blocks until the deadline at most ----
  // Counted as calls. They are made while the breaker is open, too: where nobody is there they help to open it, and the
  // first one that gets through then closes it.
  // Nothing: `known` still holds.
  tl::expected<std::optional<MongoTopology>, NoTopology> topology(const std::optional<TopologyStamp>& known,
                                                                  MonotonicTime deadline) const;
  // What cannot be read is skipped. The error is for the operator.
  tl::expected<std::vector<balance::Report>, std::string> node_states(MonotonicTime deadline) const;

  // ---- for /status.json and metrics ----
  // The servers and the database, without secrets: "a.example.com:27017,b.example.com:27017/geo".
  const std::string& where() const;
  UpstreamStatus status(MonotonicTime now) const;
  struct CacheOf {
    std::string_view section;  // "tokens", "billing", "usage", "devices": with all the rows that it holds for
    CacheStats stats;
  };
  std::array<CacheOf, 4> caches() const;
  struct Skipped {
    std::string_view collection;
    std::uint64_t documents;
  };
  std::vector<Skipped> skipped() const;  // every collection, from the start; a document once a minute, if it is read
  struct LeaseStats {
    std::uint64_t taken, renewed, refused, none, failed;
  };
  LeaseStats lease_stats() const;
  struct Pool {
    std::uint32_t busy, size;
  };
  Pool pool() const;

 private:
  class Core;
  explicit MongoStore(std::unique_ptr<const Core> core);
  std::unique_ptr<const Core> core_;
};

}  // namespace geo::io

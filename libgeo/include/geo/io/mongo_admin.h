// What operators do to a store in MongoDB: take its content out, put it in, compare; drain a node, revoke a token.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/hmac.h"
#include "geo/base/result.h"
#include "geo/io/file.h"

namespace geo::io {

struct MongoAdminSettings {
  std::string uri;  // with all that libmongoc knows; its password is told to nobody
  std::string database = "geo";
  std::chrono::milliseconds timeout{1000};  // of a step; the answer to a thousand rows may take 30 s
  std::chrono::milliseconds budget{3000};   // of what is done by hand: no step begins after it
};

// Errors: upstream_unavailable: the store is away, does not let us, or another import is under way; invalid_config:
// what the store says is wrong, or of a newer schema. Threads: any number at once.
class GEO_EXPORT MongoAdmin {
 public:
  // Connects to nobody yet. The error is a fault of the URI, as text.
  static tl::expected<std::unique_ptr<MongoAdmin>, std::string> open(const MongoAdminSettings& settings);
  ~MongoAdmin();
  MongoAdmin(const MongoAdmin&) = delete;
  MongoAdmin& operator=(const MongoAdmin&) = delete;

  // The servers and the database, without secrets: "a.example.com:27017,b.example.com:27017/geo".
  const std::string& where() const;

  // ---- content ----

  // Of one version of the topology, with accounts and devices, as kept() has it; what nodes report is not read. Nothing
  // there: empty. Faults: every document that cannot be read, by collection and _id; `file` is where().
  Result<ReadData> read() const;

  // As a store in MongoDB keeps it: times to the millisecond, all rights to one object in one grant, rows by key, no
  // node states.
  static Data kept(Data data);

  struct Imported {
    bool topology = false;  // a new version of it holds
    std::uint64_t written = 0, removed = 0;
  };
  // After it the store equals `data`, which has no faults. Ended at any moment and called again, nothing is half: the
  // topology is switched whole; accounts and devices are added before and removed after. Node states and leases stay.
  // Nothing differs: nothing changes. progress(done, total) counts rows; ends(), asked before each step, ends it there:
  // upstream_unavailable. Both are called from this thread.
  Result<Imported> import_data(const Data& data, const std::function<void(std::uint64_t, std::uint64_t)>& progress = {},
                               const std::function<bool()>& ends = {}) const;

  // ---- by hand ----

  struct Nodes {
    std::vector<place::Node> nodes;  // by id
    std::vector<balance::Report> reports;
    Faults faults;  // what cannot be read: geod skips it
  };
  // invalid_config: the store holds no topology.
  Result<Nodes> nodes() const;
  // not_found: no such node. geod takes it up with its next look at the store.
  Result<void> set_admin(std::string_view node, place::Admin admin) const;
  // token_unknown: no such token. What geod has cached of it serves on until it lapses.
  Result<void> revoke(const Digest& sha256) const;

  // Of a user: more streams than that cannot begin before one of them is reported or ends.
  static constexpr std::int64_t kLeasesMax = 5000;
  struct Lease {
    std::string token, server, camera, client_ip;  // token: the first 8 hex digits of its hash
    WallTime taken_at{}, expires_at{};
  };
  // A user's that have not expired, the oldest first. Nobody needs to know the user.
  Result<std::vector<Lease>> leases(const std::string& user) const;

 private:
  class Import;
  struct Parts;
  explicit MongoAdmin(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace geo::io

// Config -> the object graph; the only place that knows every adapter.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "geo/balance.h"
#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/fault.h"
#include "geo/base/published.h"
#include "geo/client.h"
#include "geo/config.h"
#include "geo/io/http.h"
#include "geo/io/mmdb.h"
#include "geo/io/system.h"
#include "geo/redirect.h"
#include "geo/resolve.h"

namespace geo::compose {

// What a program needs of the graph, and what-ifs.
struct Options {
  bool serving = false;               // as geod starts: each listener has what it needs, keys are needed by some alone
  bool indexed = false;               // city databases as indexes, for many questions; read directly, for a few
  bool signing = true;                // false: keys are neither read nor needed
  bool credentials_may_lack = false;  // a check outside the service: credential:NAME is noted where there are none
  std::vector<std::string> down;      // node ids that act as admin = "offline"
};

// A city database in service.
struct Database {
  std::filesystem::path file;
  std::shared_ptr<const io::CityIndex> index;
  std::optional<io::FileStamp> stamp;  // of the file it was made from
};

// What the refresh_..() functions remember between two looks; each is one thread's.
struct Watched {
  // Of the states.toml read last; nothing: it was not there.
  std::optional<io::FileStamp> states_stamp;
  bool states_settled = false;
  // By database: of the last file that was looked at; nothing: it was not there.
  std::vector<std::optional<io::FileStamp>> databases_seen;
};

// Owns: everything that requests are decided by. Immutable; what lives and changes - states, caches, connections - is
// behind pointers that the worlds of one process share.
struct World {
  config::Config config;
  redirect::Snapshot snapshot;
  client::TrustedProxies trusted_proxies;
  bool has_topology = false;
  std::shared_ptr<const auth::Authorizer> authority;  // what the auth listener answers: the store's own word
  std::shared_ptr<const io::AuthClient> auth_client;  // null: no [auth] url
  std::vector<Database> databases;                    // of Options::indexed
  std::shared_ptr<resolve::PlaceCache> places;        // null: no provider needs it
  std::shared_ptr<Published<balance::States>> states = std::make_shared<Published<balance::States>>();
  std::shared_ptr<Watched> watched = std::make_shared<Watched>();
};

struct Built {
  std::shared_ptr<World> world;  // null where there are faults
  Faults faults;
  std::vector<std::string> notes;  // what could not be checked and is no fault
};
GEO_EXPORT Built build(const config::Config& config, const Options& options = {});
// With the config's own faults: what else is wrong - data, keys, databases - is told in the same run, but for the parts
// whose section has a fault.
GEO_EXPORT Built build(const config::Read& read, const Options& options = {});

// MongoDB's, from [store] uri or else the file that uri_file names. The error holds nothing of it.
GEO_EXPORT tl::expected<std::string, std::string> store_uri(const config::Config& config);

// Re-reads states.toml into `world` if it changed since the last good read. The reports that can be read are taken up,
// whatever else stands there; of a file that is no TOML none, and the old ones stay. Faults: what was wrong, told once
// per change. Blocks on the file; one thread at a time.
GEO_EXPORT Faults refresh_states(const World& world);

// Takes up a city database whose file changed since, one at a time: a new world with its new index, or none. A
// file that is being written, or was this very second, is left for the next look. Faults: what cannot be used, told
// once per change; the old index stays. Blocks for seconds where there is something to read; one thread at a time.
struct Refreshed {
  std::shared_ptr<const World> world;
  std::optional<io::MmdbInfo> loaded;
  Faults faults;
};
GEO_EXPORT Refreshed refresh_databases(const World& world);

}  // namespace geo::compose

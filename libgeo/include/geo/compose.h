// Config -> the object graph; the only place that knows every adapter.
#pragma once

#include <atomic>
#include <chrono>
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
#include "geo/base/guarded.h"
#include "geo/base/hmac.h"
#include "geo/base/result.h"
#include "geo/client.h"
#include "geo/config.h"
#include "geo/io/file.h"
#include "geo/io/http.h"
#include "geo/io/mmdb.h"
#include "geo/io/mongo.h"
#include "geo/io/system.h"
#include "geo/io/tls.h"
#include "geo/redirect.h"
#include "geo/resolve.h"

namespace geo::compose {

struct World;

// What a program needs of the graph.
struct Options {
  bool serving = false;               // as geod starts: each listener has what it needs, keys are needed by some alone
  bool indexed = false;               // city databases as indexes, for many questions; read directly, for a few
  bool last_good = false;             // where there is no topology to be had, the last good one serves, or none yet
  bool signing = true;                // false: keys are neither read nor needed
  bool credentials_may_lack = false;  // a check outside the service: credential:NAME is noted where there are none
  bool log_may_lack = false;          // a check by another user: an access log that cannot be opened is noted
  bool reports_may_fail = false;      // as geod serves: faults of states.toml are told to `log`, good rows count
  // In service until now: what the new config leaves as it was - indexes, caches, connections - is taken over from it.
  std::shared_ptr<const World> before;
  // Told of documents that cannot be read; from any thread, also later.
  std::function<void(const std::string&)> log = [](const std::string&) {};
  ToldOfCalls told{};  // of what upstreams are asked, also after reloads
};

// The topology in service.
struct TopologyInfo {
  std::string version;      // MongoDB's; of files 12 hex digits of their content's SHA-256
  std::string stamp;        // MongoDB's
  std::string_view source;  // "files", "mongodb", "last_good"
  bool operator==(const TopologyInfo&) const = default;
};

// A city database in service.
struct Database {
  std::filesystem::path file;
  std::shared_ptr<const io::CityIndex> index;
  std::optional<io::FileStamp> stamp;  // of the file it was made from
  // Of the file that was looked at last; nothing: it was not there. Of the thread that looks.
  std::shared_ptr<std::optional<io::FileStamp>> seen;
};

// What the refresh_..() functions remember between two looks; each is one thread's but where it says more.
struct Watched {
  // When the topology in service was last known to be the store's own. Any thread.
  std::atomic<std::chrono::seconds::rep> confirmed_s{0};
  // Of the nodes, read last. Any thread.
  Guarded<std::vector<balance::Report>> reports;
  // Held by the one who keeps the last good topology on disk.
  std::optional<io::FileLock> last_good_lock;
  std::string trouble_told;  // of the store, last; empty: it is well
  std::string states_trouble_told;
  // Of the states.toml read last; nothing: it was not there.
  std::optional<io::FileStamp> states_stamp;
  bool states_settled = false;
};

// Owns: everything that requests are decided by. Immutable; what lives and changes - states, caches, connections - is
// behind pointers that the worlds of one process share.
struct World {
  config::Config config;
  redirect::Snapshot snapshot;
  client::TrustedProxies trusted_proxies;
  std::optional<Digest> admin_token;                    // of the token that operators show; nothing: none is asked for
  std::shared_ptr<const io::TlsIdentity> tls_identity;  // null: nothing is served with TLS
  TopologyInfo topology;                                // where there is one
  std::shared_ptr<const io::MongoStore> store;          // null: the store is in files, or there is none
  Digest store_uri{};                                   // that it was opened with
  std::shared_ptr<const auth::Authorizer> authority;    // what the auth listener answers: the store's own word
  std::shared_ptr<const io::AuthClient> auth_client;    // null: no [auth] url
  std::vector<Database> databases;                      // of Options::indexed
  std::shared_ptr<resolve::PlaceCache> places;          // null: no provider needs it
  std::shared_ptr<Watched> watched = std::make_shared<Watched>();
  ToldOfCalls told{};  // for the worlds that follow

  // False: there is no store; or it cannot be reached and there is no last good topology, so nobody can be served yet.
  bool has_topology() const { return snapshot.topology != nullptr; }
  bool awaits_topology() const { return store != nullptr && !has_topology(); }
};

// How the world at hand becomes the next one; what others changed meanwhile stays.
using Change = std::function<std::shared_ptr<const World>(const World& current)>;

struct Built {
  std::shared_ptr<World> world;  // null where there are faults or a denial
  Faults faults;
  std::optional<Denial> denial;    // something that is needed cannot be reached
  std::vector<std::string> notes;  // what could not be checked and is no fault
};
GEO_EXPORT Built build(const config::Config& config, const Options& options = {});
// With the config's own faults: what else is wrong - data, keys, databases - is told in the same run, but for the parts
// whose section has a fault.
GEO_EXPORT Built build(const config::Read& read, const Options& options = {});

// The world that follows from another config, and from its data, keys and databases as they are now. Blocks.
struct Reloaded {
  Change change;  // null: there are faults, or a denial; what is in service stays
  Faults faults;
  std::optional<Denial> denial;  // something that is needed cannot be reached
};
GEO_EXPORT Reloaded reload(const std::shared_ptr<const World>& current, const config::Read& read,
                           const std::function<void(const std::string&)>& log);

// MongoDB's, from [store] uri or else the file that uri_file names; it may hold a password. The error names the key and
// holds nothing of the value.
GEO_EXPORT tl::expected<std::string, std::string> store_uri(const config::Config& config);

// Reads what the nodes report into `world`: states.toml if it changed since the last good read, or MongoDB's
// node_states. The reports that can be read are taken up, whatever else stands there; of a file that is no TOML, or a
// store that cannot be asked, none, and the old ones stay. What was wrong is told once per change. Blocks; one thread
// at a time.
GEO_EXPORT std::vector<std::string> refresh_states(const World& world);

// Looks whether MongoDB has another topology. Blocks; one thread at a time.
struct RefreshedTopology {
  Change change;                   // null: nothing new
  std::vector<std::string> notes;  // that it cannot be had, told once per change
};
GEO_EXPORT RefreshedTopology refresh_topology(const World& world);

// Keeps the topology in service in the state directory, for a start without the store. Blocks on the file; one thread
// at a time.
GEO_EXPORT tl::expected<void, io::NotKept> keep_last_good(const World& world);

// Takes up a city database whose file changed since, one at a time: a new world with its new index, or none. A
// file that is being written, or was this very second, is left for the next look. Faults: what cannot be used, told
// once per change; the old index stays. Blocks for seconds where there is something to read; one thread at a time.
struct Refreshed {
  Change change;  // null: nothing new
  Faults faults;
  std::vector<std::string> notes;  // what is no fault
};
GEO_EXPORT Refreshed refresh_databases(const World& world);

// Keeps the indexes in service in the state directory, for a start that need not build them, and removes those of this
// config that are not in service any more. What is kept already is left alone. Blocks on the files; one thread at a
// time.
GEO_EXPORT tl::expected<void, std::string> keep_indexes(const World& world);

}  // namespace geo::compose

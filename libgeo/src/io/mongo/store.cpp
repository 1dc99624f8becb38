#include "geo/io/mongo.h"

#include <algorithm>
#include <atomic>
#include <initializer_list>
#include <utility>

#include "geo/base/text.h"
#include "geo/io/threads.h"
#include "io/mongo/connection.h"
#include "io/mongo/leases.h"
#include "io/mongo/lookup.h"
#include "io/mongo/skipped.h"
#include "io/mongo/topology.h"

namespace geo::io {
namespace {

using namespace mongo;

constexpr std::size_t kCalls = 16;          // look-ups at once, each on its connection
constexpr std::uint32_t kConnections = 32;  // for those, leases and what is read whole
constexpr std::size_t kKinds = 7;

// Rows are found by ids and nothing else is one, so it need not be asked for.
bool are_ids(std::initializer_list<std::string_view> texts) {
  return std::all_of(texts.begin(), texts.end(), [](std::string_view text) { return is_id(text); });
}

// What a row is found by: its ids with a slash between them, which no id has. The memory is kept for the thread's next
// look-up; good until then.
const std::string& key_of(std::initializer_list<std::string_view> ids) {
  thread_local std::string key;
  key.clear();
  for (const std::string_view& id : ids) {
    if (&id != ids.begin()) key += '/';
    key += id;
  }
  return key;
}

// Of the same entry.
template <class Part, class Whole>
Polled<Held<Part>> part_of(Polled<Held<Whole>> whole, Part Whole::*part) {
  if (!whole) return std::nullopt;
  return std::move(*whole).map([part](Held<Whole> held) {
    const Part* const it = held ? &(*held.row.*part) : nullptr;
    return Held<Part>{it ? std::shared_ptr<const Part>(std::move(held.row), it) : nullptr, held.from, held.fresh_until};
  });
}

template <class Row>
Polled<Held<Row>> absent() {
  return Held<Row>{};
}

}  // namespace

class MongoStore::Core {
 public:
  Core(std::unique_ptr<Connection> connected, const MongoSettings& settings, const Clock& clock)
      : connection(std::move(connected)),
        health(std::make_shared<Health>(settings.told)),
        skipped(settings.log, clock),
        workers(kCalls, kKinds * kWaitingMax),
        upstream{*connection, skipped, clock, settings.timeout, health, workers},
        tokens(upstream, settings.tokens),
        grants(upstream, settings.tokens),
        users(upstream, settings.billing),
        tariffs(upstream, settings.billing),
        usage(upstream, settings.usage),
        servers(upstream, settings.devices),
        cameras(upstream, settings.devices),
        leases(
            *connection, health, clock, settings.lease, settings.timeout,
            {[this](const Unreadable& document) { (void)skipped.tell(document.collection, document.id, document.why); },
             settings.log}) {}
  ~Core() {
    tokens.close();  // so that what is queued makes no call
    grants.close();
    users.close();
    tariffs.close();
    usage.close();
    servers.close();
    cameras.close();
    (void)workers.stop(MonotonicTime::max());  // its jobs use all that follows it here
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Of what is read whole: how that went. why: empty: it was answered. gone: nobody is there.
  void came_back(std::string_view what, MonotonicTime began, const std::string& why, bool gone, bool routine) const {
    health->calls.add(why.empty() ? Outcome::found : Outcome::failed);
    if (!why.empty()) health->note(why);
    const MonotonicTime now = upstream.clock.monotonic();
    // What is slow, or may not be read, says nothing of the rows.
    if (gone) {
      is_gone.store(true);
      health->breaker.failed(now);
    } else if (why.empty() && is_gone.exchange(false)) {
      health->breaker.recovered();
    }
    health->tell({mongo::kName, what, why.empty() ? "answered" : why, now - began, routine && why.empty()});
  }

  const std::unique_ptr<Connection> connection;
  const std::shared_ptr<Health> health;
  mutable std::atomic<bool> is_gone{false};  // what was read whole last met nobody
  mutable SkippedDocuments skipped;
  mutable Workers workers;
  mutable Upstream upstream;
  mutable Lookup<Tokens> tokens;
  mutable Lookup<Grants> grants;
  mutable Lookup<Users> users;
  mutable Lookup<ById<billing::Tariff, true>> tariffs;
  mutable Lookup<UsageRows> usage;
  mutable Lookup<Servers> servers;
  mutable Lookup<ById<devices::Camera, false>> cameras;
  const Leases leases;
};

tl::expected<std::shared_ptr<const MongoStore>, std::string> MongoStore::open(const MongoSettings& settings,
                                                                              const Clock& clock) {
  // A call that is begun at once ends before the look-up does, so that whoever waits is told what it came to.
  auto connection = Connection::open({.uri = settings.uri,
                                      .database = settings.database,
                                      .timeout = settings.timeout * 9 / 10,
                                      .clients = kConnections});
  if (!connection) return tl::unexpected(std::move(connection.error()));
  return std::shared_ptr<const MongoStore>(
      new MongoStore(std::make_unique<const Core>(std::move(*connection), settings, clock)));
}

MongoStore::MongoStore(std::unique_ptr<const Core> core) : core_(std::move(core)) {}
MongoStore::~MongoStore() = default;

// ---- the ports ----

Polled<Held<auth::Token>> MongoStore::token(const Digest& sha256, const Moment& at) const {
  return core_->tokens.get(sha256, at);
}

Polled<Held<auth::Rights>> MongoStore::rights(const auth::Owner& owner, std::string_view object_type,
                                              std::string_view server, std::string_view object_id,
                                              const Moment& at) const {
  const bool is_server = object_type == "server";
  if (!are_ids({owner.type, owner.id, object_type, object_id}) || !(is_server || is_id(server)))
    return absent<auth::Rights>();
  return core_->grants.get(key_of({owner.type, owner.id, object_type, is_server ? "" : server, object_id}), at);
}

Polled<Held<auth::Owner>> MongoStore::owner_of(std::string_view server, const Moment& at) const {
  if (!is_id(server)) return absent<auth::Owner>();
  return part_of(core_->servers.get(key_of({server}), at), &OwnedServer::owner);
}

Polled<Held<billing::User>> MongoStore::user(std::string_view id, const Moment& at) const {
  return is_id(id) ? core_->users.get(key_of({id}), at) : absent<billing::User>();
}

Polled<Held<billing::Tariff>> MongoStore::tariff(std::string_view id, const Moment& at) const {
  return is_id(id) ? core_->tariffs.get(key_of({id}), at) : absent<billing::Tariff>();
}

Polled<Held<billing::Usage>> MongoStore::usage(std::string_view user, const Moment& at) const {
  return is_id(user) ? core_->usage.get(key_of({user}), at) : absent<billing::Usage>();
}

bool MongoStore::is_away() const { return core_->health->breaker.is_failing(); }

Polled<Held<devices::Server>> MongoStore::server(std::string_view id, const Moment& at) const {
  if (!is_id(id)) return absent<devices::Server>();
  return part_of(core_->servers.get(key_of({id}), at), &OwnedServer::server);
}

Polled<Held<devices::Camera>> MongoStore::camera(std::string_view server, std::string_view id, const Moment& at) const {
  return are_ids({server, id}) ? core_->cameras.get(key_of({server, id}), at) : absent<devices::Camera>();
}

const billing::Leases& MongoStore::leases() const { return core_->leases; }

// ---- what is read whole ----

tl::expected<std::optional<MongoTopology>, NoTopology> MongoStore::topology(const std::optional<TopologyStamp>& known,
                                                                            MonotonicTime deadline) const {
  const MonotonicTime began = core_->upstream.clock.monotonic();
  auto topology = read_topology(*core_->connection, core_->skipped, known, deadline);
  const bool is_away = !topology && topology.error().away;
  core_->came_back("the topology", began, is_away ? topology.error().why : std::string(),
                   is_away && topology.error().gone, topology && !*topology);
  return topology;
}

tl::expected<std::vector<balance::Report>, std::string> MongoStore::node_states(MonotonicTime deadline) const {
  const Collection& collection = Documents<balance::Report>::collection();
  std::vector<balance::Report> reports;
  const MonotonicTime began = core_->upstream.clock.monotonic();
  const Done<void> done =
      core_->connection->find({.collection = collection.name, .fields = collection.fields}, deadline, [&](Found found) {
        if (!found) return (void)core_->skipped.tell(collection.name, found.error().id, found.error().why);
        auto report = Documents<balance::Report>::read(**found);
        if (!report) return (void)core_->skipped.tell(collection.name, id_of(**found), report.error());
        reports.push_back(std::move(*report));
      });
  core_->came_back(collection.name, began, done ? std::string() : done.error().why,
                   !done && done.error().kind == Failure::Kind::unreachable, true);
  if (done) return reports;
  return tl::unexpected(done.error().why);
}

// ---- how it fares ----

const std::string& MongoStore::where() const { return core_->connection->where(); }

UpstreamStatus MongoStore::status(MonotonicTime now) const { return core_->health->status(mongo::kName, now); }

std::array<MongoStore::CacheOf, 4> MongoStore::caches() const {
  const auto both = [](CacheStats sum, const CacheStats& other) { return sum += other; };
  return {CacheOf{"tokens", both(core_->tokens.stats(), core_->grants.stats())},
          CacheOf{"billing", both(core_->users.stats(), core_->tariffs.stats())},
          CacheOf{"usage", core_->usage.stats()},
          CacheOf{"devices", both(core_->servers.stats(), core_->cameras.stats())}};
}

std::vector<MongoStore::Skipped> MongoStore::skipped() const { return core_->skipped.counts(); }

MongoStore::LeaseStats MongoStore::lease_stats() const { return core_->leases.stats(); }

MongoStore::Pool MongoStore::pool() const { return {core_->connection->busy(), core_->connection->clients()}; }

}  // namespace geo::io

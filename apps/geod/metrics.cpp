#include "metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <vector>

#include "geo/io/mmdb.h"

namespace geod {
namespace {

using geo::compose::World;
using Label = prometheus::ClientMetric::Label;
using prometheus::MetricType;

class Families {
 public:
  // Later values go under it.
  void open(const char* name, const char* help, MetricType type) {
    families_.emplace_back();
    families_.back().name = name;
    families_.back().help = help;
    families_.back().type = type;
  }
  void value(double value, std::vector<Label> labels) {
    prometheus::ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    metric.counter.value = metric.gauge.value = value;  // the family's type says which
  }
  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

void add_calls(Families& families, const char* name, const char* help, const char* label,
               const std::vector<geo::UpstreamStatus>& all) {
  families.open(name, help, MetricType::Counter);
  for (const geo::UpstreamStatus& status : all)
    for (std::size_t i = 0; i < status.calls.size(); ++i)
      families.value(static_cast<double>(status.calls[i]),
                     {{label, std::string(status.name)}, {"result", std::string(geo::kOutcomeNames[i])}});
}

void add_states(Families& families, const char* name, const char* help, const char* label,
                const std::vector<geo::UpstreamStatus>& all) {
  families.open(name, help, MetricType::Gauge);
  for (const geo::UpstreamStatus& status : all)
    for (const auto state : {geo::Breaker::State::closed, geo::Breaker::State::open, geo::Breaker::State::half_open})
      families.value(status.state == state ? 1 : 0,
                     {{label, std::string(status.name)}, {"state", std::string(name_of(state))}});
}

void add_upstreams(Families& families, const World& world, geo::MonotonicTime now) {
  std::vector<geo::UpstreamStatus> providers;
  for (const auto& provider : world.snapshot.resolver->providers()) providers.push_back(provider->status(now));
  add_calls(families, "geod_provider_requests_total", "Addresses asked of a provider, by what became of it", "provider",
            providers);
  add_states(families, "geod_provider_state", "1 for the state that a provider's circuit breaker is in", "provider",
             providers);
  const std::vector<geo::UpstreamStatus> others = upstreams_of(world, now);
  add_calls(families, "geod_upstream_requests_total",
            "Rows asked of the store and decisions asked of the auth-server, by what became of it", "upstream", others);
  add_states(families, "geod_upstream_state", "1 for the state that an upstream's circuit breaker is in", "upstream",
             others);
}

void add_store(Families& families, const World& world) {
  if (world.store == nullptr) return;
  const geo::io::MongoStore& store = *world.store;
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  families.open("geod_store_connections", "Connections to the store that are in use, and that there may be",
                MetricType::Gauge);
  families.value(store.pool().busy, {{"state", "busy"}});
  families.value(store.pool().size, {{"state", "most"}});
  families.open("geod_store_skipped_documents_total", "Documents that could not be read, each once a minute",
                MetricType::Counter);
  for (const auto& skipped : store.skipped())
    families.value(number(skipped.documents), {{"collection", std::string(skipped.collection)}});
  const geo::io::MongoStore::LeaseStats leases = store.lease_stats();
  families.open("geod_leases_total", "Leases of streams, by what became of them", MetricType::Counter);
  families.value(number(leases.taken), {{"result", "taken"}});
  families.value(number(leases.renewed), {{"result", "renewed"}});
  families.value(number(leases.refused), {{"result", "refused"}});
  families.value(number(leases.none), {{"result", "none"}});
  families.value(number(leases.failed), {{"result", "failed"}});
}

void add_caches(Families& families, const World& world) {
  const std::vector<CacheOf> caches = caches_of(world);
  const auto add = [&](const char* name, const char* help, MetricType type, auto value) {
    families.open(name, help, type);
    for (const CacheOf& cache : caches)
      families.value(static_cast<double>(value(cache.stats)), {{"cache", std::string(cache.section)}});
  };
  add("geod_cache_hits_total", "Answers that a cache had", MetricType::Counter,
      [](const geo::CacheStats& stats) { return stats.hits; });
  add("geod_cache_misses_total", "Answers that a cache did not have", MetricType::Counter,
      [](const geo::CacheStats& stats) { return stats.misses; });
  add("geod_cache_stale_total", "Answers past their life that served all the same", MetricType::Counter,
      [](const geo::CacheStats& stats) { return stats.stale; });
  add("geod_cache_entries", "Entries that a cache holds", MetricType::Gauge,
      [](const geo::CacheStats& stats) { return stats.entries; });
}

void add_ages(Families& families, const World& world, const Now& now) {
  families.open("geod_database_age_seconds", "Since the database in service was built", MetricType::Gauge);
  for (const geo::compose::Database& database : world.databases) {
    const geo::io::MmdbInfo& info = database.index->info();
    families.value(static_cast<double>(now.age_s(info.build_epoch_s)), {{"file", info.path}});
  }
  if (!world.has_topology()) return;
  families.open("geod_snapshot_age_seconds", "Since the topology in service was last known to be the store's own",
                MetricType::Gauge);
  families.value(static_cast<double>(snapshot_age_s(world, now)), {});
  families.open("geod_snapshot_info", "Always 1; where the topology in service comes from", MetricType::Gauge);
  families.value(1, {{"source", std::string(world.topology.source)}, {"version", world.topology.version}});
}

void add_nodes(Families& families, const World& world) {
  if (!world.has_topology()) return;
  const std::vector<geo::place::Node>& nodes = world.snapshot.topology->rows().nodes;
  std::vector<geo::balance::NodeStatus> all;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    all.push_back(world.snapshot.live->status(static_cast<geo::place::Index>(i)));
  using geo::balance::NodeStatus;
  const auto add = [&](const char* name, const char* help, auto value) {
    families.open(name, help, MetricType::Gauge);
    for (std::size_t i = 0; i < nodes.size(); ++i)
      families.value(static_cast<double>(value(all[i])), {{"node", nodes[i].id}});
  };
  add("geod_node_up", "1 for a node that is up",
      [](const NodeStatus& status) { return status.state == geo::balance::State::up ? 1 : 0; });
  add("geod_node_load", "As the node reports it, else its sessions over its capacity; 0 where neither is known",
      [](const NodeStatus& status) { return status.load.value_or(0); });
  add("geod_node_under_way", "Streams under way: reported, and redirects since",
      [](const NodeStatus& status) { return status.under_way; });
  families.open("geod_node_state_changes_total", "How often a node came into a state", MetricType::Counter);
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (std::size_t to = 0; to < all[i].became.size(); ++to)
      if (all[i].became[to] > 0)
        families.value(all[i].became[to], {{"node", nodes[i].id}, {"to", std::string(geo::balance::kStateNames[to])}});
}

}  // namespace

void append_metrics(std::string& out, const World& world, const Now& now) {
  Families families;
  families.open("geod_build_info", "Always 1", MetricType::Gauge);
  families.value(1, {{"version", now.process.version}});
  if (now.process.reloads != nullptr) {
    families.open("geod_reloads_total", "Times that everything was read anew", MetricType::Counter);
    for (const bool ok : {true, false})
      families.value(static_cast<double>(now.process.reloads->count(ok)), {{"result", ok ? "ok" : "refused"}});
  }
  add_upstreams(families, world, now.monotonic);
  add_store(families, world);
  add_caches(families, world);
  add_nodes(families, world);
  add_ages(families, world, now);
  out += families.text();
}

}  // namespace geod

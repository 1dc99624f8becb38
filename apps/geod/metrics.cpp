#include "metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>
#include <utility>
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
  void histogram(const Histogram<std::uint64_t>& those, std::vector<Label> labels) {
    prometheus::ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < those.buckets.size(); ++i) {
      count += those.buckets[i];
      const double bound = i < kBoundsNs.size() ? static_cast<double>(kBoundsNs[i]) / 1e9 : kBeyond;
      metric.histogram.bucket.push_back({count, bound});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = static_cast<double>(those.sum_ns) / 1e9;
  }
  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  static constexpr double kBeyond = std::numeric_limits<double>::infinity();

  std::vector<prometheus::MetricFamily> families_;
};

double number(std::uint64_t value) { return static_cast<double>(value); }

void add_requests(Families& families, const Process& process) {
  std::vector<std::pair<std::string, Totals>> all;
  for (const auto& counts : process.counts) {  // one with TLS counts as the same listener
    auto known =
        std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.first == counts->listener(); });
    if (known == all.end()) known = all.insert(known, {counts->listener(), {}});
    counts->add_to(known->second);
  }
  families.open("geod_requests_total", "Requests that were answered, by their code; as many as lines of the access log",
                MetricType::Counter);
  for (const auto& [listener, totals] : all)
    for (std::size_t format = 0; format < totals.requests.size(); ++format)
      for (std::size_t i = 0; i < kCodeCount; ++i) {
        const auto code = static_cast<Code>(i);
        const std::uint64_t count = totals.requests[format][i];
        if (count == 0 && !may_occur(listener, format, code)) continue;
        const std::string_view name = format == Totals::kNoFormat ? "" : geo::balance::kFormatNames[format];
        families.value(number(count),
                       {{"listener", listener}, {"format", std::string(name)}, {"code", std::string(name_of(code))}});
      }
  families.open("geod_connections", "Connections that a listener has, and that it may have", MetricType::Gauge);
  for (const auto& each : process.occupancies) {
    families.value(number(each->open.load()), {{"listener", each->listener}, {"state", "open"}});
    families.value(number(each->most), {{"listener", each->listener}, {"state", "most"}});
  }
  families.open("geod_request_duration_seconds", "From a request's header to its answer", MetricType::Histogram);
  for (const auto& [listener, totals] : all) families.histogram(totals.durations, {{"listener", listener}});

  Totals sum;  // only the redirect listener has any
  for (const auto& [listener, totals] : all)
    if (listener == "redirect") sum = totals;
  families.open("geod_step_duration_seconds",
                "Of a step of a redirect's decision; of each event loop one request in 100 us at most is timed",
                MetricType::Histogram);
  for (std::size_t i = 0; i < sum.steps.size(); ++i)
    families.histogram(sum.steps[i], {{"step", std::string(geo::redirect::kStepNames[i])}});
  families.open("geod_chosen_total", "Redirects, by why it was that node", MetricType::Counter);
  for (std::size_t i = 0; i < sum.chosen.size(); ++i)
    families.value(number(sum.chosen[i]), {{"reason", std::string(geo::balance::kWhyNames[i])}});
  families.open("geod_log_dropped_total", "Lines that the access log dropped", MetricType::Counter);
  families.value(number(process.access_log == nullptr ? 0 : process.access_log->dropped().lines), {});
}

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
  families.open("geod_provider_budget", "Calls of a kind that may leave now, where their number is limited",
                MetricType::Gauge);
  for (const geo::UpstreamStatus& status : providers)
    for (const auto& budget : status.budgets)
      families.value(number(budget.calls),
                     {{"provider", std::string(status.name)}, {"kind", std::string(budget.kind)}});
  const std::vector<geo::UpstreamStatus> others = upstreams_of(world, now);
  add_calls(families, "geod_upstream_requests_total",
            "Rows and looks at the topology asked of the store, decisions of the auth-server, by what became of it",
            "upstream", others);
  add_states(families, "geod_upstream_state", "1 for the state that an upstream's circuit breaker is in", "upstream",
             others);
}

void add_store(Families& families, const World& world) {
  const geo::io::MongoStore* const store = world.store.get();  // null: there is nothing to tell but the names
  families.open("geod_store_connections", "Connections to the store that are in use, and that there may be",
                MetricType::Gauge);
  if (store != nullptr) {
    families.value(store->pool().busy, {{"state", "busy"}});
    families.value(store->pool().size, {{"state", "most"}});
  }
  families.open("geod_store_skipped_documents_total", "Documents that could not be read, each once a minute",
                MetricType::Counter);
  if (store != nullptr)
    for (const auto& skipped : store->skipped())
      families.value(number(skipped.documents), {{"collection", std::string(skipped.collection)}});
  families.open("geod_leases_total", "Leases of streams, by what became of them", MetricType::Counter);
  if (store == nullptr) return;
  const geo::io::MongoStore::LeaseStats leases = store->lease_stats();
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
  families.open("geod_certificate_expiry_seconds", "Unix time at which the TLS certificate in service ends",
                MetricType::Gauge);
  if (world.tls_identity != nullptr)
    families.value(std::chrono::duration<double>(world.tls_identity->not_after().time_since_epoch()).count(), {});
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
  // Neither of the two says whether it is drained or does not work; for all states a node would have five series more.
  families.open("geod_node_not_up", "1 for a node that is not up, with its state; there while it is so",
                MetricType::Gauge);
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (all[i].state != geo::balance::State::up)
      families.value(1, {{"node", nodes[i].id}, {"state", std::string(name_of(all[i].state))}});
  families.open("geod_node_state_changes_total", "How often a node came into a state", MetricType::Counter);
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (std::size_t to = 0; to < all[i].became.size(); ++to)
      if (all[i].became[to] > 0)
        families.value(all[i].became[to], {{"node", nodes[i].id}, {"to", std::string(geo::balance::kStateNames[to])}});
  // By group: a series more for each node would be too many.
  families.open("geod_group_under_way", "Streams under way at the nodes of a group: reported, and redirects since",
                MetricType::Gauge);
  const geo::place::Topology& topology = *world.snapshot.topology;
  for (std::size_t i = 0; i < topology.rows().groups.size(); ++i) {
    const auto group = static_cast<geo::place::Index>(i);
    std::int64_t under_way = 0;
    for (const geo::place::Index node : topology.nodes_of(group)) under_way += all[node].under_way;
    families.value(static_cast<double>(under_way), {{"group", topology.group(group).id}});
  }
  families.open("geod_credits", "Of the streams under way: redirects since the nodes' last reports", MetricType::Gauge);
  std::int64_t credits = 0;
  for (const NodeStatus& status : all) credits += status.credits;
  families.value(static_cast<double>(credits), {});
}

void add_spills(Families& families, const World& world) {
  if (!world.has_topology()) return;
  std::map<std::string, std::int64_t> spills;
  for (const geo::place::Group& group : world.snapshot.topology->rows().groups) spills[group.id] = 0;
  for (const geo::balance::Flow& flow : world.snapshot.live->flows())
    if (flow.is_spill()) spills[world.snapshot.topology->group(flow.from).id] += flow.redirects;
  families.open("geod_spills_total", "Redirects of a group's clients that another group serves", MetricType::Counter);
  for (const auto& [group, redirects] : spills) families.value(static_cast<double>(redirects), {{"group", group}});
}

}  // namespace

void append_metrics(std::string& out, const World& world, const Now& now) {
  Families families;
  families.open("geod_build_info", "Always 1", MetricType::Gauge);
  families.value(1, {{"version", now.process.version}});
  families.open("geod_ready", "1 where somebody can be served, as /readyz says", MetricType::Gauge);
  families.value(reasons_not_ready(world, now.process).empty() ? 1 : 0, {});
  if (now.process.reloads != nullptr) {
    families.open("geod_reloads_total", "Times that everything was read anew", MetricType::Counter);
    for (const bool ok : {true, false})
      families.value(static_cast<double>(now.process.reloads->count(ok)), {{"result", ok ? "ok" : "refused"}});
    const auto last = now.process.reloads->last();
    families.open("geod_last_reload_ok", "0 where the last reload was refused", MetricType::Gauge);
    families.value(!last || last->ok ? 1 : 0, {});
  }
  add_requests(families, now.process);
  add_upstreams(families, world, now.monotonic);
  add_store(families, world);
  add_caches(families, world);
  add_nodes(families, world);
  add_spills(families, world);
  add_ages(families, world, now);
  out += families.text();
}

}  // namespace geod

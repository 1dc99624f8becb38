#include "status.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "geo/base/text.h"
#include "geo/io/mmdb.h"

namespace geod {
namespace {

using geo::Json;
using geo::compose::World;

void append_nodes(Json& json, const World& world) {
  json.key("nodes").open('[');
  if (world.has_topology()) {
    const std::vector<geo::place::Node>& nodes = world.snapshot.topology->rows().nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const geo::balance::NodeStatus status = world.snapshot.live->status(static_cast<geo::place::Index>(i));
      json.open('{').field("id", nodes[i].id).field("group", nodes[i].group).field("state", name_of(status.state));
      json.field_or_null("reason", name_of(status.because)).key("since");
      (status.since ? json.text(geo::rfc3339(*status.since)) : json.null());
      json.key("weight").number(nodes[i].weight).key("load");
      (status.load ? json.number(*status.load) : json.null()).close('}');
    }
  }
  json.close(']');
}

// Its own place, or else that of its first node that has one.
std::optional<geo::place::Coordinates> place_of(const geo::place::Topology& topology, geo::place::Index group) {
  if (const auto& own = topology.group(group).coordinates) return own;
  for (const geo::place::Index node : topology.nodes_of(group))
    if (const auto& its = topology.node(node).coordinates) return its;
  return std::nullopt;
}

// Of one group's clients. Those that went to groups which are no longer its fallbacks are in the sum alone.
void append_flows(Json& json, const geo::place::Topology& topology, std::span<const geo::balance::Flow> flows) {
  std::int64_t redirects = 0;
  for (const geo::balance::Flow& flow : flows) redirects += flow.redirects;
  json.field("redirects", redirects).key("served_by").open('[');
  for (const geo::balance::Flow& flow : flows) {
    if (flow.to == geo::place::kNone) continue;
    json.open('{').field("group", topology.group(flow.to).id).field("redirects", flow.redirects);
    json.field("last_minute", flow.last_minute).close('}');
  }
  json.close(']');
}

void append_groups(Json& json, const World& world) {
  json.key("groups").open('[');
  if (world.snapshot.topology != nullptr) {
    const geo::place::Topology& topology = *world.snapshot.topology;
    const std::vector<geo::balance::Flow> flows = world.snapshot.live->flows();
    auto of_group = flows.begin();
    for (std::size_t i = 0; i < topology.rows().groups.size(); ++i) {
      const auto group = static_cast<geo::place::Index>(i);
      std::int64_t under_way = 0;
      for (const geo::place::Index node : topology.nodes_of(group)) under_way += world.snapshot.live->under_way(node);
      json.open('{').field("id", topology.group(group).id);
      json.field("nodes", static_cast<std::int64_t>(topology.nodes_of(group).size())).key("coordinates");
      if (const auto at = place_of(topology, group))
        json.open('[').number(at->latitude).number(at->longitude).close(']');
      else
        json.null();
      json.field("under_way", under_way);
      const auto first = of_group;
      while (of_group != flows.end() && of_group->from == group) ++of_group;
      append_flows(json, topology, {first, of_group});
      json.close('}');
    }
  }
  json.close(']');
}

void append_caches(Json& json, const World& world) {
  json.key("caches").open('{');
  for (const CacheOf& cache : caches_of(world)) {
    const auto count = [&](std::string_view name, std::uint64_t value) {
      json.key_of(name).number(static_cast<std::int64_t>(value));
    };
    json.key_of(cache.section).open('{');
    count("hits", cache.stats.hits);
    count("misses", cache.stats.misses);
    count("stale", cache.stats.stale);
    count("loads", cache.stats.loads);
    count("failures", cache.stats.failures);
    count("entries", cache.stats.entries);
    json.close('}');
  }
  json.close('}');
}

void append_upstream(Json& json, const geo::UpstreamStatus& status) {
  const auto calls = std::accumulate(status.calls.begin(), status.calls.end(), std::uint64_t{0}) -
                     status.calls[static_cast<std::size_t>(geo::Outcome::refused)];
  json.open('{').field("name", status.name).field("state", name_of(status.state));
  json.field_or_null("last_error", status.last_error).field("calls", static_cast<std::int64_t>(calls)).close('}');
}

void append_resolver(Json& json, const World& world, const Now& now) {
  json.key("resolver").open('{').key("providers").open('[');
  for (const auto& provider : world.snapshot.resolver->providers())
    append_upstream(json, provider->status(now.monotonic));
  json.close(']').key("files").open('[');
  for (const geo::compose::Database& database : world.databases) {
    const geo::io::MmdbInfo& info = database.index->info();
    json.open('{').field("path", info.path).field("type", info.type);
    json.field("build_epoch", static_cast<std::int64_t>(info.build_epoch_s));
    json.field("age_s", now.age_s(info.build_epoch_s));
    json.field("networks", static_cast<std::int64_t>(info.networks));
    json.field("bytes", static_cast<std::int64_t>(info.bytes)).close('}');
  }
  json.close(']').close('}');
}

}  // namespace

std::vector<geo::UpstreamStatus> upstreams_of(const World& world, geo::MonotonicTime now) {
  std::vector<geo::UpstreamStatus> all;
  if (world.store != nullptr) all.push_back(world.store->status(now));
  if (world.auth_client != nullptr) all.push_back(world.auth_client->status(now));
  return all;
}

std::vector<CacheOf> caches_of(const World& world) {
  std::vector<CacheOf> all{{"places", world.places == nullptr ? geo::CacheStats{} : world.places->stats()}};
  if (world.store != nullptr) {
    for (const auto& cache : world.store->caches()) all.push_back(cache);
  } else {
    for (const std::string_view name : {"tokens", "billing", "usage", "devices"}) all.push_back({name, {}});
  }
  if (world.auth_client != nullptr)
    for (CacheOf& cache : all)
      if (cache.section == "tokens") cache.stats += world.auth_client->stats();
  return all;
}

std::int64_t snapshot_age_s(const World& world, const Now& now) {
  return now.age_s(static_cast<std::uint64_t>(std::max<std::int64_t>(0, world.watched->confirmed_s)));
}

std::vector<std::string> reasons_not_ready(const World& world, const Process& process) {
  if (process.draining.load(std::memory_order_relaxed)) return {"geod is stopping"};
  if (world.awaits_topology()) return {"the store cannot be reached and there is no topology"};
  if (!world.has_topology() || world.snapshot.live->anyone_eligible()) return {};
  return {"no node is eligible"};
}

std::int64_t Now::age_s(std::uint64_t epoch_s) const {
  const std::int64_t now = std::chrono::floor<std::chrono::seconds>(wall).time_since_epoch().count();
  return std::max<std::int64_t>(0, now - static_cast<std::int64_t>(epoch_s));
}

std::int64_t Now::uptime_s() const {
  return std::chrono::floor<std::chrono::seconds>(monotonic - process.started).count();
}

void append_status(std::string& out, const World& world, const Now& now) {
  Json json(out);
  json.open('{').field("version", now.process.version).field("uptime_s", now.uptime_s());
  json.key("snapshot");
  if (world.has_topology())
    json.open('{')
        .field("version", world.topology.version)
        .field("age_s", snapshot_age_s(world, now))
        .field("source", world.topology.source)
        .close('}');
  else
    json.null();
  append_nodes(json, world);
  append_groups(json, world);
  append_caches(json, world);
  json.key("last_reload");
  if (const auto last = now.process.reloads == nullptr ? std::nullopt : now.process.reloads->last())
    json.open('{').field("ok", last->ok).field("at", geo::rfc3339(last->at)).close('}');
  else
    json.null();
  append_resolver(json, world, now);
  json.key("upstreams").open('[');
  for (const geo::UpstreamStatus& status : upstreams_of(world, now.monotonic)) append_upstream(json, status);
  json.close(']').close('}');
}

}  // namespace geod

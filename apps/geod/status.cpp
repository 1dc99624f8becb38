#include "status.h"

#include <algorithm>
#include <numeric>

#include "geo/base/text.h"
#include "geo/io/mmdb.h"

namespace geod {
namespace {

using geo::Json;
using geo::compose::World;

struct NodeState {
  std::string_view state, reason;  // reason: empty where there is none
};

NodeState state_of(const geo::place::Node& node, const geo::balance::Report* report,
                   const geo::balance::Balancer& balancer, geo::WallTime now) {
  if (node.admin == geo::place::Admin::drain) return {"drain", "admin"};
  if (node.admin == geo::place::Admin::offline) return {"offline", "admin"};
  if (report == nullptr) return {"up", {}};
  if (balancer.is_stale(*report, now)) return {"stale", "report"};
  return report->online ? NodeState{"up", "report"} : NodeState{"unhealthy", "report"};
}

void append_nodes(Json& json, const World& world, const geo::balance::States& states, geo::WallTime now) {
  json.key("nodes").open('[');
  if (world.snapshot.topology != nullptr) {
    const std::vector<geo::place::Node>& nodes = world.snapshot.topology->rows().nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const geo::balance::Report* const report = states.of(static_cast<geo::place::Index>(i));
      const NodeState state = state_of(nodes[i], report, *world.snapshot.balancer, now);
      json.open('{').field("id", nodes[i].id).field("group", nodes[i].group).field("state", state.state);
      json.field_or_null("reason", state.reason).key("since").null();
      json.key("weight").number(nodes[i].weight).key("load");
      (report != nullptr && report->load ? json.number(*report->load) : json.null()).close('}');
    }
  }
  json.close(']');
}

void append_groups(Json& json, const World& world) {
  json.key("groups").open('[');
  if (world.snapshot.topology != nullptr) {
    const geo::place::Topology& topology = *world.snapshot.topology;
    for (std::size_t i = 0; i < topology.rows().groups.size(); ++i)
      json.open('{')
          .field("id", topology.rows().groups[i].id)
          .field("nodes", static_cast<std::int64_t>(topology.nodes_of(static_cast<geo::place::Index>(i)).size()))
          .close('}');
  }
  json.close(']');
}

void append_caches(Json& json, const World& world) {
  const auto count = [&](std::string_view name, std::uint64_t value) {
    json.field(name, static_cast<std::int64_t>(value));
  };
  const auto places = world.places == nullptr ? geo::CacheStats{} : world.places->stats();
  json.key("caches").open('{').key("places").open('{');
  count("hits", places.hits);
  count("misses", places.misses);
  count("stale", places.stale);
  count("loads", places.loads);
  count("failures", places.failures);
  count("entries", places.entries);
  json.close('}').close('}');
}

void append_resolver(Json& json, const World& world, const Moment& moment) {
  json.key("resolver").open('{').key("providers").open('[');
  for (const auto& provider : world.snapshot.resolver->providers()) {
    const geo::UpstreamStatus status = provider->status(moment.monotonic);
    const auto calls = std::accumulate(status.calls.begin(), status.calls.end(), std::uint64_t{0}) -
                       status.calls[static_cast<std::size_t>(geo::Outcome::refused)];
    json.open('{').field("name", status.name).field("state", name_of(status.state));
    json.field_or_null("last_error", status.last_error).field("calls", static_cast<std::int64_t>(calls)).close('}');
  }
  json.close(']').key("files").open('[');
  for (const geo::compose::Database& database : world.databases) {
    const geo::io::MmdbInfo& info = database.index->info();
    json.open('{').field("path", info.path).field("type", info.type);
    json.field("build_epoch", static_cast<std::int64_t>(info.build_epoch_s));
    json.field("age_s", moment.age_s(info.build_epoch_s));
    json.field("networks", static_cast<std::int64_t>(info.networks));
    json.field("bytes", static_cast<std::int64_t>(info.bytes)).close('}');
  }
  json.close(']').close('}');
}

}  // namespace

std::int64_t Moment::age_s(std::uint64_t epoch_s) const {
  const std::int64_t now = std::chrono::floor<std::chrono::seconds>(wall).time_since_epoch().count();
  return std::max<std::int64_t>(0, now - static_cast<std::int64_t>(epoch_s));
}

std::int64_t Moment::uptime_s() const {
  return std::chrono::floor<std::chrono::seconds>(monotonic - process.started).count();
}

void append_status(std::string& out, const World& world, const geo::balance::States& states, const Moment& moment) {
  Json json(out);
  json.open('{').field("version", moment.process.version).field("uptime_s", moment.uptime_s());
  json.key("snapshot");
  if (world.has_topology)  // the file store is read at start alone
    json.open('{')
        .key("version")
        .number(std::int64_t{1})
        .field("age_s", moment.uptime_s())
        .field("source", "files")
        .close('}');
  else
    json.null();
  append_nodes(json, world, states, moment.wall);
  append_groups(json, world);
  append_caches(json, world);
  json.key("last_reload").null();
  append_resolver(json, world, moment);
  json.close('}');
}

}  // namespace geod

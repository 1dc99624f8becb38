#include "status_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "read_json.h"

namespace geoctl {
namespace {

using Poco::JSON::Object;

// As it may be shown.
std::string shown(const Object& object, const std::string& key) { return printable(text_of(object, key)); }

std::string span(std::int64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  if (seconds < 172800) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

std::string snapshot_of(const Object& root) {
  if (root.isNull("snapshot")) return "no topology";
  const Object::Ptr snapshot = root.getObject("snapshot");
  return fmt::format("topology {} ({}), {} old", shown(*snapshot, "version"), shown(*snapshot, "source"),
                     span(count_of(*snapshot, "age_s")));
}

std::string coloured(const Stream& stream, const std::string& state, const std::string& line) {
  return state == "up" || state == "closed" ? line : state == "drain" ? stream.dim(line) : stream.red(line);
}

// Rows under their header, a style for each row's state; empty without rows.
class Listing {
 public:
  Listing(const Stream& stream, std::vector<Column> columns) : stream_(stream), table_(std::move(columns)) {}
  void add(const std::string& state, std::vector<std::string> row) {
    table_.fit(row);
    rows_.emplace_back(state, std::move(row));
  }
  std::string text() {
    if (rows_.empty()) return {};
    std::string out = stream_.bold(table_.header()) + "\n";
    for (const auto& [state, row] : rows_) out += coloured(stream_, state, table_.row(row)) + "\n";
    return out;
  }

 private:
  const Stream& stream_;
  Table table_;
  std::vector<std::pair<std::string, std::vector<std::string>>> rows_;
};

}  // namespace

std::int64_t Status::nodes_up() const {
  return std::count_if(nodes.begin(), nodes.end(), [](const Node& node) { return node.state == "up"; });
}

tl::expected<Status, std::string> read_status(const std::string& json) {
  Status status;
  try {
    const Object::Ptr root = read_json(json);
    status.version = printable(root->getValue<std::string>("version"));
    status.uptime_s = root->getValue<std::int64_t>("uptime_s");
    status.snapshot = snapshot_of(*root);
    if (!root->isNull("last_reload")) {
      const Object::Ptr reload = root->getObject("last_reload");
      status.last_reload = {flag_of(*reload, "ok"), shown(*reload, "at")};
    }
    for (const Object::Ptr& node : objects_of(*root, "nodes"))
      status.nodes.push_back({shown(*node, "id"), shown(*node, "group"), shown(*node, "state"), shown(*node, "reason"),
                              shown(*node, "since"), node->optValue("weight", 0.0),
                              node->isNull("load") ? -1.0 : node->getValue<double>("load")});
    for (const Object::Ptr& group : objects_of(*root, "groups")) {
      const std::string id = shown(*group, "id");
      const auto up = std::count_if(status.nodes.begin(), status.nodes.end(),
                                    [&](const auto& node) { return node.group == id && node.state == "up"; });
      status.groups.push_back({id, count_of(*group, "nodes"), up, count_of(*group, "under_way")});
    }
    const auto take_upstreams = [&](const Object& in, const char* key) {
      for (const Object::Ptr& one : objects_of(in, key))
        status.upstreams.push_back(
            {shown(*one, "name"), shown(*one, "state"), shown(*one, "last_error"), count_of(*one, "calls")});
    };
    if (!root->isNull("resolver")) take_upstreams(*root->getObject("resolver"), "providers");
    take_upstreams(*root, "upstreams");
    if (!root->isNull("caches")) {
      for (const auto& [name, value] : *root->getObject("caches")) {
        const Object& cache = *value.extract<Object::Ptr>();
        status.caches.push_back({printable(name), count_of(cache, "hits"), count_of(cache, "misses"),
                                 count_of(cache, "stale"), count_of(cache, "entries")});
      }
    }
  } catch (const Poco::Exception&) {
    return tl::unexpected<std::string>("its answer is no status");
  }
  return status;
}

std::string headline(const Stream& stream, const Status& status, const std::string& address) {
  return fmt::format("{}  {} of {} nodes up, {}\n",
                     stream.bold(fmt::format("geod {} at {}, up {}", status.version, address, span(status.uptime_s))),
                     status.nodes_up(), status.nodes.size(), status.snapshot);
}

std::string reload_line(const Stream& stream, const Status& status) {
  if (status.last_reload.at.empty()) return {};
  if (status.last_reload.ok) return fmt::format("last reload {}: ok\n", status.last_reload.at);
  return stream.red(fmt::format("last reload {}: refused; what was in service stays", status.last_reload.at)) + "\n";
}

std::string groups_table(const Stream& stream, const Status& status,
                         const std::map<std::string, std::int64_t>& before) {
  std::vector<Column> columns{{"GROUP"}, {"UP", Align::right}, {"UNDER WAY", Align::right}};
  if (!before.empty()) columns.push_back({"CHANGE", Align::right});
  Listing listing(stream, std::move(columns));
  for (const Status::Group& group : status.groups) {
    std::vector<std::string> row{group.id, fmt::format("{}/{}", group.up, group.nodes),
                                 fmt::to_string(group.under_way)};
    const auto old = before.find(group.id);
    if (!before.empty()) row.push_back(old == before.end() ? "" : fmt::format("{:+}", group.under_way - old->second));
    listing.add(group.up > 0 ? "up" : "", std::move(row));
  }
  return listing.text();
}

std::string nodes_table(const Stream& stream, const Status& status, std::size_t most) {
  std::vector<const Status::Node*> all;
  for (const Status::Node& node : status.nodes) all.push_back(&node);
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) {
    return std::pair(a->state == "up", -a->load) < std::pair(b->state == "up", -b->load);
  });
  Listing listing(
      stream, {{"NODE"}, {"GROUP"}, {"STATE"}, {"LOAD", Align::right}, {"WEIGHT", Align::right}, {"BY"}, {"SINCE"}});
  for (const auto* node : all) {
    if (most-- == 0) break;
    listing.add(node->state,
                {node->id, node->group, node->state, node->load < 0 ? "-" : fmt::format("{:.0f}%", node->load * 100),
                 fmt::format("{}", node->weight), node->reason.empty() ? "-" : node->reason,
                 node->since.empty() ? "-" : node->since});
  }
  return listing.text();
}

std::string upstreams_table(const Stream& stream, const Status& status) {
  Listing listing(stream, {{"UPSTREAM"}, {"BREAKER"}, {"CALLS", Align::right}, {"LAST ERROR"}});
  for (const Status::Upstream& one : status.upstreams)
    listing.add(one.state,
                {one.name, one.state, fmt::to_string(one.calls), one.last_error.empty() ? "-" : one.last_error});
  return listing.text();
}

std::string caches_table(const Stream& stream, const Status& status) {
  Listing listing(stream, {{"CACHE"},
                           {"ENTRIES", Align::right},
                           {"HITS", Align::right},
                           {"MISSES", Align::right},
                           {"STALE", Align::right}});
  for (const Status::Cache& cache : status.caches)
    listing.add("up", {cache.name, fmt::to_string(cache.entries), fmt::to_string(cache.hits),
                       fmt::to_string(cache.misses), fmt::to_string(cache.stale)});
  return listing.text();
}

}  // namespace geoctl

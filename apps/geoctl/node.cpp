// geoctl node list, geoctl node drain, geoctl node online, geoctl node offline
#include <fmt/format.h>

#include <algorithm>

#include "geo/base/text.h"
#include "geo/io/file.h"
#include "session.h"
#include "store.h"

namespace geoctl {
namespace {

struct Listed {
  const geo::place::Node& node;
  const geo::balance::Report* report;  // null: none
};

void print(Output& output, const Listed& listed) {
  const auto& [node, report] = listed;
  std::string object;
  geo::Json json(object);
  json.open('{').field("id", node.id).field("group", node.group).field("admin", geo::place::name_of(node.admin));
  json.key("online");
  report != nullptr ? json.boolean(report->online) : json.null();
  json.field_or_null("seen_at", report != nullptr ? geo::rfc3339(report->seen_at) : "").key("load");
  (report != nullptr && report->load ? json.number(*report->load) : json.null()).close('}');
  output.line(object);
}

void print(Output& output, const std::vector<Listed>& all) {
  Table table({{"NODE"}, {"GROUP"}, {"ADMIN"}, {"ONLINE"}, {"SEEN AT"}, {"LOAD", Align::right}});
  std::vector<std::vector<std::string>> rows;
  for (const auto& [node, report] : all) {
    rows.push_back({printable(node.id), printable(node.group), std::string(geo::place::name_of(node.admin)),
                    report == nullptr ? "-"
                    : report->online  ? "yes"
                                      : "no",
                    report == nullptr ? "-" : geo::rfc3339(report->seen_at),
                    report == nullptr || !report->load ? "-" : fmt::format("{}", *report->load)});
    table.fit(rows.back());
  }
  output.line(output.out.bold(table.header()));
  for (const auto& row : rows) output.line(table.row(row));
}

int run_list(Session& session) {
  Output& output = session.output;
  const OpenedStore store = open_store(session);
  if (store.none()) return store.exit_status;
  geo::io::MongoAdmin::Nodes all;
  if (store.mongo) {
    auto read = store.mongo->nodes();
    if (!read) return output.refuse(read.error());
    all = std::move(*read);
    for (const geo::Fault& fault : all.faults) output.err.write(printable(to_string(fault)) + "; it is skipped\n");
  } else {
    geo::io::ReadData read = geo::io::read_data(store.dir);
    if (!read.faults.empty()) return output.refuse(read.faults);
    all = {std::move(read.data.topology.nodes), std::move(read.data.node_states), {}};
  }
  std::sort(all.nodes.begin(), all.nodes.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  std::vector<Listed> listed;
  for (const geo::place::Node& node : all.nodes) {
    const auto report = std::find_if(all.reports.begin(), all.reports.end(),
                                     [&](const geo::balance::Report& each) { return each.id == node.id; });
    listed.push_back({node, report == all.reports.end() ? nullptr : &*report});
  }
  if (output.json)
    for (const Listed& each : listed) print(output, each);
  else
    print(output, listed);
  return geo::kExitOk;
}

int run_set(Session& session, const std::string& node, geo::place::Admin admin) {
  Output& output = session.output;
  if (!geo::is_id(node))
    return output.refuse(geo::Denial{geo::ErrorCode::bad_request, fmt::format("NODE: must be {}", geo::kIdForm)});
  const OpenedStore store = open_store(session);
  if (store.none()) return store.exit_status;
  if (store.mongo) {
    if (const auto done = store.mongo->set_admin(node, admin); !done) return output.refuse(done.error());
  } else {
    const auto done = geo::io::set_admin(store.dir / "topology.toml", node, admin);
    if (!done) return output.refuse(done.error());
    if (!output.json && *done) output.err.write("A running geod takes it up with its next reload.\n");
  }
  if (output.json) {
    std::string object;
    geo::Json(object).open('{').field("id", node).field("admin", geo::place::name_of(admin)).close('}');
    output.line(object);
  } else {
    output.line(fmt::format("{}  {}: {}", output.out.green("ok"), node, geo::place::name_of(admin)));
  }
  return geo::kExitOk;
}

}  // namespace

void add_node(CLI::App& app, Session& session) {
  CLI::App* node = app.add_subcommand("node", "The nodes, and which of them are to serve");
  node->require_subcommand(1);
  node->footer("Example:\n  geoctl node drain node-moscow-1");

  CLI::App* list = node->add_subcommand("list", "Every node with what it reported last");
  list->footer("Examples:\n  geoctl node list\n  geoctl --json --data config/demo node list");
  list->callback([&session] { session.run = [&session] { return run_list(session); }; });

  const auto add = [&](const char* name, const char* description, geo::place::Admin admin) {
    CLI::App* command = node->add_subcommand(name, description);
    auto id = std::make_shared<std::string>();
    command->add_option("NODE", *id, "The node's id")->required()->option_text(" ");
    command->footer(
        fmt::format("Example:\n  geoctl node {} node-moscow-1\n\n"
                    "In files only this node's admin changes, and a running geod takes it up with its next reload; "
                    "from MongoDB it\n"
                    "does so by itself. Exit status: 0 done, 4 no such node, 5 the store is away.",
                    name));
    command->callback(
        [&session, id, admin] { session.run = [&session, id, admin] { return run_set(session, *id, admin); }; });
  };
  add("drain", "No new viewers; those that are there stay", geo::place::Admin::drain);
  add("online", "Serves again", geo::place::Admin::online);
  add("offline", "Serves nobody", geo::place::Admin::offline);
}

}  // namespace geoctl

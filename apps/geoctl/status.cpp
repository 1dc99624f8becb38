// geoctl status: how a running geod is doing.
#include "status_text.h"

#include <fmt/format.h>

#include "running.h"

namespace geoctl {
namespace {

int run_status(Session& session) {
  Output& output = session.output;
  int exit_status = geo::kExitOk;
  const auto running = Running::find(session, exit_status);
  if (!running) return exit_status;
  const auto told = running->ask("/status.json");
  if (!told) return output.refuse(told.error());
  const auto status = read_status(*told);
  if (!status)
    return output.refuse(
        geo::Denial{geo::ErrorCode::upstream_unavailable,
                    fmt::format("what answers at {} is no geod: {}", running->address(), status.error())});
  if (output.json) {
    output.line(*told);
    return geo::kExitOk;
  }
  std::string text = headline(output.out, *status, running->address()) + reload_line(output.out, *status);
  for (const std::string& table :
       {groups_table(output.out, *status, {}), nodes_table(output.out, *status, status->nodes.size()),
        upstreams_table(output.out, *status), caches_table(output.out, *status)})
    if (!table.empty()) text += "\n" + table;
  output.out.write(text);
  return geo::kExitOk;
}

}  // namespace

void add_status(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("status", "How is the geod that runs?");
  command->footer(
      "Examples:\n"
      "  geoctl status\n"
      "  geoctl --json status | jq '.nodes[] | select(.state != \"up\")'\n\n"
      "Asks [listen] admin; with --json the object of /status.json. Exit status: 0 it answered, 2 the config is "
      "wrong,\n"
      "5 it does not answer.");
  command->callback([&session] { session.run = [&session] { return run_status(session); }; });
}

}  // namespace geoctl

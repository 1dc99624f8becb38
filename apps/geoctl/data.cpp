// geoctl data validate
#include <fmt/format.h>

#include "geo/io/file.h"
#include "session.h"
#include "world.h"

namespace geoctl {
namespace {

struct Arguments {
  std::string dir;
  CLI::Option* dir_option = nullptr;
};

std::string summary(const geo::io::Data& data) {
  const auto& topology = data.topology;
  return fmt::format(
      "{} nodes in {} groups, {} partners, {} patterns, {} places, {} networks; {} tokens, {} grants, {} users, "
      "{} tariffs; {} servers, {} cameras; {} node states",
      topology.nodes.size(), topology.groups.size(), topology.partners.size(), topology.patterns.size(),
      topology.places.size(), topology.networks.size(), data.tokens.size(), data.grants.size(), data.users.size(),
      data.tariffs.size(), data.servers.size(), data.cameras.size(), data.node_states.size());
}

int run_validate(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  std::filesystem::path dir = arguments.dir_option->count() > 0 ? arguments.dir : session.data_dir;
  if (arguments.dir_option->count() > 0 && arguments.dir.empty())
    return output.refuse(geo::Denial{geo::ErrorCode::bad_request, "DIR: empty"});
  if (dir.empty()) {
    const geo::config::Read read = read_config(session);
    if (!read.faults.empty()) return output.refuse(read.faults);
    if (read.config.store.kind != "files")
      return output.refuse(
          geo::Denial{geo::ErrorCode::invalid_config,
                      fmt::format("[store] kind is \"{}\": name the directory to validate", read.config.store.kind)});
    dir = read.config.path(read.config.store.dir);
  }
  const geo::io::ReadData read = geo::io::read_data(dir);
  if (read.faults.empty() && output.out.terminal() && !output.json)
    output.line(fmt::format("{}  {}: {}", output.out.green("ok"), printable(dir.string()), summary(read.data)));
  return output.tell(read.faults);
}

}  // namespace

void add_data(CLI::App& app, Session& session) {
  CLI::App* data = app.add_subcommand("data", "The store's content");
  data->require_subcommand(1);
  data->footer("Example:\n  geoctl data validate config/demo");

  auto arguments = std::make_shared<Arguments>();
  CLI::App* validate = data->add_subcommand("validate", "Find every fault of a store directory in one run");
  arguments->dir_option =
      validate->add_option("DIR", arguments->dir, "The directory (else --data, else [store] dir of the config)")
          ->option_text(" ");
  validate->footer(
      "Examples:\n"
      "  geoctl data validate config/demo\n"
      "  geoctl --json data validate --data /etc/geod/data\n\n"
      "Prints FILE:LINE:COL: TABLE.KEY: message, one fault a line. Exit status: 0 none, 6 there are some.");
  validate->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_validate(session, *arguments); }; });
}

}  // namespace geoctl

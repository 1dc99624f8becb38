// geoctl config check, geoctl config show
#include "geo/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "geo/base/text.h"
#include "geo/compose.h"
#include "session.h"
#include "world.h"

namespace geoctl {
namespace {

int run_check(Session& session) {
  Output& output = session.output;
  const geo::config::Read read = read_config(session);
  geo::compose::Options options;
  options.serving = true;
  options.credentials_may_lack = true;
  options.log_may_lack = true;
  const geo::compose::Built built = geo::compose::build(read, options);
  for (const std::string& note : built.notes) output.err.write(fmt::format("note: {}\n", printable(note)));
  if (built.world != nullptr && output.out.terminal() && !output.json)
    output.line(fmt::format("{}  config, data, keys and databases", output.out.green("ok")));
  return output.tell(built.faults);
}

// As far as it could be read, so that a config can be written from it.
int run_show(Session& session) {
  Output& output = session.output;
  const geo::config::Read read = read_config(session);
  const std::string text = geo::config::show(read.config);
  if (output.json && !read.faults.empty()) return output.refuse(read.faults);
  if (output.json) {
    std::string object;
    geo::Json(object).open('{').field("toml", text).close('}');
    output.line(object);
  } else {
    output.out.write(text);
  }
  return read.faults.empty() ? geo::kExitOk : output.refuse(read.faults);
}

}  // namespace

void add_config(CLI::App& app, Session& session) {
  CLI::App* config = app.add_subcommand("config", "The config, geod.toml");
  config->require_subcommand(1);
  config->footer(
      "Examples:\n"
      "  geoctl --config geod.toml config check\n"
      "  geoctl config show > effective.toml");

  CLI::App* check = config->add_subcommand("check", "Find every fault of the config, its data, keys and databases");
  check->footer(
      "Examples:\n"
      "  geoctl --config /etc/geod/geod.toml config check\n"
      "  geoctl --json --config geod.toml config check\n\n"
      "Prints FILE:LINE:COL: SECTION.KEY: message, one fault a line. Exit status: 0 none, 6 there are some.");
  check->callback([&session] { session.run = [&session] { return run_check(session); }; });

  CLI::App* show = config->add_subcommand("show", "Every key with its value: defaults, file, environment, --data");
  show->footer("Examples:\n  geoctl config show\n  GEO_LOG_LEVEL=debug geoctl --config geod.toml config show");
  show->callback([&session] { session.run = [&session] { return run_show(session); }; });
}

}  // namespace geoctl

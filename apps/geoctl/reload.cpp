// geoctl reload, geoctl log-level: what a running geod is told to do.
#include <Poco/Exception.h>
#include <fmt/format.h>

#include <memory>
#include <string>

#include "read_json.h"
#include "running.h"

namespace geoctl {
namespace {

// "listen.resolver, http.threads"; empty: none.
std::string needing_restart(const std::string& body) {
  std::string keys;
  try {
    for (const std::string& key : texts_of(*read_json(body), "needs_restart")) keys += (keys.empty() ? "" : ", ") + key;
  } catch (const Poco::Exception&) {
  }
  return keys;
}

int run_reload(Session& session) {
  Output& output = session.output;
  int exit_status = geo::kExitOk;
  const auto running = Running::find(session, exit_status);
  if (!running) return exit_status;
  const auto done = running->post("/reload");
  if (!done) return output.refuse(done.error());
  const bool is_refused = !done->faults.empty();
  if (output.json) {  // as geod says it, with the request's id
    output.line(done->body);
    return is_refused ? geo::kExitUsage : geo::kExitOk;
  }
  if (is_refused) return output.refuse(done->faults);
  const std::string keys = needing_restart(done->body);
  if (!keys.empty()) output.err.write(fmt::format("note: these take a restart: {}\n", printable(keys)));
  output.line(fmt::format("{}  all is read anew by the geod at {}", output.out.green("ok"), running->address()));
  return geo::kExitOk;
}

int run_log_level(Session& session, const std::string& level) {
  Output& output = session.output;
  int exit_status = geo::kExitOk;
  const auto running = Running::find(session, exit_status);
  if (!running) return exit_status;
  const auto done = running->post("/log-level?level=" + level);
  if (!done) return output.refuse(done.error());
  if (output.json)
    output.line(done->body);
  else
    output.line(fmt::format("{}  {}", output.out.green("ok"), level));
  return geo::kExitOk;
}

}  // namespace

void add_reload(CLI::App& app, Session& session) {
  CLI::App* reload = app.add_subcommand("reload", "Let the geod that runs read config, data, keys and databases anew");
  reload->footer(
      "Examples:\n"
      "  geoctl reload\n"
      "  geoctl data validate /etc/geod/data && geoctl --config /etc/geod/geod.toml reload\n\n"
      "All of it counts, or nothing. Asks [listen] admin. Exit status: 0 done, 2 there are faults and what was in\n"
      "service stays, 5 it does not answer or something it needs cannot be reached.");
  reload->callback([&session] { session.run = [&session] { return run_reload(session); }; });

  auto level = std::make_shared<std::string>();
  CLI::App* log_level = app.add_subcommand("log-level", "Set how much the geod that runs logs");
  log_level->add_option("LEVEL", *level, "error, warn, info, debug or trace")
      ->required()
      ->check(CLI::IsMember({"error", "warn", "info", "debug", "trace"}))
      ->option_text(" ");
  log_level->footer(
      "Examples:\n"
      "  geoctl log-level debug\n"
      "  geoctl --config /etc/geod/geod.toml log-level info\n\n"
      "Until a restart, or a reload that brings another [log] level. Asks [listen] admin. Exit status: 0 it is set,\n"
      "5 it does not answer.");
  log_level->callback(
      [&session, level] { session.run = [&session, level] { return run_log_level(session, *level); }; });
}

}  // namespace geoctl

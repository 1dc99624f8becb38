// geoctl compare: the same traffic through two stores. What does a change move?
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <utility>

#include "arguments.h"
#include "differences.h"
#include "progress.h"
#include "session.h"
#include "simulation.h"
#include "traffic_arguments.h"
#include "what_if.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::deny;
using geo::ErrorCode;

struct Arguments {
  std::string before, after, fail_above;
  TrafficArguments traffic;
  std::vector<std::string> down, drain;
  CLI::Option* fail_above_option = nullptr;
};

// "5%" or "5".
geo::Result<std::optional<double>> limit_of(const Arguments& arguments) {
  if (arguments.fail_above_option->count() == 0) return std::nullopt;
  std::string_view text = arguments.fail_above;
  if (text.ends_with('%')) text.remove_suffix(1);
  double limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size() || !(limit >= 0 && limit <= 100))
    return deny(ErrorCode::bad_request,
                fmt::format("fail-above: \"{}\" is no percentage; as 5%", arguments.fail_above));
  return limit;
}

// The config is the same for both; clients are located once, by the first one's databases.
Opened open_dir(Session& session, const std::string& dir, bool locating) {
  Wanted wanted;
  wanted.locating = locating;
  const std::string own = std::exchange(session.data_dir, dir);
  Opened opened = open_world(session, wanted);
  session.data_dir = own;
  return opened;
}

int run_compare(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  const auto limit = limit_of(arguments);
  if (!limit) return output.refuse(limit.error());
  const auto settings = arguments.traffic.settings();
  if (!settings) return output.refuse(settings.error());
  const Opened before = open_dir(session, arguments.before, true);
  if (before.world == nullptr) return before.exit_status;
  const Opened after = open_dir(session, arguments.after, false);
  if (after.world == nullptr) return after.exit_status;
  const auto simulated = arguments.traffic.simulation(*before.world);
  if (!simulated) return output.refuse(simulated.error());
  auto other = WhatIfs::without(after.world, arguments.down, arguments.drain);
  if (!other) return output.refuse(other.error());
  auto traffic = arguments.traffic.traffic(*settings, *before.world);
  if (!traffic) return output.refuse(traffic.error());

  const geo::redirect::Snapshot snapshot = offline(output, before.world->snapshot);
  other->resolver = snapshot.resolver;
  Simulation old_world(snapshot, *simulated), new_world(*other, *simulated);
  Differences differences;
  Progress progress(output.err, false, "requests");
  std::uint64_t done = 0;
  for (Ask ask; traffic->next(ask);) {
    const Pick old_pick = old_world.serve(ask), new_pick = new_world.serve(ask);
    differences.count(ask, old_pick, old_world.topology(), new_pick, new_world.topology());
    progress.reach(++done, traffic->size());
  }
  progress.clear();
  if (output.json)
    output.line(differences.json());
  else
    differences.print(output);
  const bool failed = *limit && differences.moved_percent() > **limit;
  if (failed) output.err.write(fmt::format("{:.2f}% moved, more than {:g}%\n", differences.moved_percent(), **limit));
  return failed ? geo::kExitCheckFailed : geo::kExitOk;
}

}  // namespace

void add_compare(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("compare", "The same traffic through two stores: what moves, from where to where?");
  command->add_option("OLD", arguments->before, "A store directory")->required()->option_text("DIR");
  command->add_option("NEW", arguments->after, "The other one")->required()->option_text("DIR");
  arguments->traffic.add_to(*command);
  add_repeated(*command, "--down", arguments->down, "What if this node of NEW were offline? May be repeated")
      ->option_text("NODE");
  add_repeated(*command, "--drain", arguments->drain, "What if it were drained? May be repeated")->option_text("NODE");
  arguments->fail_above_option =
      command->add_option("--fail-above", arguments->fail_above, "End with 6 where more of the requests move")
          ->option_text("PERCENT");
  command->footer(
      "Examples:\n"
      "  geoctl compare /etc/geod/data new-data --fail-above 5%\n"
      "  geoctl --config geod.toml compare data new-data --traffic access.log\n"
      "  geoctl compare config/demo config/demo --down node-moscow-1\n\n"
      "Both stores have the settings of one configuration, and its databases say where clients are.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_compare(session, *arguments); }; });
}

}  // namespace geoctl

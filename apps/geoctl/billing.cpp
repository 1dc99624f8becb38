// geoctl billing check
#include <fmt/format.h>

#include "arguments.h"
#include "geo/base/text.h"
#include "geo/billing.h"
#include "geo/redirect.h"
#include "session.h"
#include "world.h"

namespace geoctl {
namespace {

struct Arguments {
  std::string user, format = "flv";
  CameraArguments camera;
};

int run_check(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  Asked asked;
  arguments.camera.ask(asked);
  asked.add("format", arguments.format);
  asked.add("access_token", "-");  // billing asks for none, the checks of a request do
  if (const auto parsed = asked.parse(); !parsed) return output.refuse(parsed.error());
  if (!geo::is_id(arguments.user))
    return output.refuse(geo::Denial{geo::ErrorCode::bad_request, fmt::format("user: must be {}", geo::kIdForm)});

  const Opened opened = open_world(session, {});
  if (opened.world == nullptr) return opened.exit_status;
  const geo::redirect::Snapshot& snapshot = opened.world->snapshot;
  geo::billing::Query query;
  query.owner_type = "user";
  query.owner_id = arguments.user;
  query.server = asked.request.server;
  query.camera = asked.request.camera;
  query.format = name_of(asked.request.format);
  const auto bill = geo::billing::bill({snapshot.billing.get(), snapshot.leases.get(), snapshot.on_unknown}, query,
                                       moment(*opened.world, now()));
  if (!bill) return output.refuse(geo::Denial{geo::ErrorCode::deadline_exceeded, "no answer in time"});
  if (!*bill) return output.refuse(bill->error());

  const geo::billing::Bill& granted = **bill;
  if (output.json) {
    std::string object;
    geo::Json json(object);
    json.open('{').field("user", arguments.user).field("tariff", granted.tariff).field("format", query.format);
    json.field("streams", granted.streams).key("max_streams");
    (granted.max_streams ? json.number(*granted.max_streams) : json.null()).close('}');
    output.line(object);
  } else {
    output.line(fmt::format("{}  user {}: tariff {}, {}", output.out.green("ok"), arguments.user, granted.tariff,
                            granted.max_streams
                                ? fmt::format("{} of {} streams in use", granted.streams, *granted.max_streams)
                                : fmt::format("{} streams in use, no limit", granted.streams)));
  }
  return geo::kExitOk;
}

}  // namespace

void add_billing(CLI::App& app, Session& session) {
  CLI::App* billing = app.add_subcommand("billing", "What a user's tariff allows");
  billing->require_subcommand(1);
  billing->footer("Example:\n  geoctl billing check alice --server 100-abcdef --camera 0 --format hls");

  auto arguments = std::make_shared<Arguments>();
  CLI::App* check = billing->add_subcommand("check", "Is a camera within the limits of a user's tariff?");
  check->add_option("USER", arguments->user, "The user's id")->required()->option_text(" ");
  arguments->camera.add_to(*check);
  check->add_option("--format", arguments->format, "flv (the default), hls or ws-fmp4")->option_text("FORMAT");
  check->footer(
      "Examples:\n"
      "  geoctl billing check alice --server 100-abcdef --camera 0\n"
      "  geoctl --json billing check alice --server 100-abcdef --camera 0 --format ws-fmp4\n\n"
      "Exit status: 0 it is, 3 it is not, 2 an argument, the config or the data is wrong, 5 the store is away.");
  check->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_check(session, *arguments); }; });
}

}  // namespace geoctl

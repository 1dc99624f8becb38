// geoctl redirect: the whole way of one request, by the code of geod.
#include <fmt/format.h>

#include "arguments.h"
#include "explain.h"
#include "geo/io/system.h"
#include "geo/redirect.h"
#include "session.h"
#include "what_if.h"
#include "world.h"

namespace geoctl {
namespace {

struct Arguments {
  std::string ip, partner, format = "flv", exclude, at;
  CameraArguments camera;
  TokenArguments token;
  CLI::Option *ip_option = nullptr, *exclude_option = nullptr, *at_option = nullptr;
  std::vector<std::string> down;
  bool explain = false;
};

geo::Result<void> ask(const Arguments& arguments, Asked& asked) {
  const auto token = arguments.token.value();
  if (!token) return tl::unexpected(token.error());
  arguments.camera.ask(asked);
  asked.add("format", arguments.format);
  asked.add("exclude", arguments.exclude, *arguments.exclude_option);
  if (*token) asked.add("access_token", **token);
  if (arguments.ip_option->count() == 0) return geo::deny(geo::ErrorCode::bad_request, "ip: missing");
  const auto ip = ip_of(arguments.ip);
  if (!ip) return tl::unexpected(ip.error());
  const auto at = arguments.at_option->count() > 0 ? time_of(arguments.at) : now();
  if (!at) return tl::unexpected(at.error());
  if (auto parsed = asked.parse(); !parsed) return parsed;
  asked.request.client_ip = *ip;
  asked.request.partner = arguments.partner;
  asked.request.now = *at;
  return {};
}

int run_redirect(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  Asked asked;
  if (const auto checked = ask(arguments, asked); !checked) return output.refuse(checked.error());
  Wanted wanted;
  wanted.locating = true;
  wanted.signing = session.data_dir.empty() || !session.config_file.empty();
  const Opened opened = open_world(session, wanted);
  if (opened.world == nullptr) return opened.exit_status;
  const geo::compose::World& world = *opened.world;
  auto what_if = WhatIfs::without(opened.world, arguments.down);
  if (!what_if) return output.refuse(what_if.error());
  geo::redirect::Snapshot& snapshot = *what_if;
  if (const auto partner = check_partner(world, arguments.partner); !partner) return output.refuse(partner.error());

  snapshot.options.with_alternates = output.json;
  if (!wanted.signing) snapshot.options.upto = geo::redirect::Upto::inspect;
  geo::redirect::Decision decision;
  geo::redirect::Trace trace;
  const geo::io::SystemClock clock;
  asked.request.arrived = clock.monotonic();
  geo::redirect::decide(asked.request, snapshot, patience(world), clock, decision,
                        arguments.explain ? &trace : nullptr);

  std::string explained;
  if (arguments.explain) geo::redirect::append_json(explained, trace, snapshot, decision);
  if (arguments.explain && output.json) {
    output.line(explained);
    return decision.denial ? geo::row_of(decision.denial->code).exit_status : geo::kExitOk;
  }
  if (arguments.explain)
    output.out.write(
        explanation(output.out,
                    fmt::format("Client {}, camera {} of server {}, {}", asked.request.client_ip.to_string(),
                                asked.request.camera, asked.request.server, name_of(asked.request.format)),
                    explained));
  if (decision.denial) return output.refuse(*decision.denial);
  if (decision.location.empty()) {
    if (arguments.explain) {
      output.line("\nNo URL: --data alone has no signing key. Give --config FILE with [signing] keys for one.");
      return geo::kExitOk;
    }
    return output.refuse(geo::Denial{
        geo::ErrorCode::invalid_config,
        fmt::format("{} would serve, but --data alone has no key to sign its URL: give --config FILE with [signing] "
                    "keys, or --explain to see how far it went",
                    snapshot.topology->node(decision.choice.node).id)});
  }
  if (output.json) {
    std::string object;
    geo::redirect::append_json(object, asked.request, snapshot, decision);
    output.line(object);
  } else {
    if (arguments.explain) output.out.write("\n");
    output.line(decision.location);
  }
  return geo::kExitOk;
}

}  // namespace

void add_redirect(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("redirect", "Where would geod send this request? Prints the signed URL");
  arguments->ip_option = command->add_option("--ip", arguments->ip, "The client's address")->option_text("ADDRESS");
  arguments->camera.add_to(*command);
  arguments->token.add_to(*command);
  command->add_option("--format", arguments->format, "flv (the default), hls or ws-fmp4")->option_text("FORMAT");
  command->add_option("--partner", arguments->partner, "The partner whose client it is (default)")->option_text("ID");
  arguments->exclude_option =
      command->add_option("--exclude", arguments->exclude, "Nodes that did not work for the client, at most 4")
          ->option_text("NODE,..");
  add_repeated(*command, "--down", arguments->down, "What if this node were offline? May be repeated")
      ->option_text("NODE");
  arguments->at_option =
      command->add_option("--at", arguments->at, "The time for tokens, tariffs and exp: RFC 3339 or Unix seconds (now)")
          ->option_text("TIME");
  command->add_flag("--explain", arguments->explain, "Show how it came about, step by step");
  command->footer(
      "Examples:\n"
      "  geoctl redirect --ip 77.88.55.60 --server 100-abcdef --camera 0 --token T-1\n"
      "  geoctl redirect --ip 77.88.55.60 --server 100-abcdef --camera 0 --token-file alice.token --explain\n"
      "  GEOCTL_TOKEN=T-1 geoctl --json redirect --ip 2a02:6b8::1 --server 100-abcdef --camera 0 --format hls\n"
      "  geoctl redirect --ip 77.88.55.60 --server 100-abcdef --camera 0 --token T-1 --down node-moscow-1 \\\n"
      "      --at 2027-01-15T08:00:00Z\n\n"
      "The token may also come from GEOCTL_TOKEN. Exit status: 0 a redirect, 2 an argument, the config or the data is\n"
      "wrong, 3 the client may not, 4 nothing to send it to, 5 something needed is away.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_redirect(session, *arguments); }; });
}

}  // namespace geoctl

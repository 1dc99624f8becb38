// geoctl explain --live: what a running geod would do with a client, and why.
#include <Poco/Exception.h>
#include <fmt/format.h>

#include "arguments.h"
#include "explain.h"
#include "read_json.h"
#include "running.h"

namespace geoctl {
namespace {

using geo::Denial;
using geo::ErrorCode;

struct Arguments {
  std::string ip, partner, format = "flv", exclude;
  CameraArguments camera;
  TokenArguments token;
  CLI::Option *ip_option = nullptr, *partner_option = nullptr, *exclude_option = nullptr;
  bool live = false;
};

std::string title_of(const Arguments& arguments, const Running& running) {
  const std::string camera =
      arguments.camera.camera.empty()
          ? "no camera named"
          : fmt::format("camera {} of server {}", arguments.camera.camera, arguments.camera.server);
  return printable(
      fmt::format("Client {}, {}, {}, by the geod at {}", arguments.ip, camera, arguments.format, running.address()));
}

int run_explain(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  if (!arguments.live)
    return output.refuse(Denial{ErrorCode::bad_request,
                                "live: missing; without a running geod: geoctl redirect --explain, select --explain"});
  const auto token = arguments.token.value();
  if (!token) return output.refuse(token.error());
  if (arguments.ip_option->count() == 0) return output.refuse(Denial{ErrorCode::bad_request, "ip: missing"});
  // What the parameters may be, the geod that is asked decides.
  Asked asked;
  asked.add("ip", arguments.ip);
  arguments.camera.ask(asked);
  asked.add("format", arguments.format);
  asked.add("partner", arguments.partner, *arguments.partner_option);
  asked.add("exclude", arguments.exclude, *arguments.exclude_option);
  std::vector<std::pair<std::string, std::string>> headers;
  if (*token) {
    if (!geo::auth::is_well_formed(**token))
      return output.refuse(Denial{ErrorCode::bad_request, "access_token: a token is 1-4096 visible ASCII characters"});
    headers.emplace_back("X-Client-Token", **token);
  }
  int exit_status = geo::kExitOk;
  const auto running = Running::find(session, exit_status);
  if (!running) return exit_status;
  const auto trace = running->ask("/explain?" + asked.query, std::move(headers));
  if (!trace) return output.refuse(trace.error());
  try {
    const auto object = read_json(*trace);
    const auto code = geo::error_code_of(object->getValue<std::string>("code"));
    const std::string text = output.json ? *trace : explanation(output.out, title_of(arguments, *running), *trace);
    const int status = code ? geo::row_of(*code).exit_status : geo::kExitOk;
    if (output.json) {
      output.line(text);
      return status;
    }
    output.out.write(text);
    if (code) return output.refuse(Denial{*code, text_of(*object, "detail")});
    if (object->has("location")) output.line("\n" + printable(object->getValue<std::string>("location")));
  } catch (const Poco::Exception&) {
    return output.refuse(
        Denial{ErrorCode::upstream_unavailable,
               fmt::format("what answers at {} is no geod: its answer is no trace", running->address())});
  }
  return geo::kExitOk;
}

}  // namespace

void add_explain(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("explain", "What would a running geod do with this client, and why?");
  command->add_flag("--live", arguments->live, "Ask the geod that runs, at [listen] admin");
  arguments->ip_option = command->add_option("--ip", arguments->ip, "The client's address")->option_text("ADDRESS");
  arguments->camera.add_to(*command);
  arguments->token.add_to(*command);
  command->add_option("--format", arguments->format, "flv (the default), hls or ws-fmp4")->option_text("FORMAT");
  arguments->partner_option =
      command->add_option("--partner", arguments->partner, "The partner whose client it is (default)")
          ->option_text("ID");
  arguments->exclude_option =
      command->add_option("--exclude", arguments->exclude, "Nodes that did not work for the client, at most 4")
          ->option_text("NODE,..");
  command->footer(
      "Examples:\n"
      "  geoctl explain --live --ip 77.88.55.60\n"
      "  geoctl explain --live --ip 77.88.55.60 --server 100-abcdef --camera 0 --token-file alice.token\n\n"
      "With what that geod knows: streams under way, health checks, its caches. It counts and keeps nothing of it.\n"
      "Without a token it goes as far as select. The token may also come from GEOCTL_TOKEN. Exit status: 0 a\n"
      "redirect, 2 an argument or the config is wrong, 3 the client may not, 4 nothing to send it to, 5 geod does not\n"
      "answer or something it needs is away.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_explain(session, *arguments); }; });
}

}  // namespace geoctl

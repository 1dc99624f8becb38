// geoctl verify: what a node's gate would say to a URL.
#include <fmt/format.h>

#include "arguments.h"
#include "geo/base/text.h"
#include "geo/sign.h"
#include "session.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::sign::Reason;

struct Arguments {
  std::string url, at, ip;
  CLI::Option *at_option = nullptr, *ip_option = nullptr;
};

// "https://host:port/path?query" -> what the client would send to that node.
struct Target {
  std::string_view host, target;
};
std::optional<Target> target_of(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  bool known = false;
  for (const std::string_view scheme : {"https", "wss", "http", "ws"})
    known = known || geo::iequals(url.substr(0, colon), scheme);
  const std::string_view rest = url.substr(colon + 3);
  const std::size_t slash = rest.find('/');
  if (!known || slash == 0 || slash == std::string_view::npos) return std::nullopt;
  return Target{rest.substr(0, slash), rest.substr(slash)};
}

std::string_view meaning_of(Reason reason) {
  switch (reason) {
    case Reason::ok:
      return "the signature holds";
    case Reason::malformed:
      return "not the form of a signed URL";
    case Reason::wrong_host:
      return "no node of the topology has this host";
    case Reason::unknown_key:
      return "signed with a key that is not configured";
    case Reason::bad_signature:
      return "changed after it was signed, or signed for another node or with another secret";
    case Reason::expired:
      return "its time is over";
    case Reason::wrong_client:
      return "bound to another client address, or --ip is missing";
  }
  return {};
}

int run_verify(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  geo::sign::Presented presented;
  if (arguments.ip_option->count() > 0) {
    const auto ip = ip_of(arguments.ip);
    if (!ip) return output.refuse(ip.error());
    presented.client_ip = *ip;
  }
  const auto at = arguments.at_option->count() > 0 ? time_of(arguments.at) : now();
  if (!at) return output.refuse(at.error());
  presented.now = *at;
  if (!session.data_dir.empty() && session.config_file.empty())
    return output.refuse(geo::Denial{geo::ErrorCode::invalid_config,
                                     "--data alone has no key to verify with: give --config FILE with [signing] keys"});

  Wanted wanted;
  wanted.signing = true;
  wanted.topology = false;
  const Opened opened = open_world(session, wanted);
  if (opened.world == nullptr) return opened.exit_status;
  const geo::compose::World& world = *opened.world;
  Reason reason = Reason::malformed;
  if (const auto target = target_of(arguments.url)) {
    presented.host = target->host;
    presented.target = target->target;
    std::function<bool(std::string_view)> is_node_host;
    if (world.has_topology())
      is_node_host = [&](std::string_view host) { return world.snapshot.topology->is_node_host(host); };
    reason = geo::sign::verify(presented, *world.snapshot.keys, std::chrono::seconds(world.config.signing.leeway_s),
                               is_node_host);
  }

  const bool holds = reason == Reason::ok;
  if (output.json) {
    std::string object;
    geo::Json(object).open('{').field("result", name_of(reason)).close('}');
    output.line(object);
  } else {
    const std::string_view name = name_of(reason);
    std::string text = holds ? output.out.green(name) : output.out.red(name);
    if (output.out.terminal()) text += output.out.dim(fmt::format("  {}", meaning_of(reason)));
    output.line(text);
  }
  return holds ? geo::kExitOk : geo::kExitCheckFailed;
}

}  // namespace

void add_verify(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("verify", "Does a signed URL hold? Says ok or why not");
  command->add_option("URL", arguments->url, "The URL a client would follow")->required()->option_text(" ");
  arguments->at_option =
      command->add_option("--at", arguments->at, "At what time: RFC 3339 or Unix seconds (now)")->option_text("TIME");
  arguments->ip_option =
      command->add_option("--ip", arguments->ip, "The client's address, for URLs bound to one")->option_text("ADDRESS");
  command->footer(
      "Examples:\n"
      "  geoctl verify 'https://node-moscow-1.example.com/flv?server=100-abcdef&camera=0&exp=..&kid=k1&sig=..'\n"
      "  geoctl --json verify \"$url\" --at 2027-01-15T08:00:00Z --ip 203.0.113.7\n\n"
      "Says ok, malformed, wrong_host, unknown_key, bad_signature, expired or wrong_client.\n"
      "Exit status: 0 it holds, 6 it does not, 2 an argument, the config or the data is wrong.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_verify(session, *arguments); }; });
}

}  // namespace geoctl

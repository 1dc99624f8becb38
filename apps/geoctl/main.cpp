// geoctl: what geod decides and why, on a terminal and in scripts, with no daemon running.
#include <fmt/format.h>

#include <cerrno>
#include <exception>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "session.h"

namespace {

using geo::Denial;
using geo::ErrorCode;

// CLI11 takes the next argument as the value of "--name="; here it is an empty value, which the checks then name.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments;
  bool options = true;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    options = options && argument != "--";
    const std::size_t equals = argument.find('=');
    if (options && argument.starts_with("--") && equals != std::string::npos && equals + 1 == argument.size()) {
      argument.pop_back();
      arguments.push_back(std::move(argument));
      arguments.emplace_back();
    } else {
      arguments.push_back(std::move(argument));
    }
  }
  return arguments;
}

const CLI::App& deepest(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : deepest(*parsed.front());
}

// "token check"; empty for geoctl itself.
std::string name_of(const CLI::App& command) {
  if (command.get_parent() == nullptr) return {};
  const std::string parent = name_of(*command.get_parent());
  return parent.empty() ? command.get_name() : parent + " " + command.get_name();
}

// What was not expected, by name. A stray word inside a command may be a token: it is not repeated.
std::string describe_extras(const CLI::App& app) {
  for (const std::string& extra : app.remaining(true)) {
    if (extra.starts_with("--") && extra.size() > 2) return "no option " + extra.substr(0, extra.find('='));
    if (extra.starts_with("-") && extra.size() > 1) return "no option " + extra.substr(0, 2);
    if (!deepest(app).get_subcommands({}).empty()) return fmt::format("no command \"{}\"", extra);
  }
  return "more arguments than it takes";
}

std::string describe(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = deepest(app);
  const bool needs_command = !command.get_subcommands({}).empty();
  if (app.remaining_size(true) > 0) return describe_extras(app);
  if (needs_command && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) return "name a command";
  // "--ip: At Most 1 required but received 2", "--ip: 1 required TEXT missing"
  const std::string_view what = error.what();
  const std::string_view option = what.substr(0, what.find(':'));
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr)
    return fmt::format("{}: {}", option, what.find("At Most") == std::string::npos ? "needs a value" : "given twice");
  return error.what();
}

int run(int argc, char** argv, geoctl::Session& session) {
  CLI::App app("Ask geod's own code: where is a client, which node serves it, may it, and what is its URL?", "geoctl");
  app.add_option("--config", session.config_file,
                 "geod.toml (else ./geod.toml, else /etc/geod/geod.toml, else the defaults)")
      ->option_text("FILE");
  app.add_option("--data", session.data_dir, "A store directory; no config is needed then, and none is searched for")
      ->option_text("DIR");
  app.add_flag("--json", session.output.json, "One JSON object a line; refusals too go to standard output");
  app.set_version_flag("--version", "geoctl " GEO_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.fallthrough();
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  app.footer(
      "Examples:\n"
      "  geoctl resolve 77.88.55.60\n"
      "  geoctl --data config/demo select --place RU/MOW -n 100000\n"
      "  geoctl redirect --ip 77.88.55.60 --server 100-abcdef --camera 0 --token T-1 --explain\n"
      "  geoctl data validate config/demo\n\n"
      "The options above may stand before or after the command; geoctl COMMAND --help tells more. GEO_SECTION_KEY in\n"
      "the environment sets a key of the config. Exit status: 0 done, 1 a bug, 2 an argument, the config or the data\n"
      "is wrong, 3 the client may not, 4 there is none, 5 something needed is away, 6 a check did not hold.");

  geoctl::add_resolve(app, session);
  geoctl::add_geodata(app, session);
  geoctl::add_select(app, session);
  geoctl::add_simulate(app, session);
  geoctl::add_compare(app, session);
  geoctl::add_token(app, session);
  geoctl::add_billing(app, session);
  geoctl::add_redirect(app, session);
  geoctl::add_verify(app, session);
  geoctl::add_check(app, session);
  geoctl::add_data(app, session);
  geoctl::add_node(app, session);
  geoctl::add_lease(app, session);
  geoctl::add_config(app, session);
  geoctl::add_explain(app, session);
  geoctl::add_status(app, session);
  geoctl::add_top(app, session);
  geoctl::add_reload(app, session);

  std::vector<std::string> arguments = arguments_of(argc, argv);
  session.command_line = fmt::format("geoctl {}", fmt::join(arguments, " "));
  for (const std::string& argument : arguments) session.output.json = session.output.json || argument == "--json";
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes them back to front
  } catch (const CLI::Success& wanted) {
    std::ostringstream text;  // --help, --version
    const int exit_status = app.exit(wanted, text);
    session.output.out.write(text.str());
    return exit_status;
  } catch (const CLI::ParseError& error) {
    const std::string name = name_of(deepest(app));
    return session.output.refuse(
        Denial{ErrorCode::bad_request,
               fmt::format("{}; see geoctl{}{} --help", describe(app, error), name.empty() ? "" : " ", name)});
  }
  return session.run();
}

}  // namespace

int main(int argc, char** argv) {
  geoctl::Session session;
  int exit_status = geo::kExitInternal;
  try {
    exit_status = run(argc, argv, session);
  } catch (const std::exception& error) {
    exit_status = session.output.refuse(Denial{ErrorCode::internal, error.what()});
  }
  // a full disk behind a redirection must not look like an answer; who reads no more of a pipe knows
  session.output.out.flush();
  if (session.output.out.error() == EPIPE) return geo::kExitInternal;
  if (!session.output.out.good()) {
    return session.output.complain(
        Denial{ErrorCode::internal, "standard output: " + std::generic_category().message(session.output.out.error())});
  }
  return exit_status;
}

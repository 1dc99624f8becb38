// Arguments that several commands share, and the checks they go through: those of the HTTP parameters, word for word.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "geo/compose.h"
#include "geo/redirect.h"

namespace geoctl {

// An option that may be repeated, one value each time.
CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                          const std::string& description);

// A geo::redirect::Request and the text its views point into.
struct Asked {
  std::string query;
  geo::redirect::Request request;

  // Arguments as the query of `/stream`: a name and its value, percent-encoded. An option that was not given is left
  // out.
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, std::string_view value, const CLI::Option& option);
  geo::Result<void> parse();
};

// --server and --camera. The checks of a request tell which one is missing.
struct CameraArguments {
  std::string server, camera;
  CLI::Option *server_option = nullptr, *camera_option = nullptr;
  void add_to(CLI::App& command);
  void ask(Asked& asked) const;
};

// --token, --token-file or GEOCTL_TOKEN: where the shell's history and the process list shall not see it.
struct TokenArguments {
  std::string token, file;
  CLI::Option *positional = nullptr, *option = nullptr, *file_option = nullptr;
  void add_to(CLI::App& command);
  // Nothing: none of them was given.
  geo::Result<std::optional<std::string>> value() const;
};

geo::Result<geo::Ip> ip_of(std::string_view text);
geo::Result<geo::WallTime> time_of(std::string_view text);
// Those who name a partner or a node must name one that is there.
geo::Result<void> check_partner(const geo::compose::World& world, std::string_view partner);

}  // namespace geoctl

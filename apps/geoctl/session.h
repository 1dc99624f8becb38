// What all commands share: the global options, and what the chosen one will do.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "output.h"

namespace geoctl {

struct Session {
  std::string config_file, data_dir;  // empty: not given
  std::string command_line;           // as it was typed, or nearly
  Output output;
  std::function<int()> run;  // set by the command that was named; returns the exit status
};

// One file each; main() lists them.
void add_resolve(CLI::App& app, Session& session);
void add_geodata(CLI::App& app, Session& session);
void add_select(CLI::App& app, Session& session);
void add_simulate(CLI::App& app, Session& session);
void add_compare(CLI::App& app, Session& session);
void add_token(CLI::App& app, Session& session);
void add_billing(CLI::App& app, Session& session);
void add_redirect(CLI::App& app, Session& session);
void add_verify(CLI::App& app, Session& session);
void add_check(CLI::App& app, Session& session);
void add_data(CLI::App& app, Session& session);
void add_node(CLI::App& app, Session& session);
void add_lease(CLI::App& app, Session& session);
void add_config(CLI::App& app, Session& session);
void add_explain(CLI::App& app, Session& session);
void add_status(CLI::App& app, Session& session);
void add_top(CLI::App& app, Session& session);
void add_reload(CLI::App& app, Session& session);

}  // namespace geoctl

// geod: the geo redirect as a service. See geod(8).
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "descriptors.h"
#include "geo/base/error.h"
#include "geo/compose.h"
#include "geo/config.h"
#include "geo/io/system.h"
#include "passed_sockets.h"
#include "server.h"
#include "service_manager.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Arguments {
  std::string config;
  bool check = false;
};

// An exit status where there is nothing left to do.
std::optional<int> read_arguments(int argc, char** argv, Arguments& arguments) {
  CLI::App app{"geod - sends each viewer to the video node that should serve them", "geod"};
  app.add_option("--config", arguments.config, "the configuration, see geod.toml(5)")->type_name("FILE")->required();
  app.add_flag("--check", arguments.check,
               "validate configuration, data, keys and databases, bind nothing, and end with 0 or 2");
  app.set_version_flag("--version", "geod " GEOD_VERSION);
  app.footer("Example:\n  geod --config /etc/geod/geod.toml --check && geod --config /etc/geod/geod.toml");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& stop) {
    return app.exit(stop) == 0 ? geo::kExitOk : geo::kExitUsage;
  }
  return std::nullopt;
}

// Not fmt::print(), which throws where stderr cannot be written; then there is nobody left to tell.
void tell(const char* text) { static_cast<void>(std::fputs(text, stderr)); }

int tell(const geo::Faults& faults) {
  for (const geo::Fault& fault : faults) tell((to_string(fault) + "\n").c_str());
  return geo::kExitUsage;
}

// Closed ones would be given to the first files and sockets, and messages would go there.
void hold_standard_descriptors() {
  int fd = 0;
  do fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

// Every connection is a descriptor; the usual soft limit of 1024 is for programs that use select(2).
void raise_descriptor_limit(const geo::config::Config& config, const geod::AppLog& log) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const geod::Descriptors descriptors = geod::share_out(config);
  if (descriptors.connections < static_cast<std::size_t>(config.http.max_connections))
    log.warn("only {} descriptors are allowed (ulimit -n): {} connections a listener, not http.max_connections = {}",
             descriptors.max, descriptors.connections, config.http.max_connections);
}

// What comes while geod starts is seen to when it has.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, each);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // threads started later inherit it
  return signals;
}

// A reader that is gone, a file at its limit (ulimit -f): errors of whoever writes, no reason to die.
void ignore_signals() {
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  for (const int each : {SIGPIPE, SIGXFSZ}) ::sigaction(each, &ignored, nullptr);
}

int serve(std::shared_ptr<const geo::compose::World> world, geod::PassedSockets sockets, const sigset_t& signals,
          geod::AppLog& log) {
  raise_descriptor_limit(world->config, log);
  const seconds drain(world->config.http.drain_s);
  const geo::io::SystemClock clock;
  geod::ServiceManager manager(clock);
  geod::Server server(std::move(world), GEOD_VERSION, log, manager, std::move(sockets));
  if (auto started = server.start(); !started) {
    tell(("geod: " + started.error() + "\n").c_str());
    return geo::kExitUsage;
  }
  log.info("ready");
  manager.ready();
  const auto watch = [&] { manager.watch([&server] { return server.is_awake(); }); };
  for (;;) {
    manager.status(server.summary());
    watch();
    const timespec patience{0, manager.patience(milliseconds(500)).count()};
    siginfo_t sent{};
    const int signal = ::sigtimedwait(&signals, &sent, &patience);
    server.tick();
    if (signal == SIGHUP) server.hang_up(sent.si_uid);
    if (signal == SIGTERM || signal == SIGINT) break;
  }
  manager.stopping(drain + seconds(5));
  if (!server.drain(watch)) std::_Exit(geo::kExitOk);
  log.info("stopped");
  return geo::kExitOk;
}

int run(int argc, char** argv) {
  Arguments arguments;
  if (const auto status = read_arguments(argc, argv, arguments)) return *status;
  sigset_t signals{};
  if (!arguments.check) signals = block_signals();

  tl::expected<geod::PassedSockets, std::string> sockets;
  if (!arguments.check) sockets = geod::take_passed_sockets();
  if (!sockets) {
    tell(("geod: " + sockets.error() + "\n").c_str());
    return geo::kExitUsage;
  }
  put_into_environment(*sockets);
  const geo::config::Read read = geo::config::read_file(arguments.config, geo::io::environment("GEO_"));
  geo::compose::Options options;
  options.serving = true;
  options.indexed = !arguments.check;
  options.last_good = !arguments.check;
  options.credentials_may_lack = arguments.check;
  options.reports_may_fail = true;
  geod::AppLog log(geod::level_of(read.config.log.level).value_or(geod::Level::info));
  options.log = [&log](const std::string& line) { log.warn("{}", line); };
  options.told = [&log](const geo::Call& call) {
    const double took_ms = std::chrono::duration<double, std::milli>(call.took).count();
    if (log.shows(call.routine ? geod::Level::trace : geod::Level::debug))
      log.write(call.routine ? geod::Level::trace : geod::Level::debug,
                fmt::format("{}: {}: {}, after {:.1f} ms", call.upstream, call.what, call.outcome, took_ms));
  };
  geo::compose::Built built = geo::compose::build(read, options);
  // A geod that starts would wait for what cannot be reached.
  if (built.denial) tell(("geod: " + built.denial->detail + "; the data is not checked\n").c_str());
  if (built.world == nullptr && !built.denial) return tell(built.faults);
  if (arguments.check) return geo::kExitOk;

  return serve(std::move(built.world), std::move(*sockets), signals, log);
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_descriptors();
  ignore_signals();
  try {
    return run(argc, argv);
  } catch (const std::exception& fault) {
    for (const char* text : {"geod: ", fault.what(), "\n"}) tell(text);
    return geo::kExitInternal;
  }
}

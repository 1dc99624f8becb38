// geoctl top: a running geod, looked at again and again.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <thread>

#include "geo/base/text.h"
#include "running.h"
#include "status_text.h"

namespace geoctl {
namespace {

using geo::Denial;
using geo::ErrorCode;

constexpr std::uint64_t kSecondsMax = 3600, kLooksMax = 1'000'000;

struct Arguments {
  std::string every = "2", looks;
  CLI::Option* looks_option = nullptr;
};

std::size_t lines_of_terminal() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

class Top {
 public:
  Top(Output& output, const Running& running) : output_(output), running_(running) {}

  // One look. Not there the first time: an error; later, in a terminal, it is said and looked again.
  geo::Result<void> look() {
    const auto told = running_.ask("/status.json");
    if (!told) return lost(told.error());
    const auto status = read_status(*told);
    if (!status)
      return lost({ErrorCode::upstream_unavailable,
                   fmt::format("what answers at {} is no geod: {}", running_.address(), status.error())});
    if (output_.json)
      output_.line(*told);
    else
      show(*status);
    output_.out.flush();
    return {};
  }

 private:
  geo::Result<void> lost(Denial why) {
    if (!output_.out.terminal() || output_.json || !before_) return tl::unexpected<Denial>(std::move(why));
    output_.out.write("\x1b[H" + output_.out.red(printable(why.detail)) + "\x1b[K");
    output_.out.flush();
    return {};
  }

  void show(const Status& status) {
    std::map<std::string, std::int64_t> before;
    if (before_)
      for (const Status::Group& group : before_->groups) before.emplace(group.id, group.under_way);
    const bool terminal = output_.out.terminal();
    std::string text =
        headline(output_.out, status, running_.address()) + "\n" + groups_table(output_.out, status, before);
    // what is left of the screen
    const std::size_t used = status.groups.size() + 5, lines = lines_of_terminal();
    const std::size_t room = !terminal ? status.nodes.size() : lines > used ? lines - used : 1;
    text += "\n" + nodes_table(output_.out, status, room);
    output_.out.write(terminal ? "\x1b[H\x1b[J" + text : before_ ? "\n" + text : text);
    before_ = status;
  }

  Output& output_;
  const Running& running_;
  std::optional<Status> before_;
};

int run_top(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  const auto bad = [&](std::string detail) { return output.refuse(Denial{ErrorCode::bad_request, std::move(detail)}); };
  const std::uint64_t every = geo::parse_digits(arguments.every).value_or(0);
  if (every == 0 || every > kSecondsMax)
    return bad(fmt::format("every: no number of seconds from 1 to {}", kSecondsMax));
  const bool bounded = arguments.looks_option->count() > 0;
  const std::uint64_t looks = bounded ? geo::parse_digits(arguments.looks).value_or(0) : kLooksMax;
  if (looks == 0 || looks > kLooksMax) return bad(fmt::format("n: no number from 1 to {}", kLooksMax));
  int exit_status = geo::kExitOk;
  const auto running = Running::find(session, exit_status);
  if (!running) return exit_status;
  Top top(output, *running);
  for (std::uint64_t i = 0; output.out.good() && (!bounded || i < looks); ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::seconds(every));
    if (const auto done = top.look(); !done) return output.refuse(done.error());
  }
  return geo::kExitOk;
}

}  // namespace

void add_top(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("top", "Watch the geod that runs: groups and nodes, again and again");
  command->add_option("--every", arguments->every, "Seconds between two looks (2)")->option_text("S");
  arguments->looks_option =
      command->add_option("-n", arguments->looks, "How many looks (until it is interrupted)")->option_text("N");
  command->footer(
      "Examples:\n"
      "  geoctl top\n"
      "  geoctl --json top --every 10 -n 6 > minute.jsonl\n\n"
      "Nodes that are not up come first, then the most loaded; with --json each look is the object of /status.json.\n"
      "Exit status: 0 done, 2 an argument or the config is wrong, 5 geod does not answer.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_top(session, *arguments); }; });
}

}  // namespace geoctl

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

  geo::Result<void> look() {
    const auto told = running_.ask("/status.json");
    if (!told) return tl::unexpected<Denial>(told.error());
    const auto status = read_status(*told);
    if (!status)
      return geo::deny(ErrorCode::upstream_unavailable,
                       fmt::format("what answers at {} is no geod: {}", running_.address(), status.error()));
    lost_since_.reset();
    if (output_.json)
      output_.line(*told);
    else
      show(*status);
    output_.out.flush();
    return {};
  }

  // A look after the first that failed: the last picture stays. Returns the exit status, should it be the last look.
  int lost(const Denial& why) {
    if (output_.json || !output_.out.terminal()) return output_.complain(why);
    if (!lost_since_) lost_since_ = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    const std::string head = fmt::format("not reached since {}: {}", geo::rfc3339(*lost_since_), printable(why.detail));
    draw(output_.out.red(head) + "\n");
    output_.out.flush();
    return geo::row_of(why.code).exit_status;
  }

 private:
  void draw(const std::string& head) { output_.out.write("\x1b[H\x1b[J" + head + picture_); }

  void show(const Status& status) {
    std::map<std::string, std::int64_t> before;
    if (before_)
      for (const Status::Group& group : before_->groups) before.emplace(group.id, group.under_way);
    const bool terminal = output_.out.terminal();
    const std::string reload = reload_line(output_.out, status);
    const std::string head = headline(output_.out, status, running_.address());
    picture_ = reload + "\n" + groups_table(output_.out, status, before);
    // what is left of the screen, whose last line is the cursor's
    const std::size_t used = status.groups.size() + (reload.empty() ? 6 : 7), lines = lines_of_terminal();
    const std::size_t room = !terminal ? status.nodes.size() : lines > used ? lines - used : 1;
    picture_ += "\n" + nodes_table(output_.out, status, room);
    if (terminal)
      draw(head);
    else
      output_.out.write((before_ ? "\n" : "") + head + picture_);
    before_ = status;
  }

  Output& output_;
  const Running& running_;
  std::optional<Status> before_;
  std::string picture_;  // the last, without its head line
  std::optional<geo::WallTime> lost_since_;
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
    const auto done = top.look();
    if (!done && i == 0) return output.refuse(done.error());
    exit_status = done ? geo::kExitOk : top.lost(done.error());
  }
  return exit_status;
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
      "Where geod stops answering, the last picture stays and it is looked for again.\n"
      "Exit status: 0 done, 2 an argument or the config is wrong, 5 geod did not answer the first look, or the last.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_top(session, *arguments); }; });
}

}  // namespace geoctl

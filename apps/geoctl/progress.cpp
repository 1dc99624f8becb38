#include "progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace geoctl {
namespace {

using Seconds = std::chrono::duration<double>;

// A line that is as wide as the terminal would wrap, and could not be taken back.
std::size_t columns() {
  constexpr std::size_t kUsual = 80;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return (known ? size.ws_col : kUsual) - 1;
}

}  // namespace

void Progress::step(std::optional<double> part) {
  ++done_;
  show(part);
}

void Progress::reach(std::uint64_t done, std::uint64_t of) {
  done_ = done;
  show(of == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(of));
}

void Progress::show(std::optional<double> part) {
  if (!shows_) return;
  const geo::MonotonicTime now = clock_.monotonic();
  if (now < next_) return;
  constexpr std::chrono::milliseconds kEvery{100};
  next_ = now + kEvery;
  draw(now, part);
}

void Progress::draw(geo::MonotonicTime now, std::optional<double> part) {
  const double elapsed = Seconds(now - begun_).count();
  std::string line;
  if (part) {
    constexpr std::size_t kWidth = 20;
    const double share = std::clamp(*part, 0.0, 1.0);
    const auto filled = static_cast<std::size_t>(share * kWidth);
    line = fmt::format("[{}{}] {:3.0f}%  ", std::string(filled, '#'), std::string(kWidth - filled, '-'),
                       std::floor(share * 100));
  }
  line += fmt::format("{} {}, {:.0f}/s", done_, what_, static_cast<double>(done_) / elapsed);
  if (part && *part > 0) line += fmt::format(", {:.0f} s left", std::max(0.0, elapsed / *part - elapsed));
  line.resize(std::min(line.size(), columns()));
  const std::size_t drawn = line.size();
  // blanks over what is left of a longer one: no terminal needs to know an escape sequence for that
  line.resize(std::max(drawn, std::min(drawn_, columns())), ' ');
  err_.write("\r" + line);
  err_.flush();
  drawn_ = drawn;
}

void Progress::clear() {
  if (drawn_ == 0) return;
  err_.write("\r" + std::string(std::min(drawn_, columns()), ' ') + "\r");
  err_.flush();
  drawn_ = 0;
}

}  // namespace geoctl

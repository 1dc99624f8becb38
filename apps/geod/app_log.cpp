#include "app_log.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>

#include "geo/base/text.h"
#include "geo/io/system.h"

namespace geod {
namespace {

using std::chrono::milliseconds;

constexpr std::array<std::string_view, 5> kNames{"error", "warn", "info", "debug", "trace"};
constexpr milliseconds kPatience{100};

// How much was taken at most `patience` after the one before. A log that cannot be written has nobody left to tell.
std::size_t write_some(std::string_view text, milliseconds patience) {
  constexpr std::size_t kPiece = 4096;  // a pipe that can be written takes so much without a wait
  std::size_t taken = 0;
  while (taken < text.size()) {
    pollfd fd{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&fd, 1, static_cast<int>(patience.count())) != 1 || (fd.revents & POLLOUT) == 0) break;
    const std::string_view piece = text.substr(taken, kPiece);
    ssize_t wrote = ::send(STDERR_FILENO, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (wrote < 0 && errno == ENOTSOCK) wrote = ::write(STDERR_FILENO, piece.data(), piece.size());
    if (wrote <= 0) break;
    taken += static_cast<std::size_t>(wrote);
  }
  return taken;
}

// One message, one line, whatever is in it.
std::string line_of(std::string_view word, std::string_view message) {
  char time[geo::kRfc3339MillisSize];
  std::string line = fmt::format("{} {} ", geo::write_rfc3339_millis(geo::io::SystemClock().wall(), time), word);
  std::transform(message.begin(), message.end(), std::back_inserter(line),
                 [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c; });
  return line += '\n';
}

}  // namespace

std::string_view name_of(Level level) { return kNames[static_cast<std::size_t>(level)]; }

std::optional<Level> level_of(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Level>(found - kNames.begin());
}

void AppLog::write(Level level, std::string_view message) const {
  if (shows(level)) put(name_of(level), message);
}

void AppLog::put(std::string_view word, std::string_view message) const {
  const std::string line = line_of(word, message);
  lost_.with([&](Lost& lost) {
    std::string text = lost.cut ? "\n" : "";
    if (lost.lines > 0)
      text += line_of(name_of(Level::warn),
                      fmt::format("lines of this log that were not taken in time and are lost: {}", lost.lines));
    const std::size_t told = text.size();
    text += line;
    // Who did not take the last one is not waited for again.
    const std::size_t taken = write_some(text, lost.lines > 0 ? milliseconds(0) : kPatience);
    if (taken >= told) lost.lines = 0;
    if (taken < text.size()) ++lost.lines;
    if (taken > 0) lost.cut = text[taken - 1] != '\n';
  });
}

}  // namespace geod

#include "app_log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "geo/base/text.h"
#include "geo/io/system.h"

namespace geod {
namespace {
constexpr std::array<std::string_view, 5> kNames{"error", "warn", "info", "debug", "trace"};
}

std::string_view name_of(Level level) { return kNames[static_cast<std::size_t>(level)]; }

std::optional<Level> level_of(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Level>(found - kNames.begin());
}

void AppLog::write(Level level, std::string_view message) const {
  if (!shows(level)) return;
  std::string line = fmt::format("{} {} ", geo::rfc3339_millis(geo::io::SystemClock().wall()), name_of(level));
  // One message, one line, whatever is in it.
  std::transform(message.begin(), message.end(), std::back_inserter(line),
                 [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c; });
  line += '\n';
  // A log that cannot be written has nobody left to tell.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace geod

// The application log: plain lines on stderr, for people.
//
// Shape: 2027-01-15T08:00:00.123Z info listening on redirect 0.0.0.0:8080
// Threads: write() from any; a line is one write(2).
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace geod {

enum class Level : std::uint8_t { error, warn, info, debug, trace };
std::string_view name_of(Level level);
std::optional<Level> level_of(std::string_view name);

class AppLog {
 public:
  explicit AppLog(Level level = Level::info) : level_(level) {}

  bool shows(Level level) const { return level <= level_.load(std::memory_order_relaxed); }
  void set_level(Level level) { level_.store(level, std::memory_order_relaxed); }
  void write(Level level, std::string_view message) const;

  template <class... Arguments>
  void error(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    if (shows(Level::error)) write(Level::error, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  template <class... Arguments>
  void warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    if (shows(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  template <class... Arguments>
  void info(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    if (shows(Level::info)) write(Level::info, fmt::format(format, std::forward<Arguments>(arguments)...));
  }

 private:
  std::atomic<Level> level_;
};

}  // namespace geod

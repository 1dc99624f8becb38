// The application log: plain lines on stderr, for people.
//
// Shape: 2027-01-15T08:00:00.123Z info listening on redirect 0.0.0.0:8080
//        2027-01-15T08:00:00.123Z audit reload, by SIGHUP of uid 0: done
// Nobody waits for whoever reads it, but for a moment: lines that are not taken by then are lost, and once they are
// taken again the log says how many.
// Threads: any.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "geo/base/guarded.h"

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
  template <class... Arguments>
  void debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    if (shows(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  // What comes again and again while all is well.
  template <class... Arguments>
  void trace(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    if (shows(Level::trace)) write(Level::trace, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  // What somebody had geod do, and who: whatever the level is.
  template <class... Arguments>
  void audit(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    put("audit", fmt::format(format, std::forward<Arguments>(arguments)...));
  }

 private:
  void put(std::string_view word, std::string_view message) const;

  std::atomic<Level> level_;
  // Of lines that were not taken.
  struct Lost {
    std::size_t lines = 0;
    bool cut = false;  // the last that was taken has no end
  };
  mutable geo::Guarded<Lost> lost_;
};

}  // namespace geod

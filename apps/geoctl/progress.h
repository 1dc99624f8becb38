// How far a long run is: one line on standard error, from its second second on, gone at its end.
//
//   [########------------]  41%  204800 addresses, 97523/s, 3 s left
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "geo/base/clock.h"
#include "geo/io/system.h"
#include "output.h"

namespace geoctl {

class Progress {
 public:
  // Nothing is ever shown where `err` is no terminal, or a person types the input there.
  Progress(Stream& err, bool typed, std::string_view what = "addresses")
      : err_(err), shows_(err.terminal() && !typed), what_(what) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool shows() const { return shows_; }
  // One more is done. part: of the whole, 0..1; nothing: nobody knows.
  void step(std::optional<double> part);
  // So many are done.
  void reach(std::uint64_t done, std::uint64_t of);
  // Before anything else is written on that terminal.
  void clear();

 private:
  void show(std::optional<double> part);
  void draw(geo::MonotonicTime now, std::optional<double> part);

  Stream& err_;
  const bool shows_;
  const std::string_view what_;
  const geo::io::SystemClock clock_;
  const geo::MonotonicTime begun_ = clock_.monotonic();
  geo::MonotonicTime next_ = begun_ + std::chrono::seconds(1);
  std::uint64_t done_ = 0;
  std::size_t drawn_ = 0;  // columns; 0: nothing is there
};

}  // namespace geoctl

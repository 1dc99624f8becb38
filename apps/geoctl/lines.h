// Standard input line by line, in constant memory whatever comes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace geoctl {

class Lines {
 public:
  // Of a longer line only the beginning is kept: no address is that long.
  static constexpr std::size_t kLineMax = 256;

  // before_waiting is called each time nothing is at hand and the next read would wait: the time to flush what was
  // answered so far.
  Lines(int fd, std::function<void()> before_waiting, std::size_t line_max = kLineMax)
      : fd_(fd), line_max_(line_max), before_waiting_(std::move(before_waiting)) {}

  // Without its line end, "\r\n" included; good until the next call. Nothing: the input ended, or failed (see error()).
  std::optional<std::string_view> next();
  // Why reading stopped early; empty: it did not.
  const std::string& error() const { return error_; }
  // Bytes of the lines so far.
  std::uint64_t taken() const { return read_ - (end_ - at_); }

 private:
  bool fill();
  int fd_;
  std::size_t line_max_;
  std::function<void()> before_waiting_;
  std::array<char, 65536> buffer_;
  std::size_t at_ = 0, end_ = 0;
  std::uint64_t read_ = 0;
  std::string line_, error_;
};

}  // namespace geoctl

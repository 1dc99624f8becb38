#include "lines.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace geoctl {

bool Lines::fill() {
  pollfd waiting{fd_, POLLIN, 0};
  if (poll(&waiting, 1, 0) == 0) before_waiting_();
  for (;;) {
    const ssize_t got = read(fd_, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error_ = std::generic_category().message(errno);
    at_ = 0;
    end_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    read_ += end_;
    return got > 0;
  }
}

std::optional<std::string_view> Lines::next() {
  line_.clear();
  bool begun = false;
  for (;;) {
    if (at_ == end_ && !fill()) {
      if (!begun) return std::nullopt;
      break;
    }
    begun = true;
    const std::string_view at_hand(buffer_.data() + at_, end_ - at_);
    const std::size_t line_end = at_hand.find('\n');
    line_ += at_hand.substr(0, std::min(line_end, line_max_ - line_.size()));
    if (line_end != std::string_view::npos) {
      at_ += line_end + 1;
      break;
    }
    at_ = end_;
  }
  std::string_view line = line_;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace geoctl

// A file descriptor that is closed when it goes.
#pragma once

#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <utility>

namespace geod {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() {
    if (fd_ < 0) return;
    [[maybe_unused]] const int done = ::close(std::exchange(fd_, -1));
    assert(done == 0 || errno != EBADF);  // closed by somebody else too: the number may be another's by now
  }
  // From here on somebody else closes it.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace geod

#include "access_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace geod {
namespace {

// At a moderate rate the writer is woken at most this often; what comes in between is written in one go.
constexpr std::chrono::milliseconds kGather{5};

tl::expected<Fd, std::string> open_file(const std::filesystem::path& file) {
  Fd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
  if (!fd && errno == ENXIO) return tl::unexpected(fmt::format("{}: nobody reads this pipe", file.string()));
  if (!fd) return tl::unexpected(fmt::format("{}: cannot be opened: {}", file.string(), std::strerror(errno)));
  return fd;
}

}  // namespace

tl::expected<std::unique_ptr<AccessLog>, std::string> AccessLog::open(std::string_view target,
                                                                      const std::filesystem::path& file) {
  if (target == "off") return nullptr;
  if (target == "stdout" || target == "stderr") {
    const int standard = target == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
    Fd fd(::fcntl(standard, F_DUPFD_CLOEXEC, 0));
    if (!fd) return tl::unexpected(fmt::format("{}: {}", target, std::strerror(errno)));
    return std::make_unique<AccessLog>(std::move(fd));
  }
  auto fd = open_file(file);
  if (!fd) return tl::unexpected(std::move(fd.error()));
  return std::make_unique<AccessLog>(std::move(*fd), file);
}

AccessLog::AccessLog(Fd out, std::filesystem::path file, std::size_t queue_bytes)
    : file_(std::move(file)),
      queue_bytes_(queue_bytes),
      out_(std::make_shared<const Fd>(std::move(out))),
      writer_([this] { run(); }) {}

AccessLog::~AccessLog() {
  stop(std::chrono::steady_clock::time_point::max());
  if (writer_.joinable()) writer_.join();
}

bool AccessLog::write(std::string_view line) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() + line.size() > queue_bytes_) {
      ++dropped_.lines;
      return false;
    }
    queue_ += line;
    wake = std::exchange(idle_, false);
  }
  if (wake) wake_.notify_one();
  return true;
}

tl::expected<void, std::string> AccessLog::reopen() {
  if (file_.empty()) return {};
  auto fd = open_file(file_);
  if (!fd) return tl::unexpected(std::move(fd.error()));
  auto fresh = std::make_shared<const Fd>(std::move(*fd));
  const std::lock_guard lock(mutex_);
  out_.swap(fresh);
  return {};
}

AccessLog::Dropped AccessLog::take_dropped() {
  const std::lock_guard lock(mutex_);
  return std::exchange(dropped_, {});
}

bool AccessLog::stop(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_.notify_one();
  if (deadline == std::chrono::steady_clock::time_point::max())
    done_.wait(lock, [this] { return finished_; });
  else
    done_.wait_until(lock, deadline, [this] { return finished_; });
  return finished_;
}

void AccessLog::run() {
  sigset_t errors;  // a reader that is gone, a file at its limit: errors to count, no reason to die
  sigemptyset(&errors);
  for (const int each : {SIGPIPE, SIGXFSZ}) sigaddset(&errors, each);
  pthread_sigmask(SIG_BLOCK, &errors, nullptr);

  std::string batch;
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_ = queue_.empty();
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) break;
    batch.swap(queue_);
    const std::shared_ptr<const Fd> out = out_;
    lock.unlock();
    if (torn_) end_torn_line(out->get());
    put(out->get(), batch);
    batch.clear();
    lock.lock();
    wake_.wait_for(lock, kGather, [this] { return stopping_; });
  }
  finished_ = true;
  done_.notify_all();
}

void AccessLog::put(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written > 0) {
      torn_ = text[static_cast<std::size_t>(written) - 1] != '\n';
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      pollfd writable{fd, POLLOUT, 0};  // a named pipe, or a stdout that somebody made non-blocking
      ::poll(&writable, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      const int error = errno;
      const std::lock_guard lock(mutex_);
      dropped_.lines += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
      dropped_.error = error;
      return;
    }
  }
}

// So that the next line is whole; a fresh file has nothing to end.
void AccessLog::end_torn_line(int fd) {
  struct stat status {};
  const bool is_empty = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0;
  if (is_empty || ::write(fd, "\n", 1) == 1) torn_ = false;
}

}  // namespace geod

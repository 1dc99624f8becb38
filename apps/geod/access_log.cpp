#include "access_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

namespace geod {
namespace {

// At a moderate rate the writer is woken at most this often; what comes in between is written in one go.
constexpr std::chrono::milliseconds kGather{2};

constexpr std::size_t kBatchBytes = 1 << 20;
constexpr std::size_t kKeptBytes = 1 << 20;  // a buffer that grew larger in bad times is given back

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
  stop(Time::max());
  if (writer_.joinable()) writer_.join();
}

AccessLog::Queue& AccessLog::queue() {
  const std::lock_guard lock(mutex_);
  return queues_.emplace_back(*this, queue_bytes_);
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

AccessLog::Dropped AccessLog::dropped() {
  const std::lock_guard lock(mutex_);
  Dropped all = lost_;
  for (const Queue& queue : queues_) all.lines += queue.dropped_.load(std::memory_order_relaxed);
  return all;
}

std::uint64_t AccessLog::waiting() {
  const std::uint64_t settled = settled_.load();  // first: what is added meanwhile is waiting
  const std::lock_guard lock(mutex_);
  std::uint64_t appended = 0;
  for (const Queue& queue : queues_) appended += queue.appended_.load(std::memory_order_relaxed);
  return appended - std::min(settled, appended);
}

bool AccessLog::stop(Time deadline) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  stop_.notify_one();
  wake();
  if (deadline == Time::max())
    done_.wait(lock, [this] { return finished_; });
  else
    done_.wait_until(lock, deadline, [this] { return finished_; });
  return finished_;
}

void AccessLog::wake() {
  idle_.store(false);
  idle_.notify_one();
}

void AccessLog::run() {
  sigset_t errors;  // a reader that is gone, a file at its limit: errors to count, no reason to die
  sigemptyset(&errors);
  for (const int each : {SIGPIPE, SIGXFSZ}) sigaddset(&errors, each);
  pthread_sigmask(SIG_BLOCK, &errors, nullptr);

  std::vector<Queue*> queues;
  bool was_busy = false;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (was_busy) stop_.wait_for(lock, kGather, [this] { return stopping_; });
      for (std::size_t i = queues.size(); i < queues_.size(); ++i) queues.push_back(&queues_[i]);
      if (stopping_) break;
    }
    // What is answered from here on may be fetched of one queue when what came before it, in another, is not yet.
    const Time until = std::chrono::steady_clock::now();
    was_busy = false;
    for (Queue* const queue : queues) was_busy |= queue->fetch();
    write_out(queues, until);
    // Said first and looked at once more then: a line that came in between is seen here, or its loop sees that.
    if (was_busy)
      idle_.store(false);
    else if (idle_.exchange(true))
      idle_.wait(true);
  }
  for (Queue* const queue : queues) queue->close();
  write_out(queues, Time::max());
  const std::lock_guard lock(mutex_);
  finished_ = true;
  done_.notify_all();
}

bool AccessLog::Queue::fetch() {
  fetched_.erase(0, read_);
  read_ = 0;
  while (spare_.load() == nullptr) {  // so there are lines
    spare_.store(empty_);
    empty_ = full_.exchange(nullptr);
    if (empty_ != nullptr) {
      if (fetched_.empty())
        fetched_.swap(*empty_);
      else
        fetched_ += *empty_;
      empty_->clear();
      if (empty_->capacity() > kKeptBytes) empty_->shrink_to_fit();
      break;
    }
    // The loop has them and will put them back: it looks for a spare one only where it finds none there.
    empty_ = spare_.exchange(nullptr);
    std::this_thread::yield();
  }
  return !fetched_.empty();
}

void AccessLog::Queue::close() {
  std::string* last = nullptr;
  while ((last = take()) == nullptr) std::this_thread::yield();  // the loop is at a line
  fetched_ += *last;
}

AccessLog::Time AccessLog::Queue::next() const {
  Mark mark{Time::max(), 0};
  if (read_ < fetched_.size()) std::memcpy(&mark, fetched_.data() + read_, sizeof mark);
  return mark.at;
}

std::string_view AccessLog::Queue::line() {
  Mark mark;
  std::memcpy(&mark, fetched_.data() + read_, sizeof mark);
  const std::string_view line(fetched_.data() + read_ + sizeof mark, mark.size);
  read_ += sizeof mark + mark.size;
  return line;
}

void AccessLog::write_out(const std::vector<Queue*>& queues, Time until) {
  const auto earlier = [](const Queue* a, const Queue* b) { return a->next() < b->next(); };
  std::uint64_t lines = 0;
  const auto put_batch = [&] {
    put(batch_, std::exchange(lines, 0));
    batch_.clear();
  };
  for (;;) {
    const auto first = std::min_element(queues.begin(), queues.end(), earlier);
    if (first == queues.end() || (*first)->next() == Time::max() || (*first)->next() > until) break;
    batch_ += (*first)->line();
    ++lines;
    if (batch_.size() >= kBatchBytes) put_batch();
  }
  if (lines > 0) put_batch();
}

void AccessLog::put(std::string_view text, std::uint64_t lines) {
  std::unique_lock lock(mutex_);
  const std::shared_ptr<const Fd> out = out_;
  lock.unlock();
  const int fd = out->get();
  if (torn_) end_torn_line(fd);
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written > 0) {
      const std::string_view part = text.substr(0, static_cast<std::size_t>(written));
      torn_ = part.back() != '\n';
      text.remove_prefix(part.size());
      const auto done = text.empty() ? lines : static_cast<std::uint64_t>(std::count(part.begin(), part.end(), '\n'));
      settled_.fetch_add(done);
      lines -= done;
    } else if (written < 0 && errno == EAGAIN) {
      pollfd writable{fd, POLLOUT, 0};  // a named pipe, or a stdout that somebody made non-blocking
      ::poll(&writable, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      const int error = errno;
      settled_.fetch_add(lines);
      lock.lock();
      lost_.lines += lines;
      lost_.error = error;
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

// Where the access log's lines go: a bounded queue per loop and one thread that writes them out, in the order in which
// the requests were answered.
//
// A line is never worth a client's wait: when a queue is full - a slow disk, a reader that stopped - lines are dropped
// and counted.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "fd.h"

namespace geod {

class AccessLog {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kQueueBytes = 8 << 20;  // of one loop

  // Two buffers go round between a loop and the writer, each in one hand or in one of two places at a time:
  //
  //   full_    lines that wait; the loop takes it, appends a line and puts it back, the writer takes it away
  //   spare_   an empty one; the writer puts it there before it takes the other away, so the loop always finds one
  //
  // Threads: append() by one, the loop's.
  class Queue {
   public:
    Queue(AccessLog& log, std::size_t bytes_max) : log_(log), bytes_max_(bytes_max) {}

    // append(text) adds one whole line to `text`, its newline included; at: now. False: dropped.
    template <class Append>
    bool append(Time at, Append&& append) {
      std::string* const lines = take();
      if (lines == nullptr) return drop();  // the log has been stopped
      const std::size_t begin = lines->size();
      bool fits = begin < bytes_max_;
      try {
        if (fits) {
          lines->append(sizeof(Mark), '\0');
          append(*lines);
          const Mark mark{at, lines->size() - begin - sizeof(Mark)};
          std::memcpy(lines->data() + begin, &mark, sizeof mark);
        }
      } catch (...) {
        lines->resize(begin);
        put_back(lines);
        throw;
      }
      if (lines->size() > bytes_max_) {
        lines->resize(begin);
        fits = false;
      }
      if (fits) appended_.store(appended_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      put_back(lines);
      return fits || drop();
    }

   private:
    friend class AccessLog;

    // Before each line.
    struct Mark {
      Time at;
      std::size_t size;
    };

    // The writer's:
    // Fetches what waits. False: nothing did.
    bool fetch();
    // The same, once and for all: the loop finds no buffer any more.
    void close();
    // When the next line of what was fetched was answered; Time::max(): there is none.
    Time next() const;
    std::string_view line();

    std::string* take() {
      if (std::string* const lines = full_.exchange(nullptr)) return lines;
      return spare_.exchange(nullptr);
    }
    void put_back(std::string* lines) {
      full_.store(lines);
      if (log_.idle_.load()) log_.wake();
    }
    bool drop() {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }

    AccessLog& log_;
    const std::size_t bytes_max_;
    std::array<std::string, 2> buffers_;
    std::atomic<std::string*> full_{nullptr}, spare_{&buffers_[0]};
    std::atomic<std::uint64_t> appended_{0}, dropped_{0};  // the loop's alone to change
    // The writer's:
    std::string* empty_ = &buffers_[1];
    std::string fetched_;
    std::size_t read_ = 0;  // of `fetched_`
  };

  // target: "stdout", "stderr", "off" (null), or else `file` is meant, opened for appending with mode 0640. Never waits
  // for a named pipe's reader. The error names the file.
  static tl::expected<std::unique_ptr<AccessLog>, std::string> open(std::string_view target,
                                                                    const std::filesystem::path& file);

  explicit AccessLog(Fd out, std::filesystem::path file = {}, std::size_t queue_bytes = kQueueBytes);
  // Without stop() before it, waits until all is written.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // One more, while the log has not been stopped; it lives as long as the log.
  Queue& queue();

  // Opens the file anew, after somebody moved it away; nothing to do for stdout and stderr. On an error the old one
  // stays.
  tl::expected<void, std::string> reopen();

  struct Dropped {
    std::uint64_t lines = 0;  // since the start
    int error = 0;            // the last one of writing, as errno; 0: there was none, a queue was full
  };
  Dropped dropped();
  // Lines that were taken and are neither known to be written nor lost: what stop() leaves where it could not be done
  // in time.
  std::uint64_t waiting();

  // Writes out what is queued; later lines are dropped. False: it could not be done in time; the writer thread is still
  // at it and must not outlive the process's end.
  bool stop(Time deadline);

 private:
  void run();
  // Writes what was fetched of all queues and answered until then.
  void write_out(const std::vector<Queue*>& queues, Time until);
  void put(std::string_view text, std::uint64_t lines);
  void end_torn_line(int fd);
  void wake();

  const std::filesystem::path file_;
  const std::size_t queue_bytes_;

  std::atomic<bool> idle_{false};          // the writer waits for the first line
  std::atomic<std::uint64_t> settled_{0};  // lines written, or lost by an error

  std::mutex mutex_;  // of everything below but the writer's own
  std::condition_variable stop_, done_;
  std::deque<Queue> queues_;
  std::shared_ptr<const Fd> out_;  // the writer holds it while it writes
  Dropped lost_;                   // by the writer
  bool stopping_ = false, finished_ = false;

  // The writer's own.
  std::string batch_;
  bool torn_ = false;  // an error cut the line that was written last
  std::thread writer_;
};

}  // namespace geod

// Where the access log's lines go: a bounded queue and one thread that writes them out.
//
// A line is never worth a client's wait: when the queue is full - a slow disk, a reader that stopped - lines are
// dropped and counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <tl/expected.hpp>

#include "fd.h"

namespace geod {

// Threads: write() from any.
class AccessLog {
 public:
  static constexpr std::size_t kQueueBytes = 8 << 20;

  // target: "stdout", "stderr", "off" (null), or else `file` is meant, opened for appending with mode 0640. Never waits
  // for a named pipe's reader. The error names the file.
  static tl::expected<std::unique_ptr<AccessLog>, std::string> open(std::string_view target,
                                                                    const std::filesystem::path& file);

  explicit AccessLog(Fd out, std::filesystem::path file = {}, std::size_t queue_bytes = kQueueBytes);
  // Without stop() before it, waits until all is written.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // One whole line, its newline included. False: dropped.
  bool write(std::string_view line);

  // Opens the file anew, after somebody moved it away; nothing to do for stdout and stderr. On an error the old one
  // stays.
  tl::expected<void, std::string> reopen();

  struct Dropped {
    std::uint64_t lines = 0;
    int error = 0;  // the last one of writing, as errno; 0: there was none, the queue was full
  };
  // Since the last call.
  Dropped take_dropped();

  // Writes out what is queued; later lines are dropped. False: it could not be done in time; the writer thread is still
  // at it and must not outlive the process's end.
  bool stop(std::chrono::steady_clock::time_point deadline);

 private:
  void run();
  void put(int fd, std::string_view text);
  void end_torn_line(int fd);

  const std::filesystem::path file_;
  const std::size_t queue_bytes_;

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::string queue_;              // lines that wait
  std::shared_ptr<const Fd> out_;  // the writer holds it while it writes
  Dropped dropped_;
  bool idle_ = false, stopping_ = false, finished_ = false;

  bool torn_ = false;  // the writer's own: an error cut the line that was written last
  std::thread writer_;
};

}  // namespace geod

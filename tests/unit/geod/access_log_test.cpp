#include "access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "scratch.h"

namespace geod {
namespace {

using Clock = std::chrono::steady_clock;

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

bool write(AccessLog::Queue& queue, std::string_view line) {
  return queue.append(Clock::now(), [line](std::string& lines) { lines += line; });
}

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    out = Fd(ends[0]);
    in = Fd(ends[1]);
  }
  Fd out, in;
};

TEST(AccessLog, StopWritesOutWhatIsQueued) {
  const geo::test::Scratch scratch;
  auto log = AccessLog::open("access.log", scratch / "access.log");
  ASSERT_TRUE(log) << log.error();
  AccessLog::Queue& queue = (*log)->queue();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(write(queue, "line " + std::to_string(i) + "\n"));
  EXPECT_TRUE((*log)->stop(Clock::now() + std::chrono::seconds(20)));
  EXPECT_FALSE(write(queue, "late\n"));
  const std::string text = text_of(scratch / "access.log");
  EXPECT_TRUE(text.starts_with("line 0\nline 1\n"));
  EXPECT_TRUE(text.ends_with("line 999\n"));
}

TEST(AccessLog, DropsAndCountsWhatAReaderThatStoppedHasNoRoomFor) {
  constexpr std::size_t kQueue = 10'000, kPipe = 4096;
  Pipe pipe;
  ASSERT_EQ(::fcntl(pipe.in.get(), F_SETPIPE_SZ, kPipe), static_cast<int>(kPipe));
  AccessLog log(std::move(pipe.in), {}, kQueue);
  AccessLog::Queue& queue = log.queue();
  const std::string line = std::string(99, 'x') + '\n';
  std::uint64_t taken = 0, dropped = 0;
  // Nobody reads. Once more was taken than pipe and queue hold, the writer is stuck with the rest in its hands.
  while (dropped == 0 || taken * line.size() <= kPipe + kQueue) ++(write(queue, line) ? taken : dropped);
  for (int i = 0; i < 1000; ++i) ++(write(queue, line) ? taken : dropped);
  EXPECT_LE(taken * line.size(), kPipe + 2 * kQueue);
  const AccessLog::Dropped told = log.dropped();
  EXPECT_EQ(told.lines, dropped);
  EXPECT_EQ(told.error, 0);              // it was too slow, nothing more
  EXPECT_FALSE(log.stop(Clock::now()));  // the writer is stuck
  // What the pipe has may be of a write that has not come back.
  EXPECT_GE(log.waiting(), taken - kPipe / line.size());
  EXPECT_LE(log.waiting(), taken);

  // Once somebody reads again, every line that was taken arrives, whole.
  std::string text;
  char bytes[4096];
  while (text.size() < taken * line.size()) {
    const ssize_t got = ::read(pipe.out.get(), bytes, sizeof bytes);
    ASSERT_GT(got, 0);
    text.append(bytes, static_cast<std::size_t>(got));
  }
  EXPECT_TRUE(log.stop(Clock::now() + std::chrono::seconds(20)));
  EXPECT_EQ(text.size(), taken * line.size());
  EXPECT_EQ(log.waiting(), 0U);
}

TEST(AccessLog, EveryLineOfEveryLoopIsWrittenWholeOrCounted) {
  constexpr int kLoops = 3, kLines = 20'000;
  const geo::test::Scratch scratch;
  Fd file(::open((scratch / "access.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  AccessLog log(std::move(file), {}, 2000);
  std::atomic<std::uint64_t> taken{0};
  std::vector<std::thread> loops;
  for (int loop = 0; loop < kLoops; ++loop)
    loops.emplace_back([&queue = log.queue(), &taken, loop] {
      for (int i = 0; i < kLines; ++i)
        if (write(queue, std::to_string(loop) + " " + std::to_string(i) + "\n")) ++taken;
    });
  std::this_thread::yield();
  log.stop(Clock::now() + std::chrono::milliseconds(5));  // in the middle of it, or nearly
  for (std::thread& each : loops) each.join();
  EXPECT_TRUE(log.stop(Clock::now() + std::chrono::seconds(20)));
  EXPECT_EQ(taken + log.dropped().lines, std::uint64_t{kLoops} * kLines);

  std::array<int, kLoops> last{-1, -1, -1};
  std::uint64_t lines = 0;
  std::istringstream text(text_of(scratch / "access.log"));
  for (std::string line; std::getline(text, line); ++lines) {
    ASSERT_EQ(line[1], ' ') << line;
    const int loop = line[0] - '0', i = std::stoi(line.substr(2));
    EXPECT_GT(i, last.at(static_cast<std::size_t>(loop)));
    last.at(static_cast<std::size_t>(loop)) = i;
  }
  EXPECT_EQ(lines, taken);
}

TEST(AccessLog, LinesAreInTheOrderOfTheirAnswersWhicheverLoopsGaveThem) {
  const geo::test::Scratch scratch;
  auto log = AccessLog::open("access.log", scratch / "access.log");
  ASSERT_TRUE(log) << log.error();
  AccessLog::Queue &one = (*log)->queue(), &other = (*log)->queue();
  std::string all;
  for (int i = 0; i < 5000; ++i) {
    const std::string line = std::to_string(i) + '\n';
    EXPECT_TRUE(write(i % 3 == 0 ? one : other, line));
    all += line;
  }
  EXPECT_TRUE((*log)->stop(Clock::now() + std::chrono::seconds(20)));
  EXPECT_EQ(text_of(scratch / "access.log"), all);
}

TEST(AccessLog, ReaderThatHasGoneCostsLinesNotTheProcess) {
  Pipe pipe;
  AccessLog log(std::move(pipe.in));
  AccessLog::Queue& queue = log.queue();
  pipe.out.reset();
  EXPECT_TRUE(write(queue, "a\n") && write(queue, "b\n"));
  EXPECT_TRUE(log.stop(Clock::now() + std::chrono::seconds(20)));
  const AccessLog::Dropped told = log.dropped();
  EXPECT_EQ(told.lines, 2U);
  EXPECT_EQ(told.error, EPIPE);
  EXPECT_EQ(log.waiting(), 0U);
}

TEST(AccessLog, LineAfterATornOneIsWhole) {
  const geo::test::Scratch scratch;
  auto log = AccessLog::open("access.log", scratch / "access.log");
  ASSERT_TRUE(log) << log.error();
  AccessLog::Queue& queue = (*log)->queue();
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  const rlimit small{10, usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_TRUE(write(queue, "one\n") && write(queue, "too long a line\n"));
  AccessLog::Dropped told;
  while (told.lines == 0) told = (*log)->dropped();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
  EXPECT_EQ(told.lines, 1U);
  EXPECT_EQ(told.error, EFBIG);
  write(queue, "three\n");
  EXPECT_TRUE((*log)->stop(Clock::now() + std::chrono::seconds(20)));
  EXPECT_EQ(text_of(scratch / "access.log"), "one\ntoo lo\nthree\n");
}

TEST(AccessLog, FreshFileAfterATornLineBeginsWithALine) {
  const geo::test::Scratch scratch;
  auto log = AccessLog::open("access.log", scratch / "access.log");
  ASSERT_TRUE(log) << log.error();
  AccessLog::Queue& queue = (*log)->queue();
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  const rlimit small{5, usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  write(queue, "too long\n");
  while ((*log)->dropped().lines == 0) {
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
  std::filesystem::rename(scratch / "access.log", scratch / "old.log");
  ASSERT_TRUE((*log)->reopen());
  write(queue, "new\n");
  EXPECT_TRUE((*log)->stop(Clock::now() + std::chrono::seconds(20)));
  EXPECT_EQ(text_of(scratch / "access.log"), "new\n");
}

TEST(AccessLog, NamedPipeIsNotWaitedFor) {
  const geo::test::Scratch scratch;
  const std::filesystem::path file = scratch / "pipe";
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  const auto unread = AccessLog::open("pipe", file);
  ASSERT_FALSE(unread);
  EXPECT_NE(unread.error().find("nobody reads"), std::string::npos) << unread.error();
  const Fd reader(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto log = AccessLog::open("pipe", file);
  ASSERT_TRUE(log) << log.error();
  AccessLog::Queue& queue = (*log)->queue();
  EXPECT_TRUE(write(queue, "line\n"));
  EXPECT_TRUE((*log)->stop(Clock::now() + std::chrono::seconds(20)));
  char bytes[16];
  EXPECT_EQ(::read(reader.get(), bytes, sizeof bytes), 5);
}

TEST(AccessLog, FileIsForOwnerAndGroupAndAppendedTo) {
  const geo::test::Scratch scratch;
  const std::filesystem::path file = scratch / "access.log";
  for (const char* line : {"one\n", "two\n"}) {
    auto log = AccessLog::open("access.log", file);
    ASSERT_TRUE(log) << log.error();
    AccessLog::Queue& queue = (*log)->queue();
    write(queue, line);
  }
  EXPECT_EQ(text_of(file), "one\ntwo\n");
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
}

TEST(AccessLog, ReopenFollowsTheName) {
  const geo::test::Scratch scratch;
  auto log = AccessLog::open("access.log", scratch / "access.log");
  ASSERT_TRUE(log) << log.error();
  AccessLog::Queue& queue = (*log)->queue();
  std::filesystem::rename(scratch / "access.log", scratch / "old.log");
  ASSERT_TRUE((*log)->reopen());
  write(queue, "new\n");
  EXPECT_TRUE((*log)->stop(Clock::now() + std::chrono::seconds(20)));
  EXPECT_EQ(text_of(scratch / "access.log"), "new\n");
  EXPECT_EQ(text_of(scratch / "old.log"), "");
}

TEST(AccessLog, FileThatCannotBeOpenedIsNamed) {
  const geo::test::Scratch scratch;
  const auto log = AccessLog::open("missing/access.log", scratch / "missing/access.log");
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().find("missing/access.log"), std::string::npos) << log.error();
}

TEST(AccessLog, OffIsNone) {
  const auto log = AccessLog::open("off", {});
  ASSERT_TRUE(log);
  EXPECT_EQ(*log, nullptr);
}

}  // namespace
}  // namespace geod

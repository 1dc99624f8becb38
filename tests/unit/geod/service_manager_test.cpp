#include "service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "fd.h"
#include "scratch.h"

namespace geod {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Hours final : public geo::Clock {
 public:
  geo::WallTime wall() const override { return {}; }
  geo::MonotonicTime monotonic() const override { return now; }
  geo::MonotonicTime now{seconds(1000)};
};

// The other side: what a service manager hears.
class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = (scratch_ / "notify").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ASSERT_EQ(::bind(ear_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
  }
  // Empty: nothing more was told.
  std::string heard() {
    char bytes[1024];
    const ssize_t size = ::recv(ear_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    return size < 0 ? std::string() : std::string(bytes, static_cast<std::size_t>(size));
  }

  Hours clock_;

 private:
  const geo::test::Scratch scratch_;
  const Fd ear_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST_F(ServiceManagerTest, IsToldOfEachStageOfLife) {
  const ServiceManager manager(clock_);
  manager.ready();
  EXPECT_EQ(heard(), "READY=1");
  manager.reloading();
  EXPECT_EQ(heard(), "RELOADING=1\nMONOTONIC_USEC=1000000000");
  manager.stopping(seconds(15));
  EXPECT_EQ(heard(), "STOPPING=1\nSTATUS=answering what has begun\nEXTEND_TIMEOUT_USEC=15000000");
}

TEST_F(ServiceManagerTest, StatusIsToldWhenItChanges) {
  ServiceManager manager(clock_);
  for (const char* line : {"one", "one", "two"}) manager.status(line);
  EXPECT_EQ(heard(), "STATUS=one");
  EXPECT_EQ(heard(), "STATUS=two");
  EXPECT_EQ(heard(), "");
}

TEST_F(ServiceManagerTest, WatchdogIsToldEveryHalfOfItsLimitAndOnlyThen) {
  ::setenv("WATCHDOG_USEC", "4000000", 1);
  ServiceManager manager(clock_);
  const auto lives = [] { return true; };
  manager.watch(lives);
  EXPECT_EQ(heard(), "WATCHDOG=1");
  EXPECT_EQ(manager.patience(milliseconds(500)), milliseconds(500));
  clock_.now += milliseconds(1900);
  manager.watch(lives);
  EXPECT_EQ(heard(), "");
  EXPECT_EQ(manager.patience(milliseconds(500)), milliseconds(100));
  clock_.now += milliseconds(100);
  manager.watch(lives);
  EXPECT_EQ(heard(), "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, WatchdogIsNotToldOfWhatHangsAndIsOnceItGoesOn) {
  ::setenv("WATCHDOG_USEC", "4000000", 1);
  ServiceManager manager(clock_);
  bool lives = false;
  for (int i = 0; i < 3; ++i, clock_.now += seconds(1)) {
    manager.watch([&] { return lives; });
    EXPECT_EQ(heard(), "");
    EXPECT_GT(manager.patience(milliseconds(500)).count(), 0);
  }
  lives = true;
  manager.watch([&] { return lives; });
  EXPECT_EQ(heard(), "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, NobodyWatchesNobodyIsAsked) {
  ServiceManager manager(clock_);
  manager.watch([]() -> bool { throw std::logic_error("asked"); });
  EXPECT_EQ(heard(), "");
  EXPECT_EQ(manager.patience(milliseconds(500)), milliseconds(500));
}

}  // namespace
}  // namespace geod

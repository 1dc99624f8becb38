#include "socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "front.h"
#include "scratch.h"

namespace geod {
namespace {

TEST(ListenAddress, FormsOfTheContract) {
  EXPECT_EQ(parse_address("0.0.0.0:8080")->to_string(), "0.0.0.0:8080");
  EXPECT_EQ(parse_address("[::]:8080")->to_string(), "[::]:8080");
  EXPECT_EQ(parse_address("localhost:81")->port, 81);
  EXPECT_EQ(parse_address("unix:/run/geod/admin.sock")->path, "/run/geod/admin.sock");
  for (const char* wrong : {"8080", "0.0.0.0:", "0.0.0.0:65536", "0.0.0.0:x", "unix:", "unix:relative", ":8080"})
    EXPECT_FALSE(parse_address(wrong)) << wrong;
  EXPECT_FALSE(parse_address("unix:/" + std::string(200, 'x')));
}

TEST(ListenOn, SocketsShareThePortThatTheKernelPicked) {
  const auto bound = listen_on(*parse_address("127.0.0.1:0"), 3);
  ASSERT_TRUE(bound) << bound.error();
  EXPECT_EQ(bound->sockets.size(), 3U);
  EXPECT_NE(bound->address.port, 0);
  EXPECT_NO_THROW(test::Client(bound->address.port));
}

TEST(ListenOn, PortOfAnotherIsRefusedThoughItCouldBeShared) {
  const auto first = listen_on(*parse_address("127.0.0.1:0"), 2);
  ASSERT_TRUE(first) << first.error();
  const auto second = listen_on(first->address, 2);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find(first->address.to_string()), std::string::npos) << second.error();
}

TEST(ListenOn, Ipv6WildcardServesIpv4Too) {
  const auto bound = listen_on(*parse_address("[::]:0"), 1);
  if (!bound && bound.error().find("not supported") != std::string::npos) GTEST_SKIP() << bound.error();
  ASSERT_TRUE(bound) << bound.error();
  EXPECT_NO_THROW(test::Client(bound->address.port));
}

TEST(ListenOn, UnixSocketIsForOwnerAndGroup) {
  const geo::test::Scratch scratch;
  const auto bound = listen_on(*parse_address("unix:" + (scratch / "admin.sock").string()), 1);
  ASSERT_TRUE(bound) << bound.error();
  struct stat status {};
  ASSERT_EQ(::stat((scratch / "admin.sock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0660U);
}

TEST(ListenOn, UnixSocketThatADeadProcessLeftIsReplacedAndALivingOnesIsNot) {
  const geo::test::Scratch scratch;
  const Address address = *parse_address("unix:" + (scratch / "admin.sock").string());
  auto first = listen_on(address, 1);
  ASSERT_TRUE(first) << first.error();
  EXPECT_FALSE(listen_on(address, 1));
  first->sockets.clear();  // the file stays, nobody listens
  const auto second = listen_on(address, 1);
  EXPECT_TRUE(second) << second.error();
}

TEST(ListenOn, FileThatIsNoSocketIsLeftAlone) {
  const geo::test::Scratch scratch;
  const auto file = scratch.write("precious", "text");
  const auto bound = listen_on(*parse_address("unix:" + file.string()), 1);
  ASSERT_FALSE(bound);
  EXPECT_NE(bound.error().find(file.string()), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
}

}  // namespace
}  // namespace geod

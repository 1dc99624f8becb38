#include "passed_sockets.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "front.h"
#include "scratch.h"

namespace geod {
namespace {

Fd listening(std::string_view address) {
  auto bound = listen_on(*parse_address(address), 1);
  if (!bound) throw std::runtime_error(bound.error());
  return std::move(bound->sockets.front());
}

TEST(PassedSocket, TellsItsAddressAndNeverHoldsUpALoop) {
  Fd fd = listening("127.0.0.1:0");
  ::fcntl(fd.get(), F_SETFL, 0);
  const auto passed = passed_socket("redirect", std::move(fd));
  ASSERT_TRUE(passed) << passed.error();
  EXPECT_TRUE(passed->address.to_string().starts_with("127.0.0.1:"));
  EXPECT_NE(passed->address.port, 0);
  EXPECT_NE(::fcntl(passed->fd.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(PassedSocket, UnixSocketIsAdminsAlone) {
  const geo::test::Scratch scratch;
  const std::string address = "unix:" + (scratch / "s").string();
  const auto passed = passed_socket("admin", listening(address));
  ASSERT_TRUE(passed) << passed.error();
  EXPECT_EQ(passed->address.to_string(), address);
  const auto refused = passed_socket("verify", Fd(::dup(passed->fd.get())));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "the socket that is passed as \"verify\" is a unix socket; only admin's may be one");
}

TEST(PassedSocket, WhatNobodyCanAcceptFromIsRefused) {
  EXPECT_FALSE(passed_socket("redirect", Fd(::socket(AF_INET, SOCK_DGRAM, 0))));
  EXPECT_FALSE(passed_socket("redirect", Fd(::socket(AF_INET, SOCK_STREAM, 0))));
  EXPECT_FALSE(passed_socket("redirect", Fd(::open("/dev/null", O_RDWR))));
  EXPECT_FALSE(passed_socket("web", listening("127.0.0.1:0")));
}

TEST(PassedSocket, TakesThePlaceOfTheAddressWhoeverNamesOne) {
  PassedSockets sockets;
  sockets.emplace("redirect", PassedSocket{Fd(), *parse_address("[::]:80")});
  ::setenv("GEO_LISTEN_REDIRECT", "0.0.0.0:8080", 1);
  put_into_environment(sockets);
  EXPECT_STREQ(::getenv("GEO_LISTEN_REDIRECT"), "[::]:80");
  ::unsetenv("GEO_LISTEN_REDIRECT");
}

}  // namespace
}  // namespace geod

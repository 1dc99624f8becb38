// What the bench's own servers share: a listener on loopback, and an epoll loop over its connections.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

class Loop {
 public:
  explicit Loop(const char* port) {
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
    if (::listen(listener_, 1024) != 0) fail("listen");
    watch(listener_);
  }

  // Waits for what comes, until `timeout` at most: each connection that has something to read is given to `read`, and
  // closed where that says false.
  template <class Read>
  void turn(const timespec* timeout, Read&& read) {
    std::array<epoll_event, 256> events;
    const int count = ::epoll_pwait2(loop_, events.data(), events.size(), timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener_)
        accept();
      else if (!read(fd))
        ::close(fd);
    }
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    std::perror(what);
    std::exit(1);
  }
  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(loop_, EPOLL_CTL_ADD, fd, &event);
  }
  void accept() const {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK), one = 1;
    if (connection < 0) return;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(connection);
  }

  const int listener_ = ::socket(AF_INET, SOCK_STREAM, 0), loop_ = ::epoll_create1(0);
};

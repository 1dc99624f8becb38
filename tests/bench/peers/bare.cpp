// The limit that tests/bench/peers measures servers by: an epoll loop that reads a request to its empty line and
// answers a constant 302, with keep-alive. It parses nothing.
//
//   bare PORT LOCATION
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// Requests come whole and one at a time: wrk sends the next one after the answer.
bool answer(int fd, std::string_view reply) {
  std::array<char, 16384> request;
  const ssize_t size = ::read(fd, request.data(), request.size());
  if (size <= 0) return false;
  const std::string_view text(request.data(), static_cast<std::size_t>(size));
  return !text.ends_with("\r\n\r\n") || ::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) == ssize_t(reply.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("bare PORT LOCATION\n", stderr);
    return 2;
  }
  const std::string reply =
      "HTTP/1.1 302 Found\r\nLocation: " + std::string(argv[2]) +
      "\r\nCache-Control: no-store\r\nX-Request-Id: 0123456789abcdef\r\nContent-Length: 0\r\n\r\n";
  const int one = 1, listener = ::socket(AF_INET, SOCK_STREAM, 0), loop = ::epoll_create1(0);
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (::listen(listener, 1024) != 0) fail("listen");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  ::epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
  std::array<epoll_event, 256> events;
  for (;;) {
    const int count = ::epoll_wait(loop, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd != listener) {
        if (!answer(fd, reply)) ::close(fd);
        continue;
      }
      const int connection = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      if (connection < 0) continue;
      ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      event.events = EPOLLIN;
      event.data.fd = connection;
      ::epoll_ctl(loop, EPOLL_CTL_ADD, connection, &event);
    }
  }
}

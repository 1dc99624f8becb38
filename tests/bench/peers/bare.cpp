// The limit that tests/bench/peers measures servers by: an epoll loop that reads a request to its empty line and
// answers a constant 302, with keep-alive. It parses nothing.
//
//   bare PORT LOCATION
#include <string>
#include <string_view>

#include "loop.h"

namespace {

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
  Loop loop(argv[1]);
  for (;;) loop.turn(nullptr, [&](int fd) { return answer(fd, reply); });
}

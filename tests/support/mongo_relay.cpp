#include "mongo_relay.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "loopback.h"

namespace geo::test {
namespace {

int connect_to(const std::string& host, const std::string& port) {
  addrinfo* found = nullptr;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
  const int out = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool done = ::connect(out, found->ai_addr, found->ai_addrlen) == 0;
  ::freeaddrinfo(found);
  if (done) return out;
  ::close(out);
  return -1;
}

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// Some bytes; false: the end.
bool receive(int from, std::string& to) {
  char some[65536];
  const ssize_t n = ::recv(from, some, sizeof some, 0);
  if (n <= 0) return false;
  to.append(some, static_cast<std::size_t>(n));
  return true;
}

// The first whole message, taken out of what has come.
std::string message_of(std::string& bytes) {
  std::uint32_t size = 0;
  if (bytes.size() < sizeof size) return {};
  std::memcpy(&size, bytes.data(), sizeof size);
  if (bytes.size() < size) return {};
  std::string out = bytes.substr(0, size);
  bytes.erase(0, size);
  return out;
}

// OP_MSG: a header of 16 bytes, flags, a section's kind, the document's size, its first element's type and name.
std::string command_of(const std::string& message) {
  constexpr std::size_t kName = 16 + 4 + 1 + 4 + 1;
  constexpr std::int32_t kOpMsg = 2013;
  std::int32_t code = 0;
  if (message.size() <= kName) return {};
  std::memcpy(&code, message.data() + 12, sizeof code);
  return code == kOpMsg ? std::string(message.c_str() + kName) : std::string();
}

}  // namespace

struct MongoRelay::Line {
  int client = -1, server = -1;
  std::thread thread;
};

MongoRelay::MongoRelay(const std::string& uri, Hook hook) : hook_(std::move(hook)) {
  const std::size_t scheme = uri.find("://") + 3;
  const std::size_t end = std::min(uri.find_first_of("/?", scheme), uri.size());
  const std::size_t at = uri.rfind('@', end);
  const std::size_t begin = at == uri.npos || at < scheme ? scheme : at + 1;
  const std::string where = uri.substr(begin, end - begin);
  if (where.find(',') != where.npos) throw std::runtime_error("a relay has one server");
  const std::size_t colon = where.rfind(':');
  host_ = where.substr(0, colon);
  port_ = colon == where.npos ? "27017" : where.substr(colon + 1);
  const Loopback loopback = listen_on_loopback(64);
  listener_ = loopback.socket;
  uri_ = uri.substr(0, begin) + "127.0.0.1:" + std::to_string(loopback.port()) + uri.substr(end);
  accepts_ = std::thread([this] {
    for (;;) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      const int server = connect_to(host_, port_);
      const std::lock_guard lock(mutex_);
      if (stopping_ || server < 0) {
        ::close(client);
        if (server >= 0) ::close(server);
        continue;
      }
      Line& line = lines_.emplace_back();
      line.client = client;
      line.server = server;
      line.thread = std::thread([this, &line] { serve(line); });
    }
  });
}

MongoRelay::~MongoRelay() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Line& line : lines_) {
      ::shutdown(line.client, SHUT_RDWR);
      ::shutdown(line.server, SHUT_RDWR);
    }
  }
  ::shutdown(listener_, SHUT_RDWR);
  accepts_.join();
  for (Line& line : lines_) {
    line.thread.join();
    ::close(line.client);
    ::close(line.server);
  }
  ::close(listener_);
}

void MongoRelay::serve(Line& line) {
  std::string sent;
  Then then = Then::pass;
  for (bool lives = true; lives;) {
    pollfd wait[2]{{line.client, POLLIN, 0}, {line.server, POLLIN, 0}};
    if (::poll(wait, 2, -1) < 0) break;
    if (wait[1].revents != 0) {
      std::string answer;
      lives = receive(line.server, answer) && then != Then::cut;
      if (lives && then == Then::pass) lives = send_all(line.client, answer);
    }
    if (!lives || wait[0].revents == 0) continue;
    lives = receive(line.client, sent);
    for (std::string message; lives && !(message = message_of(sent)).empty();) {
      if (then == Then::pass) then = hook_(command_of(message));
      lives = send_all(line.server, message);
    }
  }
  ::shutdown(line.client, SHUT_RDWR);
  ::shutdown(line.server, SHUT_RDWR);
}

}  // namespace geo::test

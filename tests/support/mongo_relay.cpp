#include "mongo_relay.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loopback.h"
#include "mongo_line.h"

namespace geo::test {
struct MongoRelay::Line {
  int client = -1, server = -1;
  std::thread thread;
};

MongoRelay::MongoRelay(const std::string& uri, Hook hook) : hook_(std::move(hook)) {
  const MongoUri given = split_mongo_uri(uri);
  host_ = given.host;
  port_ = given.port;
  const Loopback loopback = listen_on_loopback(64);
  listener_ = loopback.socket;
  uri_ = given.before + "127.0.0.1:" + std::to_string(loopback.port()) + given.after;
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

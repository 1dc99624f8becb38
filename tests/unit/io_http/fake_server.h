// A server on loopback that answers with whatever bytes a test wants, when it wants.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "loopback.h"

namespace geo::io::http {

struct Seen {
  std::string head;  // request line and headers
  std::string body;
  std::string target() const {
    const std::size_t from = head.find(' ') + 1;
    return head.substr(from, head.find(' ', from) - from);
  }
};

// One client's connection.
class Peer {
 public:
  Peer(int socket, int stop) : socket_(socket), stop_(stop) {}

  void send(std::string_view bytes) const { (void)!::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // A byte of `text` each `interval`, over and over, until the client has gone.
  void drip(std::string_view text, std::chrono::milliseconds interval) const {
    for (std::size_t i = 0;; ++i) {
      if (!stays_for(interval)) return;
      if (::send(socket_, &text[i % text.size()], 1, MSG_NOSIGNAL) != 1) return;
    }
  }
  // Says nothing more until the client has gone.
  void hang() const {
    while (stays_for(std::chrono::hours(1))) {
    }
  }
  void close() const { ::shutdown(socket_, SHUT_RDWR); }

 private:
  bool stays_for(std::chrono::milliseconds time) const {
    pollfd both[]{{socket_, POLLIN | POLLRDHUP, 0}, {stop_, POLLIN, 0}};
    return ::poll(both, 2, static_cast<int>(time.count())) == 0;
  }
  int socket_, stop_;
};

inline std::string answer_of(int status, std::string_view body, std::string_view headers = {},
                             std::string_view type = "application/json; charset=utf-8") {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " Whatever\r\nContent-Type: " + std::string(type) + "\r\n";
  out += std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return out += body;
}

// Threads: one per connection calls `serve`.
class FakeServer {
 public:
  using Serve = std::function<void(const Peer&, const Seen&)>;

  // family: AF_INET6 for one on ::1.
  explicit FakeServer(Serve serve, int family = AF_INET)
      : serve_(std::move(serve)), stop_(::eventfd(0, 0)), host_(family == AF_INET6 ? "[::1]" : "127.0.0.1") {
    const test::Loopback loopback = test::listen_on_loopback(64, family);
    listener_ = loopback.socket;
    port_ = loopback.port();
    acceptor_ = std::thread([this] { accept_all(); });
  }
  explicit FakeServer(std::string always)
      : FakeServer([always](const Peer& peer, const Seen&) { peer.send(always); }) {}
  ~FakeServer() {
    (void)!::eventfd_write(stop_, 1);
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (const int socket : sockets_) ::close(socket);
    ::close(listener_);
    ::close(stop_);
  }

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://" + host_ + ":" + std::to_string(port_); }
  std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  std::size_t connections() const {
    const std::lock_guard lock(mutex_);
    return sockets_.size();
  }

 private:
  void accept_all() {
    for (;;) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      const std::lock_guard lock(mutex_);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket] { converse(socket); });
    }
  }

  void converse(int socket) {
    const Peer peer(socket, stop_);
    std::string bytes;
    for (;;) {
      std::size_t end = 0;
      while ((end = bytes.find("\r\n\r\n")) == std::string::npos)
        if (!more(socket, bytes)) return;
      Seen seen{bytes.substr(0, end + 4), {}};
      bytes.erase(0, end + 4);
      std::size_t length = 0;
      if (const std::size_t at = seen.head.find("Content-Length: "); at != std::string::npos)
        length = std::stoul(seen.head.substr(at + 16));
      while (bytes.size() < length)
        if (!more(socket, bytes)) return;
      seen.body = bytes.substr(0, length);
      bytes.erase(0, length);
      {
        const std::lock_guard lock(mutex_);
        seen_.push_back(seen);
      }
      serve_(peer, seen);
    }
  }
  static bool more(int socket, std::string& bytes) {
    char piece[4096];
    const ssize_t got = ::recv(socket, piece, sizeof piece, 0);
    if (got <= 0) {
      ::shutdown(socket, SHUT_RDWR);
      return false;
    }
    bytes.append(piece, static_cast<std::size_t>(got));
    return true;
  }

  const Serve serve_;
  int listener_ = -1, stop_;
  std::uint16_t port_ = 0;
  const std::string host_;
  mutable std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<Seen> seen_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace geo::io::http

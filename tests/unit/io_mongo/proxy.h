// Stands before a MongoDB server: counts what it is asked for, and can fall silent or be gone.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "loopback.h"

namespace geo::test {

// Threads: its own carries the bytes; the test's says how.
class Proxy {
 public:
  enum class Mode : std::uint8_t {
    open,
    silent,  // what comes is kept for later, as by a server that was stopped
    gone,    // whoever is there or comes is cut off
  };

  // uri: of one server, mongodb://[USER:PASSWORD@]HOST:PORT[/..].
  explicit Proxy(const std::string& uri) {
    const std::size_t slashes = uri.find("//") + 2;
    const std::size_t end = std::min(uri.find_first_of("/?", slashes), uri.size());
    const std::size_t at = uri.rfind('@', end);
    const std::size_t host = at == std::string::npos || at < slashes ? slashes : at + 1;
    const std::string server = uri.substr(host, end - host);
    const std::size_t colon = server.rfind(':');
    server_.sin_family = AF_INET;
    server_.sin_port =
        htons(static_cast<std::uint16_t>(colon == std::string::npos ? 27017 : std::stoi(server.substr(colon + 1))));
    if (const std::string name = server.substr(0, colon);
        name != "localhost" && ::inet_pton(AF_INET, name.c_str(), &server_.sin_addr) != 1)
      throw std::runtime_error("the tests' MongoDB has to be at an IPv4 address");
    else if (name == "localhost")
      server_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const Loopback own = listen_on_loopback(64);
    listener_ = own.socket;
    uri_ = uri.substr(0, host) + "127.0.0.1:" + std::to_string(own.port()) + uri.substr(end);
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { run(); });
  }
  ~Proxy() {
    stopping_ = true;
    wake();
    thread_.join();
    for (const Pair& pair : pairs_) close(pair);
    ::close(listener_);
    ::close(wake_);
  }
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  const std::string& uri() const { return uri_; }
  // Holds for all that comes after it.
  void set(Mode mode) {
    mode_ = mode;
    wake();
  }
  // Called with the collection before a find is passed on, from the proxy's thread. Set before it is used.
  std::function<void(const std::string& collection)> on_find = [](const std::string&) {};
  int finds(const std::string& collection) const {
    const std::lock_guard lock(mutex_);
    const auto at = finds_.find(collection);
    return at == finds_.end() ? 0 : at->second;
  }

 private:
  struct Pair {
    int client = -1, server = -1;
    std::string asked, answered;  // not yet passed on
  };

  static void close(const Pair& pair) {
    const linger reset{1, 0};
    ::setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(pair.client);
    ::close(pair.server);
  }
  void wake() const { ::eventfd_write(wake_, 1); }

  void run() {
    std::vector<char> buffer(1 << 20);
    while (!stopping_) {
      if (mode_ == Mode::gone) {
        for (const Pair& pair : pairs_) close(pair);
        pairs_.clear();
      }
      std::vector<pollfd> waits{{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const Pair& pair : pairs_) {
        waits.push_back({pair.client, POLLIN, 0});
        waits.push_back({pair.server, POLLIN, 0});
      }
      ::poll(waits.data(), waits.size(), -1);
      if (waits[0].revents != 0) {
        eventfd_t count = 0;
        ::eventfd_read(wake_, &count);
      }
      std::size_t i = 2;
      for (auto pair = pairs_.begin(); pair != pairs_.end(); i += 2) {
        const bool is_there = take(waits[i], pair->asked, buffer) && take(waits[i + 1], pair->answered, buffer) &&
                              (mode_ != Mode::open || pass(*pair));
        if (is_there) {
          ++pair;
          continue;
        }
        close(*pair);
        pair = pairs_.erase(pair);
      }
      if (waits[1].revents != 0) accept();
    }
  }

  void accept() {
    Pair pair{
        ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), {}, {}};
    if (pair.client >= 0 && ::connect(pair.server, reinterpret_cast<const sockaddr*>(&server_), sizeof server_) == 0)
      pairs_.push_back(std::move(pair));
    else
      close(pair);
  }

  static bool take(const pollfd& wait, std::string& to, std::vector<char>& buffer) {
    if (wait.revents == 0) return true;
    const ssize_t got = ::recv(wait.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) to.append(buffer.data(), static_cast<std::size_t>(got));
    return got > 0 || (got < 0 && errno == EAGAIN);
  }

  // Whole messages to the server, bytes to the client.
  bool pass(Pair& pair) {
    while (pair.asked.size() >= 4) {
      std::int32_t size = 0;
      std::memcpy(&size, pair.asked.data(), sizeof size);
      if (pair.asked.size() < static_cast<std::size_t>(size)) break;
      const std::string message = pair.asked.substr(0, static_cast<std::size_t>(size));
      pair.asked.erase(0, message.size());
      note(message);
      if (!send(pair.server, message)) return false;
    }
    const bool sent = send(pair.client, pair.answered);
    pair.answered.clear();
    return sent;
  }
  static bool send(int to, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // OP_MSG: header 16, flags 4, kind 1, then {find: COLLECTION, ..}.
  void note(const std::string& message) {
    constexpr std::string_view kFind("\2find\0", 6);
    constexpr std::size_t kAt = 16 + 4 + 1 + 4;
    if (message.compare(kAt, kFind.size(), kFind) != 0) return;
    const std::string collection(message.c_str() + kAt + kFind.size() + 4);
    on_find(collection);
    const std::lock_guard lock(mutex_);
    ++finds_[collection];
  }

  sockaddr_in server_{};
  std::string uri_;
  int listener_ = -1, wake_ = -1;
  std::atomic<Mode> mode_{Mode::open};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::map<std::string, int> finds_;
  std::list<Pair> pairs_;
  std::thread thread_;
};

}  // namespace geo::test

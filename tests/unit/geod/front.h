// A listener on a port that the kernel picks, a handler told what to do, and a client that sends exactly what it is
// told.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "geo/base/text.h"
#include "geo/io/system.h"
#include "listener.h"

namespace geod::test {

struct Reply {
  int status = 0;                                   // 0: closed before a whole answer
  std::multimap<std::string, std::string> headers;  // names in lower case
  std::string body;

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{20, 0};  // a test that waits longer has failed
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      throw std::runtime_error("nobody listens");
  }

  Client& send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;  // what it answered before it closed can still be read
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return *this;
  }
  Client& end() {
    ::shutdown(fd_.get(), SHUT_WR);
    return *this;
  }

  Reply read(bool with_body = true) {
    Reply reply;
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return reply;
    const std::string head = buffer_.substr(0, end);
    buffer_.erase(0, end + 4);
    for (std::string_view line : geo::split(head, '\n')) {
      line = geo::trim(line.substr(0, line.find('\r')));
      const std::size_t colon = line.find(':');
      if (line.starts_with("HTTP/"))
        reply.status = std::stoi(std::string(line.substr(9, 3)));
      else
        reply.headers.emplace(geo::lower(line.substr(0, colon)), geo::trim(line.substr(colon + 1)));
    }
    const std::size_t size = with_body ? std::stoul("0" + reply.header("content-length")) : 0;
    while (buffer_.size() < size)
      if (!more()) throw std::runtime_error("closed in the middle of a body");
    reply.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return reply;
  }

  // Has it been closed, with nothing more to read?
  bool closed() { return buffer_.empty() && !more(); }
  bool closed_within(std::chrono::milliseconds patience) {
    pollfd readable{fd_.get(), POLLIN, 0};
    return ::poll(&readable, 1, static_cast<int>(patience.count())) == 1 && closed();
  }

 private:
  bool more() {
    char bytes[65536];
    const ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) throw std::runtime_error("waited too long");
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  Fd fd_;
  std::string buffer_;
};

// Answers 200 with "METHOD HOST PATH?QUERY" and the body, or whatever it is told.
class FakeHandler final : public Handler {
 public:
  using Answering = std::function<bool(Exchange&)>;
  using Waiting = std::function<void(Exchange&)>;
  FakeHandler(Answering answering, Waiting waiting, std::size_t body_max = 0)
      : answering_(std::move(answering)), waiting_(std::move(waiting)), body_max_(body_max) {}

  static void echo(Exchange& exchange) {
    const Incoming& in = exchange.in;
    exchange.out.status = 200;
    exchange.out.body.append(in.method).append(" ").append(in.host).append(" ").append(in.path).append("?").append(
        in.query);
    exchange.out.body.append(in.body);
    exchange.entry.code = Code::ok;
  }

  std::size_t body_max() const override { return body_max_; }
  void meet(Exchange& exchange) override { exchange.in.request_id = "id"; }
  bool answer(Exchange& exchange) override {
    if (answering_) return answering_(exchange);
    echo(exchange);
    return true;
  }
  void answer_waiting(Exchange& exchange) override { waiting_(exchange); }

 private:
  Answering answering_;
  Waiting waiting_;
  std::size_t body_max_;
};

// One loop on 127.0.0.1.
class Front {
 public:
  explicit Front(const Listener::MakeHandler& make_handler, std::size_t waiting_max = 8, AccessLog* access = nullptr)
      : workers_(2, waiting_max),
        listener_({"test", log_, access, workers_, clock_, draining_, false, {}, nullptr, occupancy_}) {
    auto started = listener_.bind(*parse_address("127.0.0.1:0"), 1);
    if (started) started = listener_.start(make_handler);
    if (!started) throw std::runtime_error(started.error());
  }
  // On a socket that was passed, with two loops.
  explicit Front(PassedSocket socket)
      : workers_(2, 8),
        listener_({"test", log_, nullptr, workers_, clock_, draining_, false, {}, nullptr, occupancy_}) {
    auto started = listener_.take(std::move(socket), 2);
    if (started) started = listener_.start([] { return std::make_unique<FakeHandler>(nullptr, nullptr); });
    if (!started) throw std::runtime_error(started.error());
  }
  explicit Front(FakeHandler::Answering answering = {}, FakeHandler::Waiting waiting = {}, std::size_t waiting_max = 8,
                 AccessLog* access = nullptr)
      : Front([=] { return std::make_unique<FakeHandler>(answering, waiting); }, waiting_max, access) {}
  ~Front() { workers_.stop(std::chrono::steady_clock::now() + std::chrono::seconds(20)); }

  Client connect() const { return Client(listener_.address().port); }
  Listener& listener() { return listener_; }
  void drain() { draining_.store(true); }

 private:
  const AppLog log_{Level::error};
  geo::io::SystemClock clock_;
  std::atomic<bool> draining_{false};
  geo::io::Workers workers_;
  Occupancy occupancy_{"test", 100};
  Listener listener_;
};

}  // namespace geod::test

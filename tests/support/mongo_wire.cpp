#include "mongo_wire.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "loopback.h"

namespace geo::test {
namespace {

constexpr std::int32_t kOpReply = 1;
constexpr std::int32_t kOpQuery = 2004;
constexpr std::int32_t kOpMsg = 2013;

std::int32_t int32_at(const std::string& bytes, std::size_t at) {
  std::int32_t out = 0;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

std::string number(const std::string& name, std::int32_t value) { return element(0x10, name, int32_bytes(value)); }

// {ok: 1.0}'s element.
std::string ok() { return element(0x01, "ok", std::string("\0\0\0\0\0\0\xf0\x3f", 8)); }

std::string hello() {
  return document(element(0x08, "ismaster", "\1") + number("maxBsonObjectSize", 16 << 20) +
                  number("maxMessageSizeBytes", 48'000'000) + number("maxWriteBatchSize", 100'000) +
                  number("minWireVersion", 0) + number("maxWireVersion", 13) + ok());
}

// To a question: in the form that it came in.
std::string reply(const std::string& question, const std::string& body, std::int32_t claimed) {
  const bool is_query = int32_at(question, 12) == kOpQuery;
  const std::string payload = is_query ? int32_bytes(8) + std::string(12, '\0') + int32_bytes(1) + body
                                       : int32_bytes(0) + std::string(1, '\0') + body;
  const auto size = static_cast<std::int32_t>(16 + payload.size());
  return int32_bytes(claimed != 0 ? claimed : size) + int32_bytes(1) + question.substr(4, 4) +
         int32_bytes(is_query ? kOpReply : kOpMsg) + payload;
}

// "" at the end, or when the test is over.
std::string read(int socket, int stop, std::size_t size) {
  std::string out;
  while (out.size() < size) {
    pollfd both[]{{socket, POLLIN, 0}, {stop, POLLIN, 0}};
    ::poll(both, 2, -1);
    char buffer[65536];
    const ssize_t got =
        both[1].revents != 0 ? 0 : ::recv(socket, buffer, std::min(sizeof buffer, size - out.size()), 0);
    if (got <= 0) return "";
    out.append(buffer, static_cast<std::size_t>(got));
  }
  return out;
}

}  // namespace

std::string int32_bytes(std::int32_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

std::string document(const std::string& elements) {
  return int32_bytes(static_cast<std::int32_t>(elements.size() + 5)) + elements + std::string(1, '\0');
}

std::string element(char type, const std::string& name, const std::string& value) {
  return std::string(1, type) + name + std::string(1, '\0') + value;
}

std::string text(const std::string& name, const std::string& value) {
  return element(0x02, name, int32_bytes(static_cast<std::int32_t>(value.size() + 1)) + value + std::string(1, '\0'));
}

std::string found(const std::vector<std::string>& documents) {
  std::string batch;
  for (std::size_t i = 0; i < documents.size(); ++i) batch += element(0x03, std::to_string(i), documents[i]);
  return document(element(0x03, "cursor",
                          document(element(0x04, "firstBatch", document(batch)) +
                                   element(0x12, "id", std::string(8, '\0')) + text("ns", "geo.rows"))) +
                  ok());
}

WireServer::WireServer(Answer answer, Greeting greeting)
    : answer_(std::move(answer)), greeting_(greeting), stop_(::eventfd(0, EFD_CLOEXEC)) {
  const Loopback loopback = listen_on_loopback(64);
  listener_ = loopback.socket;
  port_ = loopback.port();
  accepts_ = std::thread([this] {
    std::vector<std::thread> served;
    for (;;) {
      pollfd both[]{{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
      ::poll(both, 2, -1);
      if (both[1].revents != 0) break;
      if (const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); socket >= 0)
        served.emplace_back([this, socket] { serve(socket); });
    }
    for (std::thread& each : served) each.join();
  });
}

WireServer::~WireServer() {
  ::eventfd_write(stop_, 1);
  accepts_.join();
  ::close(listener_);
  ::close(stop_);
}

void WireServer::serve(int socket) {
  for (;;) {
    const std::string head = read(socket, stop_, 16);
    if (head.empty()) break;
    const std::string question = head + read(socket, stop_, static_cast<std::size_t>(int32_at(head, 0)) - 16);
    if (greeting_ == Greeting::none) continue;
    const bool greets = question.find("ismaster") != question.npos || question.find("isMaster") != question.npos ||
                        question.find("hello") != question.npos;
    const std::optional<std::string> body = greets ? hello() : answer_();
    if (!body) continue;
    if (body->empty()) break;
    const std::string bytes = reply(question, *body, greets ? 0 : claimed_.load());
    if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) break;
  }
  ::close(socket);
}

}  // namespace geo::test

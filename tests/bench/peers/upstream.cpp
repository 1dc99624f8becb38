// What geod waits for in tests/bench/peers: a geo-resolver and auth-server that answers after a while, and counts.
//
//   upstream PORT DELAY_MS COUNTRY..
//
//   GET /resolve?ip=IP, POST /resolve {"ips":[..]}    of the COUNTRY that the address's last number stands for
//   POST /authorize                                   everybody is the user u0
//   GET /asked                                        at once: {"calls","keys","distinct","connections"}
//
// A key is an address, or all that /authorize asks.
#include <fmt/format.h>

#include <chrono>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "loop.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Reply {
  Clock::time_point due;
  int fd;
  std::uint64_t connection;
  std::string text;
};

class Upstream {
 public:
  Upstream(std::chrono::milliseconds delay, std::vector<std::string_view> countries)
      : delay_(delay), countries_(std::move(countries)) {}

  // What came on a connection. False: it has ended.
  bool read(int fd) {
    Connection& connection = connections_[fd];
    if (connection.number == 0) connection.number = ++opened_;
    std::array<char, 16384> piece;
    const ssize_t size = ::read(fd, piece.data(), piece.size());
    if (size <= 0) {
      connections_.erase(fd);
      return false;
    }
    connection.text.append(piece.data(), static_cast<std::size_t>(size));
    while (const std::size_t length = length_of(connection.text)) {
      answer(fd, connection.number, std::string_view(connection.text).substr(0, length));
      connection.text.erase(0, length);
    }
    return true;
  }

  // Sends what is due. Nothing: nobody waits; else how long it is to the next one.
  const timespec* send_due() {
    for (; !replies_.empty(); replies_.pop_front()) {
      const Reply& next = replies_.front();
      const auto left = std::chrono::nanoseconds(next.due - Clock::now()).count();
      if (left > 0) {
        left_ = {left / 1'000'000'000, left % 1'000'000'000};
        return &left_;
      }
      const auto at = connections_.find(next.fd);
      if (at != connections_.end() && at->second.number == next.connection) send(next.fd, next.text);
    }
    return nullptr;
  }

 private:
  struct Connection {
    std::uint64_t number = 0;
    std::string text;
  };

  static void send(int fd, std::string_view text) { (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

  // Of the first request, with its body; 0: it is not whole yet.
  static std::size_t length_of(std::string_view text) {
    const std::size_t head = text.find("\r\n\r\n");
    if (head == std::string_view::npos) return 0;
    constexpr std::string_view kLength = "Content-Length: ";
    const std::size_t at = text.substr(0, head).find(kLength);
    const std::size_t body =
        at == std::string_view::npos ? 0 : std::strtoul(text.data() + at + kLength.size(), nullptr, 10);
    return text.size() < head + 4 + body ? 0 : head + 4 + body;
  }

  void answer(int fd, std::uint64_t connection, std::string_view request) {
    std::string body;
    const std::string_view asked = request.substr(request.find("\r\n\r\n") + 4);
    constexpr std::string_view kOne = "GET /resolve?ip=";
    if (request.starts_with("GET /asked ")) {
      body = fmt::format(R"({{"calls":{},"keys":{},"distinct":{},"connections":{}}})", calls_, keys_, distinct_.size(),
                         opened_);
      return send(fd, whole(body));
    }
    ++calls_;
    if (request.starts_with(kOne)) {
      body = place(request.substr(kOne.size(), request.find(' ', kOne.size()) - kOne.size()));
    } else if (request.starts_with("POST /authorize ")) {
      count(asked);
      body = R"({"owner_type":"user","owner_id":"u0","max_age_s":3600})";
    } else {
      body = R"({"locations":[)" + places(asked) + "]}";
    }
    replies_.push_back({Clock::now() + delay_, fd, connection, whole(body)});
  }
  static std::string whole(std::string_view body) {
    return fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
        "Cache-Control: max-age=3600\r\n\r\n{}",
        body.size(), body);
  }

  void count(std::string_view key) {
    ++keys_;
    distinct_.emplace(key);
  }
  std::string place(std::string_view ip) {
    count(ip);
    const auto number = std::strtoul(ip.data() + ip.rfind('.') + 1, nullptr, 10);
    return fmt::format(
        R"({{"ip":"{}","country_code":"{}","region_iso":null,"region":null,"city":null,"coordinates":null,)"
        R"("provider":"bench","cached":false}})",
        ip, countries_[number % countries_.size()]);
  }
  // The texts of {"ips":["..",".."]} but for its name.
  std::string places(std::string_view body) {
    std::string all;
    for (std::size_t at = body.find('['); (at = body.find('"', at)) != std::string_view::npos;) {
      const std::size_t end = body.find('"', at + 1);
      all.append(all.empty() ? "" : ",").append(place(body.substr(at + 1, end - at - 1)));
      at = end + 1;
    }
    return all;
  }

  const std::chrono::milliseconds delay_;
  const std::vector<std::string_view> countries_;
  std::unordered_map<int, Connection> connections_;
  std::deque<Reply> replies_;  // by due: all wait alike
  timespec left_{};
  std::unordered_set<std::string> distinct_;
  std::uint64_t calls_ = 0, keys_ = 0, opened_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("upstream PORT DELAY_MS COUNTRY..\n", stderr);
    return 2;
  }
  Loop loop(argv[1]);
  Upstream upstream(std::chrono::milliseconds(std::atoi(argv[2])), {argv + 3, argv + argc});
  for (;;) loop.turn(upstream.send_due(), [&](int fd) { return upstream.read(fd); });
}

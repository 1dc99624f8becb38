// One far server over HTTP/1.1: pooled keep-alive connections, and a deadline for the whole of each call.
#pragma once

#include <Poco/Net/Context.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "geo/base/guarded.h"
#include "io/http/url.h"

namespace geo::io::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string target;  // after the URL's base: "/resolve?ip=192.0.2.1"
  Headers headers;
  std::optional<std::string> json;  // the body of a POST; nothing: a GET
  bool changes_nothing = !json;     // so that it may be sent twice
  // Asked before such a one is sent once more, which happens at most once and only where a connection that had been
  // kept was closed by the peer before a byte of the answer.
  std::function<bool()> may_repeat = [] { return true; };
};

struct Answer {
  int status = 0;
  Headers headers;
  std::string body;

  // The first of that name; empty where there is none.
  std::string_view header(std::string_view name) const;
};

// For a log: "status 200", or why there is none.
inline std::string outcome_of(const tl::expected<Answer, std::string>& answer) {
  return answer ? "status " + std::to_string(answer->status) : answer.error();
}

inline constexpr std::size_t kHeaderMax = 64 << 10;
inline constexpr std::size_t kBodyMax = 1 << 20;

class Connection;
class Stop;

// Redirects are not followed, proxies of the environment not used.
// Errors: a text for people, without target and headers, which may hold secrets.
// Threads: any number at once; each is served by a connection of its own, at most `idle_max` are kept after.
class Client {
 public:
  // A URL that is none fails every call.
  Client(std::string_view url, std::size_t idle_max);
  ~Client();
  // Ends all calls, as soon as the system has resolved the name where that is under way.
  void stop() const;

  // Returns within `budget` whatever the peer does, but for the time the system takes to resolve its name:
  // getaddrinfo() knows no deadline. So this is for threads that nobody waits for without one.
  tl::expected<Answer, std::string> call(const Request& request, std::chrono::milliseconds budget) const;

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    std::chrono::steady_clock::time_point since;
  };
  struct Failure {
    std::string why;
    bool may_repeat = false;
  };

  std::unique_ptr<Connection> take_idle() const;
  void keep(std::unique_ptr<Connection> connection) const;
  tl::expected<Answer, Failure> attempt(const Request& request, std::chrono::steady_clock::time_point deadline,
                                        bool may_reuse) const;

  Url url_;
  std::string unusable_;  // why no call can be made
  Poco::Net::Context::Ptr tls_;
  const std::size_t idle_max_;
  const std::unique_ptr<const Stop> stop_;
  mutable Guarded<std::vector<Idle>> idle_;
};

}  // namespace geo::io::http

// A connection that Poco speaks HTTP over and that keeps to what a call may still take: time and bytes.
//
// Poco's own timeouts are per operation, so that a peer that sends a byte a second is never late. Here the socket never
// blocks: each operation waits in poll() for what is left of the call, TLS handshake and records included.
#pragma once

#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPClientSession.h>

#include <chrono>
#include <memory>
#include <optional>

#include "io/http/url.h"

namespace geo::io::http {

// Ends all waits of a client's calls at once.
class Stop {
 public:
  Stop();
  ~Stop();
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;
  void now() const;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// What the call under way may still take.
struct Allowance {
  const Stop* stop = nullptr;
  std::chrono::steady_clock::time_point deadline;
  std::size_t bytes = 0;        // to be received
  bool out_of_time = false;     // the deadline passed
  bool out_of_bytes = false;    // the peer sent more
  bool heard_anything = false;  // a byte of the answer came

  std::chrono::milliseconds left() const;
  // Throws Poco::TimeoutException once the deadline has passed, Poco::IOException once `bytes` are used up.
  void check();
  // Returns when the socket can be read (or written), or has an error. `until`: throws Poco::TimeoutException earlier
  // than the deadline.
  void wait(int socket, bool to_write, std::optional<std::chrono::steady_clock::time_point> until = {});
};

// Threads: one at a time.
class Connection final : public Poco::Net::HTTPClientSession {
 public:
  // Throws Poco exceptions. tls: null for plain http.
  static std::unique_ptr<Connection> open(const Url& url, const Poco::Net::Context::Ptr& tls,
                                          const std::shared_ptr<Allowance>& allowance);

  Allowance& allowance() { return *allowance_; }
  // Nothing came that nobody asked for, and the peer has not closed it.
  bool is_quiet();

 protected:
  // Poco would open a new connection by itself: without a deadline, and whatever the request was.
  bool mustReconnect() const override { return false; }
  int write(const char* buffer, std::streamsize length) override {
    return Poco::Net::HTTPSession::write(buffer, length);  // NOLINT(bugprone-parent-virtual-call): on purpose
  }

 private:
  Connection(const Poco::Net::StreamSocket& socket, std::shared_ptr<Allowance> allowance);
  std::shared_ptr<Allowance> allowance_;
};

// For a client of that host: certificates by the system's authorities, the host's name in them, TLS 1.2 or newer.
Poco::Net::Context::Ptr tls_for(const std::string& host);

}  // namespace geo::io::http

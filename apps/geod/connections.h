// The open connections of one loop, and who among them takes too long.
//
// libmicrohttpd knows one timeout per connection, and any byte restarts it: a client that sends its header one byte at
// a time would stay for ever. And when a request and the end of the stream come together, it (0.9.75, with epoll) never
// notices the end. So each connection has a slot here, and sweep() - called twice a second - shuts down those whose
// request, its body included, is not complete in time or whose peer has gone. It never guesses who has begun a request:
// the kernel knows how many bytes came (TCP_INFO), the slot knows how many of them were whole requests.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/guarded.h"
#include "geo/base/ip.h"

namespace geod {

// Threads: the loop opens, closes and writes; sweep() and open_count() from any thread.
class Connections {
 public:
  struct Slot {
    int fd = -1;  // -1: free
    geo::Ip peer;
    std::atomic<bool> busy{false};              // a request is being answered
    std::atomic<std::uint64_t> bytes_taken{0};  // of whole requests
    // The sweep's own notes.
    geo::MonotonicTime begun_since{};  // min: no request has begun
    std::uint64_t taken_then = 0;

    // A whole request of so many bytes has come.
    void took(std::size_t bytes) {
      busy.store(true);
      bytes_taken.fetch_add(bytes);
    }
  };

  // Null: no memory.
  Slot* open(int fd, const geo::Ip& peer) noexcept;
  // Before the descriptor is closed, so that a sweep never meets another's.
  void close(Slot* slot) noexcept;

  struct Limits {
    geo::MonotonicTime now;
    std::chrono::milliseconds request_timeout;
    bool drop_idle = false;  // also those that have not sent a byte of a next request
  };
  void sweep(const Limits& limits);
  std::size_t open_count();

 private:
  struct Table {
    std::deque<Slot> slots;  // their addresses stay
    std::vector<Slot*> free;
  };
  static void sweep(Slot& slot, const Limits& limits);

  geo::Guarded<Table> table_;
};

}  // namespace geod

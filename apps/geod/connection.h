// One connection of a loop: its socket, in plain or by TLS, and how far it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "exchange.h"
#include "fd.h"
#include "geo/base/clock.h"
#include "geo/base/ip.h"

namespace geod {

class TlsSession;

// What came of reading or writing without waiting.
struct Transfer {
  enum class Result : std::uint8_t {
    bytes,
    wait_in,   // once there is more to read
    wait_out,  // once more can be written
    ended,     // the peer sends nothing more
    failed,
  };
  Result result = Result::failed;
  std::size_t bytes = 0;
};

// Owns: the socket. A loop's own.
struct Connection {
  // The loop keeps those of one stage together.
  enum class Stage : std::uint8_t {
    idle,       // nothing of a next request has come
    begun,      // some of it, or of the TLS handshake
    waiting,    // a worker has the exchange; nothing is read meanwhile
    writing,    // the client takes the answer slowly; nothing is read meanwhile
    lingering,  // all has been said; what still comes is passed over, so that it can be read
    closed,
  };

  Connection(Fd socket, const geo::Ip& address);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Transfer read(std::span<char> into);
  Transfer write(std::string_view bytes);
  // Tells the peer that nothing more comes.
  void end();

  Fd fd;
  std::unique_ptr<TlsSession> tls;  // null: in plain
  geo::Ip peer;
  Stage stage = Stage::idle;
  std::uint32_t watched = 0;     // the EPOLL.. events that are waited for
  bool ends = false;             // once what is to be said is said
  bool lingers = false;          // and what still comes is passed over first
  Exchange* exchange = nullptr;  // from a request's whole head to its answer
  std::string in;                // what came and is not read yet
  std::size_t scanned = 0;       // of it, for a head's end
  std::string out;               // what could not be written yet
  geo::MonotonicTime since;      // it is in its stage; of an idle one: its last request was answered
  geo::MonotonicTime listed;     // of an idle one: it was put where it is among them
  std::list<Connection>::iterator self;
};

}  // namespace geod

// One event loop: a thread, an epoll set, its own listening socket and all connections that came in by it.
//
// A request's life (all on the loop's thread but the waiting):
//   head read        -> an Exchange from the free list; guards, see framing.h: what they refuse ends the connection
//   body read        -> kept, piece by piece
//   request complete -> Handler::answer(); would it have to wait, a worker runs Handler::answer_waiting()
//   answered         -> counted; one line for the access log; the Exchange goes back
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "access_log.h"
#include "app_log.h"
#include "connection.h"
#include "counts.h"
#include "exchange.h"
#include "fd.h"
#include "framing.h"
#include "geo/base/clock.h"
#include "geo/base/guarded.h"
#include "geo/io/threads.h"
#include "handler.h"
#include "tls.h"

namespace geod {

// What all loops of a listener share. Everything in it outlives them.
struct Surroundings {
  std::string listener;  // "redirect"
  const AppLog& log;
  AccessLog* access = nullptr;  // null: not logged
  geo::io::Workers& workers;
  const geo::Clock& clock;
  const std::atomic<bool>& draining;  // answers end their connections
  bool mask_client_ip = false;
  std::function<Identity()> identity = {};  // empty: in plain
  ListenerCounts* counts = nullptr;         // null: not counted
  Occupancy& occupancy;
  std::chrono::seconds idle_timeout{60};
};

// At the end: how long an idle connection may still send one more request, from its last answer or its handshake.
inline constexpr std::chrono::seconds kIdleGrace{1};

// A look at who takes too long: a request, its body included, that is not complete in time; a client that takes no
// answer; a connection on which nothing happens.
struct Sweep {
  geo::MonotonicTime now;
  std::chrono::milliseconds request_timeout{};
  bool drop_idle = false;  // also those that have not sent a byte of a next request
};

class Loop {
 public:
  Loop(const Surroundings& surroundings, std::unique_ptr<Handler> handler);
  // Ends the thread. No worker may have one of its requests any more.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // passed: the socket is others' too, now and when geod is gone. Throws std::system_error where there is no thread.
  tl::expected<void, std::string> start(Fd socket, bool passed);

  // Threads: any, all of these.

  // Accepts nothing new but what the kernel has accepted already. Clients that wait in a socket that was passed are
  // left to whoever has it next.
  void quiesce();
  // Has the handler catch up.
  void wake();
  void sweep(const Sweep& wanted);
  // Has it been round since it was woken?
  bool is_awake() const { return woken_.load() >= wakes_.load(); }

 private:
  using Stage = Connection::Stage;
  using Connections = std::list<Connection>;

  // What other threads leave for the loop.
  struct Inbox {
    std::vector<Connection*> answered;  // by workers
    std::vector<std::pair<Fd, geo::Ip>> accepted;
    bool sweeps = false;
    Sweep sweep;
  };

  void run();
  void ring() const;
  void on_bell();
  void accept_all();
  void listen(bool on);
  // One that is counted as open already.
  void adopt(Fd socket, const geo::Ip& peer);
  template <class F>
  void guarded(Connection& connection, F&& use);
  void on_event(Connection& connection, std::uint32_t events);

  void receive(Connection& connection);
  void take(Connection& connection, std::string_view fresh);
  // Of a request that is read; false: more has to come first.
  bool step(Connection& connection, std::string_view& text);
  void begin(Connection& connection, std::string_view head);
  void refuse_rest(Connection& connection, const Refusal& refusal);
  void proceed(Connection& connection);
  void hand_over(Connection& connection);
  void wait_for_answer(Exchange& exchange) noexcept;
  void send(Connection& connection);
  void append_head(const Exchange& exchange, bool ends);
  void flush(Connection& connection);
  void stall(Connection& connection, std::uint32_t events);
  void linger(Connection& connection);
  void go_on(Connection& connection);
  void settle(Connection& connection, bool answered);
  void stay_idle(Connection& connection);

  void watch(Connection& connection, std::uint32_t events);
  void move_to(Connection& connection, Stage stage);
  void close(Connection& connection);
  Connections& all_of(Stage stage) { return connections_[static_cast<std::size_t>(stage)]; }

  void look(const Sweep& wanted);
  void look_at_idle(const Sweep& wanted);
  void tell_late(const Connection& connection, std::string_view why, std::chrono::milliseconds limit) const;
  void tell_unshaken(const Connection& connection) const;
  void tell_limit(std::string_view what);
  std::string text_of(const geo::Ip& peer) const;  // for the log

  const Surroundings& around_;
  Occupancy& occupancy_;
  std::unique_ptr<Handler> handler_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;  // all there are
  std::vector<Exchange*> free_;
  AccessLog::Queue* const log_lines_;  // null: not logged
  Counts* const counts_;               // null: not counted

  std::atomic<std::uint64_t> wakes_{0}, woken_{0};
  std::atomic<bool> quiesced_{false}, stopping_{false};
  geo::Guarded<Inbox> inbox_;

  Fd socket_, epoll_, bell_;
  bool passed_ = false, listens_ = false;
  std::array<Connections, static_cast<std::size_t>(Stage::closed) + 1> connections_;
  std::vector<char> scratch_;  // what is being read
  std::string out_;            // what is being answered to one connection
  std::string date_;           // the header's line, of the second
  std::int64_t date_s_ = -1;
  geo::MonotonicTime now_;  // of this round
  geo::WallTime wall_;      // the same moment
  std::thread thread_;      // the last: it uses all else
};

}  // namespace geod

// One event loop: a libmicrohttpd daemon with its own thread and its own listening socket.
//
// A request's life (all on the loop's thread but the waiting):
//   target read      -> an Exchange from the free list
//   header read      -> guards; what they refuse is answered at once and the connection closed
//   body read        -> kept, piece by piece
//   request complete -> Handler::answer(); would it have to wait, the connection is suspended, a worker runs
//                       Handler::answer_waiting() and resumes it
//   answered         -> one line for the access log
//   done             -> the Exchange goes back
#pragma once

#include <microhttpd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "access_log.h"
#include "app_log.h"
#include "connections.h"
#include "exchange.h"
#include "fd.h"
#include "geo/base/clock.h"
#include "geo/io/threads.h"
#include "handler.h"

namespace geod {

// What all loops of a listener share. Everything in it outlives them.
struct Surroundings {
  std::string listener;  // "redirect"
  const AppLog& log;
  AccessLog* access = nullptr;  // null: not logged
  geo::io::Workers& workers;
  const geo::Clock& clock;
  const std::atomic<bool>& draining;  // answers close their connections
  bool mask_client_ip = false;
};

struct LoopLimits {
  unsigned connections = 1;
  std::chrono::seconds idle_timeout{60};
};

class Loop {
 public:
  Loop(const Surroundings& surroundings, std::unique_ptr<Handler> handler);
  // Ends the daemon. No worker may have one of its requests any more.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // passed: the socket is others' too, now and when geod is gone.
  tl::expected<void, std::string> start(Fd socket, bool passed, const LoopLimits& limits);
  // Accepts nothing new but what the kernel has accepted already. Clients that wait in a socket that was passed are
  // left to whoever has it next.
  void quiesce();
  // Has the handler catch up. Threads: any.
  void wake();
  // Has it been round since it was woken? Threads: any.
  bool is_awake() const { return woken_.load() >= wakes_.load(); }
  Connections& connections() { return connections_; }

 private:
  static void* on_target(void* cls, const char* uri, MHD_Connection* connection);
  static MHD_Result on_request(void* cls, MHD_Connection* connection, const char* url, const char* method,
                               const char* version, const char* body, std::size_t* body_size, void** context);
  static void on_completed(void* cls, MHD_Connection* connection, void** context, MHD_RequestTerminationCode how);
  static void on_connection(void* cls, MHD_Connection* connection, void** context, MHD_ConnectionNotificationCode what);
  static std::size_t leave_escaped(void* cls, MHD_Connection* connection, char* text);
  // Threads: any.
  static void on_message(void* cls, const char* format, va_list arguments);

  MHD_Result begin(MHD_Connection* connection, const char* url, const char* method, const char* version,
                   Exchange& exchange);
  // A piece of the body.
  MHD_Result take(Exchange& exchange, std::string_view piece);
  MHD_Result proceed(MHD_Connection* connection, Exchange& exchange);
  void suspend(MHD_Connection* connection, Exchange& exchange);
  void wait_for_answer(Exchange& exchange) noexcept;
  MHD_Result send(MHD_Connection* connection, Exchange& exchange);

  const Surroundings& around_;
  std::unique_ptr<Handler> handler_;
  Connections connections_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;  // all there are
  std::vector<Exchange*> free_;
  std::string line_;
  std::atomic<geo::MonotonicTime> next_warning_{geo::MonotonicTime::min()};  // of limits that were hit
  std::atomic<std::uint64_t> wakes_{0}, woken_{0};
  Fd socket_;
  bool passed_ = false;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace geod

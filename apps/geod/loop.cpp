#include "loop.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string_view>

#include "framing.h"
#include "socket.h"

namespace geod {
namespace {

// A token of 4096 characters, each percent-encoded, and the usual fields beside it.
constexpr std::size_t kConnectionMemory = 32768;

constexpr std::chrono::seconds kWarnEvery{10};

// Null: there was no memory for it.
Connections::Slot* slot_of(MHD_Connection* connection) {
  return static_cast<Connections::Slot*>(
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context);
}

// Never into C code: an exception is a bug or the end of memory, and one request's trouble.
void refuse_internal(Exchange& exchange, const AppLog& log) noexcept {
  try {
    try {
      throw;
    } catch (const std::exception& fault) {
      log.error("request {}: {}", exchange.in.request_id, fault.what());
    }
    refuse(exchange, {geo::ErrorCode::internal, "see the log"});
  } catch (...) {
    exchange.out.clear();
    exchange.out.status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    exchange.entry.code = geo::name_of(geo::ErrorCode::internal);
  }
}

std::string cache_control(const Answer& out) {
  return out.max_age ? fmt::format("private, max-age={}", out.max_age->count()) : "no-store";
}

}  // namespace

Loop::Loop(const Surroundings& surroundings, std::unique_ptr<Handler> handler)
    : around_(surroundings), handler_(std::move(handler)) {}

Loop::~Loop() {
  if (daemon_ == nullptr) return;
  MHD_quiesce_daemon(daemon_);  // otherwise it closes the listening socket, which is ours
  MHD_stop_daemon(daemon_);
}

tl::expected<void, std::string> Loop::start(Fd socket, bool passed, const LoopLimits& limits) {
  constexpr unsigned kFlags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  daemon_ = MHD_start_daemon(kFlags, 0, nullptr, nullptr, &Loop::on_request, this,      //
                             MHD_OPTION_EXTERNAL_LOGGER, &Loop::on_message, this,       // first, to hear of the others
                             MHD_OPTION_LISTEN_SOCKET, socket.get(),                    //
                             MHD_OPTION_STRICT_FOR_CLIENT, library_is_loose() ? 0 : 1,  //
                             MHD_OPTION_CONNECTION_LIMIT, limits.connections,           //
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,     //
                             MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(limits.idle_timeout.count()),  //
                             MHD_OPTION_URI_LOG_CALLBACK, &Loop::on_target, this,                                //
                             MHD_OPTION_UNESCAPE_CALLBACK, &Loop::leave_escaped, this,                           //
                             MHD_OPTION_NOTIFY_COMPLETED, &Loop::on_completed, this,                             //
                             MHD_OPTION_NOTIFY_CONNECTION, &Loop::on_connection, this,                           //
                             MHD_OPTION_END);
  if (daemon_ == nullptr) {
    socket.release();  // it has closed it
    return tl::unexpected<std::string>("the HTTP server cannot be started");
  }
  socket_ = std::move(socket);
  passed_ = passed;
  return {};
}

void Loop::quiesce() {
  if (daemon_ == nullptr || MHD_quiesce_daemon(daemon_) == MHD_INVALID_SOCKET || passed_) return;
  // Clients that the kernel let in before we stopped would see a reset.
  for (;;) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd = ::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
      MHD_add_connection(daemon_, fd, reinterpret_cast<const sockaddr*>(&peer), size);
    else if (errno != ECONNABORTED && errno != EINTR)
      break;
  }
  // Refuses from now on; closed once the loop is gone, which may still poll it.
  ::shutdown(socket_.get(), SHUT_RDWR);
}

// A connection that says nothing and ends: libmicrohttpd's thread does nothing of ours without one.
void Loop::wake() {
  const std::uint64_t wake = wakes_.fetch_add(1) + 1;
  int ends[2];
  if (daemon_ == nullptr || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return;
  ::close(ends[1]);
  sockaddr_storage nobody{};
  nobody.ss_family = AF_UNIX;
  if (MHD_add_connection(daemon_, ends[0], reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody.ss_family) ==
      MHD_NO)
    woken_.store(wake);  // it has as many connections as it may have, which is no sleep
}

void* Loop::on_target(void* cls, const char* uri, MHD_Connection* connection) {
  Loop& loop = *static_cast<Loop*>(cls);
  try {
    if (loop.free_.empty()) {
      loop.free_.reserve(loop.exchanges_.size() + 1);  // on_completed() cannot fail
      loop.free_.push_back(loop.exchanges_.emplace_back(std::make_unique<Exchange>()).get());
    }
    Exchange* const exchange = loop.free_.back();
    exchange->in.target = uri == nullptr ? "" : uri;
    tame(connection, uri, loop.handler_->body_max() > 0);
    loop.free_.pop_back();
    return exchange;
  } catch (const std::exception&) {
    return nullptr;  // on_request() closes the connection
  }
}

MHD_Result Loop::on_request(void* cls, MHD_Connection* connection, const char* url, const char* method,
                            const char* version, const char* body, std::size_t* body_size, void** context) {
  Loop& loop = *static_cast<Loop*>(cls);
  if (*context == nullptr) return MHD_NO;
  Exchange& exchange = *static_cast<Exchange*>(*context);
  try {
    if (exchange.state == Exchange::State::fresh) return loop.begin(connection, url, method, version, exchange);
    if (*body_size == 0) return loop.proceed(connection, exchange);
    const std::string_view piece(body, *body_size);
    *body_size = 0;  // all of it is taken
    return loop.take(exchange, piece);
  } catch (...) {
    refuse_internal(exchange, loop.around_.log);
  }
  try {
    return loop.send(connection, exchange);
  } catch (...) {
    return MHD_NO;
  }
}

MHD_Result Loop::begin(MHD_Connection* connection, const char* url, const char* method, const char* version,
                       Exchange& exchange) {
  Connections::Slot* const slot = slot_of(connection);
  if (slot == nullptr) return MHD_NO;
  exchange.state = Exchange::State::accepted;
  Incoming& in = exchange.in;
  in.at = around_.clock.wall();
  in.started = around_.clock.monotonic();
  if (const auto* size = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE))
    in.header_bytes = size->header_size;
  in.peer = in.client = slot->peer;

  const auto fault = read_request(connection, url, method, version, handler_->body_max(), in);
  if (fault || !in.has_body()) slot->took(in.header_bytes);
  handler_->meet(exchange);
  if (!fault) return MHD_YES;  // called again with the body, and once the request is complete
  // An answer to the first call makes libmicrohttpd close the connection: nothing after this header is believed.
  refuse(exchange, *fault);
  return send(connection, exchange);
}

MHD_Result Loop::take(Exchange& exchange, std::string_view piece) {
  Incoming& in = exchange.in;
  const std::size_t max = handler_->body_max();
  in.body_bytes += piece.size();
  // libmicrohttpd takes no answer in the middle of a request: a body a little too long is read to its end and refused
  // then, one that does not end is cut off.
  if (in.body_bytes > 2 * max) return MHD_NO;
  if (in.body_bytes <= max) in.body.append(piece);
  return MHD_YES;
}

MHD_Result Loop::proceed(MHD_Connection* connection, Exchange& exchange) {
  const Incoming& in = exchange.in;
  if (exchange.state == Exchange::State::accepted && in.has_body()) {
    if (!in.chunked && in.body_bytes != in.content_length) return MHD_NO;  // somebody believes in another end
    slot_of(connection)->took(in.header_bytes + in.body_bytes);
    if (in.body_bytes > handler_->body_max()) {
      refuse(exchange, too_long(handler_->body_max()));
      return send(connection, exchange);
    }
  }
  if (exchange.state == Exchange::State::accepted && !handler_->answer(exchange)) {
    suspend(connection, exchange);
    return MHD_YES;  // called again once resumed
  }
  return send(connection, exchange);
}

void Loop::suspend(MHD_Connection* connection, Exchange& exchange) {
  std::function<void()> job = [this, connection, &exchange] {
    wait_for_answer(exchange);
    MHD_resume_connection(connection);
  };
  MHD_suspend_connection(connection);
  // From here on the exchange is the worker's.
  if (around_.workers.submit(std::move(job))) return;
  refuse(exchange, {geo::ErrorCode::upstream_unavailable, "too many requests are waiting for upstreams"});
  exchange.state = Exchange::State::answered;
  MHD_resume_connection(connection);
}

void Loop::wait_for_answer(Exchange& exchange) noexcept {
  try {
    handler_->answer_waiting(exchange);
  } catch (...) {
    refuse_internal(exchange, around_.log);
  }
  exchange.state = Exchange::State::answered;
}

MHD_Result Loop::send(MHD_Connection* connection, Exchange& exchange) {
  exchange.state = Exchange::State::answered;
  handler_->decorate(exchange);
  Answer& out = exchange.out;
  // The body stays where it is until on_completed().
  MHD_Response* const response =
      MHD_create_response_from_buffer(out.body.size(), out.body.data(), MHD_RESPMEM_PERSISTENT);
  if (response == nullptr) return MHD_NO;
  for (const Answer::Field& field : out) MHD_add_response_header(response, field.name, field.value.c_str());
  MHD_add_response_header(response, "Cache-Control", cache_control(out).c_str());
  MHD_add_response_header(response, "X-Request-Id", exchange.in.request_id.c_str());
  // How many bytes the chunks took is not told, and their framing is read leniently: nothing after them is believed.
  if (exchange.in.chunked || around_.draining.load(std::memory_order_relaxed))
    MHD_add_response_header(response, "Connection", "close");
  const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(out.status), response);
  MHD_destroy_response(response);

  if (around_.access != nullptr) {
    line_.clear();
    append_line(line_, exchange, around_.listener, around_.clock.monotonic(), around_.mask_client_ip);
    around_.access->write(line_);
  }
  return queued;
}

void Loop::on_completed(void* cls, MHD_Connection* connection, void** context, MHD_RequestTerminationCode) {
  Loop& loop = *static_cast<Loop*>(cls);
  if (Connections::Slot* const slot = slot_of(connection)) slot->busy.store(false);
  if (*context == nullptr) return;
  Exchange& exchange = *static_cast<Exchange*>(*context);
  exchange.clear();
  loop.free_.push_back(&exchange);
  *context = nullptr;
}

void Loop::on_connection(void* cls, MHD_Connection* connection, void** context, MHD_ConnectionNotificationCode what) {
  Loop& loop = *static_cast<Loop*>(cls);
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    loop.woken_.store(loop.wakes_.load());
    const sockaddr* const peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    const int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *context = loop.connections_.open(fd, peer_of(peer));
    loop.handler_->catch_up();
  } else if (*context != nullptr) {
    loop.connections_.close(static_cast<Connections::Slot*>(*context));
  }
}

// The handlers read the raw target; libmicrohttpd's own arguments are not looked at.
std::size_t Loop::leave_escaped(void*, MHD_Connection*, char* text) { return std::strlen(text); }

// Limits that hold up clients are the operator's business, once in a while; the rest is for those who debug.
void Loop::on_message(void* cls, const char* format, va_list arguments) {
  Loop& loop = *static_cast<Loop*>(cls);
  const std::string_view kind = format;
  Level level = Level::debug;
  if (kind.find("resource limit") != kind.npos || kind.find("connection limit") != kind.npos) {
    const geo::MonotonicTime now = loop.around_.clock.monotonic();
    geo::MonotonicTime next = loop.next_warning_.load();
    if (now >= next && loop.next_warning_.compare_exchange_strong(next, now + kWarnEvery)) level = Level::warn;
  }
  if (!loop.around_.log.shows(level)) return;
  std::array<char, 512> text{};
  if (std::vsnprintf(text.data(), text.size(), format, arguments) < 0) return;
  try {
    loop.around_.log.write(level, text.data());
  } catch (const std::exception&) {  // no memory for a message: there is nobody to tell
  }
}

}  // namespace geod

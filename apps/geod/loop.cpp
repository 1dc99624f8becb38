#include "loop.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <exception>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "socket.h"

namespace geod {
namespace {

using std::chrono::seconds;
using Result = Transfer::Result;

constexpr std::size_t kReadMax = 4096;       // at once, of one connection: then it is the next one's turn
constexpr std::size_t kAnswersMax = 65'536;  // of a pipeline, before they are written
constexpr std::size_t kKept = 8192;          // a buffer that is larger is let go
constexpr int kAcceptMax = 64;               // at once
constexpr seconds kWarnEvery{10};
constexpr seconds kLingerMax{2};
constexpr std::uint32_t kReads = EPOLLIN | EPOLLRDHUP;

std::string error_text() { return std::strerror(errno); }

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

// accept4(2): it had trouble of its own; the next one is as good as any.
bool is_of_one_client(int error) {
  switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

// None: errno says why.
std::optional<std::pair<Fd, geo::Ip>> accept_next(const Fd& listening) {
  for (;;) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    Fd fd(::accept4(listening.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) return std::pair(std::move(fd), peer_of(reinterpret_cast<const sockaddr*>(&peer)));
    if (!is_of_one_client(errno)) return std::nullopt;
  }
}

// RFC 9110 15.
std::string_view status_line(int status) {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 204:
      return "HTTP/1.1 204 No Content\r\n";
    case 302:
      return "HTTP/1.1 302 Found\r\n";
    case 304:
      return "HTTP/1.1 304 Not Modified\r\n";
    case 400:
      return "HTTP/1.1 400 Bad Request\r\n";
    case 401:
      return "HTTP/1.1 401 Unauthorized\r\n";
    case 402:
      return "HTTP/1.1 402 Payment Required\r\n";
    case 403:
      return "HTTP/1.1 403 Forbidden\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 405:
      return "HTTP/1.1 405 Method Not Allowed\r\n";
    case 409:
      return "HTTP/1.1 409 Conflict\r\n";
    case 410:
      return "HTTP/1.1 410 Gone\r\n";
    case 414:
      return "HTTP/1.1 414 URI Too Long\r\n";
    case 422:
      return "HTTP/1.1 422 Unprocessable Content\r\n";
    case 429:
      return "HTTP/1.1 429 Too Many Requests\r\n";
    case 431:
      return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 500:
      return "HTTP/1.1 500 Internal Server Error\r\n";
    case 502:
      return "HTTP/1.1 502 Bad Gateway\r\n";
    case 503:
      return "HTTP/1.1 503 Service Unavailable\r\n";
    case 504:
      return "HTTP/1.1 504 Gateway Timeout\r\n";
    case 505:
      return "HTTP/1.1 505 HTTP Version Not Supported\r\n";
    default:
      return {};
  }
}

// An exception is a bug or the end of memory, and one request's trouble.
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
    exchange.out.status = 500;
    exchange.entry.code = code_of(geo::ErrorCode::internal);
  }
}

}  // namespace

Loop::Loop(const Surroundings& surroundings, std::unique_ptr<Handler> handler)
    : around_(surroundings),
      occupancy_(surroundings.occupancy),
      handler_(std::move(handler)),
      log_lines_(surroundings.access == nullptr ? nullptr : &surroundings.access->queue()),
      counts_(surroundings.counts == nullptr ? nullptr : &surroundings.counts->claim()),
      scratch_(kReadMax) {}

Loop::~Loop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  ring();
  thread_.join();
}

tl::expected<void, std::string> Loop::start(Fd socket, bool passed) {
  socket_ = std::move(socket);
  passed_ = passed;
  const int on = 1;  // for all that come in by it; a unix socket knows no such thing
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  now_ = around_.clock.monotonic();
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  bell_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &bell_;
  if (!epoll_ || !bell_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bell_.get(), &event) != 0)
    return tl::unexpected(error_text());
  listen(true);
  if (!listens_) return tl::unexpected(error_text());
  thread_ = std::thread([this] { run(); });
  return {};
}

void Loop::listen(bool on) {
  if (on == listens_ || (on && quiesced_.load())) return;
  epoll_event event{};
  event.events = passed_ ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN;  // of all loops that share it one is woken
  event.data.ptr = &socket_;
  if (::epoll_ctl(epoll_.get(), on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, socket_.get(), &event) == 0) listens_ = on;
}

void Loop::quiesce() {
  if (!epoll_ || quiesced_.exchange(true)) return;
  if (!passed_) {
    // Clients that the kernel let in before we stopped would see a reset.
    while (auto client = accept_next(socket_)) {
      occupancy_.open.fetch_add(1);
      inbox_.with([&](Inbox& inbox) { inbox.accepted.push_back(std::move(*client)); });
    }
    // Refuses from now on; closed once the loop is gone.
    ::shutdown(socket_.get(), SHUT_RDWR);
  }
  wake();
}

void Loop::ring() const { ::eventfd_write(bell_.get(), 1); }

void Loop::wake() {
  wakes_.fetch_add(1);
  ring();
}

void Loop::sweep(const Sweep& wanted) {
  inbox_.with([&](Inbox& inbox) {
    inbox.sweeps = true;
    inbox.sweep = wanted;
  });
  ring();
}

void Loop::run() {
  std::array<epoll_event, 256> events;
  while (!stopping_.load()) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    now_ = around_.clock.monotonic();
    wall_ = around_.clock.wall();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr == &bell_)
        on_bell();
      else if (event.data.ptr == &socket_)
        accept_all();
      else
        guarded(*static_cast<Connection*>(event.data.ptr),
                [&] { on_event(*static_cast<Connection*>(event.data.ptr), event.events); });
    }
    all_of(Stage::closed).clear();  // no event of this round is of one of them any more
  }
}

void Loop::on_bell() {
  const std::uint64_t wakes = wakes_.load();
  eventfd_t rung = 0;
  ::eventfd_read(bell_.get(), &rung);
  Inbox inbox = inbox_.with([](Inbox& it) { return std::exchange(it, {}); });
  if (quiesced_.load()) {
    if (passed_ && listens_) accept_all();  // whom the kernel has told of this loop alone
    listen(false);
  }
  for (auto& [socket, peer] : inbox.accepted) adopt(std::move(socket), peer);
  for (Connection* const each : inbox.answered)
    guarded(*each, [&] {
      move_to(*each, Stage::begun);
      watch(*each, kReads);
      send(*each);
      go_on(*each);
    });
  if (inbox.sweeps) look(inbox.sweep);
  handler_->catch_up();
  woken_.store(wakes);
}

// ---- connections ----

void Loop::accept_all() {
  for (int i = 0; i == 0 || (i < kAcceptMax && listens_); ++i) {
    if (occupancy_.open.fetch_add(1) >= occupancy_.most && !quiesced_.load()) {
      occupancy_.open.fetch_sub(1);
      tell_limit("as many connections as there may be");
      listen(false);
      return;
    }
    if (auto client = accept_next(socket_)) {
      adopt(std::move(client->first), client->second);
      continue;
    }
    occupancy_.open.fetch_sub(1);
    if (errno != EAGAIN && !quiesced_.load()) {
      tell_limit(error_text());  // of descriptors or of memory
      listen(false);             // until the next sweep
    }
    return;
  }
}

void Loop::adopt(Fd socket, const geo::Ip& peer) {
  Connections& idle = all_of(Stage::idle);
  try {
    idle.emplace_back(std::move(socket), peer);
  } catch (const std::bad_alloc&) {
    occupancy_.open.fetch_sub(1);
    return;  // the socket is closed
  }
  Connection& connection = idle.back();
  connection.self = std::prev(idle.end());
  connection.since = connection.listed = now_;
  guarded(connection, [&] {
    if (around_.identity) {
      connection.tls = TlsSession::begin(around_.identity(), connection.fd.get());
      move_to(connection, Stage::begun);  // a handshake has the time of a request
    }
    watch(connection, kReads);
  });
}

void Loop::close(Connection& connection) {
  if (connection.stage == Stage::closed) return;
  if (connection.exchange != nullptr) {
    connection.exchange->clear();
    free_.push_back(std::exchange(connection.exchange, nullptr));
  }
  if (connection.tls != nullptr) connection.tls->end();
  connection.tls.reset();
  connection.fd.reset();  // and so is out of the epoll set
  move_to(connection, Stage::closed);
  if (occupancy_.open.fetch_sub(1) - 1 < occupancy_.most) listen(true);
}

void Loop::move_to(Connection& connection, Stage stage) {
  connection.since = connection.listed = now_;
  if (connection.stage == stage) return;
  if (stage == Stage::lingering) occupancy_.lingering.fetch_add(1);
  if (connection.stage == Stage::lingering) occupancy_.lingering.fetch_sub(1);
  Connections& to = all_of(stage);
  to.splice(to.end(), all_of(connection.stage), connection.self);
  connection.stage = stage;
}

// 0: not even that the peer is gone, which a set always tells.
void Loop::watch(Connection& connection, std::uint32_t events) {
  if (connection.watched == events) return;
  const int how = events == 0 ? EPOLL_CTL_DEL : connection.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  epoll_event event{};
  event.events = events;
  event.data.ptr = &connection;
  connection.watched = events;
  if (::epoll_ctl(epoll_.get(), how, connection.fd.get(), &event) != 0) throw std::bad_alloc();
}

// An exception is the end of memory, or a bug: one connection's trouble.
template <class F>
void Loop::guarded(Connection& connection, F&& use) {
  try {
    use();
  } catch (const std::exception& fault) {
    out_.clear();
    around_.log.error("{}: a connection is closed: {}", around_.listener, fault.what());
    if (connection.stage == Stage::waiting)
      ::shutdown(connection.fd.get(), SHUT_RDWR);  // once the worker, who has its exchange, is done
    else
      close(connection);
  }
}

void Loop::on_event(Connection& connection, std::uint32_t events) {
  switch (connection.stage) {
    case Stage::idle:
    case Stage::begun:
      return receive(connection);
    case Stage::writing:
      if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close(connection);
      return go_on(connection);
    case Stage::lingering: {
      const ssize_t came = ::recv(connection.fd.get(), scratch_.data(), scratch_.size(), 0);
      if (came == 0 || (came < 0 && errno != EAGAIN && errno != EINTR)) close(connection);
      return;
    }
    case Stage::waiting:
    case Stage::closed:
      return;
  }
}

// ---- requests ----

void Loop::receive(Connection& connection) {
  for (;;) {
    const Transfer came = connection.read(scratch_);
    switch (came.result) {
      case Result::bytes:
        take(connection, {scratch_.data(), came.bytes});
        // What OpenSSL has read already the kernel does not tell of again.
        if (connection.tls == nullptr || connection.stage > Stage::begun || !connection.tls->has_more()) return;
        break;
      case Result::wait_in:
        watch(connection, kReads);
        return settle(connection, false);
      case Result::wait_out:
        return watch(connection, EPOLLOUT);
      case Result::ended:
      case Result::failed:
        if (connection.tls != nullptr && !connection.tls->is_shaken()) tell_unshaken(connection);
        return close(connection);
    }
  }
}

// After what kept the connection from being read: writes what is left, then reads what had come meanwhile.
void Loop::go_on(Connection& connection) {
  if (connection.stage == Stage::closed) return;
  flush(connection);
  if (connection.stage <= Stage::begun) take(connection, {});
  if (connection.stage <= Stage::begun && connection.tls != nullptr && connection.tls->has_more()) receive(connection);
}

void Loop::take(Connection& connection, std::string_view fresh) {
  std::string kept = std::move(connection.in);
  connection.in.clear();
  std::string_view text = fresh;
  if (!kept.empty()) text = kept.append(fresh);
  bool answered = false;
  while (connection.stage <= Stage::begun && !connection.ends) {
    if (out_.size() > kAnswersMax) {
      flush(connection);
      if (connection.stage > Stage::begun) break;
    }
    if (!step(connection, text)) break;
    answered = true;
  }
  if (connection.stage == Stage::closed) return;
  if (!text.empty()) {
    if (text.data() >= kept.data() && text.data() <= kept.data() + kept.size()) {
      kept.erase(0, kept.size() - text.size());
      connection.in = std::move(kept);
    } else {
      connection.in.assign(text);
    }
  }
  // Stalled: what is left is read once the client has taken what it has asked for.
  if (connection.stage == Stage::writing) return;
  flush(connection);
  settle(connection, answered);
}

// Where it belongs once nothing more can be read of it for now.
void Loop::settle(Connection& connection, bool answered) {
  if (connection.stage > Stage::begun) return;
  const bool begun = connection.exchange != nullptr || !connection.in.empty() ||
                     (connection.tls != nullptr && !connection.tls->is_shaken());
  if (begun != (connection.stage == Stage::begun))
    move_to(connection, begun ? Stage::begun : Stage::idle);
  else if (answered && begun)
    connection.since = now_;  // of another request
  else if (answered)
    stay_idle(connection);
}

bool Loop::step(Connection& connection, std::string_view& text) {
  if (connection.exchange == nullptr) {
    if (const std::size_t empty = empty_lines(text); empty > 0) {
      text.remove_prefix(empty);
      connection.scanned = 0;
    }
    if (text.empty()) return false;
    const auto size = head_size(text, connection.scanned);
    if (size.value_or(text.size()) > kHeadMax) {
      begin(connection, {});
      handler_->meet(*connection.exchange);
      refuse_rest(connection, too_large(text.substr(0, kHeadMax)));
      return false;
    }
    if (!size) return false;
    connection.scanned = 0;
    begin(connection, text.substr(0, *size));
    text.remove_prefix(*size);
    Exchange& exchange = *connection.exchange;
    const auto refusal = read_head(exchange.in, handler_->body_max());
    handler_->meet(exchange);
    if (refusal) {
      refuse_rest(connection, *refusal);
      return false;
    }
    if (exchange.in.continues && exchange.in.next != Incoming::Body::whole && text.empty())
      out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  Incoming& in = connection.exchange->in;
  if (const auto refusal = read_body(in, text, handler_->body_max())) {
    refuse_rest(connection, *refusal);
    return false;
  }
  if (in.next != Incoming::Body::whole) return false;
  proceed(connection);
  return true;
}

void Loop::begin(Connection& connection, std::string_view head) {
  if (free_.empty()) {
    free_.reserve(exchanges_.size() + 1);  // what gives it back cannot fail
    free_.push_back(exchanges_.emplace_back(std::make_unique<Exchange>()).get());
  }
  Exchange& exchange = *free_.back();
  Incoming& in = exchange.in;
  in.head.assign(head);
  free_.pop_back();
  connection.exchange = &exchange;
  in.started = around_.clock.monotonic();
  in.at = wall_ + std::chrono::duration_cast<geo::WallTime::duration>(in.started - now_);
  in.fd = connection.fd.get();
  in.peer = in.client = connection.peer;
}

// Nothing that follows is believed.
void Loop::refuse_rest(Connection& connection, const Refusal& refusal) {
  Exchange& exchange = *connection.exchange;
  refuse(exchange, refusal.denial, {}, refusal.status);
  exchange.in.stays = false;
  connection.lingers = true;
  send(connection);
}

void Loop::proceed(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  try {
    if (!handler_->answer(exchange)) return hand_over(connection);
  } catch (...) {
    refuse_internal(exchange, around_.log);
  }
  send(connection);
}

void Loop::hand_over(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  const Stage before = connection.stage;
  move_to(connection, Stage::waiting);
  watch(connection, 0);
  // From here on the exchange is the worker's.
  const bool taken = around_.workers.submit([this, &connection, &exchange] {
    wait_for_answer(exchange);
    inbox_.with([&](Inbox& inbox) { inbox.answered.push_back(&connection); });
    ring();
  });
  if (taken) return;
  move_to(connection, before);
  watch(connection, kReads);
  refuse(exchange, {geo::ErrorCode::upstream_unavailable, "too many requests are waiting for upstreams"});
  send(connection);
}

void Loop::wait_for_answer(Exchange& exchange) noexcept {
  try {
    handler_->answer_waiting(exchange);
  } catch (...) {
    refuse_internal(exchange, around_.log);
  }
}

// ---- answers ----

void Loop::send(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  handler_->decorate(exchange);
  connection.ends = !exchange.in.stays || around_.draining.load(std::memory_order_relaxed);
  append_head(exchange, connection.ends);
  if (!exchange.in.is_head()) out_ += exchange.out.body;

  const geo::MonotonicTime now = around_.clock.monotonic();
  if (log_lines_ != nullptr)
    log_lines_->append(
        now, [&](std::string& lines) { append_line(lines, exchange, around_.listener, now, around_.mask_client_ip); });
  if (counts_ != nullptr) counts_->add(exchange, now);
  exchange.clear();
  free_.push_back(std::exchange(connection.exchange, nullptr));
}

void Loop::append_head(const Exchange& exchange, bool ends) {
  const Answer& out = exchange.out;
  if (const std::string_view line = status_line(out.status); !line.empty())
    out_ += line;
  else
    out_ += fmt::format("HTTP/1.1 {} -\r\n", out.status);
  if (const auto now = std::chrono::floor<seconds>(exchange.in.at).time_since_epoch().count(); now != date_s_) {
    date_s_ = now;
    const std::time_t time = now;
    std::tm parts{};
    char text[64];
    date_.assign(text, std::strftime(text, sizeof text, "Date: %a, %d %b %Y %T GMT\r\n", ::gmtime_r(&time, &parts)));
  }
  out_ += date_;
  for (const Answer::Field& field : out) {
    out_ += field.name;
    out_ += ": ";
    out_ += field.value;
    out_ += "\r\n";
  }
  if (out.max_age) {
    out_ += "Cache-Control: private, max-age=";
    append_number(out_, static_cast<std::uint64_t>(out.max_age->count()));
    out_ += "\r\nX-Request-Id: ";
  } else {
    out_ += "Cache-Control: no-store\r\nX-Request-Id: ";
  }
  out_ += exchange.in.request_id;
  if (out.status != 204 && out.status != 304) {  // RFC 9110 8.6: they have no body
    out_ += "\r\nContent-Length: ";
    append_number(out_, out.body.size());
  }
  if (ends)
    out_ += "\r\nConnection: close";
  else if (exchange.in.is_old)
    out_ += "\r\nConnection: keep-alive";
  out_ += "\r\n\r\n";
}

void Loop::flush(Connection& connection) {
  std::string waited = std::move(connection.out);
  connection.out.clear();
  std::string_view rest = out_;
  if (!waited.empty()) rest = waited.append(out_);
  while (!rest.empty()) {
    const Transfer went = connection.write(rest);
    if (went.result == Result::bytes) {
      rest.remove_prefix(went.bytes);
      continue;
    }
    const bool waits = went.result == Result::wait_in || went.result == Result::wait_out;
    if (waits) connection.out.assign(rest);
    if (connection.stage != Stage::waiting) {
      if (!waits)
        close(connection);
      else
        stall(connection, went.result == Result::wait_in ? EPOLLIN : EPOLLOUT);
    }
    break;
  }
  const bool whole = rest.empty();
  out_.clear();
  if (out_.capacity() > kAnswersMax) out_.shrink_to_fit();
  if (!whole || connection.stage == Stage::waiting || connection.stage == Stage::closed) return;
  if (connection.ends) return linger(connection);
  if (connection.stage == Stage::writing) {
    move_to(connection, Stage::begun);
    watch(connection, kReads);
  }
}

// Until the client takes more.
void Loop::stall(Connection& connection, std::uint32_t events) {
  move_to(connection, Stage::writing);
  connection.since = now_;
  watch(connection, events);
}

// A socket that is closed while bytes of the client's are unread resets the connection, and the answer may be lost.
void Loop::linger(Connection& connection) {
  const bool may_have_asked_more = connection.lingers || !connection.in.empty() ||
                                   (connection.tls != nullptr && connection.tls->has_more()) ||
                                   around_.draining.load(std::memory_order_relaxed);
  if (!may_have_asked_more) return close(connection);
  connection.end();
  move_to(connection, Stage::lingering);
  watch(connection, kReads);
}

// ---- time ----

void Loop::look(const Sweep& wanted) {
  if (occupancy_.open.load() < occupancy_.most) listen(true);
  const auto each = [&](Stage stage, auto&& use) {
    Connections& all = all_of(stage);
    for (auto it = all.begin(); it != all.end();) use(*it++);  // which may move it
  };
  each(Stage::begun, [&](Connection& connection) {
    if (wanted.now - connection.since <= wanted.request_timeout) return;
    tell_late(connection, "its request did not come", wanted.request_timeout);
    close(connection);
  });
  each(Stage::writing, [&](Connection& connection) {
    if (wanted.now - connection.since <= around_.idle_timeout) return;
    tell_late(connection, "nothing of its answer was taken", around_.idle_timeout);
    close(connection);
  });
  each(Stage::lingering, [&](Connection& connection) {
    if (wanted.now - connection.since > kLingerMax) close(connection);
  });
  look_at_idle(wanted);
}

void Loop::look_at_idle(const Sweep& wanted) {
  Connections& idle = all_of(Stage::idle);
  // What has come in the meantime is read first.
  const auto drop = [&](Connection& connection) {
    const geo::MonotonicTime since = connection.since;
    guarded(connection, [&] { receive(connection); });
    if (connection.stage == Stage::idle && connection.since == since) close(connection);
  };
  if (wanted.drop_idle) {
    for (auto it = idle.begin(); it != idle.end();)
      if (Connection& each = *it++; wanted.now - each.since > kIdleGrace) drop(each);
    return;
  }
  while (!idle.empty() && wanted.now - idle.front().since > around_.idle_timeout) drop(idle.front());
}

// The idle stand in the order of their last request, give or take a sixteenth of what they may be idle: who asks again
// and again is not moved with each request.
void Loop::stay_idle(Connection& connection) {
  connection.since = now_;
  if (now_ - connection.listed < around_.idle_timeout / 16) return;
  connection.listed = now_;
  Connections& idle = all_of(Stage::idle);
  idle.splice(idle.end(), idle, connection.self);
}

std::string Loop::text_of(const geo::Ip& peer) const {
  return (around_.mask_client_ip ? peer.masked() : peer).to_string();
}

void Loop::tell_unshaken(const Connection& connection) const {
  around_.log.debug("{}: the TLS handshake of {} failed: {}", around_.listener, text_of(connection.peer),
                    connection.tls->why());
}

void Loop::tell_late(const Connection& connection, std::string_view why, std::chrono::milliseconds limit) const {
  around_.log.debug("{}: a connection of {} is closed: {} within {} s", around_.listener, text_of(connection.peer), why,
                    std::chrono::duration_cast<seconds>(limit).count());
}

// The operator's business, once in a while.
void Loop::tell_limit(std::string_view what) {
  const geo::MonotonicTime now = around_.clock.monotonic();
  geo::MonotonicTime next = occupancy_.next_warning.load();
  if (now < next || !occupancy_.next_warning.compare_exchange_strong(next, now + kWarnEvery)) return;
  around_.log.warn("{}: no more connections are accepted for now: {}", around_.listener, what);
}

}  // namespace geod

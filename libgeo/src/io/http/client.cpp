#include "io/http/client.h"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SSLException.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <random>
#include <thread>

#include "geo/base/text.h"
#include "io/http/connection.h"

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
namespace net = Poco::Net;

constexpr auto kIdleFor = 30s;                 // servers close idle connections after a while; geod after 60 s
constexpr auto kJitterMax = 20ms;              // before a second attempt
constexpr std::size_t kFramingMax = 64 << 10;  // of a chunked body, beside the body

// OpenSSL writes to sockets without MSG_NOSIGNAL, and a library may not decide what SIGPIPE does to its process.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() {
    constexpr timespec kNow{};
    if (!was_pending_)
      while (::sigtimedwait(&pipe_, nullptr, &kNow) == SIGPIPE) {
      }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

 private:
  sigset_t pipe_{}, before_{};
  bool was_pending_ = false;
};

// Reads the rest of `in`; nothing: longer than `most`.
std::optional<std::string> read_body(std::istream& in, std::size_t most) {
  std::string body;
  std::array<char, 8192> piece;
  while (in.good()) {
    in.read(piece.data(), piece.size());
    body.append(piece.data(), static_cast<std::size_t>(in.gcount()));
    if (body.size() > most) return std::nullopt;
  }
  return body;
}

std::ptrdiff_t count(const Headers& headers, std::string_view name) {
  return std::count_if(headers.begin(), headers.end(), [&](const auto& each) { return iequals(each.first, name); });
}

// What an exception of Poco says, in words that are ours: theirs may hold what must not be told.
std::string why(const Poco::Exception& e) {
  if (dynamic_cast<const Poco::TimeoutException*>(&e) != nullptr) return "it did not answer in time";
  if (dynamic_cast<const net::ConnectionRefusedException*>(&e) != nullptr) return "it refused the connection";
  if (dynamic_cast<const net::ConnectionResetException*>(&e) != nullptr ||
      dynamic_cast<const net::ConnectionAbortedException*>(&e) != nullptr)
    return "it cut the connection";
  if (dynamic_cast<const net::HostNotFoundException*>(&e) != nullptr ||
      dynamic_cast<const net::NoAddressFoundException*>(&e) != nullptr ||
      dynamic_cast<const net::DNSException*>(&e) != nullptr)
    return "its name cannot be resolved";
  if (dynamic_cast<const net::SSLException*>(&e) != nullptr)
    return e.message().find("certificate verify failed") != std::string::npos ? "its certificate is not trusted"
                                                                              : "TLS failed";
  if (dynamic_cast<const net::NoMessageException*>(&e) != nullptr) return "it closed the connection without an answer";
  if (dynamic_cast<const net::MessageException*>(&e) != nullptr ||
      dynamic_cast<const Poco::SyntaxException*>(&e) != nullptr)
    return "its answer is no HTTP";
  return "the connection failed";
}

}  // namespace

std::string_view Answer::header(std::string_view name) const {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& each) { return iequals(each.first, name); });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

Client::Client(std::string_view url, std::size_t idle_max)
    : idle_max_(idle_max), stop_(std::make_unique<const Stop>()) {
  const auto parsed = parse_url(url);
  if (!parsed) {
    unusable_ = "its URL cannot be used: " + parsed.error();
    return;
  }
  url_ = *parsed;
  try {
    if (url_.tls) tls_ = tls_for(url_.host);
  } catch (const Poco::Exception&) {
    unusable_ = "TLS cannot be set up";
  }
}

Client::~Client() {
  const WithoutSigpipe guard;  // closing TLS says good-bye
  idle_.with([](std::vector<Idle>& idle) { idle.clear(); });
}

void Client::stop() const { stop_->now(); }

tl::expected<Answer, std::string> Client::call(const Request& request, std::chrono::milliseconds budget) const {
  if (!unusable_.empty()) return tl::unexpected<std::string>(unusable_);
  const WithoutSigpipe guard;
  const auto deadline = steady_clock::now() + budget;
  auto answer = attempt(request, deadline, true);
  if (!answer && answer.error().may_repeat && request.may_repeat()) {
    // A server that restarts closes the connections of all at once; not all come back at once.
    thread_local std::minstd_rand dice{std::random_device{}()};
    const auto most = std::min<steady_clock::duration>(kJitterMax, (deadline - steady_clock::now()) / 4);
    if (most > 0s) std::this_thread::sleep_for(most * (dice() % 1000) / 1000);
    answer = attempt(request, deadline, false);
  }
  if (!answer) return tl::unexpected<std::string>(std::move(answer.error().why));
  return std::move(*answer);
}

tl::expected<Answer, Client::Failure> Client::attempt(const Request& request, steady_clock::time_point deadline,
                                                      bool may_reuse) const {
  std::unique_ptr<Connection> connection = may_reuse ? take_idle() : nullptr;
  const bool is_reused = connection != nullptr;
  std::shared_ptr<Allowance> first = is_reused ? nullptr : std::make_shared<Allowance>();
  Allowance& allowance = is_reused ? connection->allowance() : *first;
  allowance = {.stop = stop_.get(), .deadline = deadline, .bytes = kHeaderMax};
  const auto failure = [&](std::string text) {
    if (allowance.out_of_time) text = "it did not answer in time";
    if (allowance.out_of_bytes) text = "its answer is too long";
    const bool is_safe = is_reused && request.changes_nothing && !allowance.heard_anything && !allowance.out_of_time;
    return tl::unexpected<Failure>(Failure{std::move(text), is_safe});
  };
  try {
    if (!connection) connection = Connection::open(url_, tls_, first);

    net::HTTPRequest head(request.json ? net::HTTPRequest::HTTP_POST : net::HTTPRequest::HTTP_GET,
                          url_.base + request.target, net::HTTPMessage::HTTP_1_1);
    head.set("Host", url_.authority());
    head.set("User-Agent", "geod");
    for (const auto& [name, value] : request.headers) head.set(name, value);
    if (request.json) {
      head.setContentType("application/json");
      head.setContentLength(static_cast<std::streamsize>(request.json->size()));
      connection->sendRequest(head) << *request.json;
    } else {
      connection->sendRequest(head);
    }

    net::HTTPResponse response;
    std::istream& in = connection->receiveResponse(response);
    Answer answer{.status = response.getStatus(), .headers = {response.begin(), response.end()}, .body = {}};
    if (count(answer.headers, net::HTTPMessage::CONTENT_LENGTH) > 1) return failure("its answer is no HTTP");
    const bool has_length = response.hasContentLength() && !response.getChunkedTransferEncoding();
    const std::int64_t length = has_length ? response.getContentLength64() : 0;
    if (length < 0) return failure("its answer is no HTTP");
    if (length > static_cast<std::int64_t>(kBodyMax)) return failure("its answer is too long");
    allowance.bytes = kBodyMax + kFramingMax;

    std::optional<std::string> body = read_body(in, kBodyMax);
    if (!body) return failure("its answer is too long");
    if (const Poco::Exception* e = connection->networkException()) return failure(why(*e));
    if (in.bad() || (has_length && static_cast<std::int64_t>(body->size()) != length))
      return failure("it cut its answer short");
    answer.body = std::move(*body);
    // Where an answer ends in chunks Poco does not tell whether it ended well: only a length is sure.
    if (has_length && response.getKeepAlive()) keep(std::move(connection));
    return answer;
  } catch (const Poco::Exception& e) {
    return failure(why(e));
  } catch (const std::exception&) {
    return failure("the connection failed");
  }
}

std::unique_ptr<Connection> Client::take_idle() const {
  for (;;) {
    std::vector<Idle> old;  // closed outside the lock
    std::unique_ptr<Connection> found = idle_.with([&](std::vector<Idle>& idle) -> std::unique_ptr<Connection> {
      const auto too_old = steady_clock::now() - kIdleFor;
      const auto fresh = std::find_if(idle.begin(), idle.end(), [&](const Idle& each) { return each.since > too_old; });
      std::move(idle.begin(), fresh, std::back_inserter(old));
      idle.erase(idle.begin(), fresh);
      if (idle.empty()) return nullptr;
      std::unique_ptr<Connection> newest = std::move(idle.back().connection);
      idle.pop_back();
      return newest;
    });
    if (!found || found->is_quiet()) return found;
  }
}

void Client::keep(std::unique_ptr<Connection> connection) const {
  idle_.with([&](std::vector<Idle>& idle) {
    if (idle.size() < idle_max_) idle.push_back({std::move(connection), steady_clock::now()});
  });
}

}  // namespace geo::io::http

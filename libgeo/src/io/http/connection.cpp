#include "io/http/connection.h"

#include <Poco/Net/DNS.h>
#include <Poco/Net/HostEntry.h>
#include <Poco/Net/IPAddress.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SSLException.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/SecureStreamSocketImpl.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <Poco/Net/StreamSocketImpl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
namespace net = Poco::Net;

// A socket that does not block, with waits of its own.
template <class Base>
class Bounded final : public Base {
 public:
  template <class... Args>
  explicit Bounded(std::shared_ptr<Allowance> allowance, Args&&... args)
      : Base(std::forward<Args>(args)...), allowance_(std::move(allowance)) {}

  using Base::receiveBytes;
  using Base::sendBytes;

  void begin_tls() { Base::connectSSL(); }

  int receiveBytes(void* buffer, int length, int flags) override {
    for (;;) {
      allowance_->check();
      const int got = Base::receiveBytes(buffer, length, flags);
      if (got >= 0) {
        allowance_->heard_anything = allowance_->heard_anything || got > 0;
        allowance_->bytes -= std::min(allowance_->bytes, static_cast<std::size_t>(got));
        return got;
      }
      allowance_->wait(this->sockfd(), got == net::SecureStreamSocket::ERR_SSL_WANT_WRITE);
    }
  }

  int sendBytes(const void* buffer, int length, int flags) override {
    for (int sent = 0; sent < length;) {
      allowance_->check();
      const int now = Base::sendBytes(static_cast<const char*>(buffer) + sent, length - sent, flags);
      if (now >= 0)
        sent += now;
      else
        allowance_->wait(this->sockfd(), !kIsTls || now == net::SecureStreamSocket::ERR_SSL_WANT_WRITE);
    }
    return length;
  }

 private:
  static constexpr bool kIsTls = std::is_base_of_v<net::SecureStreamSocketImpl, Base>;
  ~Bounded() override = default;  // counted by Poco

  std::shared_ptr<Allowance> allowance_;
};

// StreamSocket's constructor from an implementation is for derived classes.
struct Socket : net::StreamSocket {
  explicit Socket(net::SocketImpl* implementation) : net::StreamSocket(implementation) {}
};

std::vector<net::IPAddress> addresses_of(const std::string& host) {
  net::IPAddress address;
  if (net::IPAddress::tryParse(host, address)) return {address};
  return net::DNS::hostByName(host).addresses();
}

// The first of the addresses that answers; each has an equal part of the time that is left.
template <class Make>
auto open_socket(const Url& url, Allowance& allowance, Make make) {
  const std::vector<net::IPAddress> addresses = addresses_of(url.host);
  if (addresses.empty()) throw net::HostNotFoundException();
  for (std::size_t i = 0;; ++i) {
    allowance.check();
    auto socket = make();
    const bool is_last = i + 1 == addresses.size();
    try {
      const auto part = steady_clock::now() + allowance.left() / static_cast<int>(addresses.size() - i);
      socket->connectNB(net::SocketAddress(addresses[i], url.port));
      allowance.wait(socket->sockfd(), true, part);
      const int error = socket->socketError();
      if (error == ECONNREFUSED) throw net::ConnectionRefusedException();
      if (error != 0) throw Poco::IOException();
      socket->setNoDelay(true);
      return socket;
    } catch (const Poco::Exception&) {
      allowance.check();
      if (is_last) throw;
    }
  }
}

}  // namespace

std::chrono::milliseconds Allowance::left() const {
  return std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
}

void Allowance::check() {
  if (bytes == 0) {
    out_of_bytes = true;
    throw Poco::IOException();
  }
  if (left() <= 0ms) {
    out_of_time = true;
    throw Poco::TimeoutException();
  }
}

void Allowance::wait(int socket, bool to_write, std::optional<steady_clock::time_point> until) {
  for (;;) {
    check();
    auto time = left();
    if (until) time = std::min(time, std::chrono::ceil<std::chrono::milliseconds>(*until - steady_clock::now()));
    if (time <= 0ms) throw Poco::TimeoutException();
    pollfd both[]{{socket, static_cast<short>(to_write ? POLLOUT : POLLIN), 0}, {stop->descriptor(), POLLIN, 0}};
    const int ready = ::poll(both, 2, static_cast<int>(std::min<std::int64_t>(time.count(), 60'000)));
    if (ready < 0 && errno != EINTR) throw Poco::IOException();
    if (ready <= 0) continue;
    if (both[1].revents != 0) throw Poco::IOException();
    return;
  }
}

Stop::Stop() : descriptor_(::eventfd(0, EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}
Stop::~Stop() { ::close(descriptor_); }
void Stop::now() const { ::eventfd_write(descriptor_, 1); }

Connection::Connection(const net::StreamSocket& socket, std::shared_ptr<Allowance> allowance)
    : net::HTTPClientSession(socket), allowance_(std::move(allowance)) {
  setKeepAlive(true);
}

std::unique_ptr<Connection> Connection::open(const Url& url, const net::Context::Ptr& tls,
                                             const std::shared_ptr<Allowance>& allowance) {
  if (!tls) {
    auto socket = open_socket(url, *allowance, [&] {
      return Poco::AutoPtr<Bounded<net::StreamSocketImpl>>(new Bounded<net::StreamSocketImpl>(allowance));
    });
    return std::unique_ptr<Connection>(new Connection(Socket(socket.duplicate()), allowance));
  }
  auto inner =
      open_socket(url, *allowance, [] { return Poco::AutoPtr<net::StreamSocketImpl>(new net::StreamSocketImpl); });
  Poco::AutoPtr<Bounded<net::SecureStreamSocketImpl>> secure(
      new Bounded<net::SecureStreamSocketImpl>(allowance, inner.get(), tls));
  if (net::IPAddress address; !net::IPAddress::tryParse(url.host, address)) secure->setPeerHostName(url.host);
  secure->begin_tls();  // sends nothing yet: the handshake goes with the first bytes
  return std::unique_ptr<Connection>(new Connection(Socket(secure.duplicate()), allowance));
}

bool Connection::is_quiet() {
  pollfd one{socket().impl()->sockfd(), POLLIN, 0};
  return connected() && buffered() == 0 && ::poll(&one, 1, 0) == 0;
}

net::Context::Ptr tls_for(const std::string& host) {
  net::Context::Ptr tls(new net::Context(net::Context::TLS_CLIENT_USE, "", net::Context::VERIFY_STRICT, 9, true));
  tls->requireMinimumProtocol(net::Context::PROTO_TLSV1_2);
  // The name is checked by OpenSSL in the handshake: Poco's own check asks the DNS whose name that is.
  tls->enableExtendedCertificateVerification(false);
  X509_VERIFY_PARAM* const wanted = ::SSL_CTX_get0_param(tls->sslContext());
  net::IPAddress address;
  const bool set = net::IPAddress::tryParse(host, address)
                       ? ::X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1
                       : ::X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size()) == 1;
  if (!set) throw net::SSLException("the host's name cannot be checked");
  return tls;
}

}  // namespace geo::io::http

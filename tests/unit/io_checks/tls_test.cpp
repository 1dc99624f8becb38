// https: who the node says it is has to hold.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "../io_http/tls_server.h"
#include "scratch.h"
#include "watching.h"

namespace geo::io::checks {
namespace {

using namespace std::chrono_literals;
using http::TlsServer;

class ChecksTls : public testing::Test {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_DFL); }  // a library's user may not have thought of it

  // Of a node at that host, whose certificate is the one authority.
  std::string check(const TlsServer& server, const std::string& host) {
    server.write_certificate(scratch_ / "ca.pem");
    return check(server.url(host), scratch_ / "ca.pem");
  }
  static std::string check(const std::string& url, const std::filesystem::path& authorities,
                           CheckSettings settings = often()) {
    settings.ca_file = authorities;
    return verdict(check_once(url, settings, always("127.0.0.1")));
  }
  test::Scratch scratch_;
};

TEST_F(ChecksTls, TrustsAGoodCertificateForThatHost) {
  const TlsServer server("DNS:node.test,IP:127.0.0.1");
  EXPECT_EQ(check(server, "node.test"), "passed");
  EXPECT_EQ(check(server, "127.0.0.1"), "passed");
}

TEST_F(ChecksTls, RefusesACertificateOfAnotherHost) {
  const TlsServer server("DNS:other.test");
  EXPECT_EQ(check(server, "node.test"), "its certificate is not trusted");
  EXPECT_EQ(check(server, "127.0.0.1"), "its certificate is not trusted");
}

TEST_F(ChecksTls, RefusesACertificateThatNobodyVouchesFor) {
  const TlsServer server("DNS:node.test"), other("DNS:node.test");
  other.write_certificate(scratch_ / "ca.pem");
  EXPECT_EQ(check(server.url("node.test"), scratch_ / "ca.pem"), "its certificate is not trusted");
}

TEST_F(ChecksTls, RefusesACertificatePastItsTime) {
  EXPECT_EQ(check(TlsServer("DNS:node.test", -7200, -3600), "node.test"), "its certificate is not trusted");
}

TEST_F(ChecksTls, TrustsWhomTheSystemTrusts) {
  const TlsServer server("DNS:node.test");
  EXPECT_EQ(check(server.url("node.test"), {}), "its certificate is not trusted");
  server.be_trusted(scratch_ / "ca.pem");
  EXPECT_EQ(check(server.url("node.test"), {}), "passed");
  ::unsetenv("SSL_CERT_FILE");
}

TEST_F(ChecksTls, WithoutAuthoritiesNothingIsSaidOfTheNode) {
  const TlsServer server("DNS:node.test");
  EXPECT_EQ(check(server.url("node.test"), scratch_ / "missing.pem"),
            "not made: the certificates of authorities cannot be read");
}

TEST_F(ChecksTls, AHandshakeWithoutAnEndFailsInTime) {
  const test::Loopback silent = test::listen_on_loopback(16);
  EXPECT_EQ(check("https://127.0.0.1:" + std::to_string(silent.port()), {}, impatient()), "it did not answer in time");
  ::close(silent.socket);
}

TEST_F(ChecksTls, PlainHttpIsNoTls) {
  const http::FakeServer server([](const http::Peer& peer, const http::Seen&) { peer.close(); });
  const test::Loopback plain = test::listen_on_loopback(16);
  std::thread answering([&] {
    const int socket = ::accept(plain.socket, nullptr, nullptr);
    const std::string answer = http::answer_of(200, "ok");
    (void)!::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
    ::shutdown(socket, SHUT_WR);
    char rest[4096];
    while (::recv(socket, rest, sizeof rest, 0) > 0) {
    }
    ::close(socket);
  });
  EXPECT_EQ(check("https://127.0.0.1:" + std::to_string(plain.port()), {}), "TLS failed");
  ::shutdown(plain.socket, SHUT_RDWR);
  answering.join();
  ::close(plain.socket);
}

}  // namespace
}  // namespace geo::io::checks

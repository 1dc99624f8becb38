// https: who the far side says it is has to hold.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "fake_server.h"
#include "io/http/client.h"
#include "scratch.h"
#include "tls_server.h"

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;

class Https : public testing::Test {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_DFL); }  // a library's user may not have thought of it
  void TearDown() override { ::unsetenv("SSL_CERT_FILE"); }
  std::string call(const TlsServer& server, std::string_view host) {
    const auto answer = Client(server.url(host), 1).call({.target = "/", .headers = {}, .json = {}}, 10s);
    return answer ? std::to_string(answer->body.size()) : answer.error();
  }
  test::Scratch scratch_;
};

TEST_F(Https, TrustsAGoodCertificateForThatHost) {
  const TlsServer server("DNS:localhost,IP:127.0.0.1");
  server.be_trusted(scratch_ / "ca.pem");
  EXPECT_EQ(call(server, "localhost"), "100000");
  EXPECT_EQ(call(server, "127.0.0.1"), "100000");
}

TEST_F(Https, RefusesACertificateOfAnotherHost) {
  const TlsServer server("DNS:other.example.com");
  server.be_trusted(scratch_ / "ca.pem");
  EXPECT_EQ(call(server, "localhost"), "its certificate is not trusted");
  EXPECT_EQ(call(server, "127.0.0.1"), "its certificate is not trusted");
}

TEST_F(Https, RefusesACertificateThatNobodyVouchesFor) {
  EXPECT_EQ(call(TlsServer("DNS:localhost"), "localhost"), "its certificate is not trusted");
}

TEST_F(Https, RefusesACertificatePastItsTime) {
  const TlsServer server("DNS:localhost", -7200, -3600);
  server.be_trusted(scratch_ / "ca.pem");
  EXPECT_EQ(call(server, "localhost"), "its certificate is not trusted");
}

TEST_F(Https, SpeaksNoPlainHttp) {
  // The handshake's first bytes are no header that ends: the server just waits.
  const FakeServer server(answer_of(200, "{}"));
  const auto answer = Client("https://127.0.0.1:" + std::to_string(server.port()), 1)
                          .call({.target = "/", .headers = {}, .json = {}}, 200ms);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), "it did not answer in time");
  EXPECT_TRUE(server.seen().empty());
}

// One record of TLS, a byte at a time: no read of it ever ends.
TEST_F(Https, EndsByItsDeadlineWithinTheHandshake) {
  const test::Loopback listener = test::listen_on_loopback(1);
  std::thread dripping([&] {
    const int socket = ::accept(listener.socket, nullptr, nullptr);
    const int stop = ::eventfd(0, 0);
    ::send(socket, "\x16\x03\x03\x40\x00", 5, MSG_NOSIGNAL);  // a handshake of 16 KiB
    char hello[4096];
    (void)!::recv(socket, hello, sizeof hello, 0);
    Peer(socket, stop).drip("\x02", 20ms);
    ::close(stop);
    ::close(socket);
  });
  const auto before = std::chrono::steady_clock::now();
  const auto answer = Client("https://127.0.0.1:" + std::to_string(listener.port()), 1)
                          .call({.target = "/", .headers = {}, .json = {}}, 300ms);
  const auto took = std::chrono::steady_clock::now() - before;
  dripping.join();
  ::close(listener.socket);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), "it did not answer in time");
  EXPECT_LT(took, 2s);
}

}  // namespace
}  // namespace geo::io::http

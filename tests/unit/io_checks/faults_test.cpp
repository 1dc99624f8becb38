// Whatever a node does, its check ends in time, and says what it was.
#include <gtest/gtest.h>

#include "../io_http/fake_server.h"
#include "loopback.h"
#include "watching.h"

namespace geo::io::checks {
namespace {

using namespace std::chrono_literals;
using http::answer_of;
using http::FakeServer;
using http::Peer;
using http::Seen;

std::string fault(FakeServer::Serve serve, const CheckSettings& settings = often()) {
  const FakeServer server(std::move(serve));
  return verdict(check_once(server.url(), settings));
}
std::string fault(const std::string& bytes) {
  return fault([bytes](const Peer& peer, const Seen&) {
    peer.send(bytes);
    peer.close();
  });
}

TEST(CheckFaults, NobodyListens) {
  const test::Loopback closed = test::listen_on_loopback(1);
  ::close(closed.socket);
  EXPECT_EQ(verdict(check_once("http://127.0.0.1:" + std::to_string(closed.port()))), "it refused the connection");
}

TEST(CheckFaults, TheSystemAcceptsForAFrozenProcess) {
  const test::Loopback frozen = test::listen_on_loopback(16);
  EXPECT_EQ(verdict(check_once("http://127.0.0.1:" + std::to_string(frozen.port()), impatient())),
            "it did not answer in time");
  ::close(frozen.socket);
}

TEST(CheckFaults, NobodyAnswersTheFirstPacket) {
  const test::Silent silent;
  EXPECT_EQ(verdict(check_once("http://127.0.0.1:" + std::to_string(silent.port()), impatient())),
            "it did not answer in time");
}

TEST(CheckFaults, ItAcceptsAndNeverAnswers) {
  EXPECT_EQ(fault([](const Peer& peer, const Seen&) { peer.hang(); }, impatient()), "it did not answer in time");
}

TEST(CheckFaults, ItAnswersWithAnotherStatus) {
  for (const int status : {201, 204, 301, 404, 500, 503})
    EXPECT_EQ(fault(answer_of(status, "")), "it answered with status " + std::to_string(status));
}

TEST(CheckFaults, AnErrorIsOneWhateverBecomesOfItsBody) {
  CheckSettings patient = often();
  patient.timeout = 1h;
  const std::string why = fault(
      [](const Peer& peer, const Seen&) {
        peer.send("HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n");
        peer.hang();
      },
      patient);
  EXPECT_EQ(why, "it answered with status 500");
}

TEST(CheckFaults, ItsHeaderComesByteByByte) {
  EXPECT_EQ(fault([](const Peer& peer, const Seen&) { peer.drip("HTTP/1.1 200 OK\r\nX-A: b", 5ms); }, impatient()),
            "it did not answer in time");
}

TEST(CheckFaults, ItsBodyComesByteByByte) {
  EXPECT_EQ(fault(
                [](const Peer& peer, const Seen&) {
                  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
                  peer.drip("x", 5ms);
                },
                impatient()),
            "it did not answer in time");
}

TEST(CheckFaults, ItsHeaderHasNoEnd) {
  const auto endless = [](const std::string& piece) {
    return fault([piece](const Peer& peer, const Seen&) {
      peer.send("HTTP/1.1 200 OK\r\n");
      for (int i = 0; i < 1000; ++i) peer.send(piece);
      peer.hang();
    });
  };
  EXPECT_EQ(endless("X-Header: " + std::string(500, 'x') + "\r\n"), "its answer is too long");
  EXPECT_NE(endless(std::string(500, 'x')), "passed") << "one line of them";
}

TEST(CheckFaults, ItOnlyEverPromisesAnAnswer) {
  EXPECT_EQ(fault([](const Peer& peer, const Seen&) {
              for (int i = 0; i < 5000; ++i) peer.send("HTTP/1.1 100 Continue\r\n\r\n");
              peer.hang();
            }),
            "its answer is too long");
  EXPECT_EQ(fault(
                [](const Peer& peer, const Seen&) {
                  peer.send("HTTP/1.1 103 Early Hints\r\n\r\n");
                  peer.hang();
                },
                impatient()),
            "it did not answer in time");
}

TEST(CheckFaults, ItClosesWithoutAnAnswer) {
  EXPECT_EQ(fault(std::string()), "it closed the connection without an answer");
}

TEST(CheckFaults, ItCutsItsAnswerShort) {
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), "it cut its answer short");
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"), "it cut its answer short");
}

TEST(CheckFaults, ItSpeaksSomethingElse) {
  EXPECT_EQ(fault("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"), "its answer is no HTTP");
  EXPECT_EQ(fault("200 ok\n"), "its answer is no HTTP");
  EXPECT_EQ(fault(std::string(1000, '\0')), "its answer is no HTTP");
  EXPECT_EQ(fault("HTTP/7.3 200 OK\r\n\r\nok"), "its answer is no HTTP");
}

TEST(CheckFaults, GarbageInsideOfHttpIsAFailure) {
  for (const std::string_view each : {
           "HTTP/1.1 2 OK\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
       })
    EXPECT_NE(fault(std::string(each)), "passed") << each;
}

// One that fails takes nothing from the others, however long it keeps its own check waiting.
TEST(CheckFaults, ANodeInTroubleDelaysNobodyElse) {
  const FakeServer bad([](const Peer& peer, const Seen&) { peer.hang(); });
  const FakeServer good(answer_of(200, "ok"));
  CheckSettings settings = often();
  settings.timeout = 1h;
  Watching watching(settings);
  watching.watch({{"bad", bad.url()}, {"good", good.url()}});
  const auto all = watching.until([](const auto& results) { return Watching::count(results, "good") >= 10; });
  EXPECT_EQ(Watching::count(all, "bad"), 0);
}

TEST(CheckFaults, ANodeThatComesBackPassesAgain) {
  std::atomic<bool> is_well{false};
  const FakeServer server([&](const Peer& peer, const Seen&) {
    if (!is_well) return peer.close();
    peer.send(answer_of(200, "ok"));
  });
  Watching watching(often());
  watching.watch({{"n", server.url()}});
  EXPECT_NE(verdict(watching.first()), "passed");
  is_well = true;
  watching.until([](const auto& all) { return verdict(all.back()) == "passed"; });
}

}  // namespace
}  // namespace geo::io::checks

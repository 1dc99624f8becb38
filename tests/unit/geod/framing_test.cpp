#include "framing.h"

#include <gtest/gtest.h>

#include "front.h"

namespace geod {
namespace {

using namespace std::string_literals;

struct Bytes {
  const char* name;
  std::string sent;
};
std::ostream& operator<<(std::ostream& out, const Bytes& bytes) { return out << bytes.name; }
std::string name_of(const testing::TestParamInfo<Bytes>& info) { return info.param.name; }

const std::string kLine = "GET /flv?a=b HTTP/1.1\r\n";
const std::string kHost = "Host: a\r\n";
const std::string kNext = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

class RefusedFraming : public testing::TestWithParam<Bytes> {};

// One 400 of ours, then the end: what follows is never taken for a request.
TEST_P(RefusedFraming, GetsOneProblemAndTheConnectionIsClosed) {
  std::atomic<int> answered = 0;
  test::Front front([&](Exchange& exchange) {
    ++answered;
    test::FakeHandler::echo(exchange);
    return true;
  });
  test::Client client = front.connect();
  const test::Reply reply = client.send(GetParam().sent + kNext).read();
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.header("content-type"), "application/problem+json");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_EQ(reply.header("cache-control"), "no-store");
  EXPECT_EQ(reply.header("x-request-id"), "id");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(answered, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Framing, RefusedFraming,
    testing::Values(
        Bytes{"LengthAndCoding", kLine + kHost + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Bytes{"CodingAndLength", kLine + kHost + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"},
        Bytes{"TwoLengths", kLine + kHost + "Content-Length: 0\r\nContent-Length: 5\r\n\r\nHELLO"},
        Bytes{"TwoEqualLengths", kLine + kHost + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"},
        Bytes{"TwoCodings", kLine + kHost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
        Bytes{"Body", kLine + kHost + "Content-Length: 5\r\n\r\nHELLO"},
        Bytes{"BodyAnnounced", kLine + kHost + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"},
        Bytes{"ChunkedBody", kLine + kHost + "Transfer-Encoding: chunked\r\n\r\n5\r\nHELLO\r\n0\r\n\r\n"},
        Bytes{"CodingNobodyKnows", kLine + kHost + "Transfer-Encoding: gzip\r\n\r\n"},
        Bytes{"LengthIsNoNumber", kLine + kHost + "Content-Length: five\r\n\r\n"},
        Bytes{"LengthIsEmpty", kLine + kHost + "Content-Length:\r\n\r\n"},
        Bytes{"LengthWithASign", kLine + kHost + "Content-Length: +0\r\n\r\n"},
        Bytes{"LengthIsAList", kLine + kHost + "Content-Length: 0, 0\r\n\r\n"},
        Bytes{"LengthBeyondNumbers", kLine + kHost + "Content-Length: 99999999999999999999999\r\n\r\n"},
        Bytes{"BlankBeforeTheColonOfLength", kLine + kHost + "Content-Length : 0\r\n\r\n"},
        Bytes{"TabBeforeTheColonOfCoding", kLine + kHost + "Transfer-Encoding\t: chunked\r\n\r\n"},
        Bytes{"BlankBeforeTheFirstName", kLine + " Content-Length: 5\r\n" + kHost + "\r\nHELLO"},
        Bytes{"NameIsNoToken", kLine + kHost + "X(Y): z\r\n\r\n"}, Bytes{"NameIsEmpty", kLine + kHost + ": z\r\n\r\n"},
        Bytes{"FoldedLine", kLine + kHost + "X: a\r\n b\r\n\r\n"},
        Bytes{"FoldedLength", kLine + kHost + "Content-Length: 0\r\n 5\r\n\r\nHELLO"},
        Bytes{"FoldedFirstLine", kLine + "X: a\r\n\tb\r\n" + kHost + "\r\n"},
        Bytes{"FoldedBlankLine", kLine + kHost + "X: a\r\n \r\n\r\n"},
        Bytes{"CarriageReturnInAValue", kLine + kHost + "X: a\rContent-Length: 5\r\n\r\nHELLO"},
        Bytes{"NulInAValue", kLine + kHost + "X: a\0b\r\n\r\n"s},
        Bytes{"NulAfterALength", kLine + kHost + "Content-Length: 0\0 5\r\n\r\nHELLO"s},
        Bytes{"NulInTheTarget", "GET /flv?a=b\0c HTTP/1.1\r\n"s + kHost + "\r\n"},
        Bytes{"NulInTheMethod", "GE\0T /flv HTTP/1.1\r\n"s + kHost + "\r\n"},
        Bytes{"TwoHosts", kLine + kHost + "Host: b\r\n\r\n"}, Bytes{"TwoEqualHosts", kLine + kHost + kHost + "\r\n"},
        Bytes{"NoHost", kLine + "\r\n"}, Bytes{"NoHostButMore", kLine + "X: y\r\n\r\n"},
        Bytes{"HostWithABlank", kLine + "Host: a b\r\n\r\n"}, Bytes{"HostIsAList", kLine + "Host: a,b\r\n\r\n"},
        Bytes{"HostWithAUser", kLine + "Host: u@a\r\n\r\n"},
        Bytes{"BlankInTheTarget", "GET /f lv HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"TwoBlanksBeforeTheTarget", "GET  /flv HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"TabInTheTarget", "GET /f\tlv HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"TargetWithoutASlash", "GET flv HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"StarForGet", "GET * HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"AuthorityForm", "CONNECT a:443 HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"AbsoluteFormWithoutAHost", "GET http:///flv HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"AbsoluteFormWithAPortAlone", "GET http://:80/flv HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"HostOfAPortAlone", kLine + "Host: :80\r\n\r\n"},
        Bytes{"AbsoluteFormWithAUser", "GET http://u@a/flv HTTP/1.1\r\n" + kHost + "\r\n"},
        Bytes{"MethodIsNoToken", "G\x01T /flv HTTP/1.1\r\n" + kHost + "\r\n"}),
    name_of);

struct Served {
  const char* name;
  std::string sent, echo;
};
std::ostream& operator<<(std::ostream& out, const Served& served) { return out << served.name; }

class ServedFraming : public testing::TestWithParam<Served> {};

TEST_P(ServedFraming, ReachesTheHandlerAndTheConnectionStays) {
  test::Front front;
  test::Client client = front.connect();
  for (int i = 0; i < 2; ++i) {
    const test::Reply reply = client.send(GetParam().sent).read();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, GetParam().echo);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Framing, ServedFraming,
    testing::Values(
        Served{"OriginForm", kLine + kHost + "\r\n", "GET a /flv?a=b"},
        Served{"RawEscapes", "GET /f%6cv?%00=%zz&&=?/ HTTP/1.1\r\n" + kHost + "\r\n", "GET a /f%6cv?%00=%zz&&=?/"},
        Served{"AbsoluteForm", "GET HTTP://B:81/flv?a=http://c HTTP/1.1\r\n" + kHost + "\r\n",
               "GET B:81 /flv?a=http://c"},
        Served{"AbsoluteFormOfTheRoot", "GET https://b?x HTTP/1.1\r\n" + kHost + "\r\n", "GET b /?x"},
        Served{"StarForOptions", "OPTIONS * HTTP/1.1\r\n" + kHost + "\r\n", "OPTIONS a *?"},
        Served{"LengthOfZero", kLine + kHost + "Content-Length: 0\r\n\r\n", "GET a /flv?a=b"},
        Served{"LengthOfManyZeros", kLine + kHost + "Content-Length: 000 \r\n\r\n", "GET a /flv?a=b"},
        Served{"MethodNobodyKnows", "BREW / HTTP/1.1\r\n" + kHost + "\r\n", "BREW a /?"},
        Served{"BareLineFeeds", "GET /flv HTTP/1.1\nHost: a\nX: y\n\n", "GET a /flv?"},
        Served{"EmptyValue", kLine + "X:\r\n" + kHost + "Y: \r\n\r\n", "GET a /flv?a=b"},
        Served{"BlanksAroundAValue", kLine + "Host: \t a \t\r\n\r\n", "GET a /flv?a=b"},
        Served{"EmptyHost", kLine + "Host:\r\n\r\n", "GET  /flv?a=b"},
        Served{"EmptyLinesBefore", "\r\n\r\n" + kLine + kHost + "\r\n", "GET a /flv?a=b"},
        Served{"CookiesOfAnyKind", kLine + kHost + "Cookie: a=\"\r\nCookie: =;;\"\r\n\r\n", "GET a /flv?a=b"},
        Served{"OldVersionWithoutAHost", "GET /flv HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET  /flv?"}),
    [](const auto& served) { return served.param.name; });

// Whether the connection stays: RFC 9112 9.3.
TEST(Framing, ConnectionStaysAsVersionAndFieldSay) {
  test::Front front;
  const auto stays = [&](const std::string& version, const std::string& field) {
    test::Client client = front.connect();
    const test::Reply reply = client.send("GET / " + version + "\r\nHost: a\r\n" + field + "\r\n").read();
    EXPECT_EQ(reply.status, 200) << version << field;
    return client.send(kNext).read().status == 200 ? "stays " + reply.header("connection")
                                                   : "ends " + reply.header("connection");
  };
  EXPECT_EQ(stays("HTTP/1.1", ""), "stays ");
  EXPECT_EQ(stays("HTTP/1.2", "Connection: keep-alive\r\n"), "stays ");
  EXPECT_EQ(stays("HTTP/1.1", "Connection: Close\r\n"), "ends close");
  EXPECT_EQ(stays("HTTP/1.1", "Connection: upgrade, close ,x\r\n"), "ends close");
  EXPECT_EQ(stays("HTTP/1.0", ""), "ends close");
  EXPECT_EQ(stays("HTTP/1.0", "Connection: Keep-Alive\r\n"), "stays keep-alive");
  EXPECT_EQ(stays("HTTP/1.0", "Connection: close, keep-alive\r\n"), "ends close");
  EXPECT_EQ(stays("HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n"), "ends close");
}

TEST(Framing, WhatIsTooLargeOrOfAnotherVersionIsSaidSo) {
  test::Front front;
  const auto status = [&](const std::string& request) {
    test::Client client = front.connect();
    const test::Reply reply = client.send(request).read();
    EXPECT_EQ(reply.header("content-type"), "application/problem+json");
    EXPECT_TRUE(client.closed());
    return reply.status;
  };
  EXPECT_EQ(status("GET /" + std::string(40'000, 'q')), 414);
  EXPECT_EQ(status(kLine + kHost + "X: " + std::string(40'000, 'x')), 431);
  EXPECT_EQ(status(kLine + kHost + "X: " + std::string(40'000, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(status("GET /\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), 400);
}

TEST(Framing, LargeRequestInPiecesIsTheSameRequest) {
  test::Front front;
  test::Client client = front.connect();
  const std::string query(13'000, 'q');
  const std::string request =
      "GET /flv?" + query + " HTTP/1.1\r\nHost: a\r\nX: " + std::string(2'000, 'x') + "\r\n\r\n";
  for (std::size_t at = 0; at < request.size(); at += 997) client.send(std::string_view(request).substr(at, 997));
  EXPECT_EQ(client.read().body, "GET a /flv?" + query);
}

TEST(Framing, ThousandsOfArgumentsAreOneTarget) {
  test::Front front;
  std::string query;
  for (int i = 0; i < 2'000; ++i) query += "&p=" + std::to_string(i);
  test::Client client = front.connect();
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(client.send("GET /flv?" + query + " HTTP/1.1\r\nHost: a\r\n\r\n").read().body, "GET a /flv?" + query);
}

TEST(Framing, CookiesThatFillTheMemoryAreAnsweredOnceOrNotAtAll) {
  test::Front front;
  for (const std::size_t size : {1'000U, 8'000U, 15'000U, 30'000U}) {
    test::Client client = front.connect();
    const test::Reply reply =
        client.send(kLine + kHost + "Cookie: " + std::string(size, ';') + "\r\n\r\n").end().read();
    EXPECT_TRUE(reply.status == 200 || reply.status == 431) << reply.status;
    bool closed = false;
    for (int i = 0; i < 2000 && !closed; ++i) {
      front.listener().sweep({geo::io::SystemClock().monotonic(), std::chrono::seconds(10), true});
      closed = client.closed_within(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(closed) << size;
  }
}

}  // namespace
}  // namespace geod

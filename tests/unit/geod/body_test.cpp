// Requests with a body, on a listener that takes them.
#include <gtest/gtest.h>

#include "framing.h"
#include "front.h"

namespace geod {
namespace {

constexpr std::size_t kMax = 10;
const std::string kPost = "POST /p HTTP/1.1\r\nHost: a\r\n";
const std::string kChunked = kPost + "Transfer-Encoding: chunked\r\n\r\n";
const std::string kNext = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

std::string with_length(std::string_view body) {
  return kPost + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

class Body : public testing::Test {
 protected:
  test::Client connect() { return front_.connect(); }

  std::atomic<int> answered_ = 0;
  test::Front front_{[this] {
    return std::make_unique<test::FakeHandler>(
        [this](Exchange& exchange) {
          ++answered_;
          if (exchange.in.path == "/wait") return false;
          test::FakeHandler::echo(exchange);
          return true;
        },
        test::FakeHandler::echo, kMax);
  }};
};

TEST_F(Body, OfAKnownLengthReachesTheHandlerAndTheConnectionStays) {
  test::Client client = connect();
  for (const std::string body : {"", "1", "hello", "0123456789", "\r\n\r\n"}) {
    const test::Reply reply = client.send(with_length(body)).read();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST a /p?" + body);
    EXPECT_EQ(reply.header("connection"), "");
  }
  EXPECT_EQ(client.send(kPost + "\r\n").read().body, "POST a /p?");
}

TEST_F(Body, LengthIsBelievedToTheByteInAPipeline) {
  test::Client client = connect();
  const std::string inner = "GET /x \n\n";
  client.send(with_length(inner) + kNext + with_length("") + with_length("0123456789") + kNext);
  EXPECT_EQ(client.read().body, "POST a /p?" + inner);
  EXPECT_EQ(client.read().body, "GET a /next?");
  EXPECT_EQ(client.read().body, "POST a /p?");
  EXPECT_EQ(client.read().body, "POST a /p?0123456789");
  EXPECT_EQ(client.read().body, "GET a /next?");
}

TEST_F(Body, InPiecesIsTheSameBody) {
  test::Client client = connect();
  for (const char byte : with_length("0123456789")) client.send(std::string_view(&byte, 1));
  EXPECT_EQ(client.read().body, "POST a /p?0123456789");
  EXPECT_EQ(client.send(kNext).read().body, "GET a /next?");
}

TEST_F(Body, ReachesTheWorkerOfARequestThatWaits) {
  test::Client client = connect();
  client.send("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + kNext);
  EXPECT_EQ(client.read().body, "POST a /wait?hello");
  EXPECT_EQ(client.read().body, "GET a /next?");
}

TEST_F(Body, InChunksReachesTheHandlerAndTheConnectionStays) {
  test::Client client = connect();
  for (const std::string chunks : {"5\r\nhello\r\n0\r\n\r\n", "2;x=y\r\nhe\r\n3\r\nllo\r\n000\r\n\r\n",
                                   "5 ; x\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n", "0005\r\nhello\r\n0;a\r\n\r\n"}) {
    client.send(kChunked + chunks + kNext);
    EXPECT_EQ(client.read().body, "POST a /p?hello");
    EXPECT_EQ(client.read().body, "GET a /next?");
  }
  for (const char byte : kChunked + "5\r\nhello\r\n0\r\nX: y\r\n\r\n") client.send(std::string_view(&byte, 1));
  EXPECT_EQ(client.read().body, "POST a /p?hello");
}

TEST_F(Body, IsAskedForWhereTheClientWaitsForThat) {
  test::Client client = connect();
  client.send(kPost + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  EXPECT_EQ(client.send("hello").read().body, "POST a /p?hello");
  const test::Reply refused = client.send(kPost + "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n").read();
  EXPECT_EQ(refused.status, 400);
  EXPECT_TRUE(client.closed());
}

TEST_F(Body, InChunksThatIsTooLongIsRefused) {
  test::Client client = connect();
  const test::Reply reply = client.send(kChunked + "b\r\n0123456789a\r\n0\r\n\r\n" + kNext).read();
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("10 bytes"), std::string::npos) << reply.body;
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(answered_, 0);
}

TEST_F(Body, ThatDoesNotEndIsRefusedOnceItIsTooLong) {
  test::Client client = connect();
  client.send(kChunked);
  for (int i = 0; i < 1000; ++i) client.send("5\r\nhello\r\n");
  EXPECT_EQ(client.read().status, 400);
  EXPECT_EQ(client.read().status, 0);
  EXPECT_EQ(answered_, 0);
}

TEST_F(Body, ThatIsCutShortIsNoRequest) {
  test::Client client = connect();
  client.send(kPost + "Content-Length: 5\r\n\r\nhell").end();
  bool closed = false;
  geo::MonotonicTime now = geo::io::SystemClock().monotonic();
  for (int i = 0; i < 2000 && !closed; ++i) {
    front_.listener().sweep({now += std::chrono::seconds(1), std::chrono::seconds(10), false});
    closed = client.closed_within(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(closed);
  EXPECT_EQ(answered_, 0);
}

TEST_F(Body, LeavesNothingBehindForTheNext) {
  test::Client client = connect();
  EXPECT_EQ(client.send(with_length("0123456789")).read().body, "POST a /p?0123456789");
  EXPECT_EQ(client.send(with_length("x")).read().body, "POST a /p?x");
}

struct Bytes {
  const char* name;
  std::string sent;
};
std::ostream& operator<<(std::ostream& out, const Bytes& bytes) { return out << bytes.name; }

class RefusedBody : public Body, public testing::WithParamInterface<Bytes> {};

// A 400 or a 413, then the end: what follows is never taken for a request.
TEST_P(RefusedBody, EndsTheConnection) {
  test::Client client = connect();
  const test::Reply reply = client.send(GetParam().sent + kNext).read(!GetParam().sent.starts_with("HEAD"));
  EXPECT_TRUE(reply.status == 400 || reply.status == 413) << reply.status;
  while (client.read().status != 0) ADD_FAILURE() << "answered again";
  EXPECT_EQ(answered_, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Framing, RefusedBody,
    testing::Values(
        Bytes{"OfAGet", "GET /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"},
        Bytes{"OfAHead", "HEAD /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"},
        Bytes{"OfAGetInChunks", "GET /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Bytes{"TooLong", with_length("0123456789a")}, Bytes{"FarTooLong", kPost + "Content-Length: 1000000000\r\n\r\n"},
        Bytes{"LengthAndCoding", kPost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Bytes{"CodingAndLength", kPost + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
        Bytes{"TwoLengths", kPost + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
        Bytes{"TwoEqualLengths", kPost + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
        Bytes{"ZeroAndLength", kPost + "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello"},
        Bytes{"TwoCodings", kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Bytes{"ListOfCodings", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        Bytes{"CodingNobodyKnows", kPost + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
        Bytes{"Identity", kPost + "Transfer-Encoding: identity\r\n\r\n"},
        Bytes{"EmptyCoding", kPost + "Transfer-Encoding:\r\n\r\n0\r\n\r\n"},
        Bytes{"CodingOfAnOldVersion",
              "POST /p HTTP/1.0\r\nConnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Bytes{"BlankBeforeTheColonOfLength", kPost + "Content-Length : 5\r\n\r\nhello"},
        Bytes{"BlankBeforeTheColonOfCoding", kPost + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
        Bytes{"FoldedLength", kPost + "Content-Length:\r\n 5\r\n\r\nhello"},
        Bytes{"FoldedCoding", kPost + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
        Bytes{"LengthIsNoNumber", kPost + "Content-Length: five\r\n\r\nhello"},
        Bytes{"LengthIsEmpty", kPost + "Content-Length:\r\n\r\n"},
        Bytes{"LengthWithASign", kPost + "Content-Length: +5\r\n\r\nhello"},
        Bytes{"LengthIsNegative", kPost + "Content-Length: -5\r\n\r\nhello"},
        Bytes{"LengthIsHex", kPost + "Content-Length: 0x5\r\n\r\nhello"},
        Bytes{"LengthIsAList", kPost + "Content-Length: 5, 5\r\n\r\nhello"},
        Bytes{"LengthBeyondNumbers", kPost + "Content-Length: 99999999999999999999999\r\n\r\n"},
        Bytes{"LengthThatWrapsAround", kPost + "Content-Length: 18446744073709551621\r\n\r\nhello"},
        Bytes{"LengthOfTheLibrarysUnknown", kPost + "Content-Length: 18446744073709551615\r\n\r\nhello"},
        Bytes{"TwoHosts", kPost + "Host: b\r\nContent-Length: 5\r\n\r\nhello"},
        Bytes{"ChunkSizeIsNoNumber", kChunked + "x\r\nhello\r\n0\r\n\r\n"},
        Bytes{"ChunkSizeWithASign", kChunked + "+5\r\nhello\r\n0\r\n\r\n"},
        Bytes{"ChunkSizeWithAPrefix", kChunked + "0x5\r\nhello\r\n0\r\n\r\n"},
        Bytes{"ChunkSizeBeyondNumbers", kChunked + "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"},
        Bytes{"ChunkSizeWithABareReturn", kChunked + "5\r\r\nhello\r\n0\r\n\r\n"},
        Bytes{"ChunkSizeWithABareReturnBeforeAnExtension", kChunked + "5\r;x=y\r\nhello\r\n0\r\n\r\n"},
        Bytes{"ChunkSizeWithABlankAndNoExtension", kChunked + "5 \r\nhello\r\n0\r\n\r\n"},
        Bytes{"ChunkSizeWithABareLineFeed", kChunked + "5\nhello\r\n0\r\n\r\n"},
        Bytes{"ChunkWithoutALinesEnd", kChunked + "5\r\nhello0\r\n\r\n"},
        Bytes{"TrailerThatIsFolded", kChunked + "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"},
        Bytes{"ChunkLineWithoutEnd", kChunked + "5;" + std::string(60'000, 'x')},
        Bytes{"ChunkLongerThanItSays", kChunked + "4\r\nhello\r\n0\r\n\r\n"}),
    [](const auto& bytes) { return bytes.param.name; });

}  // namespace
}  // namespace geod

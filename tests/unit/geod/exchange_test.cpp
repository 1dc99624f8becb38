#include "exchange.h"

#include <gtest/gtest.h>

#include <set>

#include "geo/base/text.h"
#include "geo/client.h"
#include "request_id.h"

namespace geod {
namespace {

using std::chrono::microseconds;

Exchange& sample(Exchange& exchange) {
  exchange.in.at = *geo::parse_time("2027-01-15T08:00:00Z") + std::chrono::milliseconds(7);
  exchange.in.client = *geo::Ip::parse("2001:db8:1:2::3");
  exchange.in.peer = *geo::Ip::parse("192.0.2.9");
  exchange.in.request_id = "r-1";
  exchange.in.method = "GET";
  exchange.out.status = 302;
  exchange.entry.path = "/flv";
  exchange.entry.code = Code::redirect;
  exchange.entry.format = geo::balance::Format::flv;
  exchange.entry.located_by = "cache";
  exchange.entry.provider = "maxmind";
  exchange.entry.place_cached = true;
  return exchange;
}

TEST(AccessLine, HasTheKeysOfTheContractAndNullForTheUnknown) {
  Exchange exchange;
  std::string line;
  append_line(line, sample(exchange), "redirect", exchange.in.started + microseconds(42), false);
  EXPECT_EQ(
      line,
      R"({"ts":"2027-01-15T08:00:00.007Z","request_id":"r-1","client_ip":"2001:db8:1:2::3","peer_ip":"192.0.2.9",)"
      R"("method":"GET","path":"/flv","format":"flv","server":null,"camera":null,"partner":null,"status":302,)"
      R"("code":"redirect","located_by":"cache","degraded":false,"provider":"maxmind","group":null,"pattern":null,)"
      R"("node":null,"owner":null,"lease":null,"cached":["places"],"duration_us":42,"listener":"redirect"})"
      "\n");
}

TEST(AccessLine, MaskedAddressesTellTheNetworkAlone) {
  Exchange exchange;
  std::string line;
  append_line(line, sample(exchange), "redirect", exchange.in.started, true);
  EXPECT_NE(line.find(R"("client_ip":"2001:db8:1::","peer_ip":"192.0.2.0")"), std::string::npos) << line;
}

TEST(AccessLine, SaysWhyAUrlDoesNotHold) {
  Exchange exchange;
  sample(exchange).entry.code = code_of(geo::ErrorCode::forbidden);
  exchange.entry.reason = "expired";
  std::string line;
  append_line(line, exchange, "verify", exchange.in.started, false);
  EXPECT_NE(line.find(R"("code":"forbidden","reason":"expired",)"), std::string::npos) << line;
}

TEST(AccessLine, MethodThatAClientMadeUpIsOther) {
  Exchange exchange;
  sample(exchange).in.method = "BREW";
  std::string line;
  append_line(line, exchange, "redirect", exchange.in.started, false);
  EXPECT_NE(line.find(R"("method":"other")"), std::string::npos) << line;
}

TEST(Refuse, HeaderIsTheOneOfTheTable) {
  const auto header_of = [](geo::ErrorCode code) {
    Exchange exchange;
    refuse(exchange, {code, "why", std::chrono::seconds(7)}, "GET");
    EXPECT_EQ(exchange.out.status, geo::row_of(code).http_status);
    std::string found;
    for (const Answer::Field& field : exchange.out) found += std::string(field.name) + ": " + field.value + "\n";
    return found;
  };
  const std::string problem = "Content-Type: application/problem+json\n";
  EXPECT_EQ(header_of(geo::ErrorCode::not_found), problem);
  EXPECT_EQ(header_of(geo::ErrorCode::token_expired), problem + "WWW-Authenticate: Bearer\n");
  EXPECT_EQ(header_of(geo::ErrorCode::no_node), problem + "Retry-After: 7\n");
  EXPECT_EQ(header_of(geo::ErrorCode::method_not_allowed), problem + "Allow: GET\n");
}

TEST(Headers, LinesOfOneFieldAreJoinedInTheirOrder) {
  Headers headers;
  headers.add("X-Forwarded-For", "10.0.0.1 ");
  headers.add("x-forwarded-for", "\t10.0.0.2, 10.0.0.3");
  headers.add("X-FORWARDED-FOR", "");
  headers.add("X-Unread", "x");
  EXPECT_EQ(headers[Known::x_forwarded_for], "10.0.0.1, 10.0.0.2, 10.0.0.3, ");
  EXPECT_EQ(headers.lines(Known::x_forwarded_for), 3U);
  EXPECT_EQ(headers[Known::host], "");
  headers.clear();
  EXPECT_EQ(headers[Known::x_forwarded_for], "");
}

TEST(RequestId, IsWellFormedAndNoTwoAreAlike) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    std::string id;
    append_request_id(id);
    EXPECT_EQ(id.size(), 16U);
    EXPECT_TRUE(geo::client::is_request_id(id));
    EXPECT_TRUE(seen.insert(id).second);
  }
}

}  // namespace
}  // namespace geod

#include "io/http/answers.h"

#include <gtest/gtest.h>

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;

const Ip kIp = *Ip::parse("77.88.55.60");

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

const std::string kResolved =
    R"({"ip":"77.88.55.60","country_code":"RU","region_iso":"MOW","region":"Moscow","city":"Москва",)"
    R"("coordinates":[55.75,37.61],"provider":"maxmind","cached":false})";

TEST(ReadResolved, TheContractsExample) {
  const auto at = read_resolved(kResolved, kIp);
  ASSERT_TRUE(at) << at.error();
  EXPECT_EQ(*at, (place::Location{"RU", "MOW", "Moscow", "Москва", place::Coordinates{55.75, 37.61}}));
}

TEST(ReadResolved, NullsAndKeysThatAreNew) {
  const auto at = read_resolved(
      R"({"asn":[1,{"x":2}],"ip":"2001:db8::1","country_code":null,"region_iso":null,"region":null,"city":null,)"
      R"("coordinates":null,"provider":"networks","cached":true})",
      *Ip::parse("2001:db8:0::1"));
  ASSERT_TRUE(at) << at.error();
  EXPECT_TRUE(at->empty());
  EXPECT_TRUE(read_resolved(replaced(kResolved, "[55.75,37.61]", "[-90,180]"), kIp));
}

TEST(ReadResolved, RefusesWhatIsNotInThatForm) {
  const std::string body = kResolved;
  const std::string deep = std::string(100'000, '[');
  for (const std::string& each : {
           std::string(),
           std::string("null"),
           std::string("[]"),
           std::string("{}"),
           std::string("{"),
           body + body,
           body + "x",
           "/*x*/" + body,
           "\xef\xbb\xbf" + body,
           body.substr(0, body.size() - 1),
           deep,
           replaced(body, "false", deep),
           replaced(body, "{\"ip\"", "{\"x\":[[[[[[1]]]]]],\"ip\""),
           replaced(body, "77.88.55.60", "77.88.55.61"),
           replaced(body, "\"77.88.55.60\"", "77"),
           replaced(body, "\"ip\":\"77.88.55.60\",", ""),
           replaced(body, "\"RU\"", "\"ru\""),
           replaced(body, "\"RU\"", "\"RUS\""),
           replaced(body, "\"RU\"", "7"),
           replaced(body, "\"RU\"", "[\"RU\"]"),
           replaced(body, "\"country_code\":\"RU\",", ""),
           replaced(body, "\"MOW\"", "\"Moscow\""),
           replaced(body, "\"region_iso\":\"MOW\",", ""),
           replaced(body, "\"Moscow\"", "true"),
           replaced(body, "Москва", "\xcc\xee\xf1\xea\xe2\xe0"),  // windows-1251
           replaced(body, "Москва", "M\xfcnchen"),                // ISO 8859-1
           replaced(body, "Москва", "\xed\xa0\x80"),              // half of a surrogate pair
           replaced(body, "Москва", "a\\u0000b"),
           replaced(body, "Москва", "a\\nb"),
           replaced(body, "Москва", "a\\u009bb"),
           replaced(body, "Москва", "a\nb"),
           replaced(body, "Москва", std::string(257, 'x')),
           replaced(body, "\"city\":\"Москва\",", ""),
           replaced(body, "[55.75,37.61]", "[55.75]"),
           replaced(body, "[55.75,37.61]", "[55.75,37.61,0]"),
           replaced(body, "[55.75,37.61]", "[91,0]"),
           replaced(body, "[55.75,37.61]", "[0,-180.5]"),
           replaced(body, "[55.75,37.61]", "[1e999,0]"),
           replaced(body, "[55.75,37.61]", "[NaN,0]"),
           replaced(body, "[55.75,37.61]", "[\"55\",\"37\"]"),
           replaced(body, "[55.75,37.61]", "[true,false]"),
           replaced(body, "[55.75,37.61]", "[null,null]"),
           replaced(body, "[55.75,37.61]", "{\"0\":1,\"1\":2}"),
           replaced(body, "\"coordinates\":[55.75,37.61],", ""),
           replaced(body, "\"maxmind\"", "null"),
           replaced(body, ",\"cached\":false", ""),
           replaced(body, "\"cached\":false", "\"cached\":false,\"cached\":false"),
           replaced(body, "false", "0"),
       })
    EXPECT_FALSE(read_resolved(each, kIp)) << each.substr(0, 300);
}

TEST(ReadResolved, SaysNothingOfTheAnswerItself) {
  const auto at = read_resolved(replaced(kResolved, "\"RU\"", "\"hush\""), kIp);
  ASSERT_FALSE(at);
  EXPECT_EQ(at.error().find("hush"), std::string::npos);
}

TEST(ReadResolvedBatch, EachForItself) {
  const std::vector<Ip> ips{kIp,
                            *Ip::parse("10.0.0.1"),
                            *Ip::parse("8.8.8.8"),
                            *Ip::parse("2001:db8::1"),
                            *Ip::parse("192.0.2.1"),
                            *Ip::parse("192.0.2.2")};
  const auto read = read_resolved_batch(
      R"({"x":[{"y":[]}],"locations":[)" + kResolved +
          R"(,{"title":"x","status":404,"code":"reserved_address","ip":"10.0.0.1"})"
          R"(,{"status":404,"code":"unknown_address","ip":"8.8.8.8","detail":null,"request_id":null})"
          R"(,{"status":503,"code":"upstream_unavailable","ip":"2001:DB8:0::1"})"
          R"(,{"status":418,"code":"of_a_later_version","ip":"192.0.2.1"},)" +
          kResolved + "]}",
      ips);
  ASSERT_TRUE(read) << read.error();
  ASSERT_EQ(read->size(), ips.size());
  ASSERT_TRUE((*read)[0] && *(*read)[0]);
  EXPECT_EQ((*(*read)[0])->city, "Москва");
  EXPECT_EQ((*read)[1]->error().code, ErrorCode::reserved_address);
  EXPECT_EQ((*read)[2]->error().code, ErrorCode::unknown_address);
  EXPECT_EQ((*read)[3]->error().code, ErrorCode::upstream_unavailable);
  EXPECT_EQ((*read)[4]->error().code, ErrorCode::upstream_unavailable);
  EXPECT_FALSE((*read)[5]) << "it is about another address";
}

TEST(ReadResolvedBatch, RefusesWhatIsNotInThatForm) {
  const std::string problem = R"({"status":404,"code":"unknown_address","ip":"77.88.55.60"})";
  const auto entry = [](const std::string& each) {
    const auto read = read_resolved_batch(R"({"locations":[)" + each + "]}", {kIp});
    return read && read->size() == 1 && read->front();
  };
  EXPECT_TRUE(entry(kResolved) && entry(problem));
  for (const std::string& each : {
           std::string("{}"),
           std::string("null"),
           std::string("7"),
           "[" + kResolved + "]",
           replaced(kResolved, "\"RU\"", "\"ru\""),
           replaced(problem, "404,", "200,"),
           replaced(problem, "404,", "\"404\","),
           replaced(problem, "\"status\":404,", ""),
           replaced(problem, "\"unknown_address\"", "null"),
           replaced(problem, "\"unknown_address\"", "[]"),
           replaced(problem, ".60", ".61"),
           replaced(problem, ",\"ip\":\"77.88.55.60\"", ""),
       })
    EXPECT_FALSE(entry(each)) << each;
  for (const std::string& each :
       {std::string(), std::string("{}"), "[" + kResolved + "]", std::string(R"({"locations":[]})"),
        std::string(R"({"locations":null})"), std::string(R"({"locations":{}})"),
        R"({"locations":[)" + kResolved + "," + kResolved + "]}", R"({"locations":[)" + kResolved + "]"})
    EXPECT_FALSE(read_resolved_batch(each, {kIp})) << each;
}

TEST(ReadProblem, OfTheContractsCodesAndTheirStatus) {
  EXPECT_EQ(read_problem(R"({"title":"x","status":404,"code":"unknown_address","detail":"x","request_id":"1"})", 404),
            ErrorCode::unknown_address);
  EXPECT_EQ(read_problem(R"({"code":"upstream_unavailable"})", 503), ErrorCode::upstream_unavailable);
  for (const char* each : {R"({"code":"internal"})", R"({"code":"no_such_code"})", "{}", "<html>", "", "[]",
                           R"({"code":null})", R"({"code":["unknown_address"]})"})
    EXPECT_FALSE(read_problem(each, 404)) << each;
}

const std::string kSuccess =
    R"({"status":"success","countryCode":"RU","region":"MOW","regionName":"Moscow","city":"Москва",)"
    R"("lat":55.75,"lon":37.61,"query":"77.88.55.60"})";

TEST(ReadIpApi, Success) {
  const auto at = read_ip_api(kSuccess, kIp);
  ASSERT_TRUE(at) << at.error();
  ASSERT_TRUE(*at);
  EXPECT_EQ(**at, (place::Location{"RU", "MOW", "Moscow", "Москва", place::Coordinates{55.75, 37.61}}));
}

TEST(ReadIpApi, WhatIsEmptyIsUnknown) {
  const auto at = read_ip_api(
      R"({"status":"success","countryCode":"NL","region":"","regionName":"","city":" ","query":"77.88.55.60"})", kIp);
  ASSERT_TRUE(at && *at);
  EXPECT_EQ(**at, (place::Location{"NL", "", "", "", {}}));
  const auto nothing = read_ip_api(R"({"status":"success","countryCode":"","city":"","query":"77.88.55.60"})", kIp);
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->error().code, ErrorCode::unknown_address);
}

TEST(ReadIpApi, ARegionWithoutAnIsoCodesFormIsNone) {
  const auto at = read_ip_api(replaced(kSuccess, "\"MOW\"", "\"Moscow\""), kIp);
  ASSERT_TRUE(at && *at);
  EXPECT_EQ((*at)->region_iso, "");
  EXPECT_EQ((*at)->region, "Moscow");
}

TEST(ReadIpApi, Fail) {
  const auto code = [](std::string_view message) {
    const auto at =
        read_ip_api(R"({"status":"fail","message":")" + std::string(message) + R"(","query":"77.88.55.60"})", kIp);
    return at && !*at ? at->error().code : ErrorCode::internal;
  };
  EXPECT_EQ(code("private range"), ErrorCode::reserved_address);
  EXPECT_EQ(code("reserved range"), ErrorCode::reserved_address);
  EXPECT_EQ(code("invalid query"), ErrorCode::unknown_address);
  EXPECT_EQ(code("anything else"), ErrorCode::unknown_address);
}

TEST(ReadIpApi, RefusesWhatIsNotInThatForm) {
  for (const std::string& each : {
           std::string("[]"),
           std::string("{}"),
           kSuccess + "}",
           replaced(kSuccess, "success", "great"),
           replaced(kSuccess, "\"success\"", "true"),
           replaced(kSuccess, "77.88.55.60", "77.88.55.61"),
           replaced(kSuccess, ",\"query\":\"77.88.55.60\"", ""),
           replaced(kSuccess, "\"RU\"", "\"Russia\""),
           replaced(kSuccess, "55.75", "95.75"),
           replaced(kSuccess, "55.75", "\"55.75\""),
           replaced(kSuccess, "\"lat\":55.75,", ""),
           replaced(kSuccess, "Москва", "M\xfcnchen"),
       })
    EXPECT_FALSE(read_ip_api(each, kIp)) << each;
}

TEST(ReadIpApiBatch, MatchedByQueryWhateverTheOrder) {
  const std::vector<Ip> ips{kIp, *Ip::parse("10.0.0.1"), *Ip::parse("2001:db8::1"), *Ip::parse("8.8.8.8")};
  const auto read =
      read_ip_api_batch(R"([{"status":"success","countryCode":"JP","query":"2001:DB8:0::1"},)"
                        R"({"status":"fail","message":"private range","query":"10.0.0.1"},)"
                        R"({"status":"success","countryCode":"XX","query":"192.0.2.99"},7,null,{"query":[]},)"
                        R"({"status":"success","countryCode":5,"query":"8.8.8.8"},)" +
                            kSuccess + "," + replaced(kSuccess, "RU", "US") + "]",
                        ips);
  ASSERT_TRUE(read) << read.error();
  ASSERT_EQ(read->size(), 4U);
  ASSERT_TRUE((*read)[0] && *(*read)[0]);
  EXPECT_EQ((*(*read)[0])->country_code, "RU") << "the first of two";
  EXPECT_EQ((*read)[1]->error().code, ErrorCode::reserved_address);
  EXPECT_EQ((*(*read)[2])->country_code, "JP");
  EXPECT_FALSE((*read)[3]) << "its own entry is not in form";

  const auto missing = read_ip_api_batch("[]", ips);
  ASSERT_TRUE(missing);
  for (const auto& each : *missing) EXPECT_FALSE(each);
  for (const char* each : {"{}", "", "[", "7", "[1,2"}) EXPECT_FALSE(read_ip_api_batch(each, ips)) << each;
}

TEST(IsJson, InUtf8) {
  for (const char* each : {"application/json", "Application/JSON; charset=UTF-8", "application/problem+json",
                           "application/json;charset=\"utf-8\"", "application/json; x=y"})
    EXPECT_TRUE(is_json(each)) << each;
  for (const char* each : {"", "text/html", "text/json", "application/json; charset=iso-8859-1", "application/jsonp",
                           "application/json; charset=", "text/html; application/json"})
    EXPECT_FALSE(is_json(each)) << each;
}

TEST(MaxAge, OfCacheControl) {
  EXPECT_EQ(max_age("private, max-age=3600"), 3600s);
  EXPECT_EQ(max_age("Max-Age=0"), 0s);
  EXPECT_EQ(max_age("no-store"), 0s);
  EXPECT_EQ(max_age("max-age=60, no-store"), 0s);
  EXPECT_EQ(max_age("max-age=18446744073709551615"), std::chrono::seconds(365 * 86400));
  for (const char* each : {"", "private", "max-age", "max-age=", "max-age=-1", "max-age=x", "s-maxage=5"})
    EXPECT_EQ(max_age(each), std::nullopt) << each;
}

}  // namespace
}  // namespace geo::io::http

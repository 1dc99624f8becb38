#include "resolve_handler.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "front.h"
#include "geo/base/guarded.h"
#include "scene.h"

namespace geod {
namespace {

using geo::ErrorCode;
using geo::From;
using geo::resolve::Located;

// Answers by its script; what is to be waited for is nothing until somebody may wait.
class ScriptedProvider final : public geo::resolve::Provider {
 public:
  struct Line {
    geo::Result<Located> answer;
    bool waits = false;
  };
  static Located at(const char* country, From from = From::upstream, std::optional<std::chrono::seconds> left = {}) {
    geo::place::Location location;
    location.country_code = country;
    return {std::make_shared<const geo::place::Location>(location), "scripted", from, left, nullptr};
  }
  void say(const char* ip, Line line) { script_.insert_or_assign(*geo::Ip::parse(ip), std::move(line)); }

  std::string_view name() const override { return "scripted"; }
  geo::Polled<Located> locate(const geo::resolve::Query& query) const override {
    asked_.with([&](std::string& asked) {
      asked += query.ip.to_string() + (query.wait.allowed() ? " waits" : "") + (query.hops > 0 ? " hops " : "") +
               (query.hops > 0 ? std::to_string(query.hops) : "") + "\n";
    });
    const auto found = script_.find(query.ip);
    if (found == script_.end()) return geo::deny(ErrorCode::unknown_address, {});
    if (found->second.waits && !query.wait.allowed()) return std::nullopt;
    return found->second.answer;
  }
  geo::UpstreamStatus status(geo::MonotonicTime) const override { return {"scripted", {}, {}, {}}; }

  std::string asked() const {
    return asked_.with([](std::string& asked) { return std::exchange(asked, {}); });
  }

 private:
  std::map<geo::Ip, Line> script_;
  mutable geo::Guarded<std::string> asked_;
};

class ResolverListener : public testing::Test {
 protected:
  ResolverListener() { publish(5000); }
  void publish(std::int64_t request_ms) {
    auto world = std::make_shared<geo::compose::World>();
    world->snapshot.resolver = std::make_shared<const geo::resolve::Resolver>(
        std::vector<std::shared_ptr<const geo::resolve::Provider>>{provider_});
    world->config.cache.places.ttl_s = 1000;
    world->config.deadline.request_ms = request_ms;
    worlds_.publish(std::move(world));
  }
  test::Reply ask(std::string_view target, std::string_view method = "GET", std::string_view headers = "",
                  std::string_view body = "") {
    std::string request;
    request.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: a\r\n").append(headers);
    if (method == "POST") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    request.append("\r\n").append(body);
    return front_.connect().send(request).read(method != "HEAD");
  }
  test::Reply post(std::string_view body) { return ask("/resolve", "POST", "", body); }

  std::shared_ptr<ScriptedProvider> provider_ = std::make_shared<ScriptedProvider>();
  geo::io::SystemClock clock_;
  Worlds worlds_;
  test::Front front_{[this] { return std::make_unique<ResolveHandler>(worlds_, clock_); }};
};

TEST_F(ResolverListener, LocatesAndTellsHowLongThatMayBeKept) {
  provider_->say("8.8.8.8", {ScriptedProvider::at("US")});
  const test::Reply reply = ask("/resolve?x=1&ip=8.8.8.8&&y");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("content-type"), "application/json");
  EXPECT_EQ(reply.header("cache-control"), "private, max-age=1000");
  EXPECT_EQ(reply.body,
            R"({"ip":"8.8.8.8","country_code":"US","region_iso":null,"region":null,"city":null,"coordinates":null,)"
            R"("provider":"scripted","cached":false})");
  EXPECT_EQ(reply.headers.count("access-control-allow-origin"), 0U);
}

TEST_F(ResolverListener, WhatIsLeftOfACachedAnswerIsTold) {
  provider_->say("8.8.8.8", {ScriptedProvider::at("US", From::cache, std::chrono::seconds(7))});
  provider_->say("8.8.4.4", {ScriptedProvider::at("US", From::stale, std::chrono::seconds(0))});
  EXPECT_EQ(ask("/resolve?ip=8.8.8.8").header("cache-control"), "private, max-age=7");
  EXPECT_EQ(ask("/resolve?ip=8.8.4.4").header("cache-control"), "private, max-age=0");
  EXPECT_EQ(post(R"({"ips":["8.8.8.8"]})").header("cache-control"), "private, max-age=7");
  EXPECT_EQ(post(R"({"ips":["8.8.8.8","8.8.4.4"]})").header("cache-control"), "private, max-age=0");
}

TEST_F(ResolverListener, EchoesAddressesAsRfc5952WritesThem) {
  provider_->say("2001:4860::8888", {ScriptedProvider::at("US")});
  provider_->say("8.8.8.8", {ScriptedProvider::at("US")});
  EXPECT_EQ(ask("/resolve?ip=2001:4860:0:0::0:8888").body.substr(0, 25), R"({"ip":"2001:4860::8888",")");
  EXPECT_EQ(ask("/resolve?ip=%3A%3Affff%3a8.8.8.8").body.substr(0, 17), R"({"ip":"8.8.8.8",")");
}

TEST_F(ResolverListener, ParameterThatIsWrongIsNamed) {
  for (const char* query : {"", "?", "?IP=8.8.8.8", "?ip", "?ip=", "?ip=8.8.8.8&ip=8.8.8.8", "?ip=8.8.8",
                            "?ip=08.8.8.8", "?ip=[::1]", "?ip=::1%25eth0", "?ip=8.8.8.8:80", "?ip=+8.8.8.8",
                            "?ip=8.8.8.8%00", "?ip=%", "?ip=8.8.8.8%20", "?ip=example.com"}) {
    const test::Reply reply = ask(std::string("/resolve") + query);
    EXPECT_EQ(reply.status, 400) << query;
    EXPECT_NE(reply.body.find(R"("detail":"ip: )"), std::string::npos) << query << reply.body;
    EXPECT_EQ(reply.header("cache-control"), "no-store");
  }
  EXPECT_EQ(provider_->asked(), "");
}

TEST_F(ResolverListener, RefusalsAreTheContracts) {
  EXPECT_NE(ask("/resolve?ip=8.8.8.8").body.find(R"("status":404,"code":"unknown_address")"), std::string::npos);
  EXPECT_NE(ask("/resolve?ip=192.168.1.1").body.find(R"("status":404,"code":"reserved_address")"), std::string::npos);
  provider_->say("8.8.8.8", {geo::deny(ErrorCode::upstream_unavailable, "away", std::chrono::seconds(42))});
  const test::Reply away = ask("/resolve?ip=8.8.8.8");
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(away.header("retry-after"), "42");
  EXPECT_EQ(away.header("cache-control"), "no-store");
}

TEST_F(ResolverListener, OtherPathsAndMethods) {
  EXPECT_EQ(ask("/resolve/?ip=8.8.8.8").status, 404);
  EXPECT_EQ(ask("/flv").status, 404);
  for (const char* method : {"PUT", "DELETE", "OPTIONS", "BREW"}) {
    const test::Reply reply = ask("/resolve?ip=8.8.8.8", method);
    EXPECT_EQ(reply.status, 405) << method;
    EXPECT_EQ(reply.header("allow"), "GET, HEAD, POST");
  }
}

TEST_F(ResolverListener, HeadHasTheHeadersAlone) {
  provider_->say("8.8.8.8", {ScriptedProvider::at("US")});
  const test::Reply head = ask("/resolve?ip=8.8.8.8", "HEAD");
  EXPECT_EQ(head.header("content-length"), std::to_string(ask("/resolve?ip=8.8.8.8").body.size()));
  EXPECT_EQ(head.header("cache-control"), "private, max-age=1000");
}

TEST_F(ResolverListener, AnswerThatHasToBeWaitedForComesFromAWorker) {
  provider_->say("8.8.8.8", {ScriptedProvider::at("US"), true});
  EXPECT_EQ(ask("/resolve?ip=8.8.8.8").status, 200);
  EXPECT_EQ(provider_->asked(), "8.8.8.8\n8.8.8.8 waits\n");
}

TEST_F(ResolverListener, AllOfAPostAreAskedForBeforeAnyIsWaitedFor) {
  provider_->say("8.8.8.8", {ScriptedProvider::at("US"), true});
  provider_->say("8.8.4.4", {ScriptedProvider::at("DE")});
  provider_->say("1.1.1.1", {ScriptedProvider::at("AU"), true});
  const test::Reply reply = post(R"({"ips":["8.8.8.8","8.8.4.4","1.1.1.1"]})");
  EXPECT_EQ(provider_->asked(), "8.8.8.8\n8.8.4.4\n1.1.1.1\n8.8.8.8 waits\n1.1.1.1 waits\n");
  const std::size_t first = reply.body.find("US"), second = reply.body.find("DE"), third = reply.body.find("AU");
  EXPECT_TRUE(first < second && second < third && third != std::string::npos) << reply.body;
}

TEST_F(ResolverListener, FailureStandsInItsPlaceAndNothingIsKept) {
  provider_->say("8.8.8.8", {ScriptedProvider::at("US")});
  const test::Reply reply = post(R"({"ips":["8.8.8.8","127.0.0.1","no\"pe","","2001:4860:0::1"],"more":{"x":[1]}})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("cache-control"), "no-store");
  EXPECT_TRUE(reply.body.starts_with(R"({"locations":[{"ip":"8.8.8.8","country_code":"US")")) << reply.body;
  for (const char* part : {R"({"ip":"127.0.0.1","title":"Reserved address","status":404,"code":"reserved_address")",
                           R"({"ip":"no\"pe","title":"Bad request","status":400,"code":"bad_request")",
                           R"({"ip":"","title":"Bad request","status":400,"code":"bad_request")",
                           R"({"ip":"2001:4860::1","title":"Unknown address","status":404)"})
    EXPECT_NE(reply.body.find(part), std::string::npos) << part << "\n" << reply.body;
}

TEST_F(ResolverListener, WhatIsNoAddressIsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ж";
  EXPECT_NE(post(R"({"ips":[")" + text + R"("]})").body.find("\"" + text.substr(0, 64) + "\""), std::string::npos);
  text.insert(0, "x");
  EXPECT_NE(post(R"({"ips":[")" + text + R"("]})").body.find("\"" + text.substr(0, 63) + "\""), std::string::npos);
}

TEST_F(ResolverListener, BodyThatIsWrongIsRefusedWhole) {
  std::string many = R"({"ips":["8.8.8.8")";
  for (int i = 0; i < 1000; ++i) many += R"(,"8.8.8.8")";
  const std::string deep = R"({"ips":[],"x":)" + std::string(10'000, '[') + std::string(10'000, ']') + "}";
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string(R"("8.8.8.8")"),
        std::string("{}"), std::string(R"({"ips":null})"), std::string(R"({"ips":"8.8.8.8"})"),
        std::string(R"({"ips":{}})"), std::string(R"({"ips":[8]})"), std::string(R"({"ips":["8.8.8.8",null]})"),
        std::string(R"({"ips":[["8.8.8.8"]]})"), std::string(R"({"ips":[]} x)"), std::string("ip=8.8.8.8"),
        std::string(R"({"ips":["8.8.8.8"],})"), std::string("{\"ips\":[\"\xff\"]}"), many + "]}", deep}) {
    const test::Reply reply = post(body);
    EXPECT_EQ(reply.status, 400) << body.substr(0, 100);
    EXPECT_NE(reply.body.find(R"("code":"bad_request")"), std::string::npos) << reply.body;
  }
  EXPECT_EQ(provider_->asked(), "");
}

TEST_F(ResolverListener, ThousandAddressesAreTaken) {
  provider_->say("8.8.8.8", {ScriptedProvider::at("US")});
  std::string many = R"({"ips":[)";
  for (int i = 0; i < 1000; ++i) many += i == 0 ? R"("8.8.8.8")" : R"(,"8.8.8.8")";
  const test::Reply reply = post(many + "]}");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("cache-control"), "private, max-age=1000");
  EXPECT_EQ(post(R"({"ips":[]})").body, R"({"locations":[]})");
}

TEST_F(ResolverListener, HopsGoOnAndMalformedOnesAreRefused) {
  ask("/resolve?ip=8.8.8.8", "GET", "Geo-Hops: 3\r\n");
  ask("/resolve?ip=8.8.4.4", "GET", "Geo-Hops: 99999\r\n");
  EXPECT_EQ(provider_->asked(), "8.8.8.8 hops 3\n8.8.4.4 hops 255\n");
  for (const char* header : {"Geo-Hops: x\r\n", "Geo-Hops: -1\r\n", "Geo-Hops:\r\n", "Geo-Hops: 1\r\nGeo-Hops: 1\r\n",
                             "Geo-Hops: 99999999999999999999999\r\n"}) {
    const test::Reply reply = ask("/resolve?ip=8.8.8.8", "GET", header);
    EXPECT_EQ(reply.status, 400) << header;
    EXPECT_NE(reply.body.find("Geo-Hops"), std::string::npos) << reply.body;
  }
}

TEST_F(ResolverListener, DeadlineThatHasPassedIsToldAsThat) {
  publish(0);
  provider_->say("8.8.8.8", {geo::deny(ErrorCode::upstream_unavailable, "slow"), true});
  provider_->say("8.8.4.4", {ScriptedProvider::at("US"), true});
  EXPECT_NE(ask("/resolve?ip=8.8.8.8").body.find(R"("status":504,"code":"deadline_exceeded")"), std::string::npos);
  EXPECT_EQ(ask("/resolve?ip=8.8.4.4").status, 200);  // it came all the same
}

TEST_F(ResolverListener, LoopThatNobodyAsksLetsGoOfTheOldWorldOnceWoken) {
  const std::weak_ptr<const geo::compose::World> old = worlds_.latest();
  ask("/resolve?ip=8.8.8.8");
  publish(5000);
  EXPECT_FALSE(old.expired());
  front_.listener().wake();
  const auto end = clock_.monotonic() + std::chrono::seconds(20);
  while (!old.expired() && clock_.monotonic() < end) std::this_thread::yield();
  EXPECT_TRUE(old.expired());
  EXPECT_EQ(ask("/resolve?ip=8.8.8.8").status, 404);
}

}  // namespace
}  // namespace geod

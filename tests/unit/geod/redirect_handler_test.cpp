#include <gtest/gtest.h>

#include "front.h"
#include "redirect_handler.h"
#include "scene.h"

namespace geod {
namespace {

using geo::scene::MemoryStore;

// A small world behind a real listener; its store may be one that has to be waited for.
class RedirectListener : public testing::Test {
 protected:
  RedirectListener() {
    auto world = std::make_shared<geo::compose::World>();
    geo::redirect::Snapshot& snapshot = world->snapshot;
    snapshot.topology = std::make_shared<const geo::place::Topology>(geo::scene::small_map());
    snapshot.live = std::make_shared<geo::balance::Live>(
        std::make_shared<const geo::balance::Balancer>(snapshot.topology, geo::balance::Settings{}));
    std::vector<std::shared_ptr<const geo::resolve::Provider>> providers;
    providers.push_back(std::make_shared<const geo::resolve::Networks>());
    snapshot.resolver = std::make_shared<const geo::resolve::Resolver>(std::move(providers));
    snapshot.authorizer = std::make_shared<const geo::auth::Rules>(store_);
    snapshot.billing = store_;
    snapshot.devices = store_;
    std::vector<geo::sign::Key> keys;
    keys.push_back(geo::scene::key("k1"));
    snapshot.keys = std::make_shared<const geo::sign::Keyring>(std::move(keys), "k1");
    world->trusted_proxies = geo::client::TrustedProxies({*geo::Cidr::parse("127.0.0.0/8")});
    world->config.deadline.request_ms = deadline_ms_;
    worlds_.publish(std::move(world));
  }

  test::Reply ask(std::string_view target, std::string_view method = "GET", std::string_view headers = "",
                  const Cors& cors = Cors({"*"})) {
    test::Front front([&] { return std::make_unique<RedirectHandler>(worlds_, clock_, cors); });
    std::string request;
    request.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: a\r\n");
    request.append("X-Forwarded-For: 10.1.2.3\r\n").append(headers).append("\r\n");
    return front.connect().send(request).read(method != "HEAD");
  }

  std::shared_ptr<MemoryStore> store_ = geo::scene::happy_store();
  static constexpr std::int64_t deadline_ms_ = 5000;
  geo::io::SystemClock clock_;
  Worlds worlds_;
};

constexpr std::string_view kGood = "/flv?server=100-abcdef&camera=0&access_token=T-1";

TEST_F(RedirectListener, StoreThatHasToBeWaitedForMakesTheSameRedirect) {
  const test::Reply at_once = ask(kGood);
  EXPECT_EQ(at_once.status, 302);
  const std::string location = at_once.header("location");
  EXPECT_TRUE(location.starts_with("https://msk-")) << location;
  store_->blocking = true;
  const test::Reply waited = ask(kGood);
  EXPECT_EQ(waited.status, 302);
  EXPECT_EQ(waited.header("location").substr(0, location.find("&exp=")), location.substr(0, location.find("&exp=")));
}

TEST_F(RedirectListener, StoreThatIsAwayIsToldFromTheWorkerToo) {
  store_->blocking = store_->down = true;
  const test::Reply reply = ask(kGood);
  EXPECT_EQ(reply.status, 503);
  EXPECT_NE(reply.header("retry-after"), "");
  EXPECT_NE(reply.body.find(R"("code":"upstream_unavailable")"), std::string::npos) << reply.body;
}

TEST_F(RedirectListener, DeadlineThatHasPassedIsNotWaitedFor) {
  store_->blocking = true;
  auto world = std::make_shared<geo::compose::World>();
  world->snapshot = worlds_.latest()->snapshot;
  world->config.deadline.request_ms = 0;
  worlds_.publish(std::move(world));
  const test::Reply reply = ask(kGood);
  EXPECT_EQ(reply.status, 504);
  EXPECT_NE(reply.body.find(R"("code":"deadline_exceeded")"), std::string::npos) << reply.body;
}

TEST_F(RedirectListener, AuthorizationGivenTwiceIsRefused) {
  const test::Reply reply =
      ask("/flv?server=100-abcdef&camera=0", "GET", "Authorization: Bearer T-1\r\nAuthorization: Bearer T-2\r\n");
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("Authorization"), std::string::npos);
}

TEST_F(RedirectListener, UnknownPathComesBeforeTheMethod) {
  EXPECT_EQ(ask("/nope", "BREW").status, 404);
  const test::Reply reply = ask("/flv", "BREW");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.header("allow"), "GET, HEAD, OPTIONS");
}

TEST_F(RedirectListener, PreflightIsAnsweredForAnyKnownPath) {
  for (const char* target : {"/flv", "/stream", "*"}) {
    const test::Reply reply = ask(target, "OPTIONS", "Origin: https://app.example.com\r\n");
    EXPECT_EQ(reply.status, 204);
    EXPECT_EQ(reply.header("allow"), "GET, HEAD, OPTIONS");
    EXPECT_EQ(reply.header("access-control-allow-origin"), "*");
    EXPECT_EQ(reply.header("access-control-allow-headers"), "Authorization");
    EXPECT_EQ(reply.headers.count("content-length"), 0U);
  }
}

TEST_F(RedirectListener, ListedOriginIsEchoedAndOthersAreNot) {
  const Cors cors({"https://app.example.com"});
  const test::Reply listed = ask(kGood, "GET", "Origin: https://app.example.com\r\n", cors);
  EXPECT_EQ(listed.header("access-control-allow-origin"), "https://app.example.com");
  EXPECT_EQ(listed.header("vary"), "Origin");
  const test::Reply other = ask(kGood, "GET", "Origin: https://evil.example.net\r\n", cors);
  EXPECT_EQ(other.status, 302);
  EXPECT_EQ(other.headers.count("access-control-allow-origin"), 0U);
  EXPECT_EQ(other.header("vary"), "Origin");
}

TEST_F(RedirectListener, RefusedFramingCarriesTheCorsHeadersToo) {
  const test::Reply reply = ask("/flv", "POST", "Content-Length: 2\r\n");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.header("access-control-allow-origin"), "*");
  EXPECT_EQ(reply.header("cache-control"), "no-store");
}

TEST_F(RedirectListener, RequestIdOfATrustedProxyIsTakenOver) {
  EXPECT_EQ(ask(kGood, "GET", "X-Request-Id: abc.1_2-3\r\n").header("x-request-id"), "abc.1_2-3");
  EXPECT_EQ(ask(kGood, "GET", "X-Request-Id: a b\r\n").header("x-request-id").size(), 16U);
}

}  // namespace
}  // namespace geod

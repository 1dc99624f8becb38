#include "authorize_handler.h"

#include <gtest/gtest.h>

#include "front.h"
#include "scene.h"

namespace geod {
namespace {

class AuthListener : public testing::Test {
 protected:
  AuthListener() { publish(5000); }
  void publish(std::int64_t request_ms) {
    auto world = std::make_shared<geo::compose::World>();
    world->authority = std::make_shared<const geo::auth::Rules>(store_);
    world->config.cache.tokens.ttl_s = 60;
    world->config.deadline.request_ms = request_ms;
    worlds_.publish(std::move(world));
  }
  test::Reply send(std::string_view body, std::string_view method = "POST", std::string_view path = "/authorize") {
    std::string request;
    request.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: a\r\n");
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    request.append("\r\n").append(body);
    return front_.connect().send(request).read(method != "HEAD");
  }
  test::Reply ask(std::string_view more = "", std::string_view token = "T-1") {
    return send(R"({"token":")" + std::string(token) + R"(","object_id":"0","server":"100-abcdef")" +
                std::string(more) + "}");
  }

  std::shared_ptr<geo::scene::MemoryStore> store_ = geo::scene::happy_store();
  geo::io::SystemClock clock_;
  Worlds worlds_;
  test::Front front_{[this] { return std::make_unique<AuthorizeHandler>(worlds_, clock_); }};
};

TEST_F(AuthListener, TellsWhoHoldsTheToken) {
  const test::Reply reply = ask();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("content-type"), "application/json");
  EXPECT_EQ(reply.header("cache-control"), "no-store");
  EXPECT_EQ(reply.body, R"({"owner_type":"user","owner_id":"u1","expires_at":null,"max_age_s":60})");
  store_->tokens[0].expires_at = *geo::parse_time("2099-01-01T00:00:00Z");
  EXPECT_EQ(ask(R"(,"rights":"view","object_type":"camera","more":{"token":[1]})").body,
            R"({"owner_type":"user","owner_id":"u1","expires_at":"2099-01-01T00:00:00Z","max_age_s":60})");
}

TEST_F(AuthListener, MaxAgeIsNoLongerThanTheTokenLives) {
  store_->tokens[0].expires_at = clock_.wall() + std::chrono::seconds(30);
  const test::Reply reply = ask();
  const std::size_t at = reply.body.find(R"("max_age_s":)");
  ASSERT_NE(at, std::string::npos) << reply.body;
  EXPECT_LT(std::stoi(reply.body.substr(at + 12)), 30) << "whole seconds, and some time has passed";
}

TEST_F(AuthListener, AStaleDecisionIsNotToBeKept) {
  store_->from = geo::From::stale;
  EXPECT_NE(ask().body.find(R"("max_age_s":0})"), std::string::npos);
}

TEST_F(AuthListener, RefusalsAreTheContracts) {
  const test::Reply unknown = ask("", "T-2");
  EXPECT_EQ(unknown.status, 401);
  EXPECT_EQ(unknown.header("www-authenticate"), "Bearer");
  EXPECT_EQ(unknown.header("cache-control"), "no-store");
  EXPECT_NE(unknown.body.find(R"("code":"token_unknown")"), std::string::npos);
  const test::Reply forbidden = ask(R"(,"rights":"control")");
  EXPECT_EQ(forbidden.status, 403);
  EXPECT_NE(forbidden.body.find(R"("code":"forbidden")"), std::string::npos);
  store_->tokens[0].expires_at = geo::scene::kNow - std::chrono::years(20);
  EXPECT_NE(ask().body.find(R"("code":"token_expired")"), std::string::npos);
  store_->down = true;
  EXPECT_EQ(ask().status, 503);
}

TEST_F(AuthListener, ParameterThatIsWrongIsNamed) {
  const std::string token = R"("token":"T-1")", object = R"("object_id":"0")", server = R"("server":"s")";
  const auto body = [](std::initializer_list<std::string> members) {
    std::string out;
    for (const std::string& each : members) out += (out.empty() ? "{" : ",") + each;
    return out + "}";
  };
  const std::vector<std::pair<std::string, std::string>> bodies{
      {body({token, object}), "server: missing"},
      {body({token, server}), "object_id: missing"},
      {body({token, object, R"("server":null)"}), "server: missing"},
      {body({token, object, R"("server":7)"}), "server: no text"},
      {body({token, object, R"("server":["s"])"}), "server: no text"},
      {body({token, object, R"("server":{"a":1})"}), "server: no text"},
      {body({token, object, R"("server":true)"}), "server: no text"},
      {body({token, object, R"("server":"")"}), "server: must be 1-64 of A-Z a-z 0-9 . _ : -"},
      {body({token, object, R"("server":"a b")"}), "server: must be 1-64 of A-Z a-z 0-9 . _ : -"},
      {body({token, object, R"("server":")" + std::string(65, 'a') + "\""}),
       "server: must be 1-64 of A-Z a-z 0-9 . _ : -"},
      {body({token, server, R"("object_id":"\u0430")"}), "object_id: must be 1-64 of A-Z a-z 0-9 . _ : -"},
      {body({token, object, server, R"("rights":"")"}), "rights: must be 1-64 of A-Z a-z 0-9 . _ : -"},
      {body({token, object, server, R"("rights":["view"])"}), "rights: no text"},
      {body({token, object, server, R"("object_type":"node")"}), "object_type: must be camera or server"},
      {body({token, object, server, R"("object_type":"server")"}), "object_id: a server's is that of the server"},
      {body({token, object, server, server}), "server: given twice"},
      {body({token, token, object, server}), "token: given twice"},
      {body({R"("token":7)", object, server}), "token: no text"},
      {body({R"("token":"")", object, server}), "token: must be 1-4096 visible ASCII characters"},
      {body({R"("token":"a b")", object, server}), "token: must be 1-4096 visible ASCII characters"},
      {body({R"("token":"a\u0000")", object, server}), "token: must be 1-4096 visible ASCII characters"},
      {body({"\"token\":\"" + std::string(4097, 'a') + "\"", object, server}),
       "token: must be 1-4096 visible ASCII characters"},
      {"[]", "the body is no JSON object"},
      {"null", "the body is no JSON"},
      {"7", "the body is no JSON"},
      {"{", "the body is no JSON"},
      {"token=T-1&object_id=0&server=s", "the body is no JSON"},
      {std::string(10'000, '['), "the body is no JSON"},
      {std::string(AuthorizeHandler::kBodyMax + 1, ' '), "a body has 16384 bytes at most here"},
  };
  for (const auto& [text, detail] : bodies) {
    const test::Reply reply = send(text);
    EXPECT_EQ(reply.status, 400) << text.substr(0, 100);
    EXPECT_NE(reply.body.find(R"("detail":")" + detail), std::string::npos) << text.substr(0, 100) << reply.body;
    EXPECT_EQ(reply.body.find("T-1"), std::string::npos);
  }
  EXPECT_EQ(send("").status, 400) << "no body";
  EXPECT_EQ(store_->asked, 0);
}

TEST_F(AuthListener, TheMissingTokenIsToldAfterTheParameters) {
  EXPECT_EQ(send(R"({"object_id":"0"})").status, 400);
  for (const char* body : {R"({"object_id":"0","server":"s"})", R"({"object_id":"0","server":"s","token":null})"}) {
    const test::Reply reply = send(body);
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply.header("www-authenticate"), "Bearer");
    EXPECT_NE(reply.body.find(R"("code":"missing_token")"), std::string::npos);
  }
}

TEST_F(AuthListener, LongestTokenIsTaken) {
  const std::string token(4096, 'a');
  EXPECT_NE(ask("", token).body.find(R"("code":"token_unknown")"), std::string::npos);
}

TEST_F(AuthListener, OtherPathsAndMethods) {
  for (const char* path : {"/", "/authorize/", "/Authorize", "/resolve"})
    EXPECT_EQ(send("{}", "POST", path).status, 404) << path;
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"}) {
    const test::Reply reply = send("", method);
    EXPECT_EQ(reply.status, 405) << method;
    EXPECT_EQ(reply.header("allow"), "POST");
  }
}

TEST_F(AuthListener, AnswerThatHasToBeWaitedForComesFromAWorker) {
  store_->blocking = true;
  EXPECT_EQ(ask().status, 200);
  EXPECT_EQ(ask("", "T-2").status, 401);
}

TEST_F(AuthListener, TheRequestsOwnEndIsTold) {
  publish(0);
  store_->blocking = store_->down = true;
  const test::Reply reply = ask();
  EXPECT_EQ(reply.status, 504);
  EXPECT_NE(reply.body.find(R"("code":"deadline_exceeded")"), std::string::npos);
}

}  // namespace
}  // namespace geod

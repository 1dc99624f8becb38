#include "geo/auth.h"

#include <gtest/gtest.h>

#include "scene.h"

namespace geo::auth {
namespace {

using scene::kNow;

struct World {
  std::shared_ptr<scene::MemoryStore> store = scene::happy_store();
  std::string ask(std::string_view token, std::string_view server = "100-abcdef", std::string_view camera = "0",
                  std::string_view rights = "view", WallTime now = kNow) const {
    const auto answer = Rules(store).authorize({token, rights, "camera", camera, server}, {now});
    if (!answer) return "would block";
    return *answer ? (*answer)->owner().id : std::string(name_of(answer->error().code));
  }
};

TEST(Authorize, AServersOwnerNeedsNoGrant) { EXPECT_EQ(World().ask("T-1"), "u1"); }

TEST(Authorize, AnOwnersRightIsToViewAlone) {
  EXPECT_EQ(World().ask("T-1", "100-abcdef", "0", "control"), "forbidden");
}

TEST(Authorize, RefusesUnknownTokens) { EXPECT_EQ(World().ask("T-2"), "token_unknown"); }

TEST(Authorize, RefusesATokenFromItsSecondOn) {
  World world;
  world.store->tokens[0].expires_at = kNow;
  EXPECT_EQ(world.ask("T-1"), "token_expired");
  EXPECT_EQ(world.ask("T-1", "100-abcdef", "0", "view", kNow - std::chrono::microseconds(1)), "u1");
}

TEST(Authorize, AGrantGivesOneCameraOrAWholeServer) {
  World world;
  world.store->tokens.push_back({sha256("T-2"), {"user", "u2"}, {}});
  world.store->grants.push_back({{"user", "u2"}, "camera", "100-abcdef", "1", {"view"}});
  world.store->grants.push_back({{"user", "u2"}, "server", "", "200-whole", {"view", "control"}});
  EXPECT_EQ(world.ask("T-2", "100-abcdef", "0"), "forbidden");
  EXPECT_EQ(world.ask("T-2", "100-abcdef", "1"), "u2");
  EXPECT_EQ(world.ask("T-2", "100-abcdef", "1", "control"), "forbidden");
  EXPECT_EQ(world.ask("T-2", "200-whole", "77", "control"), "u2");
  EXPECT_EQ(world.ask("T-1", "200-whole", "77"), "forbidden");
}

TEST(Authorize, AGrantForAServerAnswersForTheServerItself) {
  World world;
  world.store->grants = {{{"user", "u1"}, "server", "", "200-whole", {"control"}}};
  const auto answer = Rules(world.store).authorize({"T-1", "control", "server", "200-whole", "200-whole"}, {kNow});
  EXPECT_TRUE(answer && *answer);
}

TEST(Authorize, AnUnknownServerIsForbiddenNotFoundOut) { EXPECT_EQ(World().ask("T-1", "nobody-knows"), "forbidden"); }

TEST(Authorize, PassesOnWhatTheStoreSays) {
  World world;
  world.store->down = true;
  EXPECT_EQ(world.ask("T-1"), "upstream_unavailable");
  world.store->blocking = true;
  EXPECT_EQ(world.ask("T-1"), "would block");
}

TEST(Token, IsWellFormedAsVisibleAscii) {
  EXPECT_TRUE(is_well_formed("a"));
  EXPECT_TRUE(is_well_formed(std::string(4096, '~')));
  for (const std::string& bad :
       {std::string(), std::string(4097, 'a'), std::string("a b"), std::string("a\n"), std::string("é")})
    EXPECT_FALSE(is_well_formed(bad));
}

TEST(Decision, IsKeptNoLongerThanTheTokenLives) {
  using std::chrono::seconds;
  Right right{{std::make_shared<const Token>(Token{{}, {"user", "u1"}, kNow + std::chrono::milliseconds(7999)}), {}}};
  EXPECT_EQ(max_age(right, {kNow}, seconds(60)), seconds(7));
  EXPECT_EQ(max_age(right, {kNow}, seconds(5)), seconds(5));
  EXPECT_EQ(max_age(right, {kNow + seconds(9)}, seconds(60)), seconds(0));
  right.token.from = From::stale;
  EXPECT_EQ(max_age(right, {kNow}, seconds(60)), seconds(0));
  right.token = {std::make_shared<const Token>(Token{{}, {"user", "u1"}, {}}), From::cache};
  EXPECT_EQ(max_age(right, {kNow}, seconds(60)), seconds(60));
  right.token.fresh_until = MonotonicTime(seconds(100));
  EXPECT_EQ(max_age(right, {kNow, MonotonicTime(seconds(70))}, seconds(60)), seconds(30)) << "as old as what it is by";
}

TEST(Decision, InJson) {
  std::string out;
  append_json(out, {{std::make_shared<const Token>(Token{{}, {"user", "u\"1"}, kNow}), {}}}, std::chrono::seconds(7));
  EXPECT_EQ(out, R"({"owner_type":"user","owner_id":"u\"1","expires_at":"2026-06-01T12:00:00Z","max_age_s":7})");
}

}  // namespace
}  // namespace geo::auth

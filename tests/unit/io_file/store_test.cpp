#include "geo/base/hmac.h"
#include "geo/io/file.h"
#include "temp_dir.h"

namespace geo::io {
namespace {

constexpr Wait kNever = Wait::never();

Data some_data() {
  Data data;
  data.tokens = {{sha256("T-1"), {"user", "u1"}, {}}, {sha256("T-2"), {"user", "u2"}, {}}};
  data.users = {{"u1", "home", {}, false}, {"u2", "home", {}, true}};
  data.tariffs = {{"home", {"flv"}, 4}};
  data.usage = {{"u1", 3, {}}};
  data.servers = {{"s1", "", true, "", "user", "u1"}, {"s2", "", false, "acme", "user", "u2"}};
  data.cameras = {{"s1", "0", true, {"flv"}}, {"s1", "1", false, {}}, {"s2", "0", true, {}}};
  data.grants = {{{"user", "u2"}, "camera", "s1", "0", {"view"}},
                 {{"user", "u2"}, "camera", "s1", "0", {"control"}},
                 {{"user", "u3"}, "server", "", "s1", {"view"}},
                 {{"user", "u4"}, "server", "s1", "s1", {"view"}},
                 {{"user", "u5"}, "camera", "s1", "0", {}}};
  return data;
}

TEST(FileStore, FindsEachRowByItsKey) {
  const FileStore store(some_data());
  EXPECT_EQ((*store.token(sha256("T-2"), kNever))->get()->owner.id, "u2");
  EXPECT_TRUE((*store.user("u2", kNever))->get()->blocked);
  EXPECT_EQ((*store.tariff("home", kNever))->get()->max_streams, 4);
  EXPECT_EQ((*store.usage("u1", kNever))->get()->streams, 3);
  EXPECT_EQ((*store.server("s2", kNever))->get()->partner, "acme");
  EXPECT_EQ(*(*store.owner_of("s2", kNever))->get(), (auth::Owner{"user", "u2"}));
  EXPECT_FALSE((*store.camera("s1", "1", kNever))->get()->online);
  EXPECT_EQ((*store.camera("s2", "0", kNever))->get()->server, "s2");
}

TEST(FileStore, AnswersNullWhereThereIsNoRow) {
  const FileStore store(some_data());
  EXPECT_EQ(**store.token(sha256("T-3"), kNever), nullptr);
  EXPECT_EQ(**store.user("u", kNever), nullptr);
  EXPECT_EQ(**store.tariff("", kNever), nullptr);
  EXPECT_EQ(**store.usage("u2", kNever), nullptr);
  EXPECT_EQ(**store.server("s3", kNever), nullptr);
  EXPECT_EQ(**store.owner_of("s3", kNever), nullptr);
  EXPECT_EQ(**store.camera("s2", "1", kNever), nullptr);
  EXPECT_EQ(**store.camera("s10", "", kNever), nullptr);
}

TEST(FileStore, AnswersOwnNothing) {
  const FileStore store(some_data());
  EXPECT_EQ((*store.user("u1", kNever))->use_count(), 0);
  EXPECT_EQ((*store.camera("s1", "0", kNever))->use_count(), 0);
}

struct GrantCase {
  const char *owner, *right, *server, *camera;
  bool granted;
};
class FileStoreGrant : public testing::TestWithParam<GrantCase> {};
TEST_P(FileStoreGrant, CoversItsObjectOrItsWholeServer) {
  const GrantCase& c = GetParam();
  const FileStore store(some_data());
  auth::Query query;
  query.rights = c.right;
  query.object_id = c.camera;
  query.server = c.server;
  EXPECT_EQ(**store.granted({"user", c.owner}, query, kNever), c.granted);
  EXPECT_FALSE(**store.granted({"robot", c.owner}, query, kNever));
}
INSTANTIATE_TEST_SUITE_P(
    All, FileStoreGrant,
    testing::Values(GrantCase{"u2", "view", "s1", "0", true}, GrantCase{"u2", "control", "s1", "0", true},
                    GrantCase{"u2", "delete", "s1", "0", false}, GrantCase{"u2", "view", "s1", "1", false},
                    GrantCase{"u2", "view", "s2", "0", false}, GrantCase{"u3", "view", "s1", "0", true},
                    GrantCase{"u3", "view", "s1", "any", true}, GrantCase{"u3", "control", "s1", "0", false},
                    GrantCase{"u3", "view", "s2", "0", false}, GrantCase{"u4", "view", "s1", "1", true},
                    GrantCase{"u5", "view", "s1", "0", false}, GrantCase{"u6", "view", "s1", "0", false}));

TEST(FileStore, ServerGrantAnswersForTheServerItself) {
  const FileStore store(some_data());
  auth::Query query;
  query.object_type = "server";
  query.object_id = query.server = "s1";
  EXPECT_TRUE(**store.granted({"user", "u3"}, query, kNever));
  EXPECT_TRUE(**store.granted({"user", "u4"}, query, kNever));
  EXPECT_FALSE(**store.granted({"user", "u2"}, query, kNever));
}

}  // namespace
}  // namespace geo::io

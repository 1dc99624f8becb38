#include "geo/base/hmac.h"
#include "geo/io/file.h"
#include "temp_dir.h"

namespace geo::io {
namespace {

const Moment kNow{};

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
  EXPECT_EQ((**store.token(sha256("T-2"), kNow))->owner.id, "u2");
  EXPECT_TRUE((**store.user("u2", kNow))->blocked);
  EXPECT_EQ((**store.tariff("home", kNow))->max_streams, 4);
  EXPECT_EQ((**store.usage("u1", kNow))->streams, 3);
  EXPECT_EQ((**store.server("s2", kNow))->partner, "acme");
  EXPECT_EQ(***store.owner_of("s2", kNow), (auth::Owner{"user", "u2"}));
  EXPECT_FALSE((**store.camera("s1", "1", kNow))->online);
  EXPECT_EQ((**store.camera("s2", "0", kNow))->server, "s2");
}

TEST(FileStore, AnswersNullWhereThereIsNoRow) {
  const FileStore store(some_data());
  EXPECT_FALSE(**store.token(sha256("T-3"), kNow));
  EXPECT_FALSE(**store.user("u", kNow));
  EXPECT_FALSE(**store.tariff("", kNow));
  EXPECT_FALSE(**store.usage("u2", kNow));
  EXPECT_FALSE(**store.server("s3", kNow));
  EXPECT_FALSE(**store.owner_of("s3", kNow));
  EXPECT_FALSE(**store.camera("s2", "1", kNow));
  EXPECT_FALSE(**store.camera("s10", "", kNow));
}

TEST(FileStore, AnswersOwnNothing) {
  const FileStore store(some_data());
  EXPECT_EQ((*store.user("u1", kNow))->row.use_count(), 0);
  EXPECT_EQ((*store.camera("s1", "0", kNow))->row.use_count(), 0);
}

struct GrantCase {
  const char *owner, *right, *server, *camera;
  bool granted;
};
class FileStoreGrant : public testing::TestWithParam<GrantCase> {};
TEST_P(FileStoreGrant, CoversItsObjectOrItsWholeServer) {
  const GrantCase& c = GetParam();
  const FileStore store(some_data());
  const auto granted = [&](const auth::Owner& owner) {
    for (const char* type : {"camera", "server"}) {
      const auto rights =
          **store.rights(owner, type, c.server, type == std::string_view("camera") ? c.camera : c.server, kNow);
      if (rights && std::count(rights->begin(), rights->end(), c.right) > 0) return true;
    }
    return false;
  };
  EXPECT_EQ(granted({"user", c.owner}), c.granted);
  EXPECT_FALSE(granted({"robot", c.owner}));
}
INSTANTIATE_TEST_SUITE_P(
    All, FileStoreGrant,
    testing::Values(GrantCase{"u2", "view", "s1", "0", true}, GrantCase{"u2", "control", "s1", "0", true},
                    GrantCase{"u2", "delete", "s1", "0", false}, GrantCase{"u2", "view", "s1", "1", false},
                    GrantCase{"u2", "view", "s2", "0", false}, GrantCase{"u3", "view", "s1", "0", true},
                    GrantCase{"u3", "view", "s1", "any", true}, GrantCase{"u3", "control", "s1", "0", false},
                    GrantCase{"u3", "view", "s2", "0", false}, GrantCase{"u4", "view", "s1", "1", true},
                    GrantCase{"u5", "view", "s1", "0", false}, GrantCase{"u6", "view", "s1", "0", false}));

}  // namespace
}  // namespace geo::io

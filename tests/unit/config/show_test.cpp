#include "../io_file/temp_dir.h"
#include "geo/config.h"
#include "values.h"

namespace geo::config {
namespace {

std::string shown_again(const std::string& text) {
  const test::TempDir dir;
  return show(read_file(dir.write("geod.toml", text), {}).config);
}

TEST(ShowConfig, DefaultsAreAFixedPointWithoutFault) {
  const std::string text = show(Config{});
  EXPECT_EQ(shown_again(text), text);
  const test::TempDir dir;
  EXPECT_TRUE(read_file(dir.write("geod.toml", text), {}).faults.empty());
}

TEST(ShowConfig, EveryOtherValueIsAFixedPoint) {
  std::string text;
  for (const auto& [name, value] : test::other_values()) text += name + " = " + value + "\n";
  const std::string once = shown_again(text);
  EXPECT_NE(once, show(Config{}));
  EXPECT_EQ(shown_again(once), once);
}

TEST(ShowConfig, IncompleteConfigIsShownWithWhatCouldBeRead) {
  const std::string text = shown_again("[listen]\nverify = \"127.0.0.1:1\"\nadmin = 5\n[nonsense]\n");
  EXPECT_NE(text.find("\nverify = \"127.0.0.1:1\"\n"), std::string::npos);
  EXPECT_NE(text.find("\nadmin = \"127.0.0.1:8081\"\n"), std::string::npos);
  EXPECT_EQ(shown_again(text), text);
}

TEST(ShowConfig, TextsAreEscaped) {
  Config config;
  config.store.dir = "a\"b\\c\td";
  const std::string text = show(config);
  EXPECT_NE(text.find("\ndir = \"a\\\"b\\\\c\\td\"\n"), std::string::npos);
}

TEST(ShowConfig, FloatsStayFloats) {
  Config config;
  config.balance.balance_factor = 2;
  EXPECT_NE(show(config).find("\nbalance_factor = 2.0\n"), std::string::npos);
}

struct UriCase {
  const char *uri, *shown;
};
class ShowPassword : public testing::TestWithParam<UriCase> {};
TEST_P(ShowPassword, IsHiddenAndStaysSo) {
  Config config;
  config.store.uri = GetParam().uri;
  const std::string text = show(config);
  EXPECT_NE(text.find(std::string("\nuri = \"") + GetParam().shown + "\"\n"), std::string::npos) << text;
  EXPECT_EQ(shown_again(text), text);
}
INSTANTIATE_TEST_SUITE_P(
    All, ShowPassword,
    testing::Values(UriCase{"", ""}, UriCase{"mongodb://host/geo", "mongodb://host/geo"},
                    UriCase{"mongodb://host:27017/geo", "mongodb://host:27017/geo"},
                    UriCase{"mongodb://user@host:27017/geo", "mongodb://user@host:27017/geo"},
                    UriCase{"mongodb://user:secret@host:1,b:2/?tls=true", "mongodb://user:***@host:1,b:2/?tls=true"},
                    UriCase{"mongodb+srv://user:se@cr/et:x@host/geo", "mongodb+srv://user:***@host/geo"},
                    UriCase{"mongodb://h/?tls=true&tlsCertificateKeyFilePassword=secret&w=1",
                            "mongodb://h/?tls=true&tlsCertificateKeyFilePassword=***&w=1"},
                    UriCase{"mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:secret",
                            "mongodb://h/?authMechanismProperties=***"},
                    UriCase{"mongodb://h/?bogus=secret;replicaSet=rs0&secret&w=1",
                            "mongodb://h/?bogus=***;replicaSet=rs0&***&w=1"}));

TEST(ShowPassword, OfOtherUrlsIsHiddenToo) {
  Config config;
  config.auth.url = "https://geod:secret@auth.example.com";
  EXPECT_NE(show(config).find("\nurl = \"https://geod:***@auth.example.com\"\n"), std::string::npos);
}

}  // namespace
}  // namespace geo::config

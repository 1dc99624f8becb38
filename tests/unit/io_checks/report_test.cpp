#include "io/checks/report.h"

#include <gtest/gtest.h>

#include <string>

namespace geo::io::checks {
namespace {

using balance::Report;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

std::optional<Report> read(std::string_view body) { return read_report(body, "n", kNow); }
Report report(std::optional<std::int64_t> sessions, std::optional<double> load, bool online = true) {
  return {.id = "n", .seen_at = kNow, .online = online, .sessions = sessions, .load = load};
}

TEST(ChecksReport, ReadsWhatANodeSaysOfItself) {
  EXPECT_EQ(read(R"({"sessions":120,"load":0.4,"online":true})"), report(120, 0.4));
  EXPECT_EQ(read(R"({"sessions":0})"), report(0, {}));
  EXPECT_EQ(read("\n { \"load\" : 1 }\n"), report({}, 1.0));
  EXPECT_EQ(read(R"({"online":false})"), report({}, {}, false));
  EXPECT_EQ(read(R"({"load":1.5})"), report({}, 1.5)) << "full";
  EXPECT_EQ(read(R"({"sessions":12.0})"), report(12, {}));
  EXPECT_EQ(read(R"({"sessions":12,"load":null})"), report(12, {})) << "null is missing";
  EXPECT_EQ(read(R"({"status":"ok","checks":[{"db":true}],"sessions":12})"), report(12, {}));
}

TEST(ChecksReport, NothingElseIsAReport) {
  for (const std::string_view body : {
           "",
           "ok",
           "{}",
           "[]",
           "null",
           "12",
           "{",
           R"({"sessions":)",
           R"({"status":"ok"})",
           R"([{"sessions":1}])",
           R"({"sessions":"12"})",
           R"({"sessions":-1})",
           R"({"sessions":1.5})",
           R"({"sessions":true})",
           R"({"sessions":1e300})",
           R"({"sessions":1e999})",
           R"({"sessions":99999999999999999999})",
           R"({"sessions":[1]})",
           R"({"sessions":{}})",
           R"({"load":-0.1})",
           R"({"load":1e7})",
           R"({"load":NaN})",
           R"({"load":"0.5"})",
           R"({"load":false})",
           R"({"online":1})",
           R"({"online":"true"})",
           R"({"sessions":null})",
           R"({"sessions":12,"load":-1})",
           R"({"sessions":12}x)",
           "\xff\xfe{}",
       })
    EXPECT_FALSE(read(body)) << body;
}

TEST(ChecksReport, HostileBodiesAreNoReport) {
  EXPECT_FALSE(read(std::string(60'000, '[')));
  std::string deep = "{\"a\":";
  for (int i = 0; i < 10'000; ++i) deep += "{\"a\":";
  EXPECT_FALSE(read(deep));
  EXPECT_FALSE(read(std::string("{\"sessions\":1\0}", 15)));
  EXPECT_FALSE(read("{\"sessions\":" + std::string(60'000, '9') + "}"));
  EXPECT_FALSE(read("{\"\xff\xff\":\"\\ud800\"}"));
}

}  // namespace
}  // namespace geo::io::checks

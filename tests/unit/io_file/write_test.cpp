// The store's files as they are written: one form for equal content, and nothing is lost on the way back.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "geo/base/text.h"
#include "geo/io/file.h"
#include "temp_dir.h"

namespace geo::io {
namespace {

using Lines = std::vector<std::string>;

WallTime at(std::string_view text) { return *parse_time(text); }

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Data sorted(Data data) {
  sort_by_key(data);
  return data;
}

place::Node node_of(const std::string& id, const std::string& group) {
  place::Node node;
  node.id = id;
  node.host = id + ".example";
  node.group = group;
  return node;
}

// Draws rows that hold what the files promise, of every key and odd values.
class Rows {
 public:
  explicit Rows(unsigned seed) : dice_(seed) {}

  Data draw() {
    Data data;
    place::Rows& rows = data.topology;
    for (int i = 0; i < 5; ++i) rows.patterns.push_back({id("p", i), some("p", i), policy()});
    for (int i = 0; i < 5; ++i)
      rows.partners.push_back({id("a", i), {id("a", i) + ".example"}, maybe(id("g", 0)), number(0, 1), policy()});
    for (int i = 0; i < 5; ++i) rows.groups.push_back({id("g", i), coordinates(), maybe("RU"), some("g", i), forbid()});
    for (int i = 0; i < 20; ++i)
      rows.places.push_back({"RU", (one_in(4) ? "" : text()) + std::to_string(i), one_in(3) ? "" : text(), id("g", 1)});
    for (int i = 0; i < 20; ++i) {
      const std::string cidr =
          one_in(2) ? "10." + std::to_string(i) + ".0.0/16" : "2001:db8:" + std::to_string(i) + "::/48";
      rows.networks.push_back({*Cidr::parse(cidr), id("g", 2), {maybe("DE"), maybe("MOW"), "", text(), coordinates()}});
    }
    for (int i = 0; i < 20; ++i) {
      place::Node node = node_of(id("n", i), id("g", i % 5));
      node.dc = text();
      node.weight = number(0, place::kWeightMax);
      if (one_in(2)) node.capacity = integer();
      if (one_in(2)) node.patterns = {id("p", 1)};
      if (one_in(2)) node.partners = {id("a", 1), id("a", 0)};
      if (one_in(2)) node.formats = {"ws-fmp4", "flv"};
      node.admin = static_cast<place::Admin>(dice_() % 3);
      node.country = maybe("US");
      node.coordinates = coordinates();
      node.forbid = forbid();
      node.check = maybe("https://user:pa%22ss@10.0.0.1:8443/health?a=%5C#'\"\\");
      if (one_in(3)) node.ports = {8443, 8444, 0, 0};
      if (one_in(3)) node.ports = {0, 0, 80, 8080};
      rows.nodes.push_back(node);
    }
    for (int i = 0; i < 30; ++i)
      data.tokens.push_back({sha256(text() + std::to_string(i)), {"user", id("u", i % 10)}, time()});
    for (int i = 0; i < 30; ++i) {
      const bool camera = one_in(2);
      auth::Grant grant{
          {"user", id("u", i % 10)}, camera ? "camera" : "server", id("s", i % 3), id("s", i % 3), {"view"}};
      if (!camera && one_in(2)) grant.server.clear();
      if (one_in(3)) grant.rights = {"view", "control"};
      data.grants.push_back(grant);
    }
    for (int i = 0; i < 10; ++i) data.users.push_back({id("u", i), id("t", i % 3), time(), one_in(2)});
    for (int i = 0; i < 3; ++i) data.tariffs.push_back({id("t", i), {"hls"}, maybe_integer()});
    for (int i = 0; i < 10; ++i) data.usage.push_back({id("u", i), one_in(2) ? 0 : integer(), time()});
    for (int i = 0; i < 10; ++i)
      data.servers.push_back({id("s", i), text(), one_in(2), maybe(id("a", 1)), "user", id("u", i)});
    for (int i = 0; i < 40; ++i) {
      devices::Camera camera{id("s", i % 10), id("c", i), one_in(2), {"flv"}};
      if (one_in(3)) camera.streams.clear();
      data.cameras.push_back(camera);
    }
    shuffle(data);
    return data;
  }

  void shuffle(Data& data) {
    place::Rows& rows = data.topology;
    const auto all = [&](auto&... lists) { (std::shuffle(lists.begin(), lists.end(), dice_), ...); };
    all(rows.patterns, rows.partners, rows.groups, rows.places, rows.networks, rows.nodes, data.tokens, data.grants,
        data.users, data.tariffs, data.usage, data.servers, data.cameras);
  }

  double number(double min, double max) {
    switch (dice_() % 4) {
      case 0:
        return min;
      case 1:
        return max;
      case 2:
        return std::ldexp(std::uniform_real_distribution<double>(min, max)(dice_), -static_cast<int>(dice_() % 60));
      default:
        return std::uniform_real_distribution<double>(min, max)(dice_);
    }
  }

 private:
  bool one_in(unsigned n) { return dice_() % n == 0; }
  static std::string id(std::string_view kind, int n) { return std::string(kind) + "-" + std::to_string(n); }
  std::string maybe(std::string text) { return one_in(2) ? "" : text; }
  std::string policy() { return maybe("least_loaded"); }
  std::int64_t integer() { return one_in(4) ? INT64_MAX : static_cast<std::int64_t>(dice_()); }
  std::optional<std::int64_t> maybe_integer() { return one_in(2) ? std::optional(integer()) : std::nullopt; }
  std::optional<place::Coordinates> coordinates() {
    if (one_in(2)) return std::nullopt;
    return place::Coordinates{number(-90, 90), number(-180, 180)};
  }
  std::vector<place::Forbid> forbid() {
    return one_in(2) ? std::vector<place::Forbid>{} : std::vector<place::Forbid>{{"RU", "US"}, {"*", "DE"}};
  }
  std::vector<std::string> some(std::string_view kind, int but) {
    return one_in(2) ? std::vector<std::string>{}
                     : std::vector<std::string>{id(kind, (but + 3) % 5), id(kind, (but + 1) % 5)};
  }
  std::optional<WallTime> time() {
    if (one_in(3)) return std::nullopt;
    const WallTime second = at("2026-01-01T00:00:00Z") + std::chrono::seconds(dice_());
    return one_in(2) ? second : second + std::chrono::microseconds(dice_() % 1000000);
  }
  // What must be escaped, and what only looks like it.
  std::string text() {
    static const std::vector<std::string> kParts{
        "Москва",           "\"",           "\\",   "'", "#", "]]", "\\u0041", "São Paulo", " ", "=",
        "\xF0\x9F\x8E\xA5", "\xE2\x80\xA8", "true", "{", "}"};
    std::string text;
    for (std::size_t i = dice_() % 6; i > 0; --i) text += kParts[dice_() % kParts.size()];
    return text;
  }

  std::mt19937 dice_;
};

TEST(WriteData, ReadsBackEqual) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    const test::TempDir dir;
    const Data data = Rows(seed).draw();
    ASSERT_TRUE(write_data(data, dir.path() / "new" / "store"));
    const ReadData back = read_data(dir.path() / "new" / "store");
    ASSERT_EQ(test::lines_of(back.faults, dir), Lines{}) << seed;
    ASSERT_EQ(back.data, sorted(data)) << seed;
  }
}

TEST(WriteData, TheOrderOfRowsDoesNotShow) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    Rows rows(seed);
    Data data = rows.draw();
    const std::string topology = topology_text(data.topology), accounts = accounts_text(data),
                      devices = devices_text(data);
    rows.shuffle(data);
    EXPECT_EQ(topology_text(data.topology), topology);
    EXPECT_EQ(accounts_text(data), accounts);
    EXPECT_EQ(devices_text(data), devices);
  }
}

TEST(WriteData, TheDemoReadsBackEqual) {
  const test::TempDir dir;
  ReadData demo = read_data(GEO_DEMO);
  ASSERT_TRUE(demo.faults.empty());
  ASSERT_FALSE(demo.data.node_states.empty());
  ASSERT_TRUE(write_data(demo.data, dir.path()));
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "states.toml"));
  dir.write("states.toml", states_text(demo.data.node_states));
  const ReadData back = read_data(dir.path());
  EXPECT_EQ(test::lines_of(back.faults, dir), Lines{});
  EXPECT_EQ(back.data, sorted(demo.data));
}

TEST(WriteData, ShowsWhatIsRequiredAndWhatDiffersFromItsDefault) {
  place::Rows rows;
  rows.groups = {{"ru-msk", place::Coordinates{55.75, 37}, "RU", {"eu", "ap"}, {{"RU", "US"}}}, {"eu", {}, "", {}, {}}};
  rows.nodes = {node_of("n2", "eu"), node_of("n1", "eu")};
  rows.nodes[0].dc = "fra \"1\"";
  rows.nodes[0].weight = 50;
  rows.nodes[0].capacity = 2000;
  rows.nodes[0].admin = place::Admin::drain;
  rows.nodes[0].ports = {0, 0, 80, 8080};
  EXPECT_EQ(topology_text(rows), R"([[groups]]
id = "eu"

[[groups]]
id = "ru-msk"
coordinates = [55.75, 37]
country = "RU"
fallback = ["eu", "ap"]
forbid = ["RU>US"]

[[nodes]]
id = "n1"
host = "n1.example"
group = "eu"

[[nodes]]
id = "n2"
host = "n2.example"
group = "eu"
dc = "fra \"1\""
weight = 50
capacity = 2000
admin = "drain"
ports = { http = 80, ws = 8080 }
)");

  Data data;
  data.tokens = {{sha256("T-1"), {"user", "u1"}, at("2030-01-01T00:00:00.5Z")}};
  data.usage = {{"u1", 0, at("2026-01-01T00:00:00Z")}};
  EXPECT_EQ(accounts_text(data), "[[tokens]]\nsha256 = \"" + hex(sha256("T-1").data(), 32) + R"("
owner_type = "user"
owner_id = "u1"
expires_at = 2030-01-01T00:00:00.5Z

[[usage]]
user = "u1"
reported_at = 2026-01-01T00:00:00Z
)");
  data.servers = {{"s1", "", false, "", "user", "u1"}};
  data.cameras = {{"s1", "0", true, {}}};
  EXPECT_EQ(devices_text(data), R"([[servers]]
id = "s1"
online = false
owner_type = "user"
owner_id = "u1"

[[cameras]]
server = "s1"
id = "0"
online = true
streams = []
)");
}

TEST(WriteData, EveryNumberReadsBackAsItWas) {
  Rows dice(7);
  std::vector<balance::Report> reports;
  for (int i = 0; i < 5000; ++i)
    reports.push_back({"n" + std::to_string(i), at("2026-01-01T00:00:00Z"), true, {}, dice.number(0, 1e6)});
  for (const double load : {-0.0, 5e-324, 2.2250738585072014e-308, 0.1, 1e6, 999999.99999999988})
    reports.push_back({"n" + std::to_string(reports.size()), at("2026-01-01T00:00:00Z"), true, {}, load});
  const test::TempDir dir;
  std::vector<place::Node> nodes;
  for (const balance::Report& report : reports) nodes.push_back(node_of(report.id, "g"));
  const ReadStates back = read_states(dir.write("states.toml", states_text(reports)), nodes);
  EXPECT_EQ(test::lines_of(back.faults, dir), Lines{});
  ASSERT_EQ(back.reports.size(), reports.size());
  for (const balance::Report& report : back.reports) {
    const std::size_t i = *parse_digits(report.id.substr(1));
    EXPECT_EQ(report.load, reports[i].load) << report.id;
  }
  EXPECT_EQ(states_text({{"n", at("2026-01-01T00:00:00Z"), true, {}, -0.0}}),
            states_text({{"n", at("2026-01-01T00:00:00Z"), true, {}, 0.0}}));
}

TEST(WriteData, TimesReadBackToTheMicrosecondAndStayWithinTheYearsOfToml) {
  const auto back = [](WallTime time) {
    const test::TempDir dir;
    dir.write("topology.toml", "");
    Data data;
    data.users = {{"u1", "t", time, false}};
    data.tariffs = {{"t", {}, {}}};
    dir.write("accounts.toml", accounts_text(data));
    const ReadData read = read_data(dir.path());
    EXPECT_EQ(test::lines_of(read.faults, dir), Lines{});
    return read.data.users.at(0).paid_until.value();
  };
  for (const std::string_view text :
       {"0000-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00.000001Z", "2027-01-15T08:00:00.1Z",
        "9999-12-31T23:59:59.999999Z"})
    EXPECT_EQ(back(at(text)), at(text)) << text;
  EXPECT_EQ(back(WallTime::max()), at("9999-12-31T23:59:59.999999Z"));
  EXPECT_EQ(back(WallTime::min()), at("0000-01-01T00:00:00Z"));
}

// What a store must not hold is still a file that people can open, and the fault names the value.
TEST(WriteData, HostileTextStaysOneString) {
  const std::string all_controls = [] {
    std::string text = "x\"\ngroup = \"evil\"\n[[nodes]]\n";
    for (int c = 0; c < 0x20; ++c) text += static_cast<char>(c);
    return text + "\x7f\xff\xc3(";
  }();
  const test::TempDir dir;
  Data data;
  data.topology.groups = {{"g", {}, "", {}, {}}};
  data.topology.places = {{"RU", "", all_controls, "g"}, {"RU", "", "", "g"}};
  ASSERT_TRUE(write_data(data, dir.path()));
  const ReadData back = read_data(dir.path());
  ASSERT_EQ(back.faults.size(), 1U);
  EXPECT_EQ(back.faults[0].key, "places.city");
  EXPECT_TRUE(back.data.topology.nodes.empty());
  EXPECT_EQ(topology_text(data.topology).find_first_of(std::string_view("\0\r\t\x7f\xff", 5)), std::string::npos);
}

TEST(WriteData, ReplacesFilesAndKeepsTheirModeAndLinks) {
  const test::TempDir dir;
  Data data;
  data.topology.groups = {{"g", {}, "", {}, {}}};
  dir.write("real.toml", "# old");
  std::filesystem::permissions(dir.path() / "real.toml", std::filesystem::perms(0640));
  std::filesystem::create_directory(dir.path() / "store");
  std::filesystem::create_symlink("../real.toml", dir.path() / "store" / "topology.toml");
  ASSERT_TRUE(write_data(data, dir.path() / "store"));
  EXPECT_TRUE(std::filesystem::is_symlink(dir.path() / "store" / "topology.toml"));
  EXPECT_EQ(read(dir.path() / "real.toml"), "[[groups]]\nid = \"g\"\n");
  EXPECT_EQ(std::filesystem::status(dir.path() / "real.toml").permissions(), std::filesystem::perms(0640));
  EXPECT_EQ(read(dir.path() / "store" / "accounts.toml"), "");
  Lines left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir.path()))
    left.push_back(entry.path().lexically_relative(dir.path()).string());
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (Lines{"real.toml", "store", "store/accounts.toml", "store/devices.toml", "store/topology.toml"}));
}

TEST(WriteData, WhatWasLeftByWhoeverWasKilledWhileWritingGoes) {
  const test::TempDir dir;
  const std::filesystem::path left = dir.write(".geo-4711-0.tmp", "half"), others = dir.write(".geo.tmp", ""),
                              under_way = dir.write(".geo-4712-0.tmp", "half");
  const int writer = ::open(under_way.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(writer, LOCK_EX | LOCK_NB), 0);
  EXPECT_TRUE(write_data({}, dir.path()));
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(others));
  EXPECT_TRUE(std::filesystem::exists(under_way));
  ::close(writer);
}

TEST(WriteData, WhatItMakesIsItsOwnersAlone) {
  const test::TempDir dir;
  ASSERT_TRUE(write_data({}, dir.path()));
  for (const char* name : {"topology.toml", "accounts.toml", "devices.toml"})
    EXPECT_EQ(std::filesystem::status(dir.path() / name).permissions(), std::filesystem::perms(0600)) << name;
}

TEST(WriteData, SaysWhatCannotBeWritten) {
  const test::TempDir dir;
  const std::filesystem::path file = dir.write("file", "");
  const auto under_a_file = write_data({}, file / "store");
  ASSERT_FALSE(under_a_file);
  EXPECT_EQ(under_a_file.error(), (file / "store").string() + ": cannot be made: Not a directory");

  std::filesystem::create_directories(dir.path() / "store" / "accounts.toml");
  const auto a_directory = write_data({}, dir.path() / "store");
  ASSERT_FALSE(a_directory);
  EXPECT_EQ(a_directory.error(),
            (dir.path() / "store" / "accounts.toml").string() + ": cannot be written: is no regular file");
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "store" / "topology.toml")) << "all or none";

  const test::TempDir other;
  std::filesystem::create_symlink("nowhere", other.path() / "topology.toml");
  const auto nowhere = write_data({}, other.path());
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error(),
            (other.path() / "topology.toml").string() + ": cannot be written: No such file or directory");
}

}  // namespace
}  // namespace geo::io

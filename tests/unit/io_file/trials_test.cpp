// Files of checks: what each key becomes, and what names the topology has to have.
#include "geo/base/text.h"
#include "geo/io/file_trials.h"
#include "temp_dir.h"

namespace geo::io {
namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view kAll = R"([[case]]
name = "Moscow"
ip = "::ffff:10.1.0.7"
server = "100-abcdef"
camera = "0"
partner = "acme"
pattern = "any"
format = "ws-fmp4"
exclude = ["n1"]
down = ["n2", "n1"]
drain = ["n1"]
load = { n1 = 0.5, "n2" = 1 }
at = 2027-01-15T08:00:00Z
token = "T-1"
expect = { group = ["g1", "g2"], node = "n1", pattern = "any", code = "token_expired" }
[[share]]
place = "RU//Москва"
requests = 7
expect = { n1 = 60, n2 = 40.5 }
tolerance = 0.25
)";

place::Topology topology() {
  place::Rows rows;
  rows.groups.resize(1);
  rows.groups[0].id = "g1";
  rows.nodes.resize(1);
  rows.nodes[0].id = rows.nodes[0].host = "n1";
  rows.nodes[0].group = "g1";
  return place::Topology(std::move(rows));
}

TEST(ReadTrials, ReadsEveryKey) {
  const test::TempDir dir;
  const ReadTrials read = read_trials(dir.write("checks.toml", kAll));
  ASSERT_EQ(test::lines_of(read.faults, dir), Lines{});
  ASSERT_EQ(read.cases.size(), 1u);
  const Case& one = read.cases[0];
  EXPECT_EQ(one.name, "Moscow");
  EXPECT_EQ(one.line, 1u);
  EXPECT_EQ(one.ip, Ip::parse("10.1.0.7"));
  EXPECT_EQ(one.place, std::nullopt);
  EXPECT_EQ(one.server, "100-abcdef");
  EXPECT_EQ(one.camera, "0");
  EXPECT_EQ(one.partner, "acme");
  EXPECT_EQ(one.pattern, "any");
  EXPECT_EQ(one.format, balance::Format::ws_fmp4);
  EXPECT_EQ(one.exclude, Lines{"n1"});
  EXPECT_EQ(one.down, (std::set<std::string>{"n1", "n2"}));
  EXPECT_EQ(one.drain, std::set<std::string>{"n1"});
  EXPECT_EQ(one.load, (std::map<std::string, double>{{"n1", 0.5}, {"n2", 1}}));
  EXPECT_EQ(one.at, parse_time("2027-01-15T08:00:00Z"));
  EXPECT_EQ(one.token, "T-1");
  EXPECT_EQ(one.groups, (Lines{"g1", "g2"}));
  EXPECT_EQ(one.nodes, Lines{"n1"});
  EXPECT_EQ(one.patterns, Lines{"any"});
  EXPECT_EQ(one.code, ErrorCode::token_expired);
  ASSERT_EQ(read.shares.size(), 1u);
  const Share& many = read.shares[0];
  EXPECT_EQ(many.name, "share 1");
  EXPECT_EQ(many.line, 16u);
  EXPECT_EQ(many.place, (place::Location{"RU", "", "", "Москва", {}}));
  EXPECT_EQ(many.who, "RU//Москва");
  EXPECT_EQ(many.requests, 7);
  EXPECT_EQ(many.percent, (std::map<std::string, double>{{"n1", 60}, {"n2", 40.5}}));
  EXPECT_EQ(many.tolerance, 0.25);
}

TEST(ReadTrials, WhatIsNotGivenHasItsDefault) {
  const test::TempDir dir;
  const ReadTrials read = read_trials(dir.write("checks.toml",
                                                "[[case]]\nplace = \"RU\"\nexpect = { code = \"redirect\" }\n"
                                                "[[case]]\nplace = \"RU/MOW\"\nexpect = { group = \"g1\" }\n"
                                                "[[share]]\nip = \"::1\"\nexpect = { n1 = 0 }\n"));
  ASSERT_EQ(test::lines_of(read.faults, dir), Lines{});
  EXPECT_EQ(read.cases[0].code, std::nullopt);
  EXPECT_EQ(read.cases[0].token, std::nullopt);
  EXPECT_EQ(read.cases[1].name, "case 2");
  EXPECT_EQ(read.shares[0].requests, 10000);
  EXPECT_EQ(read.shares[0].tolerance, 2);
}

TEST(ReadTrials, EveryFaultHasALineAlsoThatOfAMissingFile) {
  const test::TempDir dir;
  EXPECT_EQ(test::lines_of(read_trials(dir.path() / "none.toml").faults, dir), Lines{"none.toml:1:1: no such file"});
  EXPECT_EQ(test::lines_of(read_trials(dir.write("empty.toml", "")).faults, dir),
            Lines{"empty.toml:1:1: case: missing; expected a [[case]] or a [[share]]"});
  EXPECT_EQ(test::lines_of(read_trials(dir.write("wrong.toml", "case = 1\n")).faults, dir),
            Lines{"wrong.toml:1:8: case: expected an array of tables, [[case]], found an integer"});
}

TEST(Dangling, NamesThePlaceOfEachThatIsNotThere) {
  const test::TempDir dir;
  const ReadTrials read = read_trials(dir.write("checks.toml", kAll));
  EXPECT_EQ(
      test::lines_of(dangling(read.references, topology()), dir),
      (Lines{"checks.toml:6:11: case.partner: no partner \"acme\"",
             "checks.toml:7:11: case.pattern: no pattern \"any\"", "checks.toml:10:9: case.down: no node \"n2\"",
             "checks.toml:12:20: case.load.n2: no node \"n2\"", "checks.toml:15:27: case.expect.group: no group \"g2\"",
             "checks.toml:15:57: case.expect.pattern: no pattern \"any\"",
             "checks.toml:19:21: share.expect.n2: no node \"n2\""}));
}

// What is wrong in itself is not told again as something that is not there.
TEST(Dangling, PassesOverWhatIsNoId) {
  const test::TempDir dir;
  const ReadTrials read = read_trials(
      dir.write("checks.toml", "[[case]]\nplace = \"RU\"\ndown = [\"a b\"]\nexpect = { group = 7, node = \"n1\" }\n"));
  EXPECT_EQ(read.faults.size(), 2u);
  EXPECT_EQ(test::lines_of(dangling(read.references, topology()), dir), Lines{});
}

}  // namespace
}  // namespace geo::io

#include <gtest/gtest.h>

#include "geo/base/text.h"
#include "geo/compose.h"
#include "mmdb_writer.h"
#include "scratch.h"

namespace geo::compose {
namespace {

// A resolver over one city file, as geod runs it.
struct Databases : testing::Test {
  Databases() {
    dir.write("k1.hex", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    dir.write("topology.toml",
              "[[groups]]\nid = \"ru\"\n[[groups]]\nid = \"eu\"\n[[places]]\ncountry = \"RU\"\ngroup = \"ru\"\n"
              "[[places]]\ncountry = \"DE\"\ngroup = \"eu\"\n");
    config.dir = dir / "";
    config.file = dir / "geod.toml";
    config.store.dir = (dir / "").string();
    config.signing.keys = {{"k1", "k1.hex"}};
    config.resolver.maxmind.files = {"city.mmdb"};
  }
  static std::string file_of(const char* country) {
    test::MmdbWriter writer({.database_type = "city", .ip_version = 4});
    writer.insert("1.0.0.0/8", test::MmdbMap{{"country_code", country}});
    return writer.bytes();
  }
  // A file that has been there for a while.
  void write(const std::string& bytes, std::chrono::seconds age) {
    dir.write("city.mmdb", bytes);
    std::filesystem::last_write_time(dir / "city.mmdb", std::filesystem::file_time_type::clock::now() - age);
  }
  void start() {
    told.clear();
    Options options;
    options.indexed = true;
    options.log = [this](const std::string& line) {
      if (line.find("k1.hex") == std::string::npos) told.push_back(line);  // who may read it is another matter
    };
    Built built = build(config, options);
    for (const Fault& fault : built.faults) ADD_FAILURE() << to_string(fault);
    world = std::move(built.world);
  }
  Refreshed refresh() {
    Refreshed refreshed = refresh_databases(*world);
    if (refreshed.change) world = refreshed.change(*world);
    return refreshed;
  }
  std::string where(const char* ip = "1.1.1.1") const {
    const auto answer = world->snapshot.resolver->locate({*Ip::parse(ip), world->snapshot.topology.get()});
    if (!answer) return "would block";
    if (!*answer) return std::string(name_of(answer->error().code));
    const resolve::Located& located = **answer;
    const auto group = located.grouped == nullptr ? place::kNone : located.grouped->group;
    return located.location->country_code + " in " +
           (group == place::kNone ? "no group" : world->snapshot.topology->group(group).id);
  }

  // Keeps the indexes in service; how many are in the state directory then.
  std::size_t keep() {
    const auto kept = keep_indexes(*world);
    EXPECT_TRUE(kept) << kept.error();
    return indexes().size();
  }
  std::vector<std::filesystem::path> indexes() const {
    std::vector<std::filesystem::path> files;
    if (std::filesystem::exists(dir / "state"))
      for (const auto& entry : std::filesystem::directory_iterator(dir / "state")) files.push_back(entry.path());
    return files;
  }
  bool by_kept_index() const { return world->databases.at(0).index->is_kept(); }

  test::Scratch dir;
  std::vector<std::string> told;
  config::Config config;
  std::shared_ptr<const World> world;
};

using std::chrono::seconds;

TEST_F(Databases, AreIndexesWithTheirGroupsWorkedOut) {
  write(file_of("RU"), seconds(60));
  start();
  ASSERT_EQ(world->databases.size(), 1U);
  EXPECT_EQ(where(), "RU in ru");
  EXPECT_EQ(where("9.9.9.9"), "unknown_address");
  EXPECT_EQ(world->places, nullptr) << "nothing is cached that is in memory anyway";
}

TEST_F(Databases, AChangedFileIsTakenUpAndTheRestOfTheWorldStays) {
  write(file_of("RU"), seconds(60));
  start();
  EXPECT_EQ(where(), "RU in ru");
  EXPECT_EQ(refresh().change, nullptr);
  const auto before = world;
  write(file_of("DE"), seconds(30));
  ASSERT_TRUE(refresh().change);
  EXPECT_EQ(world->databases.at(0).index->info().networks, 1U);
  EXPECT_EQ(where(), "DE in eu");
  EXPECT_EQ(world->snapshot.resolver->providers()[1]->status({}).calls[0], 2U) << "the counts go on";
  EXPECT_EQ(world->snapshot.topology, before->snapshot.topology);
  EXPECT_EQ(world->snapshot.live, before->snapshot.live);
  EXPECT_EQ(refresh().change, nullptr);
}

TEST_F(Databases, AReloadKeepsAllCounts) {
  write(file_of("RU"), seconds(60));
  start();
  EXPECT_EQ(where(), "RU in ru");
  config.resolver.complete = true;
  const Reloaded reloaded = reload(world, config::Read{config, {}}, [](const std::string&) {});
  ASSERT_TRUE(reloaded.change) << to_string(reloaded.faults.at(0));
  world = reloaded.change(*world);
  EXPECT_EQ(where("9.9.9.9"), "unknown_address");
  const auto& providers = world->snapshot.resolver->providers();
  EXPECT_EQ(providers[0]->status({}).calls, (Tally::Sums{0, 2, 0, 0})) << providers[0]->name();
  EXPECT_EQ(providers[1]->status({}).calls, (Tally::Sums{1, 1, 0, 0})) << providers[1]->name();
}

TEST_F(Databases, AFileThatAReloadBroughtMeanwhileIsNotSwappedOnceMore) {
  write(file_of("RU"), seconds(60));
  start();
  write(file_of("DE"), seconds(30));
  const Refreshed refreshed = refresh_databases(*world);
  ASSERT_TRUE(refreshed.change);
  const Reloaded reloaded = reload(world, config::Read{config, {}}, [](const std::string&) {});
  ASSERT_TRUE(reloaded.change) << to_string(reloaded.faults.at(0));
  world = reloaded.change(*world);
  const auto index = world->databases.at(0).index;
  world = refreshed.change(*world);
  EXPECT_EQ(world->databases.at(0).index, index);
  EXPECT_EQ(where(), "DE in eu");
}

TEST_F(Databases, AReloadThatBringsWhatIsThereMeanwhileKeepsIt) {
  write(file_of("RU"), seconds(60));
  start();
  write(file_of("DE"), seconds(30));
  const Reloaded reloaded = reload(world, config::Read{config, {}}, [](const std::string&) {});
  ASSERT_TRUE(reloaded.change) << to_string(reloaded.faults.at(0));
  ASSERT_TRUE(refresh().change);
  const auto index = world->databases.at(0).index;
  world = reloaded.change(*world);
  EXPECT_EQ(world->databases.at(0).index, index);
  EXPECT_EQ(where(), "DE in eu");
}

TEST_F(Databases, ABadFileLeavesTheOldOneInServiceAndIsToldOnce) {
  write(file_of("RU"), seconds(60));
  start();
  write(file_of("DE").substr(0, 100), seconds(30));
  Refreshed refreshed = refresh();
  EXPECT_EQ(refreshed.change, nullptr);
  ASSERT_EQ(refreshed.faults.size(), 1U);
  EXPECT_NE(to_string(refreshed.faults[0]).find("city.mmdb"), std::string::npos);
  EXPECT_EQ(where(), "RU in ru");
  EXPECT_TRUE(refresh().faults.empty());
  write(file_of("DE"), seconds(20));
  EXPECT_TRUE(refresh().faults.empty());
  EXPECT_EQ(where(), "DE in eu");
}

TEST_F(Databases, AFileThatIsGoneIsToldOnceAndTakenUpWhenItIsBack) {
  write(file_of("RU"), seconds(60));
  start();
  std::filesystem::remove(dir / "city.mmdb");
  EXPECT_EQ(refresh().faults.size(), 1U);
  EXPECT_TRUE(refresh().faults.empty());
  EXPECT_EQ(where(), "RU in ru");
  write(file_of("DE"), seconds(30));
  refresh();
  EXPECT_EQ(where(), "DE in eu");
}

TEST_F(Databases, AFileThatMayStillBeWrittenIsLeftForTheNextLook) {
  write(file_of("RU"), seconds(60));
  start();
  write(file_of("DE").substr(0, 100), seconds(0));
  EXPECT_TRUE(refresh().faults.empty());
  EXPECT_EQ(where(), "RU in ru");
}

TEST_F(Databases, AKeptIndexServesTheNextStart) {
  write(file_of("RU"), seconds(60));
  start();
  EXPECT_FALSE(by_kept_index());
  EXPECT_TRUE(indexes().empty()) << "a start writes nothing";
  EXPECT_EQ(keep(), 1U);
  EXPECT_TRUE(by_kept_index());
  start();
  EXPECT_TRUE(by_kept_index());
  EXPECT_EQ(where(), "RU in ru");
  const auto written = std::filesystem::last_write_time(indexes().at(0));
  EXPECT_EQ(keep(), 1U);
  EXPECT_EQ(std::filesystem::last_write_time(indexes().at(0)), written);
  EXPECT_TRUE(told.empty());
}

TEST_F(Databases, AnIndexOfAnotherContentOrLanguageIsBuiltAndKeptInThePlaceOfTheOld) {
  write(file_of("RU"), seconds(60));
  start();
  keep();
  write(file_of("DE"), seconds(60));
  start();
  EXPECT_FALSE(by_kept_index());
  EXPECT_EQ(where(), "DE in eu");
  EXPECT_EQ(keep(), 1U);
  config.resolver.language = "ru";
  start();
  EXPECT_FALSE(by_kept_index());
  EXPECT_EQ(keep(), 1U);
  start();
  EXPECT_TRUE(by_kept_index());
  write(file_of("RU"), seconds(30));
  ASSERT_TRUE(refresh().change);
  EXPECT_FALSE(by_kept_index());
  EXPECT_EQ(keep(), 1U);
  EXPECT_TRUE(told.empty());
}

TEST_F(Databases, ADamagedIndexIsToldAndBuiltAnew) {
  write(file_of("RU"), seconds(60));
  start();
  keep();
  const std::filesystem::path kept = indexes().at(0);
  std::filesystem::resize_file(kept, std::filesystem::file_size(kept) - 100);
  start();
  EXPECT_EQ(where(), "RU in ru");
  EXPECT_FALSE(by_kept_index());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0], kept.string() + ": is not of the size that it says; the index is built anew");
  keep();
  start();
  EXPECT_TRUE(by_kept_index());
  EXPECT_TRUE(told.empty());
}

TEST_F(Databases, WhatIsNoMoreInServiceIsNotKept) {
  write(file_of("RU"), seconds(60));
  start();
  keep();
  std::filesystem::copy_file(dir / "city.mmdb", dir / "other.mmdb");
  config.resolver.maxmind.files = {"city.mmdb", "other.mmdb"};
  start();
  EXPECT_TRUE(by_kept_index());
  EXPECT_EQ(keep(), 2U);
  config.resolver.maxmind.files = {"other.mmdb"};
  start();
  EXPECT_TRUE(by_kept_index());
  EXPECT_EQ(keep(), 1U);
  config.file = dir / "another.toml";
  start();
  EXPECT_FALSE(by_kept_index());
  EXPECT_EQ(keep(), 2U) << "of another config with the same state directory";
  config.resolver.maxmind.files.clear();
  start();
  EXPECT_EQ(keep(), 1U);
}

TEST_F(Databases, WhereNoIndexCanBeKeptGeodServesAllTheSame) {
  write(file_of("RU"), seconds(60));
  config.store.state_dir = dir.write("state", "no directory").string();
  start();
  EXPECT_EQ(where(), "RU in ru");
  const auto kept = keep_indexes(*world);
  ASSERT_FALSE(kept);
  EXPECT_TRUE(kept.error().starts_with(config.store.state_dir + ": cannot be made: ")) << kept.error();
  EXPECT_TRUE(told.empty());
}

TEST_F(Databases, EveryUnusableFileIsNamedAtStart) {
  dir.write("one.mmdb", "nonsense");
  config.resolver.maxmind.files = {"one.mmdb", "two.mmdb"};
  for (const bool indexed : {true, false}) {
    Options options;
    options.indexed = indexed;
    const Built built = build(config, options);
    ASSERT_EQ(built.faults.size(), 2U);
    EXPECT_NE(built.faults[0].message.find("one.mmdb"), std::string::npos);
    EXPECT_NE(built.faults[1].message.find("two.mmdb"), std::string::npos);
    EXPECT_EQ(built.faults[0].key, "resolver.maxmind.files");
  }
}

TEST_F(Databases, AFarResolverIsAskedInsteadOfThem) {
  config.resolver.url = "http://127.0.0.1:9";
  config.resolver.maxmind.files = {"missing.mmdb"};
  start();
  std::string names;
  for (const auto& provider : world->snapshot.resolver->providers()) names += std::string(provider->name()) + " ";
  EXPECT_EQ(names, "networks remote ");
  EXPECT_TRUE(world->snapshot.resolver->settings().far_decides);
  EXPECT_NE(world->places, nullptr);
}

TEST_F(Databases, AnUpstreamsUrlIsHeldToItsFormAtStart) {
  config.resolver.maxmind.files.clear();
  for (const char* url : {"http://127.0.0.1:99999", "http://u:p@h/", "http://h/?a=b", "http://h/#x", "http://[::1"}) {
    config.resolver.url = url;
    const Built built = build(config);
    ASSERT_EQ(built.faults.size(), 1U) << url;
    EXPECT_EQ(built.faults[0].key, "resolver.url") << url;
    EXPECT_EQ(built.faults[0].message.find("u:p"), std::string::npos) << "a password is told";
  }
}

TEST_F(Databases, AResolverThatNobodyCouldAnswerForIsRefused) {
  config.resolver.maxmind.files.clear();
  config.store.kind = "none";
  config.listen.redirect.clear();
  config.listen.resolver = "127.0.0.1:0";
  Options options;
  options.serving = true;
  const Built built = build(config, options);
  ASSERT_EQ(built.faults.size(), 1U);
  EXPECT_EQ(built.faults[0].key, "listen.resolver");
}

TEST_F(Databases, TheKeyOfAnUpstreamIsReadAndNeverTold) {
  write(file_of("RU"), seconds(60));
  config.resolver.providers = {"ip-api"};
  config.resolver.ip_api.key_file = "ip-api.key";
  const auto fault = [&] {
    const Built built = build(config);
    return built.faults.empty() ? "" : to_string(built.faults[0]);
  };
  EXPECT_NE(fault().find("resolver.ip-api.key_file: "), std::string::npos) << fault();
  dir.write("ip-api.key", "se cret\n");
  EXPECT_NE(fault().find("resolver.ip-api.key_file: "), std::string::npos) << fault();
  EXPECT_EQ(fault().find("cret"), std::string::npos) << "a key is told";
  dir.write("ip-api.key", "secret\n");
  EXPECT_EQ(fault(), "");
}

}  // namespace
}  // namespace geo::compose

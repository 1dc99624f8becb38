#include "geo/compose.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "geo/base/text.h"
#include "scratch.h"

namespace geo::compose {
namespace {

// A store of two nodes and a key on disk.
struct World : testing::Test {
  World() {
    write("data/topology.toml",
          "[[groups]]\nid = \"g\"\n[[nodes]]\nid = \"n1\"\nhost = \"n1.example\"\ngroup = \"g\"\n"
          "[[nodes]]\nid = \"n2\"\nhost = \"n2.example\"\ngroup = \"g\"\n");
    write("k1.hex", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    std::filesystem::permissions(dir / "k1.hex", std::filesystem::perms{0600});
    config.dir = dir / "";
    config.file = dir / "geod.toml";
    config.signing.keys = {{"k1", "k1.hex"}};
  }
  void write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories((dir / name).parent_path());
    dir.write(name, text);
  }
  std::string faults(const Options& options = {}) const {
    std::string out;
    for (const Fault& fault : build(config, options).faults) {
      const std::string line = to_string(fault);
      const std::string folder = (dir / "").string();
      out += line.substr(line.starts_with(folder) ? folder.size() : 0) + "\n";
    }
    return out;
  }
  test::Scratch dir;
  config::Config config;
};

using Compose = World;

TEST_F(Compose, BuildsTheWholeGraph) {
  const Built built = build(config);
  ASSERT_TRUE(built.world) << faults();
  EXPECT_TRUE(built.world->has_topology());
  EXPECT_EQ(built.world->snapshot.keys->active().id, "k1");
  EXPECT_EQ(built.world->snapshot.resolver->providers().size(), 1U);  // maxmind has no files: it is left out
  EXPECT_EQ(built.world->snapshot.options.upto, redirect::Upto::sign);
}

TEST_F(Compose, TheAuthServerIsAskedInsteadOfTheStoreWhichStaysTheAuthority) {
  EXPECT_EQ(build(config).world->snapshot.authorizer->name(), "store");
  config.auth.url = "http://127.0.0.1:1/base";
  const Built built = build(config);
  ASSERT_TRUE(built.world) << faults();
  EXPECT_EQ(built.world->snapshot.authorizer, built.world->auth_client);
  EXPECT_EQ(built.world->snapshot.authorizer->name(), "auth");
  EXPECT_EQ(built.world->authority->name(), "store");
  config.auth.url = "http://127.0.0.1:1/?a=b";
  EXPECT_TRUE(faults().starts_with("geod.toml: auth.url: ")) << faults();
}

TEST_F(Compose, TheAuthListenerNeedsAStore) {
  config.listen = {};
  config.listen.redirect.clear();
  config.listen.auth = "127.0.0.1:0";
  Options options;
  options.serving = true;
  EXPECT_EQ(faults(options), "");
  config.store.kind = "none";
  EXPECT_EQ(faults(options), "geod.toml: listen.auth: needs a store, and store.kind is \"none\"\n");
}

TEST_F(Compose, FindsEveryFaultInOneRun) {
  write("data/topology.toml", "[[nodes]]\nid = \"n1\"\nhost = \"n1.example\"\ngroup = \"nowhere\"\n");
  write("k1.hex", "zz");
  config.resolver.maxmind.files = {"missing.mmdb"};
  const std::string all = faults();
  EXPECT_NE(all.find("data/topology.toml:4:"), std::string::npos) << all;
  EXPECT_NE(all.find("geod.toml: signing.keys: key \"k1\": "), std::string::npos) << all;
  EXPECT_NE(all.find("geod.toml: resolver.maxmind.files: "), std::string::npos) << all;
  EXPECT_NE(all.find("missing.mmdb"), std::string::npos) << all;
  EXPECT_EQ(all.find("zz"), std::string::npos) << "a secret's bytes are told";
}

TEST_F(Compose, AFaultOfTheConfigHidesNoOther) {
  write("data/topology.toml", "[[nodes]]\nid = \"n1\"\nhost = \"n1.example\"\ngroup = \"nowhere\"\n");
  config.resolver.maxmind.files = {"a.mmdb", "b.mmdb"};
  const auto count = [&](std::string key) {
    return build(config::Read{config, {{"geod.toml", 3, 1, std::move(key), "wrong"}}}).faults.size();
  };
  // itself, the node's group, two databases
  for (const char* other : {"http.threads", "lissten", "resolver.language", "resolver.maxmind.file", "resolverx"})
    EXPECT_EQ(count(other), 4U) << other;
  EXPECT_EQ(count("store.dir"), 3U);  // whatever the data is, it may be other data
  EXPECT_EQ(count("store"), 3U);
  EXPECT_EQ(count("resolver.maxmind.files"), 2U);
  EXPECT_EQ(count("resolver.maxmind"), 2U);
  EXPECT_EQ(count(""), 1U);  // broken as a whole
  EXPECT_EQ(build(config::Read{config, {{"environment", 0, 0, "", "GEO_LISTEN_X: no key"}}}).faults.size(), 4U);
}

TEST_F(Compose, ChecksThatTheAccessLogCanBeOpenedAndMakesNothing) {
  Options options;
  options.serving = true;
  for (const char* fine : {"stdout", "stderr", "off", "access.log", "k1.hex"}) {
    config.log.access = fine;
    EXPECT_EQ(faults(options), "") << fine;
  }
  EXPECT_FALSE(std::filesystem::exists(dir / "access.log"));
  const auto why = [&](std::string access, std::string_view error) {
    config.log.access = std::move(access);
    EXPECT_EQ(faults(options), fmt::format("geod.toml: log.access: {}: cannot be opened: {}\n",
                                           (dir / config.log.access).string(), error));
  };
  why("none/access.log", "No such file or directory");
  why("data", "Is a directory");
  why("k1.hex/access.log", "Not a directory");
}

TEST_F(Compose, NotesSecretsThatEverybodyMayReadAndTokensThatCanBeGuessed) {
  config.admin.token_file = "admin.token";
  write("admin.token", "open-sesame\n");
  std::filesystem::permissions(dir / "admin.token", std::filesystem::perms{0640});
  std::filesystem::permissions(dir / "k1.hex", std::filesystem::perms{0644});
  Options options;
  options.serving = true;
  EXPECT_EQ(
      build(config, options).notes,
      (std::vector<std::string>{fmt::format("signing.keys: {}: everybody may read this secret (chmod o= mends it)",
                                            (dir / "k1.hex").string()),
                                fmt::format("admin.token_file: {}: a token of fewer than 16 characters can be guessed",
                                            (dir / "admin.token").string())}));
}

TEST_F(Compose, FaultsOfStatesKeepNobodyFromServing) {
  const std::string good = "[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\nonline = false\n";
  std::vector<std::string> told;
  Options starting;
  starting.serving = starting.last_good = starting.reports_may_fail = true;
  starting.log = [&](const std::string& line) { told.push_back(line); };
  Options checking;
  checking.serving = true;
  const auto report = [](const compose::World& world) {
    return world.snapshot.live->report_of(world.snapshot.topology->find_node("n1"));
  };
  const std::string unknown_node = good + "[[node_states]]\nid = \"other\"\nseen_at = 2026-01-01T00:00:00Z\n";
  write("data/states.toml", unknown_node);
  EXPECT_EQ(faults(checking), "data/states.toml:6:6: node_states.id: no node \"other\"\n");
  const Built built = build(config, starting);
  ASSERT_TRUE(built.world) << faults(starting);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].ends_with("states.toml:6:6: node_states.id: no node \"other\"")) << told[0];
  ASSERT_TRUE(report(*built.world));
  EXPECT_TRUE(refresh_states(*built.world).empty()) << "told once";

  // One that is no TOML takes nothing from what was reported before.
  write("data/states.toml", "[[node_states]\n");
  EXPECT_TRUE(build(config, starting).world);
  const std::shared_ptr<const compose::World> before = built.world;
  const Reloaded reloaded = reload(before, config::Read{config, {}}, starting.log);
  ASSERT_TRUE(reloaded.change) << to_string(reloaded.faults.at(0));
  const auto after = report(*reloaded.change(*before));
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->online);
}

TEST_F(Compose, ARowOfStatesThatCannotBeReadIsNone) {
  write("data/states.toml",
        "[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\nonline = \"no\"\n"
        "[[node_states]]\nid = \"n2\"\nseen_at = 2026-01-01T00:00:00Z\nonline = false\n");
  Options starting;
  starting.serving = starting.last_good = starting.reports_may_fail = true;
  const Built built = build(config, starting);
  ASSERT_TRUE(built.world) << faults(starting);
  const auto report = [&](const char* node) {
    return built.world->snapshot.live->report_of(built.world->snapshot.topology->find_node(node));
  };
  EXPECT_FALSE(report("n1"));
  ASSERT_TRUE(report("n2"));
  EXPECT_FALSE(report("n2")->online);
}

TEST_F(Compose, NeedsAKeyUnlessToldOtherwise) {
  config.signing.keys.clear();
  EXPECT_EQ(faults(), "geod.toml: signing.keys: at least one key is needed\n");
  Options options;
  options.signing = false;
  const Built built = build(config, options);
  ASSERT_TRUE(built.world);
  EXPECT_EQ(built.world->snapshot.options.upto, redirect::Upto::inspect);
}

TEST_F(Compose, ServesOnlyWhatEachListenerHasWhatItNeedsFor) {
  Options serving;
  serving.serving = true;
  EXPECT_EQ(faults(serving), "");
  config.signing.keys.clear();
  EXPECT_EQ(faults(serving), "geod.toml: signing.keys: at least one key is needed\n");
  config.listen.redirect.clear();
  EXPECT_EQ(faults(serving), "");  // admin alone needs none
  config.listen.verify = "127.0.0.1:0";
  EXPECT_EQ(faults(serving), "geod.toml: signing.keys: at least one key is needed\n");
  config.listen.verify.clear();
  config.listen.admin.clear();
  EXPECT_EQ(faults(serving), "geod.toml: listen: no listener is configured\n");
  config.listen.redirect = "127.0.0.1:0";
  config.signing.keys = {{"k1", "k1.hex"}};
  config.store.kind = "none";
  EXPECT_EQ(faults(serving), "geod.toml: listen.redirect: needs a store, and store.kind is \"none\"\n");
}

TEST_F(Compose, NotesACredentialThatItCannotSeeWhereItIsOnlyChecked) {
  config.signing.keys = {{"k0", "credential:signing"}, {"k1", "missing.hex"}};
  config.positions["signing.keys[1].secret_file"] = {7, 11};
  Options options;
  options.credentials_may_lack = true;
  const Built built = build(config, options);
  EXPECT_EQ(built.notes, std::vector<std::string>{
                             "signing.keys: credential:signing is not checked: CREDENTIALS_DIRECTORY is not set"});
  ASSERT_EQ(built.faults.size(), 1U);
  EXPECT_EQ(built.faults[0].line, 7U);  // the place of the key that is wrong, not of the one set aside
}

TEST_F(Compose, ACredentialWithTheStoresUriIsNotedToo) {
  config.store.kind = "mongodb";
  config.store.uri_file = "credential:uri";
  Options options;
  options.credentials_may_lack = true;
  const Built built = build(config, options);
  ASSERT_TRUE(built.faults.empty()) << to_string(built.faults[0]);
  EXPECT_EQ(built.notes, std::vector<std::string>{
                             "store.uri_file: credential:uri is not checked: CREDENTIALS_DIRECTORY is not set"});
}

TEST_F(Compose, WithoutAStoreThereAreKeysAlone) {
  config.store.kind = "none";
  std::filesystem::remove_all(dir / "data");
  const Built built = build(config);
  ASSERT_TRUE(built.world) << faults();
  EXPECT_FALSE(built.world->has_topology());
}

TEST_F(Compose, TakesNewStatesUpAndKeepsTheOldOnesWhenTheyAreBroken) {
  const Built built = build(config);
  ASSERT_TRUE(built.world);
  const auto seen = [&] {
    return built.world->snapshot.live->report_of(built.world->snapshot.topology->find_node("n1"));
  };
  EXPECT_FALSE(seen());
  int stamp = 0;
  const auto states = [&](std::string_view text) {
    write("data/states.toml", text);
    // a stamp of its own, however coarse the file system's clock is
    std::filesystem::last_write_time(dir / "data/states.toml",
                                     std::filesystem::file_time_type::clock::now() + std::chrono::seconds(++stamp));
    return refresh_states(*built.world);
  };
  EXPECT_TRUE(states("[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\nonline = false\n").empty());
  ASSERT_TRUE(seen());
  EXPECT_FALSE(seen()->online);
  EXPECT_EQ(states("[[node_states]\n").size(), 1U);
  ASSERT_TRUE(seen());
  EXPECT_TRUE(refresh_states(*built.world).empty());  // told once
  // a node that this geod does not know yet takes nothing from those it knows
  EXPECT_EQ(states("[[node_states]]\nid = \"new\"\nseen_at = 2026-01-01T00:00:00Z\n"
                   "[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-02T00:00:00Z\n")
                .size(),
            1U);
  ASSERT_TRUE(seen());
  EXPECT_TRUE(seen()->online);
  std::filesystem::remove(dir / "data/states.toml");
  EXPECT_TRUE(refresh_states(*built.world).empty());
  EXPECT_FALSE(seen());
}

}  // namespace
}  // namespace geo::compose

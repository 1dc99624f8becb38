#include "geo/resolve.h"

#include <gtest/gtest.h>

#include "scene.h"

namespace geo::resolve {
namespace {

// Answers what it is told; remembers that it was asked.
struct Scripted final : Provider {
  Scripted(std::string_view n, Polled<Located> a, int* c) : name_(n), answer(std::move(a)), calls(c) {}
  std::string_view name() const override { return name_; }
  Polled<Located> locate(const Query&) const override {
    ++*calls;
    return answer;
  }
  std::string_view name_;
  Polled<Located> answer;
  int* calls;
};

Located in(std::string country, std::string_view provider) {
  return {std::make_shared<const place::Location>(place::Location{std::move(country), {}, {}, {}, {}}), provider};
}

std::string outcome(const Polled<Located>& answer) {
  if (!answer) return "would block";
  return *answer ? (*answer)->location->country_code + " by " + std::string((*answer)->provider)
                 : std::string(name_of(answer->error().code));
}

TEST(Reserved, FollowsIanasRegistries) {
  for (const char* reserved :
       {"0.0.0.0",         "10.1.2.3",    "100.64.0.1", "127.0.0.1",    "169.254.1.1", "172.31.255.255", "192.0.0.1",
        "192.0.2.1",       "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",      "240.0.0.1",
        "255.255.255.255", "::",          "::1",        "64:ff9b:1::1", "100::1",      "2001:2::1",      "2001:db8::1",
        "3fff::1",         "5f00::1",     "fc00::1",    "fe80::1",      "ff02::1",     "::ffff:10.0.0.1"})
    EXPECT_TRUE(is_reserved(*Ip::parse(reserved))) << reserved;
  for (const char* open : {"1.1.1.1", "77.88.55.60", "172.32.0.1", "192.0.0.9", "192.0.0.10", "192.31.196.1",
                           "192.88.99.1", "198.20.0.1", "2002::1", "2001::1", "2001:1::1", "2001:3::1", "2001:4:112::1",
                           "2001:20::1", "2001:200::1", "2620:4f:8000::1", "2a02:6b8::1", "64:ff9b::1"})
    EXPECT_FALSE(is_reserved(*Ip::parse(open))) << open;
}

TEST(Resolver, TheFirstAnswerWins) {
  int a = 0, b = 0, c = 0;
  std::vector<std::unique_ptr<const Provider>> providers;
  providers.push_back(std::make_unique<Scripted>("a", deny(ErrorCode::unknown_address, ""), &a));
  providers.push_back(std::make_unique<Scripted>("b", in("RU", "b"), &b));
  providers.push_back(std::make_unique<Scripted>("c", in("US", "c"), &c));
  const Resolver resolver(std::move(providers));
  EXPECT_EQ(outcome(resolver.locate({*Ip::parse("1.1.1.1")})), "RU by b");
  EXPECT_EQ(a + b + c, 2);
}

TEST(Resolver, TellsTroubleOnlyWhenNobodyElseKnows) {
  int calls = 0;
  const auto ask = [&](Polled<Located> second) {
    std::vector<std::unique_ptr<const Provider>> providers;
    providers.push_back(std::make_unique<Scripted>("a", deny(ErrorCode::upstream_unavailable, "down"), &calls));
    providers.push_back(std::make_unique<Scripted>("b", std::move(second), &calls));
    return outcome(Resolver(std::move(providers)).locate({*Ip::parse("1.1.1.1")}));
  };
  EXPECT_EQ(ask(in("RU", "b")), "RU by b");
  EXPECT_EQ(ask(deny(ErrorCode::unknown_address, "")), "upstream_unavailable");
  EXPECT_EQ(ask(std::nullopt), "would block");
}

TEST(Resolver, AsksNetworksAloneForAReservedAddress) {
  place::Rows rows = scene::small_map();
  rows.networks.push_back(scene::network("192.168.0.0/16", "", {"RU", "MOW", "", "Москва", {}}));
  const place::Topology topology(rows);
  int calls = 0;
  std::vector<std::unique_ptr<const Provider>> providers;
  providers.push_back(std::make_unique<Scripted>("maxmind", in("US", "maxmind"), &calls));
  providers.push_back(std::make_unique<Networks>());
  const Resolver resolver(std::move(providers));
  EXPECT_EQ(outcome(resolver.locate({*Ip::parse("192.168.1.1"), &topology})), "RU by networks");
  EXPECT_EQ(outcome(resolver.locate({*Ip::parse("192.0.2.1"), &topology})), "reserved_address");
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(outcome(resolver.locate({*Ip::parse("1.1.1.1"), &topology})), "US by maxmind");
}

TEST(ResolveJson, HasNullsForWhatIsUnknown) {
  std::string out;
  append_json(out, *Ip::parse("::ffff:77.88.55.60"),
              {std::make_shared<const place::Location>(
                   place::Location{"RU", "MOW", "Moscow", "Москва", place::Coordinates{55.75, 37.61}}),
               "maxmind"});
  EXPECT_EQ(out, R"({"ip":"77.88.55.60","country_code":"RU","region_iso":"MOW","region":"Moscow","city":"Москва",)"
                 R"("coordinates":[55.75,37.61],"provider":"maxmind","cached":false})");
  out.clear();
  append_json(out, *Ip::parse("2001:DB8::1"), {std::make_shared<const place::Location>(), "networks"});
  EXPECT_EQ(out, R"({"ip":"2001:db8::1","country_code":null,"region_iso":null,"region":null,"city":null,)"
                 R"("coordinates":null,"provider":"networks","cached":false})");
}

}  // namespace
}  // namespace geo::resolve

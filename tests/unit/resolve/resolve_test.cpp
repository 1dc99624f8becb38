#include "geo/resolve.h"

#include <gtest/gtest.h>

#include "scene.h"

namespace geo::resolve {
namespace {

using namespace std::chrono_literals;

// Answers what it is told; remembers that it was asked, and until when it might have waited.
struct Scripted final : Provider {
  Scripted(std::string_view n, Polled<Located> a, bool far = false) : name_(n), answer(std::move(a)), is_far(far) {}
  std::string_view name() const override { return name_; }
  Polled<Located> locate(const Query& query) const override {
    ++calls;
    deadline = query.wait.deadline();
    return answer;
  }
  UpstreamStatus status(MonotonicTime) const override { return {name_, {}, {}, {}}; }
  bool is_upstream() const override { return is_far; }
  std::string_view name_;
  Polled<Located> answer;
  bool is_far;
  mutable int calls = 0;
  mutable MonotonicTime deadline{};
};
using Script = std::shared_ptr<const Scripted>;
Script local(std::string_view name, Polled<Located> answer) {
  return std::make_shared<const Scripted>(name, std::move(answer));
}
Script far(std::string_view name, Polled<Located> answer) {
  return std::make_shared<const Scripted>(name, std::move(answer), true);
}

Located at(place::Location location, std::string_view provider, From from = From::upstream) {
  return {std::make_shared<const place::Location>(std::move(location)), provider, from, {}, nullptr};
}
Located in(std::string country, std::string_view provider) {
  return at({std::move(country), {}, {}, {}, {}}, provider);
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
  const Script a = local("a", deny(ErrorCode::unknown_address, "")), b = local("b", in("RU", "b")),
               c = local("c", in("US", "c"));
  EXPECT_EQ(outcome(Resolver({a, b, c}).locate({*Ip::parse("1.1.1.1")})), "RU by b");
  EXPECT_EQ(a->calls, 1);
  EXPECT_EQ(c->calls, 0);
}

TEST(Resolver, TellsTroubleOnlyWhenNobodyElseKnows) {
  const auto ask = [&](Polled<Located> second) {
    return outcome(Resolver({local("a", deny(ErrorCode::upstream_unavailable, "down")), local("b", std::move(second))})
                       .locate({*Ip::parse("1.1.1.1")}));
  };
  EXPECT_EQ(ask(in("RU", "b")), "RU by b");
  EXPECT_EQ(ask(deny(ErrorCode::unknown_address, "")), "upstream_unavailable");
  EXPECT_EQ(ask(deny(ErrorCode::reserved_address, "")), "reserved_address");
  EXPECT_EQ(ask(std::nullopt), "would block");
}

TEST(Resolver, TroubleNamesTheShortestWait) {
  const auto answer = Resolver({far("a", deny(ErrorCode::upstream_unavailable, "a", 40s)),
                                far("b", deny(ErrorCode::upstream_unavailable, "b", 3s))})
                          .locate({*Ip::parse("1.1.1.1")});
  EXPECT_EQ((*answer).error().retry_after, 3s);
}

TEST(Resolver, AsksNetworksAloneForAReservedAddress) {
  place::Rows rows = scene::small_map();
  rows.networks.push_back(scene::network("192.168.0.0/16", "", {"RU", "MOW", "", "Москва", {}}));
  const place::Topology topology(rows);
  const Script maxmind = local("maxmind", in("US", "maxmind"));
  const Resolver resolver({maxmind, std::make_shared<const Networks>()});
  EXPECT_EQ(outcome(resolver.locate({*Ip::parse("192.168.1.1"), &topology})), "RU by networks");
  EXPECT_EQ(outcome(resolver.locate({*Ip::parse("192.0.2.1"), &topology})), "reserved_address");
  EXPECT_EQ(maxmind->calls, 0);
  EXPECT_EQ(outcome(resolver.locate({*Ip::parse("1.1.1.1"), &topology})), "US by maxmind");
}

TEST(Resolver, AFarResolverDecidesAboutReservedAddressesToo) {
  const Script remote = far("remote", in("US", "remote"));
  EXPECT_EQ(outcome(Resolver({remote}, {.far_decides = true}).locate({*Ip::parse("192.0.2.1")})), "US by remote");
}

TEST(Resolver, WhoMayNotWaitGetsNothingFromAnUpstreamThatHasNoAnswerYet) {
  const Script first = far("first", std::nullopt), second = far("second", in("US", "second"));
  EXPECT_EQ(outcome(Resolver({first, second}).locate({*Ip::parse("1.1.1.1")})), "would block");
  EXPECT_EQ(second->calls, 0);
}

TEST(Resolver, EachUpstreamHasItsShareOfTheTime) {
  const Script tables = local("maxmind", deny(ErrorCode::unknown_address, "")), first = far("first", std::nullopt),
               second = far("second", std::nullopt);
  const Resolver resolver({tables, first, second}, {.budget = 1000ms});
  const MonotonicTime start{5s};
  const auto answer = resolver.locate({*Ip::parse("1.1.1.1"), nullptr, Wait::until(start + 3s), start});
  EXPECT_EQ(outcome(answer), "upstream_unavailable");
  EXPECT_EQ(first->deadline, start + 500ms);
  EXPECT_EQ(second->deadline, start + 1000ms);
  // the request's own deadline, where it comes first
  resolver.locate({*Ip::parse("1.1.1.1"), nullptr, Wait::until(start + 700ms), start});
  EXPECT_EQ(second->deadline, start + 700ms);
}

TEST(Resolver, AFarRecordWithNothingInItIsNone) {
  const Script remote = far("remote", at({}, "remote")), next = local("maxmind", in("US", "maxmind"));
  EXPECT_EQ(outcome(Resolver({remote, next}).locate({*Ip::parse("1.1.1.1")})), "US by maxmind");
  EXPECT_EQ(outcome(Resolver({remote}).locate({*Ip::parse("1.1.1.1")})), "unknown_address");
  // whoever decides may know of a group alone
  EXPECT_EQ(outcome(Resolver({remote}, {.far_decides = true}).locate({*Ip::parse("1.1.1.1")})), " by remote");
}

TEST(ResolverComplete, LaterProvidersFillInWhatIsUnknownOfTheSameCountry) {
  const Script first = local("maxmind", at({"RU", "", "Moscow", "", {}}, "maxmind")),
               abroad = local("networks", at({"US", "NY", "New York", "Albany", {}}, "networks")),
               third = far("ip-api",
                           at({"RU", "MOW", "Moskva", "Москва", place::Coordinates{55, 37}}, "ip-api", From::cache));
  const auto answer = Resolver({first, abroad, third}, {.complete = true}).locate({*Ip::parse("1.1.1.1")});
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ(*(*answer)->location, (place::Location{"RU", "MOW", "Moscow", "Москва", place::Coordinates{55, 37}}));
  EXPECT_EQ((*answer)->provider, "maxmind");
  EXPECT_EQ((*answer)->from, From::cache);
  EXPECT_EQ(outcome(Resolver({first, third}).locate({*Ip::parse("1.1.1.1")})), "RU by maxmind");
}

TEST(ResolverComplete, AWholeAnswerAndOneWithoutACountryAskNobodyElse) {
  const Script next = far("ip-api", in("RU", "ip-api"));
  const auto ask = [&](place::Location location) {
    return outcome(Resolver({local("maxmind", at(std::move(location), "maxmind")), next}, {.complete = true})
                       .locate({*Ip::parse("1.1.1.1")}));
  };
  EXPECT_EQ(ask({"RU", "MOW", "Moscow", "Москва", place::Coordinates{55, 37}}), "RU by maxmind");
  EXPECT_EQ(ask({"", "", "Moscow", "", {}}), " by maxmind");
  EXPECT_EQ(next->calls, 0);
}

TEST(ResolverComplete, WhoeverFailsOnTheWayTakesNothingAway) {
  const auto ask = [&](Polled<Located> second, Wait wait) {
    return outcome(
        Resolver({local("maxmind", in("RU", "maxmind")), far("ip-api", std::move(second))}, {.complete = true})
            .locate({*Ip::parse("1.1.1.1"), nullptr, wait}));
  };
  const Wait wait = Wait::until(MonotonicTime{9s});
  EXPECT_EQ(ask(deny(ErrorCode::upstream_unavailable, ""), wait), "RU by maxmind");
  EXPECT_EQ(ask(std::nullopt, wait), "RU by maxmind");
  EXPECT_EQ(ask(std::nullopt, Wait::never()), "would block");
}

// An upstream whose loads the test finishes.
struct Held final : Upstream {
  std::string_view name() const override { return "remote"; }
  void ask(PlaceCache::Load load, std::chrono::milliseconds budget) const override {
    budgets.push_back(budget);
    loads.push_back(std::move(load));
  }
  UpstreamStatus status(MonotonicTime) const override { return {name(), {}, {}, {}}; }
  mutable std::vector<PlaceCache::Load> loads;
  mutable std::vector<std::chrono::milliseconds> budgets;
};

struct CachedProvider : testing::Test {
  Polled<Located> ask(const char* ip, unsigned hops = 0) {
    return cached.locate({*Ip::parse(ip), nullptr, Wait::never(), now, hops});
  }
  MonotonicTime now{100s};
  std::shared_ptr<Held> upstream = std::make_shared<Held>();
  std::shared_ptr<PlaceCache> cache =
      std::make_shared<PlaceCache>(CacheLimits{100, 60s, 600s, 10s}, Stale::while_refreshed);
  Cached cached{upstream, cache, 0, 700ms};
};

TEST_F(CachedProvider, AsksOncePerAddressAndKeepsTheAnswer) {
  EXPECT_EQ(outcome(ask("1.1.1.1")), "would block");
  EXPECT_EQ(outcome(ask("1.1.1.1")), "would block");
  ASSERT_EQ(upstream->loads.size(), 1U);
  EXPECT_EQ(upstream->budgets[0], 700ms);
  EXPECT_EQ(upstream->loads[0].key().ip.to_string(), "1.1.1.1");
  now += 1s;
  upstream->loads[0].finish(place::Location{"RU", {}, {}, {}, {}}, now);
  now += 20s;
  const auto answer = ask("1.1.1.1");
  EXPECT_EQ(outcome(answer), "RU by remote");
  EXPECT_EQ((*answer)->from, From::cache);
  EXPECT_EQ((*answer)->left, 40s);
  now += 50s;
  const auto stale = ask("1.1.1.1");
  EXPECT_EQ(outcome(stale), "RU by remote");
  EXPECT_EQ((*stale)->from, From::stale);
  EXPECT_EQ((*stale)->left, 0s);
  EXPECT_EQ(upstream->loads.size(), 2U) << "nobody refreshes it";
}

TEST_F(CachedProvider, WhatCameSinceTheRequestCameIsNotCached) {
  const MonotonicTime arrived = now;
  ask("1.1.1.1");
  now += 1s;
  upstream->loads[0].finish(place::Location{"RU", {}, {}, {}, {}}, now);
  now = arrived;
  EXPECT_EQ((*ask("1.1.1.1"))->from, From::upstream);
}

TEST_F(CachedProvider, KeepsWhatIsUnknownButNoFailure) {
  ask("1.1.1.1");
  upstream->loads[0].finish(deny(ErrorCode::unknown_address, "nobody"), now);
  now += 1s;
  EXPECT_EQ(outcome(ask("1.1.1.1")), "unknown_address");
  now += 10s;
  EXPECT_EQ(outcome(ask("1.1.1.1")), "would block");
  upstream->loads[1].finish(deny(ErrorCode::upstream_unavailable, "down"), now);
  EXPECT_EQ(outcome(ask("1.1.1.1")), "upstream_unavailable") << "it asked before the call failed";
  now += 1ms;
  EXPECT_EQ(outcome(ask("1.1.1.1")), "would block");
  EXPECT_EQ(upstream->loads.size(), 3U);
}

TEST_F(CachedProvider, HostsOfAnIPv6NetworkAreOneAddress) {
  ask("2a02:6b8:1:2::1");
  upstream->loads[0].finish(place::Location{"RU", {}, {}, {}, {}}, now);
  now += 1s;
  EXPECT_EQ(outcome(ask("2a02:6b8:1:2:3:4:5:6")), "RU by remote");
  EXPECT_EQ(outcome(ask("2a02:6b8:1:3::1")), "would block");
  // 64:ff9b::/96 holds every IPv4 address
  ask("64:ff9b::1.1.1.1");
  ask("64:ff9b::1.1.1.2");
  EXPECT_EQ(upstream->loads.size(), 4U);
}

TEST_F(CachedProvider, ACircleOfResolversDoesNotWaitForItself) {
  ask("1.1.1.1", 0);
  ask("1.1.1.1", 2);
  ASSERT_EQ(upstream->loads.size(), 2U);
  EXPECT_EQ(upstream->loads[1].key().hops, 2);
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

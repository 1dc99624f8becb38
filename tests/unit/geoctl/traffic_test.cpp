#include "traffic.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "scratch.h"
#include "worlds.h"

namespace geoctl {
namespace {

Clients clients() { return std::move(*Clients::of({}, std::make_shared<const geo::place::Topology>(test::rows()))); }

std::vector<std::string> lines(Traffic traffic) {
  std::vector<std::string> found;
  for (Ask ask; traffic.next(ask);)
    found.push_back(fmt::format("{} {} {}/{} {} {} {}", ask.at.count(), ask.client_ip.to_string(), ask.server,
                                ask.camera, ask.partner, ask.format ? name_of(*ask.format) : "-", ask.camera_number));
  return found;
}

TEST(Traffic, TheSameSeedAsksTheSame) {
  TrafficSettings settings;
  settings.requests = 1000;
  const auto first = lines(Traffic(settings, clients()));
  EXPECT_EQ(first.size(), 1000U);
  EXPECT_EQ(first, lines(Traffic(settings, clients())));
  settings.seed = 2;
  EXPECT_NE(first, lines(Traffic(settings, clients())));
}

TEST(Traffic, OtherCamerasDoNotChangeWhoAsksAndWhen) {
  TrafficSettings settings;
  settings.requests = 100;
  Traffic one(settings, clients());
  settings.zipf = 0;
  settings.length_s = 7;
  Traffic other(settings, clients());
  for (Ask a, b; one.next(a) && other.next(b);) {
    EXPECT_EQ(a.at, b.at);
    EXPECT_EQ(a.client_ip, b.client_ip);
    EXPECT_EQ(a.dice, b.dice);
  }
}

TEST(Traffic, ArrivesAtItsRateAndByZipf) {
  TrafficSettings settings;
  settings.requests = 200'000;
  settings.rate = 500;
  settings.cameras = 100;
  settings.zipf = 1;
  Traffic traffic(settings, clients());
  std::map<std::uint32_t, double> share;
  Ask ask;
  Micros before{}, last{};
  std::uint64_t short_gaps = 0;
  while (traffic.next(ask)) {
    share[ask.camera_number] += 1.0 / 200'000;
    short_gaps += ask.at - before < Micros(2000);
    before = last = ask.at;
  }
  EXPECT_NEAR(std::chrono::duration<double>(last).count(), 400, 4);
  EXPECT_NEAR(double(short_gaps) / 200'000, 1 - 0.3679, 0.005);  // of a Poisson process: 1 - 1/e within the mean gap
  double harmonic = 0;
  for (int k = 1; k <= 100; ++k) harmonic += 1.0 / k;
  EXPECT_NEAR(share[0], 1 / harmonic, 0.005);
  EXPECT_NEAR(share[9], 0.1 / harmonic, 0.002);
  EXPECT_EQ(share.size(), 100U);
}

TEST(Traffic, OfAnAccessLogIsWhatPutsStreamsUnderWay) {
  const geo::test::Scratch scratch;
  const auto file = scratch.write(
      "access.log",
      R"({"ts":"2026-01-01T00:00:02.500Z","client_ip":"10.0.0.2","server":"s","camera":"b","partner":"acme","format":"hls","method":"GET","code":"redirect"}
{"ts":"2026-01-01T00:00:01.000Z","client_ip":"10.0.0.1","server":"s","camera":"a","partner":"default","format":"flv","method":"GET","code":"redirect"}

{"ts":"2026-01-01T00:00:03.000Z","client_ip":"10.0.0.3","server":"s","camera":"a","partner":null,"format":null,"method":"GET","code":"no_node"}
{"ts":"2026-01-01T00:00:03.000Z","client_ip":"10.0.0.3","server":"s","camera":"a","method":"HEAD","code":"redirect"}
{"ts":"2026-01-01T00:00:03.000Z","client_ip":"10.0.0.3","server":"s","camera":"a","method":"GET","code":"forbidden"}
{"ts":"2026-01-01T00:00:03.000Z","client_ip":"10.0.0.3","listener":"resolver","method":"GET","code":"ok"}
)");
  auto traffic = Traffic::read(file, {});
  ASSERT_TRUE(traffic) << traffic.error().detail;
  EXPECT_EQ(traffic->size(), 3U);
  EXPECT_EQ(lines(std::move(*traffic)),
            (std::vector<std::string>{"0 10.0.0.1 s/a default flv 1", "1500000 10.0.0.2 s/b acme hls 0",
                                      "2000000 10.0.0.3 s/a  - 1"}));
}

TEST(Traffic, OfAddressesAsksForEachOnce) {
  const geo::test::Scratch scratch;
  auto traffic = Traffic::read(scratch.write("addresses", "10.0.0.9\r\n\n2001:db8::1\n10.0.0.9"), {});
  ASSERT_TRUE(traffic) << traffic.error().detail;
  std::vector<std::string> found;
  Micros before{-1};
  for (Ask ask; traffic->next(ask); before = ask.at) {
    found.push_back(ask.client_ip.to_string());
    EXPECT_GT(ask.at, before);
    EXPECT_EQ(ask.server, "sim");
  }
  EXPECT_EQ(found, (std::vector<std::string>{"10.0.0.9", "2001:db8::1", "10.0.0.9"}));
}

TEST(Traffic, NamesTheLineThatIsWrong) {
  const geo::test::Scratch scratch;
  const auto fault = [&](std::string_view text) {
    const auto read = Traffic::read(scratch.write("traffic", text), {});
    return read ? std::string("good") : read.error().detail.substr(read.error().detail.rfind('/') + 1);
  };
  EXPECT_EQ(fault("10.0.0.1\n10.0.0\n"), "traffic:2: \"10.0.0\" is not an IP address");
  EXPECT_EQ(fault("{}\n[]\n"), "traffic:2: not a JSON object");
  EXPECT_EQ(fault("{\"code\":\"redirect\",\"ts\":\"yesterday\"}"), "traffic:1: ts: \"yesterday\" is no time");
  EXPECT_EQ(fault("{\"code\":\"redirect\",\"ts\":\"2026-01-01T00:00:00Z\",\"client_ip\":\"x\"}"),
            "traffic:1: client_ip: \"x\" is not an IP address");
  EXPECT_EQ(
      fault("{\"code\":\"redirect\",\"ts\":\"2026-01-01T00:00:00Z\",\"client_ip\":\"10.0.0.1\",\"server\":\"a b\"}"),
      "traffic:1: server: expected 1-64 of A-Z a-z 0-9 . _ : -");
  const auto at = [](std::string_view time) {
    return fmt::format(R"({{"ts":"{}","client_ip":"10.0.0.1","server":"s","camera":"a","code":"redirect"}})", time);
  };
  EXPECT_EQ(fault(at("2026-01-01T00:00:00Z") + "\n" + at("2026-02-01T00:00:00Z")), "good");
  EXPECT_EQ(fault(at("2026-02-01T00:00:01Z") + "\n" + at("2026-01-01T00:00:00Z")), "traffic: spans more than 31 days");
  EXPECT_EQ(fault("{}\n"), "traffic: no redirects in it");
  EXPECT_EQ(fault("\n"), "traffic: no addresses in it");
  EXPECT_EQ(fault(std::string(100'000, '[')), "traffic:1: \"" + std::string(64, '[') + "..\" is not an IP address");
}

}  // namespace
}  // namespace geoctl

// One user's leases as values: no server, no thread.
#include "io/mongo/lease_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "geo/base/text.h"
#include "mongo_wire.h"

using namespace geo;
using namespace geo::io::mongo;
using namespace std::chrono_literals;
using billing::Lease;
using test::document;
using test::element;
using test::text;

namespace {

const WallTime kNow{1'800'000'000s};

billing::LeaseTerms up_to(std::int64_t max_streams, std::int64_t streams = 0,
                          std::optional<WallTime> reported_at = {}) {
  return {max_streams, streams, reported_at};
}

LeaseRequest request(int client, const billing::LeaseTerms& terms, WallTime now = kNow, bool takes = true) {
  const auto id = static_cast<std::uint8_t>(client);
  const std::uint8_t ip[4]{10, 0, static_cast<std::uint8_t>(client >> 8), id};
  return LeaseRequest({"u1", sha256("token"), "s1", "c1", Ip::v4(ip)}, terms, now, takes);
}

// "taken taken limit_exceeded"
std::string outcomes(const Settlement& settlement) {
  std::string out;
  for (const auto& each : settlement.answers) {
    if (!out.empty()) out += ' ';
    out += each ? billing::name_of(each->lease) : name_of(each.error().code);
  }
  return out;
}

Settlement settle_all(const std::vector<LeaseRequest>& requests, const LeaseState& state = {}) {
  std::vector<const LeaseRequest*> all;
  for (const auto& each : requests) all.push_back(&each);
  return settle("u1", state, all, 30s);
}

std::string date(std::int64_t ms) { return {reinterpret_cast<const char*>(&ms), sizeof ms}; }
std::string times(std::int64_t taken_at, std::int64_t expires_at) {
  return element(0x09, "taken_at", date(taken_at)) + element(0x09, "expires_at", date(expires_at));
}
const std::string kKey(32, 'a');
const std::string kRev = element(0x10, "rev", test::int32_bytes(7));

tl::expected<LeaseState, std::string> read(const std::string& elements) {
  const auto bson = read_bson(document(elements));
  EXPECT_TRUE(bson);
  return read_leases(**bson);
}

}  // namespace

TEST(LeaseState, FirstComeFirstServed) {
  std::vector<LeaseRequest> requests;
  for (const int client : {1, 2, 1, 3, 2}) requests.push_back(request(client, up_to(2)));
  EXPECT_EQ(outcomes(settle_all(requests)), "taken taken renewed limit_exceeded renewed");
}

TEST(LeaseState, EachIsSettledByItsOwnTerms) {
  const auto first = settle_all({request(1, up_to(9))}).next;
  EXPECT_EQ(outcomes(settle_all({request(2, up_to(1)), request(3, up_to(2, 1)), request(4, up_to(2, 1, kNow + 1s)),
                                 request(5, up_to(2))},
                                first)),
            "limit_exceeded limit_exceeded taken limit_exceeded");
}

TEST(LeaseState, WhoLooksTakesNothing) {
  const auto first = settle_all({request(1, up_to(9)), request(2, up_to(9))}).next;
  const auto looked = settle_all({request(1, {}, kNow, false), request(3, {}, kNow, false)}, first);
  EXPECT_TRUE(looked.change.isNull());
  EXPECT_EQ(looked.answers[0]->leased.others, 1);
  EXPECT_TRUE(looked.answers[0]->leased.own);
  EXPECT_EQ(looked.answers[1]->leased.others, 2);
  EXPECT_FALSE(looked.answers[1]->leased.own);
}

TEST(LeaseState, OneTakenInTheMillisecondAfterTheReportCounts) {
  const auto first = settle_all({request(1, up_to(9), kNow + 1us)}).next;
  EXPECT_EQ(outcomes(settle_all({request(2, up_to(1, 0, kNow))}, first)), "limit_exceeded");
}

TEST(LeaseState, HugeNumbersAreNotAddedUp) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto first = settle_all({request(1, up_to(kMost))}).next;
  const auto next = settle_all({request(2, up_to(kMost, kMost - 1))}, first);
  ASSERT_FALSE(next.answers[0]);
  EXPECT_EQ(next.answers[0].error().detail, "9223372036854775807 of 9223372036854775807 concurrent streams are in use");
}

TEST(LeaseState, TooManyAreRefusedUntilTheyAreReported) {
  std::vector<LeaseRequest> requests;
  for (int client = 0; client < static_cast<int>(kLeasesMax); ++client)
    requests.push_back(request(client, up_to(100'000)));
  const auto full = settle_all(requests).next;
  ASSERT_EQ(full.leases.size(), kLeasesMax);
  const auto refused = settle_all({request(-1, up_to(100'000), kNow + 10s)}, full);
  ASSERT_EQ(outcomes(refused), "limit_exceeded");
  EXPECT_EQ(refused.answers[0].error().retry_after, 20s);
  const billing::LeaseTerms reported = up_to(100'000, 5000, kNow + 5s);
  const auto after = settle_all({request(-1, reported, kNow + 10s)}, full);
  EXPECT_EQ(outcomes(after), "taken");
  EXPECT_EQ(after.next.leases.size(), 1u);
}

TEST(LeaseState, AFullDocumentCanBeRead) {
  const std::string longest(64, 'x');
  std::vector<LeaseRequest> requests;
  for (std::size_t i = 0; i < kLeasesMax; ++i) {
    std::uint8_t ip[16];
    std::fill(std::begin(ip), std::end(ip), std::uint8_t{0xee});
    ip[0] = static_cast<std::uint8_t>(i >> 8);
    ip[1] = static_cast<std::uint8_t>(i);
    requests.emplace_back(billing::LeaseKey{longest, sha256("token"), longest, longest, Ip::v6(ip)}, up_to(1'000'000),
                          kNow, true);
  }
  const auto bytes = write_bson(*settle_all(requests).change);
  ASSERT_TRUE(bytes);
  const auto back = read_bson(*bytes);
  ASSERT_TRUE(back) << back.error().why;
  EXPECT_EQ(read_leases(**back)->leases.size(), kLeasesMax);
}

TEST(LeaseState, ReadsWhatItWrote) {
  const auto made = settle_all({request(1, up_to(2)), request(2, up_to(2))});
  const auto back = read_bson(*write_bson(*made.change));
  ASSERT_TRUE(back);
  const auto state = read_leases(**back);
  ASSERT_TRUE(state) << state.error();
  EXPECT_EQ(state->rev, made.next.rev);
  EXPECT_EQ(state->leases.size(), 2u);
  const auto listed = list_leases(**back, kNow);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ(listed->front().token, geo::hex(sha256("token").data(), 4));
  EXPECT_EQ(listed->front().server, "s1");
  EXPECT_EQ(listed->front().camera, "c1");
  EXPECT_EQ(listed->front().taken_at, kNow);
  EXPECT_EQ(listed->front().expires_at, kNow + 30s);
  EXPECT_TRUE(list_leases(**back, kNow + 30s)->empty());
}

TEST(LeaseState, UnreadableDocuments) {
  const std::string empty = element(0x03, "leases", document(""));
  EXPECT_EQ(read(empty).error(), "rev: missing; expected an integer of 0 or more");
  EXPECT_EQ(read(text("rev", "7") + empty).error(), "rev: expected an integer, found a string");
  EXPECT_EQ(read(element(0x12, "rev", date(-1)) + empty).error(), "rev: expected an integer of 0 or more, found -1");
  EXPECT_EQ(read(element(0x12, "rev", date(std::numeric_limits<std::int64_t>::max())) + empty).error(),
            "rev: cannot be counted up");
  EXPECT_EQ(read(kRev + element(0x04, "leases", document(""))).error(), "leases: expected a document");
  EXPECT_EQ(read(kRev + element(0x0A, "leases", "")).error(), "leases: expected a document");
  EXPECT_EQ(read(kRev + empty + empty).error(), "leases: is there twice");
  EXPECT_TRUE(read(kRev));
}

TEST(LeaseState, UnreadableLeasesAreAbsentAndGoWithTheNextChange) {
  const auto whole = document(times(0, 4'000'000'000'000));
  for (const std::string& junk :
       {text(kKey, "x"), element(0x03, kKey, document("")), element(0x04, kKey, document("")),
        element(0x03, kKey, document(text("taken_at", "now") + text("expires_at", "never"))),
        element(0x03, kKey, document(times(std::numeric_limits<std::int64_t>::min(), 0))), element(0x0A, kKey, "")}) {
    const auto state = read(kRev + element(0x03, "leases", document(junk)));
    ASSERT_TRUE(state) << state.error();
    EXPECT_TRUE(state->leases.empty());
    const auto next = settle_all({request(1, up_to(1))}, *state);
    EXPECT_EQ(outcomes(next), "taken");
    EXPECT_TRUE(next.change->get<Document::Ptr>("$unset")->exists("leases." + kKey));
  }
  const auto others =
      read(kRev + element(0x03, "leases",
                          document(element(0x03, "not.a.key", whole) + element(0x03, std::string(32, 'A'), whole) +
                                   element(0x03, kKey, whole) + element(0x03, kKey, whole))));
  ASSERT_TRUE(others);
  EXPECT_EQ(others->leases.size(), 1u);
  EXPECT_TRUE(others->gone.empty());
}

TEST(LeaseState, TheKeyTellsWhereOneNameEnds) {
  const Ip ip;
  const auto id = [&](std::string_view server, std::string_view camera) {
    return lease_id({"u1", {}, server, camera, ip});
  };
  EXPECT_EQ(id("s1", "c1"), id("s1", "c1"));
  EXPECT_NE(id("s1", "c1"), id("s1c", "1"));
}

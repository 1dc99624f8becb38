#include "counts.h"

#include <gtest/gtest.h>

#include <thread>

namespace geod {
namespace {

using namespace std::chrono_literals;
using geo::ErrorCode;
using geo::balance::Format;
using geo::balance::Why;

TEST(Histogram, ABoundIsInItsOwnBucketAndWhatIsBeyondInTheNext) {
  for (std::size_t i = 0; i < kBoundsNs.size(); ++i) {
    const std::chrono::nanoseconds bound(kBoundsNs[i]);
    EXPECT_EQ(bucket_of(bound - 1ns), i) << bound.count();
    EXPECT_EQ(bucket_of(bound), i) << bound.count();
    EXPECT_EQ(bucket_of(bound + 1ns), i + 1) << bound.count();
  }
}

TEST(Histogram, EachPowerOfTwoIsWhereALookAtEachBoundPutsIt) {
  for (int bits = 0; bits < 63; ++bits)
    for (const std::int64_t off : {-1, 0, 1}) {
      const std::int64_t ns = (std::int64_t{1} << bits) + off;
      const auto above = std::lower_bound(kBoundsNs.begin(), kBoundsNs.end(), static_cast<std::uint64_t>(ns));
      EXPECT_EQ(bucket_of(std::chrono::nanoseconds(ns)), static_cast<std::size_t>(above - kBoundsNs.begin())) << ns;
    }
}

TEST(Histogram, TheShortestAndTheLongest) {
  EXPECT_EQ(bucket_of(0ns), 0U);
  EXPECT_EQ(bucket_of(-1ns), 0U) << "of a clock that went back";
  EXPECT_EQ(bucket_of(std::chrono::nanoseconds::max()), kBoundsNs.size());
}

// One request, answered after that long.
void count(Counts& counts, Code code, std::optional<Format> format = {}, std::chrono::nanoseconds took = 3us) {
  Exchange exchange;
  exchange.entry.code = code;
  exchange.entry.format = format;
  counts.add(exchange, exchange.in.started + took);
}

TEST(Counts, ByFormatAndCode) {
  Counts counts;
  count(counts, Code::redirect, Format::hls);
  count(counts, Code::redirect, Format::hls);
  count(counts, code_of(ErrorCode::forbidden), Format::flv);
  count(counts, Code::ok);
  Totals totals;
  counts.add_to(totals);
  const auto at = [&](std::size_t format, Code code) {
    return totals.requests[format][static_cast<std::size_t>(code)];
  };
  EXPECT_EQ(at(1, Code::redirect), 2U);
  EXPECT_EQ(at(0, code_of(ErrorCode::forbidden)), 1U);
  EXPECT_EQ(at(Totals::kNoFormat, Code::ok), 1U);
  std::uint64_t all = 0;
  for (const auto& codes : totals.requests)
    for (const std::uint64_t each : codes) all += each;
  EXPECT_EQ(all, 4U);
  EXPECT_EQ(totals.durations.buckets[0], 4U);
  EXPECT_EQ(totals.durations.sum_ns, 12'000U);
}

TEST(Counts, WhyOfRedirectsAlone) {
  Counts counts;
  Exchange exchange;
  exchange.decision.choice.why = Why::overloaded;
  exchange.entry.code = code_of(ErrorCode::offline);
  counts.add(exchange, exchange.in.started);
  exchange.entry.code = Code::redirect;
  counts.add(exchange, exchange.in.started);
  Totals totals;
  counts.add_to(totals);
  for (std::size_t i = 0; i < totals.chosen.size(); ++i)
    EXPECT_EQ(totals.chosen[i], i == static_cast<std::size_t>(Why::overloaded) ? 1U : 0U) << geo::balance::kWhyNames[i];
}

TEST(Counts, StepsThatRanAndWereTimed) {
  Counts counts;
  count(counts, Code::ok);
  Exchange exchange;
  exchange.step_times.emplace().add(geo::redirect::Step::bill, 2ms);
  exchange.step_times->add(geo::redirect::Step::bill, 1ms);
  counts.add(exchange, exchange.in.started);
  Totals totals;
  counts.add_to(totals);
  for (std::size_t i = 0; i < totals.steps.size(); ++i) {
    const bool is_it = i == static_cast<std::size_t>(geo::redirect::Step::bill);
    EXPECT_EQ(totals.steps[i].sum_ns, is_it ? 3'000'000U : 0U);
    EXPECT_EQ(totals.steps[i].buckets[bucket_of(3ms)], is_it ? 1U : 0U);
  }
}

TEST(Counts, OfAListenerAreThoseOfItsLoopsWhileTheyCount) {
  constexpr std::uint64_t kEach = 20'000;
  ListenerCounts counts("redirect", 3);
  const auto redirects = [&] {
    Totals totals;
    counts.add_to(totals);
    return totals.requests[0][static_cast<std::size_t>(Code::redirect)];
  };
  {
    std::vector<std::jthread> loops;
    for (int i = 0; i < 3; ++i)
      loops.emplace_back([&mine = counts.claim()] {
        for (std::uint64_t n = 0; n < kEach; ++n) count(mine, Code::redirect, Format::flv);
      });
    for (std::uint64_t before = 0; before < 3 * kEach;) {
      const std::uint64_t now = redirects();
      ASSERT_GE(now, before) << "counts go up alone";
      before = now;
    }
  }
  EXPECT_EQ(redirects(), 3 * kEach);
}

TEST(Counts, WhatMayOccur) {
  EXPECT_TRUE(may_occur("redirect", 0, Code::redirect));
  EXPECT_FALSE(may_occur("redirect", Totals::kNoFormat, Code::redirect)) << "a redirect has a format";
  EXPECT_TRUE(may_occur("redirect", Totals::kNoFormat, code_of(ErrorCode::no_such_path)));
  EXPECT_FALSE(may_occur("redirect", 0, code_of(ErrorCode::no_such_path))) << "a path with a format is there";
  EXPECT_TRUE(may_occur("resolver", Totals::kNoFormat, code_of(ErrorCode::unknown_address)));
  EXPECT_FALSE(may_occur("resolver", 0, Code::ok));
  EXPECT_FALSE(may_occur("admin", Totals::kNoFormat, Code::ok)) << "it is not counted";
}

}  // namespace
}  // namespace geod

#include "random.h"

#include <gtest/gtest.h>

#include <cmath>

namespace geoctl {
namespace {

TEST(Random, IsTheSameOnEveryMachine) {
  Random random(1, 0);
  EXPECT_EQ(random.next(), 15204172177749531820ULL);
  EXPECT_EQ(random.below(1000), 622U);
  EXPECT_EQ(random.unit(), 0.30345910821990674);
}

TEST(Random, StreamsOfASeedAreOthers) {
  EXPECT_NE(Random(1, 0).next(), Random(1, 1).next());
  EXPECT_NE(Random(1, 0).next(), Random(2, 0).next());
}

TEST(Random, LogarithmAndExponentialAreThoseOfMathematics) {
  for (double x = 1e-9; x < 1e9; x *= 1.37)
    EXPECT_NEAR(ln(x), std::log(x), 1e-13 * std::max(1.0, std::abs(std::log(x))));
  for (double x = -40; x < 40; x += 0.37) EXPECT_NEAR(exp(x) / std::exp(x), 1, 1e-13) << x;
  EXPECT_EQ(ln(1), 0);
  EXPECT_EQ(exp(0), 1);
}

TEST(Random, ExponentialHasItsMeanAndItsTail) {
  Random random(7, 0);
  constexpr int kDraws = 100'000;
  double sum = 0;
  int beyond = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double drawn = random.exponential(60);
    sum += drawn;
    beyond += drawn > 120;
  }
  EXPECT_NEAR(sum / kDraws, 60, 1);
  EXPECT_NEAR(double(beyond) / kDraws, std::exp(-2), 0.005);
}

}  // namespace
}  // namespace geoctl

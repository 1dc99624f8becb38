#include "io/checks/names.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace geo::io::checks {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1000ms;

Found at(std::string addresses) { return {.addresses = std::move(addresses), .why = {}}; }
Found trouble(bool is_final) { return {.addresses = {}, .why = "trouble", .is_final = is_final}; }

// A resolver that answers what and when the test says. Look-ups may outlive the names they are for, hence shared.
class Resolver {
 public:
  Names::LookUp look_up() const {
    return [state = state_](const std::string& host) {
      std::unique_lock lock(state->mutex);
      ++state->asked[host];
      state->change.notify_all();
      state->change.wait(lock, [&] { return !state->held && state->answers.contains(host); });
      return state->answers.at(host);
    };
  }
  void says(const std::string& host, Found found) {
    const std::lock_guard lock(state_->mutex);
    state_->answers[host] = std::move(found);
    state_->change.notify_all();
  }
  void hold(bool it) {
    const std::lock_guard lock(state_->mutex);
    state_->held = it;
    state_->change.notify_all();
  }
  int asked(const std::string& host) const {
    const std::lock_guard lock(state_->mutex);
    return state_->asked[host];
  }
  // How many look-ups have begun, once there are so many.
  std::size_t begun(std::size_t least) const {
    std::unique_lock lock(state_->mutex);
    state_->change.wait(lock, [&] { return state_->asked.size() >= least; });
    return state_->asked.size();
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable change;
    std::map<std::string, Found> answers;
    std::map<std::string, int> asked;
    bool held = false;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

class ChecksNames : public testing::Test {
 protected:
  ~ChecksNames() override { resolver_.hold(false); }

  // Turns until it tells of `count` hosts.
  std::vector<std::string> turns(std::size_t count) {
    std::vector<std::string> hosts;
    while (hosts.size() < count) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return std::exchange(is_changed_, false); });
      }
      for (std::string& host : names_.turn(now_)) hosts.push_back(std::move(host));
    }
    return hosts;
  }
  // Asks, and waits for the answer where there is none yet.
  Found found(const std::string& host) {
    auto known = names_.ask(host, now_);
    while (!known) {
      turns(1);
      known = names_.ask(host, now_);
    }
    return *known;
  }
  // Until the look-up of that name has begun.
  void wait_for_start() {
    while (names_.next() == MonotonicTime::max()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return std::exchange(is_changed_, false); });
      lock.unlock();
      EXPECT_TRUE(names_.turn(now_).empty());
    }
  }

  Resolver resolver_;
  MonotonicTime now_{std::chrono::hours(1)};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_changed_ = false;
  Names names_{resolver_.look_up(), kPatience, [this] {
                 const std::lock_guard lock(mutex_);
                 is_changed_ = true;
                 changed_.notify_all();
               }};
};

TEST_F(ChecksNames, OneLookUpForAllWhoAsk) {
  resolver_.hold(true);
  resolver_.says("a", at("192.0.2.1"));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(names_.ask("a", now_));
  resolver_.hold(false);
  EXPECT_EQ(turns(1), std::vector<std::string>{"a"});
  EXPECT_EQ(names_.ask("a", now_)->addresses, "192.0.2.1");
  EXPECT_EQ(resolver_.asked("a"), 1);
}

TEST_F(ChecksNames, AddressesAreKeptForAMinuteAndServeWhileTheyAreRenewed) {
  resolver_.says("a", at("192.0.2.1"));
  EXPECT_EQ(found("a").addresses, "192.0.2.1");
  resolver_.says("a", at("192.0.2.2"));
  now_ += kNameLife - 1ms;
  EXPECT_EQ(names_.ask("a", now_)->addresses, "192.0.2.1");
  EXPECT_EQ(resolver_.asked("a"), 1);
  now_ += 1ms;
  EXPECT_EQ(names_.ask("a", now_)->addresses, "192.0.2.1") << "nobody waits";
  turns(1);
  EXPECT_EQ(names_.ask("a", now_)->addresses, "192.0.2.2");
}

TEST_F(ChecksNames, TheLastGoodAddressesServeWhileTheResolverIsAway) {
  resolver_.says("a", at("192.0.2.1"));
  found("a");
  resolver_.says("a", trouble(false));
  for (int i = 0; i < 3; ++i) {
    now_ += kNameLife;
    EXPECT_EQ(names_.ask("a", now_)->addresses, "192.0.2.1");
    turns(1);
    EXPECT_EQ(names_.ask("a", now_)->addresses, "192.0.2.1");
  }
  resolver_.says("a", trouble(true));
  now_ += kNameRetry;
  names_.ask("a", now_);
  turns(1);
  EXPECT_EQ(names_.ask("a", now_)->why, "trouble") << "a name that is no more is none";
}

TEST_F(ChecksNames, AFailureIsRememberedForAWhile) {
  resolver_.says("a", trouble(true));
  EXPECT_EQ(found("a").why, "trouble");
  now_ += kNameRetry - 1ms;
  EXPECT_EQ(names_.ask("a", now_)->why, "trouble");
  EXPECT_EQ(resolver_.asked("a"), 1);
  resolver_.says("a", at("192.0.2.1"));
  now_ += 1ms;
  EXPECT_EQ(found("a").addresses, "192.0.2.1");
}

TEST_F(ChecksNames, ALookUpThatTakesTooLongIsAFailureUntilItEnds) {
  resolver_.hold(true);
  resolver_.says("a", at("192.0.2.1"));
  EXPECT_FALSE(names_.ask("a", now_));
  wait_for_start();
  EXPECT_EQ(names_.next(), now_ + kPatience);
  now_ += kPatience;
  EXPECT_EQ(names_.turn(now_), std::vector<std::string>{"a"});
  EXPECT_EQ(names_.ask("a", now_)->why, "its name was not resolved in time");
  EXPECT_EQ(names_.next(), MonotonicTime::max());
  resolver_.hold(false);
  turns(1);
  EXPECT_EQ(names_.ask("a", now_)->addresses, "192.0.2.1");
  EXPECT_EQ(resolver_.asked("a"), 1);
}

TEST_F(ChecksNames, SoManyAtOnceAndTheOthersWaitWithoutBeingLate) {
  constexpr std::size_t kNames = 3 * kLookUpsMax;
  resolver_.hold(true);
  for (std::size_t i = 0; i < kNames; ++i) {
    resolver_.says(std::to_string(i), at("192.0.2.1"));
    EXPECT_FALSE(names_.ask(std::to_string(i), now_));
  }
  EXPECT_EQ(resolver_.begun(kLookUpsMax), kLookUpsMax);
  now_ += kPatience;
  for (std::size_t i = 0; i < kNames; ++i) EXPECT_FALSE(names_.ask(std::to_string(i), now_)) << i;
  resolver_.hold(false);
  EXPECT_EQ(turns(kNames).size(), kNames);
}

TEST_F(ChecksNames, ForgetsWhoIsNoMoreAskedFor) {
  resolver_.says("a", at("192.0.2.1"));
  resolver_.says("b", at("192.0.2.2"));
  found("a");
  found("b");
  names_.keep({"b"});
  EXPECT_TRUE(names_.ask("b", now_));
  EXPECT_FALSE(names_.ask("a", now_));
}

TEST(ChecksNamesEnd, DoesNotWaitForALookUp) {
  Resolver resolver;
  {
    Names names(resolver.look_up(), kPatience, [] {});
    EXPECT_FALSE(names.ask("a", MonotonicTime{}));
    resolver.begun(1);
  }
  resolver.says("a", at("192.0.2.1"));
}

TEST(ChecksLookUp, AsksTheSystem) {
  EXPECT_NE(look_up("localhost").addresses.find("127.0.0.1"), std::string::npos);
  const Found none = look_up("no such name");
  EXPECT_EQ(none.addresses, "");
  EXPECT_EQ(none.why, "its name cannot be resolved");
}

}  // namespace
}  // namespace geo::io::checks

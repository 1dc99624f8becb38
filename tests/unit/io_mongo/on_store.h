// A MongoStore on the tests' server, with a relay between them and a clock that can be moved.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "geo/base/text.h"
#include "geo/io/mongo.h"
#include "io/mongo/connection.h"
#include "io/mongo/rows.h"
#include "io/mongo/version.h"
#include "mongo.h"
#include "mongo_relay.h"

namespace geo::io::mongo {

using namespace std::chrono_literals;

// Goes with the machine's, from a place of its own, unless it is held.
class MovedClock final : public Clock {
 public:
  WallTime wall() const override {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()) + moved();
  }
  MonotonicTime monotonic() const override {
    const auto held = held_.load();
    return (held == MonotonicTime::min() ? std::chrono::steady_clock::now() : held) + moved();
  }
  void move(std::chrono::milliseconds by) { moved_ += by.count(); }
  // From now on time passes by move() alone.
  void hold() { held_ = std::chrono::steady_clock::now(); }

 private:
  std::chrono::milliseconds moved() const { return std::chrono::milliseconds(moved_); }
  std::atomic<std::int64_t> moved_{0};
  std::atomic<MonotonicTime> held_{MonotonicTime::min()};
};

// The way to the server: counts what is asked for, and can fall silent or be gone.
class Way {
 public:
  enum class Mode : std::uint8_t {
    open,
    silent,  // what is asked is kept back, as by a server that was stopped
    gone,    // whoever asks is cut off
  };
  explicit Way(const std::string& uri) : relay_(uri, [this](const std::string& command) { return seen(command); }) {}
  ~Way() { set(Mode::open); }

  const std::string& uri() const { return relay_.uri(); }
  void set(Mode mode) {
    const std::lock_guard lock(mutex_);
    mode_ = mode;
    changed_.notify_all();
  }
  int finds() const {
    const std::lock_guard lock(mutex_);
    return finds_;
  }
  // Called with the number of a find, from 1, before it is passed on. Set before it is used.
  std::function<void(int)> on_find = [](int) {};

 private:
  using Then = test::MongoRelay::Then;
  Then seen(const std::string& command) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return mode_ != Mode::silent; });
    if (mode_ == Mode::gone) return Then::cut;
    if (command != "find") return Then::pass;
    const int nth = ++finds_;
    lock.unlock();
    on_find(nth);
    return Then::pass;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Mode mode_ = Mode::open;
  int finds_ = 0;
  test::MongoRelay relay_;  // the last: its threads use all else
};

template <class T>
Document::Ptr with(const std::string& name, T value, Document::Ptr to = new Document) {
  to->add(name, value);
  return to;
}

class OnStore : public test::OnMongo {
 protected:
  void SetUp() override {
    OnMongo::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto opened = Connection::open({uri(), database(), 60s});
    ASSERT_TRUE(opened) << opened.error();
    direct_ = std::move(*opened);
    way_ = std::make_unique<Way>(uri());
    settings_.uri = way_->uri();
    settings_.database = database();
    settings_.timeout = 60s;
    settings_.tokens = settings_.billing = settings_.usage = settings_.devices = {1000, 60s, 600s, 50s};
    settings_.log = [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      log_.push_back(line);
    };
  }
  void TearDown() override {
    store_.reset();
    way_.reset();
    direct_.reset();
    OnMongo::TearDown();
  }

  const MongoStore& store() {
    if (!store_) {
      auto opened = MongoStore::open(settings_, clock_);
      if (!opened) throw std::runtime_error(opened.error());
      store_ = *opened;
    }
    return *store_;
  }
  std::vector<std::string> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  std::uint64_t skipped(std::string_view collection) {
    for (const auto& each : store().skipped())
      if (each.collection == collection) return each.documents;
    return 0;
  }

  static MonotonicTime in_a_minute() { return std::chrono::steady_clock::now() + 60s; }
  Moment now() const { return {clock_.wall(), clock_.monotonic(), Wait::until(in_a_minute())}; }
  Moment at_once() const { return {clock_.wall(), clock_.monotonic(), Wait::never()}; }

  // ---- what the store holds ----
  void put_document(const std::string& collection, const Document::Ptr& document) {
    const auto done = direct_->insert(collection, {document}, in_a_minute());
    ASSERT_TRUE(done) << done.error().why;
  }
  template <class Row>
  void put_row(const Row& row) {
    put_document(Documents<Row>::collection().name, Documents<Row>::write(row));
  }
  template <class Row>
  void put_row(const Row& row, std::string_view version) {
    put_document(Documents<Row>::collection().name, Documents<Row>::write(row, version));
  }
  void change(const std::string& collection, const Document::Ptr& document) {
    const auto done =
        direct_->replace(collection, {{with("_id", document->get<std::string>("_id")), document}}, in_a_minute());
    ASSERT_TRUE(done) << done.error().why;
  }

  MovedClock clock_;
  std::unique_ptr<Connection> direct_;
  std::unique_ptr<Way> way_;
  MongoSettings settings_;
  std::shared_ptr<const MongoStore> store_;

 private:
  std::mutex mutex_;
  std::vector<std::string> log_;
};

}  // namespace geo::io::mongo

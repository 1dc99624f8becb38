// A MongoDB for tests: GEO_TEST_MONGODB_URI, else `mongod` on PATH, else what tests/support/mongo/build made; one to a
// program, on a free port with a temporary folder, gone with the program. None is there: the tests are skipped, or
// with GEO_REQUIRE_MONGODB=1 failed. One that is there and does not start is a failure.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace geo::test {

class OnMongo : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // The test's own, and empty: dropped at its end.
  const std::string& database() const { return database_; }
  const std::string& uri() const { return uri_; }
  // As its bytes are, past all checks of ours.
  void put(const std::string& collection, std::string_view bson) const;
  // By name, with the seconds that a TTL index waits; -1: it is none.
  std::map<std::string, std::int64_t> indexes(const std::string& collection) const;

 private:
  std::string uri_;
  std::string database_;
};

}  // namespace geo::test

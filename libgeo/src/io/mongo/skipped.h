// Documents that cannot be read: told to the operator, and counted by collection, each once a minute however often it
// is read, so that the count grows by how many there are and not by how many ask for them.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/text.h"
#include "geo/io/mongo.h"
#include "io/file/rules.h"
#include "io/mongo/rows.h"

namespace geo::io::mongo {

// Shape: `nodes v1/node-7: group: missing; expected ..`, on one line whatever the `_id` holds.
inline std::string told(std::string_view collection, std::string_view id, std::string_view why) {
  return fmt::format("{} {}: {}", collection, is_plain_text(id) ? std::string(id) : in_quotes(id), why);
}

// Threads: any.
class SkippedDocuments {
 public:
  SkippedDocuments(std::function<void(const std::string&)> log, const Clock& clock)
      : log_(std::move(log)), clock_(clock) {
    for (const Collection* each : collections()) counts_.push_back({each->name, 0});
  }

  // The text, for whoever has to say it too.
  std::string tell(std::string_view collection, std::string_view id, std::string_view why) {
    std::string text = told(collection, id, why);
    if (count(collection, id)) log_(text);
    return text;
  }
  std::vector<MongoStore::Skipped> counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  static constexpr std::chrono::minutes kOnceIn{1};
  static constexpr std::size_t kKnownMax = 1000;  // as many are told in a minute; the others count at each reading

  // Is it time to tell it?
  bool count(std::string_view collection, std::string_view id) {
    const MonotonicTime now = clock_.monotonic();
    const std::lock_guard lock(mutex_);
    std::pair<std::string, std::string> key(collection, id);
    const auto at = told_.find(key);
    if (at != told_.end() && now - at->second < kOnceIn) return false;
    for (MongoStore::Skipped& each : counts_)
      if (each.collection == collection) ++each.documents;
    if (at != told_.end()) {
      at->second = now;
      return true;
    }
    if (told_.size() >= kKnownMax) std::erase_if(told_, [&](const auto& each) { return now - each.second >= kOnceIn; });
    return told_.size() < kKnownMax && told_.emplace(std::move(key), now).second;
  }

  const std::function<void(const std::string&)> log_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::vector<MongoStore::Skipped> counts_;  // names are the collections' own, which stay
  std::map<std::pair<std::string, std::string>, MonotonicTime> told_;
};

}  // namespace geo::io::mongo

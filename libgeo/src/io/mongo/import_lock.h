// One import at a time: a document that says who, and until when unless it goes on.
//
// Shape: collection `versions`, {_id: "import", owner: "HOST/PID/5be1..", until: ISODate(..)}; taken where there is
// none
//        or `until` is past, renewed every 3 s, given back at the end. Who died holds it for 10 s.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "geo/base/result.h"
#include "io/mongo/connection.h"

namespace geo::io::mongo {

class ImportLock {
 public:
  // upstream_unavailable: somebody else has it, or the store is away.
  static Result<std::unique_ptr<ImportLock>> take(Connection& connection);
  ~ImportLock();
  ImportLock(const ImportLock&) = delete;
  ImportLock& operator=(const ImportLock&) = delete;

  // Is it ours long enough for a step? Asks nobody.
  Result<void> check() const;
  // Asks the store: at that moment nobody else had taken it.
  Result<void> renew();

 private:
  ImportLock(Connection& connection, std::string owner) : connection_(connection), owner_(std::move(owner)) {}
  Result<bool> try_to_take();
  void keep();

  Connection& connection_;
  const std::string owner_;
  std::atomic<std::int64_t> until_ns_{0};  // ours up to then, by the monotonic clock
  std::atomic<bool> lost_ = false;
  std::mutex mutex_;
  std::condition_variable ending_;
  bool ends_ = false;
  std::thread keeper_;
};

}  // namespace geo::io::mongo

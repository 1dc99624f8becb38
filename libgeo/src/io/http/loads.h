// The loads that an upstream has taken, and how it fares with them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "geo/base/breaker.h"
#include "geo/resolve.h"
#include "io/http/answers.h"

namespace geo::io::http {

// Each load is finished once: by its answer, or when its budget ends, whatever a call may hang in.
// Owns: a thread that ends what is late. Threads: any number at once; nothing is finished under a lock.
class Loads {
 public:
  using Load = resolve::PlaceCache::Load;

  // One load. Known by its key; `since` .. `due` is its budget.
  class Taken {
   public:
    Taken(Load load, MonotonicTime since_, MonotonicTime due_)
        : key(load.key()), since(since_), due(due_), load_(std::move(load)) {}
    const resolve::PlaceKey key;
    const MonotonicTime since, due;

   private:
    friend class Loads;
    std::optional<Load> load_;  // nothing: finished
    bool called_ = false;       // stays once finished
  };
  using Ptr = std::shared_ptr<Taken>;
  using Batch = std::vector<Ptr>;  // of one call

  // name: static text. `most` at once.
  Loads(std::string_view name, const Clock& clock, std::size_t most);
  ~Loads() { close(); }
  Loads(const Loads&) = delete;
  Loads& operator=(const Loads&) = delete;

  // Null: it was failed at once, because the breaker is open or too many wait.
  Ptr take(Load load, std::chrono::milliseconds budget);
  bool is_finished(const Taken& taken) const;
  // A call is made for it: from now on its failure is one of the upstream, before it is only held back.
  void called(Taken& taken);
  // All three do nothing where it is finished already.
  void answer(Taken& taken, Result<place::Location> answer, std::optional<std::chrono::milliseconds> ttl = {});
  void fail(Taken& taken, std::string why, std::chrono::seconds retry_after = std::chrono::seconds{1});
  // Because the breaker does not admit the call.
  void fail_open(Taken& taken);
  // The same for each of a batch.
  void fail(const Batch& batch, std::string_view why, std::chrono::seconds retry_after = std::chrono::seconds{1});
  void fail_open(const Batch& batch);
  // The call for it was in vain: the breaker counts that.
  void failed(const Batch& batch, std::string_view why, std::chrono::seconds retry_after = std::chrono::seconds{1});
  // What the call brought. An answer that has nothing of what was asked for is none.
  void settle(const Batch& batch, Entries entries, std::optional<std::chrono::milliseconds> ttl = {});
  // One that was never taken.
  void refuse(Load load, std::string why, std::chrono::seconds retry_after = std::chrono::seconds{1});

  // Fails what is left and takes nothing new. Once.
  void close();

  Breaker& breaker() { return breaker_; }
  resolve::ProviderStatus status(MonotonicTime now) const;

 private:
  using Waiting = std::multimap<MonotonicTime, Ptr>;

  void finish(Load load, Result<place::Location> answer, std::optional<std::chrono::milliseconds> ttl,
              resolve::Outcome outcome);
  void finish(Load load, Denial denial, bool called);
  std::optional<Load> release(Taken& taken);
  std::chrono::seconds until_admitted() const;
  Denial denial(std::chrono::seconds retry_after) const;
  void note(std::string why);
  void run();

  const std::string_view name_;
  const Clock& clock_;
  const std::size_t most_;
  Breaker breaker_;
  resolve::Tally calls_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Waiting waiting_;  // by due
  std::string last_error_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace geo::io::http

// Leases in MongoDB: a document for each user, changed by updates that name what it was.
//
//   take() -> the user's queue -> a job settles all who wait -> [read] -> update {_id, rev} -> each its own answer
//                                    ^------------- somebody else was there first ------'
//
// What this process knew last saves the read; who is refused is refused by what the store says now. What the update
// matched decides, never what it returns.
// Where it is not known whether an update was done (timeout), what is known of that user is forgotten, and those who
// asked get upstream_unavailable. What was taken all the same for somebody who was refused counts no more for this
// process and goes with the next change it makes; for others it counts until then, or until it ends.
// Whether leases can be written has a breaker of its own: a store that is read well may hang in, or refuse, each write.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_map>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/counter.h"
#include "geo/base/upstream.h"
#include "geo/billing.h"
#include "geo/io/mongo.h"
#include "geo/io/threads.h"
#include "io/mongo/connection.h"
#include "io/mongo/lease_state.h"

namespace geo::io::mongo {

// Owns: threads. Nobody may be in it when it is destroyed.
// Threads: any number at once; one user's requests are settled together, first come first served, users side by side.
class Leases final : public billing::Leases {
 public:
  // Both from any thread.
  struct Told {
    std::function<void(const Unreadable&)> unreadable;  // documents that cannot be read
    std::function<void(const std::string&)> log;        // that leases cannot be had, and that they can again
  };
  // health: the store's. timeout: of the read and of the update of a request each, whatever a call may hang in; its own
  // deadline may be earlier.
  Leases(Connection& connection, std::shared_ptr<Health> health, const Clock& clock, std::chrono::seconds lease,
         std::chrono::milliseconds timeout, Told told);
  ~Leases() override;

  Polled<billing::Lease> take(const billing::LeaseKey& key, const billing::LeaseTerms& terms,
                              const Moment& at) const override;
  Polled<billing::Leased> look(const billing::LeaseKey& key, const billing::LeaseTerms& terms,
                               const Moment& at) const override;

  // Unexpired ones of a user, the oldest first, straight from the store. The error is for the operator.
  tl::expected<std::vector<ListedLease>, std::string> list(const std::string& user, MonotonicTime deadline) const;

  MongoStore::LeaseStats stats() const;

 private:
  struct Request;
  using Batch = std::vector<std::shared_ptr<Request>>;
  using Queue = std::deque<std::shared_ptr<Request>>;
  // Why there is no answer. away: nobody could be asked.
  struct Trouble {
    bool away = false;
    std::string why;
    bool is_known = true;  // false: a change may have been made all the same
  };
  template <class T>
  using Called = tl::expected<T, Trouble>;

  // What was known last of users, a bounded number of leases in all; of those not asked for lately nothing.
  class Known {
   public:
    std::optional<LeaseState> take(const std::string& user);
    void keep(const std::string& user, LeaseState state);

   private:
    using States = std::unordered_map<std::string, LeaseState>;
    States recent_, older_;
    std::size_t size_ = 0;  // of recent_
  };

  // Of those who were refused while they may have been taken.
  class Orphans {
   public:
    void add(const std::string& user, const HeldLease& lease, WallTime now);
    void leave_out(const std::string& user, LeaseState& state, WallTime now);

   private:
    std::unordered_map<std::string, std::vector<HeldLease>> by_user_;
    std::size_t size_ = 0;
    void forget_ended(WallTime now);
  };

  // Nothing: the request's own deadline ended first.
  Polled<LeaseAnswer> ask(const billing::LeaseKey& key, const billing::LeaseTerms& terms, const Moment& at,
                          bool takes) const;
  bool put(const std::string& user, const std::shared_ptr<Request>& request) const;
  void leave(const std::string& user, const std::shared_ptr<Request>& request) const;
  void run(const std::string& user) const;
  std::optional<LeaseState> settle(const std::string& user, std::optional<LeaseState> state) const;
  void gather(const std::string& user, Batch& batch) const;
  static void drop_late(Batch& batch, MonotonicTime now);
  void forsake(const std::string& user, const Batch& batch, const LeaseState& next) const;
  template <class T, class Operation>
  Called<T> call(Breaker& breaker, std::string_view what, const Operation& operation) const;
  void tell(std::string_view what, const std::string& why) const;
  Called<LeaseState> read(const std::string& user, MonotonicTime due) const;
  Called<bool> write(const std::string& user, const LeaseState& before, const Document::Ptr& change,
                     MonotonicTime due) const;
  Result<LeaseAnswer> answer_of(const Trouble& trouble, bool takes) const;
  void note(std::string why) const { health_->note("leases: " + std::move(why)); }

  Connection& connection_;
  const std::shared_ptr<Health> health_;
  const Clock& clock_;
  const std::chrono::seconds lease_;
  const std::chrono::milliseconds timeout_;
  const Told told_;
  mutable Breaker writes_;
  mutable Counter taken_, renewed_, refused_, none_, failed_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Queue> waiting_;  // of each user for whom there is a job
  mutable std::size_t waiting_count_ = 0;
  mutable Known known_;
  mutable Orphans orphans_;
  mutable std::set<std::string, std::less<>> in_trouble_;  // "read", "written": told to be
  mutable Workers workers_;                                // the last: its threads use all else
};

}  // namespace geo::io::mongo

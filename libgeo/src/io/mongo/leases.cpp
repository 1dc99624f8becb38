#include "io/mongo/leases.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <random>
#include <thread>
#include <type_traits>
#include <utility>

#include "io/mongo/rows.h"

namespace geo::io::mongo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kThreads = 8;          // users at once
constexpr std::size_t kWaitingMax = 10'000;  // requests
constexpr std::size_t kBatchMax = 1000;      // of them in an update
constexpr std::size_t kKnownMax = 50'000;    // leases, 32 bytes each, twice
constexpr std::size_t kOrphansMax = 10'000;
constexpr const char* kTooMany = "too many are waiting for it";

// Before the next try, so that two who meet do not meet again; further tries wait longer.
void wait_a_little(unsigned tries, MonotonicTime now, MonotonicTime due) {
  thread_local std::minstd_rand dice{std::random_device{}()};
  const std::chrono::microseconds most(std::min(1000U << std::min(tries, 4U), 10'000U));
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(due - now);
  if (left > most) std::this_thread::sleep_for(most * (dice() % 1000) / 1000);
}

Document::Ptr filter_of(const std::string& user) {
  Document::Ptr filter = new Document;
  filter->add("_id", user);
  return filter;
}

}  // namespace

struct Leases::Request {
  Request(const billing::LeaseKey& key, const billing::LeaseTerms& terms, const Moment& at, bool takes,
          MonotonicTime due_)
      : what(key, terms, at.now, takes), due(due_) {}
  const LeaseRequest what;
  const MonotonicTime due;
  std::atomic<bool> called{false};

  // One of both, once: whoever asked leaves without an answer, or has one. False: the other was first.
  bool leave() { return !over_.exchange(true); }
  bool answer(Result<LeaseAnswer> with) {
    if (over_.exchange(true)) return false;
    answer_.set_value(std::move(with));
    return true;
  }
  std::future<Result<LeaseAnswer>> answered() { return answer_.get_future(); }

 private:
  std::atomic<bool> over_{false};
  std::promise<Result<LeaseAnswer>> answer_;
};

// ---- what is known ----

std::optional<LeaseState> Leases::Known::take(const std::string& user) {
  for (States* const states : {&recent_, &older_}) {
    const auto at = states->find(user);
    if (at == states->end()) continue;
    if (states == &recent_) size_ -= 1 + at->second.leases.size();
    LeaseState state = std::move(at->second);
    states->erase(at);
    return state;
  }
  return std::nullopt;
}

void Leases::Known::keep(const std::string& user, LeaseState state) {
  size_ += 1 + state.leases.size();
  recent_.insert_or_assign(user, std::move(state));
  if (size_ < kKnownMax) return;
  older_ = std::exchange(recent_, {});
  size_ = 0;
}

void Leases::Orphans::add(const std::string& user, const HeldLease& lease, WallTime now) {
  if (size_ >= kOrphansMax) forget_ended(now);
  if (size_ >= kOrphansMax) return;
  by_user_[user].push_back(lease);
  ++size_;
}

void Leases::Orphans::forget_ended(WallTime now) {
  for (auto at = by_user_.begin(); at != by_user_.end();) {
    size_ -= std::erase_if(at->second, [&](const HeldLease& lease) { return lease.expires_at <= now; });
    at = at->second.empty() ? by_user_.erase(at) : std::next(at);
  }
}

// One that was renewed since, here or elsewhere, is somebody's.
void Leases::Orphans::leave_out(const std::string& user, LeaseState& state, WallTime now) {
  const auto at = by_user_.find(user);
  if (at == by_user_.end()) return;
  size_ -= std::erase_if(at->second, [&](const HeldLease& lease) { return lease.expires_at <= now; });
  for (const HeldLease& each : at->second)
    if (std::erase(state.leases, each) > 0) state.gone.push_back(each.id);
  if (at->second.empty()) by_user_.erase(at);
}

// ---- those who ask ----

Leases::Leases(Connection& connection, std::shared_ptr<Health> health, const Clock& clock, seconds lease,
               milliseconds timeout, Told told)
    : connection_(connection),
      health_(std::move(health)),
      clock_(clock),
      lease_(lease),
      timeout_(timeout),
      told_(std::move(told)),
      workers_(kThreads, kWaitingMax) {}

Leases::~Leases() = default;

Polled<billing::Lease> Leases::take(const billing::LeaseKey& key, const billing::LeaseTerms& terms,
                                    const Moment& at) const {
  if (!at.wait.allowed()) return std::nullopt;
  const Polled<LeaseAnswer> asked = ask(key, terms, at, true);
  if (!asked) {
    failed_.add();
    return std::nullopt;
  }
  const Result<LeaseAnswer>& answer = *asked;
  if (!answer) {
    (answer.error().code == ErrorCode::limit_exceeded ? refused_ : failed_).add();
    return tl::unexpected<Denial>(answer.error());
  }
  switch (answer->lease) {
    case billing::Lease::taken:
      taken_.add();
      break;
    case billing::Lease::renewed:
      renewed_.add();
      break;
    case billing::Lease::none:
      none_.add();
      break;
  }
  return answer->lease;
}

Polled<billing::Leased> Leases::look(const billing::LeaseKey& key, const billing::LeaseTerms& terms,
                                     const Moment& at) const {
  if (!at.wait.allowed()) return std::nullopt;
  const Polled<LeaseAnswer> asked = ask(key, terms, at, false);
  if (!asked) return std::nullopt;
  return asked->map([](const LeaseAnswer& answer) { return answer.leased; });
}

Polled<LeaseAnswer> Leases::ask(const billing::LeaseKey& key, const billing::LeaseTerms& terms, const Moment& at,
                                bool takes) const {
  const MonotonicTime start = clock_.monotonic();
  const auto count = [&](Outcome outcome) {
    if (!at.aside) health_->calls.add(outcome);
  };
  const auto is_open = [&](const Breaker& breaker) { return breaker.state(start) == Breaker::State::open; };
  if (is_open(health_->breaker) || (takes && is_open(writes_))) {
    count(Outcome::refused);
    return answer_of({true, {}}, takes);
  }
  const MonotonicTime due = std::min(at.wait.deadline(), start + 2 * timeout_);
  const std::string user(key.user);
  const auto request = std::make_shared<Request>(key, terms, at, takes, due);
  auto answered = request->answered();
  if (!put(user, request)) {
    note(kTooMany);
    count(Outcome::refused);
    return answer_of({false, {}}, takes);
  }
  const bool is_late = answered.wait_for(due - start) != std::future_status::ready && request->leave();
  std::optional<Result<LeaseAnswer>> answer;
  if (!is_late) {
    answer = answered.get();
    const bool is_known =
        *answer ? !takes || (*answer)->lease != billing::Lease::none : !is_failure(answer->error().code);
    count(is_known ? Outcome::found : request->called ? Outcome::failed : Outcome::refused);
    if (*answer || !is_failure(answer->error().code)) return answer;
  } else {
    leave(user, request);
    note(request->called ? "it did not answer in time" : kTooMany);
    count(request->called ? Outcome::failed : Outcome::refused);
    answer = answer_of({false, {}}, takes);
  }
  if (clock_.monotonic() >= at.wait.deadline()) return std::nullopt;
  return answer;
}

Result<LeaseAnswer> Leases::answer_of(const Trouble& trouble, bool takes) const {
  if (trouble.away && takes) return LeaseAnswer{billing::Lease::none, {}};
  const auto wait = std::chrono::ceil<seconds>(health_->breaker.wait(clock_.monotonic()));
  return deny(ErrorCode::upstream_unavailable, "the store cannot be asked at the moment", std::max(seconds(1), wait));
}

bool Leases::put(const std::string& user, const std::shared_ptr<Request>& request) const {
  const std::lock_guard lock(mutex_);
  if (waiting_count_ >= kWaitingMax) return false;
  const auto [at, is_new] = waiting_.try_emplace(user);
  if (is_new && !workers_.submit([this, user] { run(user); })) {
    waiting_.erase(at);
    return false;
  }
  at->second.push_back(request);
  ++waiting_count_;
  return true;
}

void Leases::leave(const std::string& user, const std::shared_ptr<Request>& request) const {
  const std::lock_guard lock(mutex_);
  if (const auto at = waiting_.find(user); at != waiting_.end())
    waiting_count_ -= std::erase(at->second, request);  // not there: in a job's hands
}

// ---- the job of a user ----

void Leases::run(const std::string& user) const {
  std::unique_lock lock(mutex_);
  do {
    auto state = known_.take(user);  // and forgotten, until it is known again
    lock.unlock();
    state = settle(user, std::move(state));
    lock.lock();
    if (state) known_.keep(user, std::move(*state));
    const auto at = waiting_.find(user);
    if (at->second.empty()) {
      waiting_.erase(at);
      return;
    }
    // The next batch after those of others who wait.
  } while (!workers_.submit([this, user] { run(user); }));
}

void Leases::drop_late(Batch& batch, MonotonicTime now) {
  std::erase_if(batch, [&](const auto& each) { return each->due <= now; });
}

// Those that are still waited for, in the order in which they came.
void Leases::gather(const std::string& user, Batch& batch) const {
  const MonotonicTime now = clock_.monotonic();
  drop_late(batch, now);
  const std::lock_guard lock(mutex_);
  Queue& queue = waiting_.find(user)->second;
  for (; !queue.empty() && batch.size() < kBatchMax; queue.pop_front(), --waiting_count_)
    if (queue.front()->due > now) batch.push_back(std::move(queue.front()));
}

// Those of `batch` were refused.
void Leases::forsake(const std::string& user, const Batch& batch, const LeaseState& next) const {
  const WallTime now = clock_.wall();
  const std::lock_guard lock(mutex_);
  for (const auto& each : batch) {
    const auto is_its = [&](const HeldLease& lease) { return lease.id == each->what.id; };
    const auto at = std::find_if(next.leases.begin(), next.leases.end(), is_its);
    if (each->what.takes && at != next.leases.end()) orphans_.add(user, *at, now);
  }
}

// What is known afterwards.
std::optional<LeaseState> Leases::settle(const std::string& user, std::optional<LeaseState> state) const {
  Batch batch;
  bool is_read = false;    // the store said so after these had asked
  bool was_reset = false;  // an update met a connection that was no more
  for (unsigned tries = 0;; ++tries) {
    gather(user, batch);
    if (batch.empty()) return state;
    MonotonicTime due{};
    for (const auto& each : batch) {
      due = std::max(due, each->due);
      each->called = true;
    }
    const auto fail = [&](const Trouble& trouble, const LeaseState* next) {
      if (trouble.away) gather(user, batch);  // whoever asked meanwhile would wait for the same to happen again
      std::erase_if(batch, [&](const auto& each) {
        const bool has_heard = each->answer(answer_of(trouble, each->what.takes));
        return has_heard && trouble.away;  // passes, whether it has a lease or not
      });
      if (next != nullptr && !trouble.is_known) forsake(user, batch, *next);
      return std::nullopt;
    };

    if (!state) {
      Called<LeaseState> found = read(user, due);
      if (!found) return fail(found.error(), nullptr);
      state = std::move(*found);
      is_read = true;
      drop_late(batch, clock_.monotonic());  // nothing is taken for them; what was read is known to the next
      if (batch.empty()) return state;
    }
    {
      const std::lock_guard lock(mutex_);
      orphans_.leave_out(user, *state, clock_.wall());
    }
    std::vector<const LeaseRequest*> requests;
    for (const auto& each : batch) requests.push_back(&each->what);
    Settlement settlement = mongo::settle(user, *state, requests, lease_);
    if (settlement.change.isNull() && !is_read) {
      state.reset();  // who is refused by what was known may have got a lease elsewhere
      continue;
    }
    if (!settlement.change.isNull()) {
      const Called<bool> matched = write(user, *state, settlement.change, due);
      state.reset();
      if (!matched && matched.error().away && !was_reset) {
        was_reset = true;  // a server that was started anew: a read finds out what was done
        continue;
      }
      if (!matched) return fail(matched.error(), &settlement.next);
      if (!*matched) {
        wait_a_little(tries, clock_.monotonic(), due);
        continue;
      }
    }
    Batch late;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const bool has_taken = settlement.answers[i] && settlement.answers[i]->lease == billing::Lease::taken;
      if (!batch[i]->answer(std::move(settlement.answers[i])) && has_taken) late.push_back(batch[i]);
    }
    forsake(user, late, settlement.next);
    return std::move(settlement.next);
  }
}

// ---- calls ----

template <class T, class Operation>
auto Leases::call(Breaker& breaker, std::string_view what, const Operation& operation) const -> Called<T> {
  const MonotonicTime began = clock_.monotonic();
  if (!breaker.admit(began)) return tl::unexpected(Trouble{true, {}});
  Done<T> done = operation();
  health_->tell({.upstream = kName,
                 .what = &breaker == &writes_ ? "a write of leases" : "a read of leases",
                 .outcome = done ? std::string_view("answered") : std::string_view(done.error().why),
                 .took = clock_.monotonic() - began});
  if (done) {
    breaker.succeeded();
    tell(what, {});
    return done.map_error([](const Failure&) { return Trouble(); });
  }
  using Kind = Failure::Kind;
  const Kind kind = done.error().kind;
  const MonotonicTime now = clock_.monotonic();
  const bool is_refused = kind == Kind::rejected || kind == Kind::locked_out;
  // What was begun late says nothing of the server, and that it may not be read here nothing of other reads.
  const bool is_brief = kind == Kind::timeout && now - began < timeout_ / 2;
  if (is_brief || (is_refused && &breaker != &writes_))
    breaker.returned();
  else
    breaker.failed(now);
  if (is_refused || breaker.state(now) != Breaker::State::closed) tell(what, done.error().why);
  note(done.error().why);
  return tl::unexpected(Trouble{kind == Kind::unreachable, std::move(done.error().why), is_refused});
}

// Once per change; why: empty: all is well.
void Leases::tell(std::string_view what, const std::string& why) const {
  {
    const std::lock_guard lock(mutex_);
    const auto at = in_trouble_.find(what);
    if (why.empty() == (at == in_trouble_.end())) return;
    if (why.empty())
      in_trouble_.erase(at);
    else
      in_trouble_.emplace(what);
  }
  told_.log(why.empty() ? "leases can be " + std::string(what) + " again"
                        : "leases cannot be " + std::string(what) + ": " + why);
}

auto Leases::read(const std::string& user, MonotonicTime due) const -> Called<LeaseState> {
  using Read = tl::expected<LeaseState, Unreadable>;
  Called<Read> read = call<Read>(health_->breaker, "read", [&]() -> Done<Read> {
    Read out = LeaseState();
    const Query query{.collection = leases().name, .filter = filter_of(user), .fields = leases().fields, .limit = 1};
    const Done<void> done = connection_.find(query, due, [&](Found found) {
      if (!found) {
        out = tl::unexpected(std::move(found.error()));
      } else if (auto state = read_leases(**found)) {
        out = std::move(*state);
      } else {
        out = tl::unexpected(Unreadable{leases().name, id_of(**found), std::move(state.error())});
      }
    });
    if (!done) return tl::unexpected(done.error());
    return out;
  });
  if (!read) return tl::unexpected(std::move(read.error()));
  if (*read) return std::move(**read);
  told_.unreadable(read->error());
  note(read->error().why);
  return tl::unexpected(Trouble{false, std::move(read->error().why)});
}

// Was the document as it was before?
auto Leases::write(const std::string& user, const LeaseState& before, const Document::Ptr& change,
                   MonotonicTime due) const -> Called<bool> {
  return call<bool>(writes_, "written", [&]() -> Done<bool> {
    if (before.rev) {
      Document::Ptr filter = filter_of(user);
      filter->add("rev", Poco::Int64{*before.rev});
      return connection_.update(leases().name, filter, change, false, due).map([](Effect effect) {
        return effect == Effect::matched;
      });
    }
    const Done<void> done = connection_.insert(leases().name, {change}, due);
    if (done) return true;
    if (done.error().kind == Failure::Kind::duplicate) return false;
    return tl::unexpected(done.error());
  });
}

// ---- for people ----

tl::expected<std::vector<ListedLease>, std::string> Leases::list(const std::string& user,
                                                                 MonotonicTime deadline) const {
  tl::expected<std::vector<ListedLease>, std::string> out;
  const Query query{.collection = leases().name, .filter = filter_of(user), .fields = leases().fields, .limit = 1};
  const Done<void> done = connection_.find(query, deadline, [&](Found found) {
    out = found ? list_leases(**found, clock_.wall()) : tl::unexpected(std::move(found.error().why));
    if (!out) out = tl::unexpected("leases " + user + ": " + out.error());
  });
  if (!done) return tl::unexpected(done.error().why);
  return out;
}

MongoStore::LeaseStats Leases::stats() const {
  return {taken_.sum(), renewed_.sum(), refused_.sum(), none_.sum(), failed_.sum()};
}

}  // namespace geo::io::mongo

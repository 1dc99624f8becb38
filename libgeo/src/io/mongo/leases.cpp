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
  std::promise<Result<LeaseAnswer>> answer;
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

// ---- those who ask ----

Leases::Leases(Connection& connection, std::shared_ptr<Health> health, const Clock& clock, seconds lease,
               milliseconds timeout, std::function<void(const Unreadable&)> unreadable)
    : connection_(connection),
      health_(std::move(health)),
      clock_(clock),
      lease_(lease),
      timeout_(timeout),
      unreadable_(std::move(unreadable)),
      workers_(kThreads, kWaitingMax) {}

Leases::~Leases() = default;

Polled<billing::Lease> Leases::take(const billing::LeaseKey& key, const billing::LeaseTerms& terms,
                                    const Moment& at) const {
  if (!at.wait.allowed()) return std::nullopt;
  Result<LeaseAnswer> answer = ask(key, terms, at, true);
  if (!answer) {
    (answer.error().code == ErrorCode::limit_exceeded ? refused_ : failed_).add();
    return tl::unexpected<Denial>(std::move(answer.error()));
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
  return ask(key, terms, at, false).map([](const LeaseAnswer& answer) { return answer.leased; });
}

Result<LeaseAnswer> Leases::ask(const billing::LeaseKey& key, const billing::LeaseTerms& terms, const Moment& at,
                                bool takes) const {
  const MonotonicTime start = clock_.monotonic();
  if (health_->breaker.state(start) == Breaker::State::open) {
    health_->calls.add(Outcome::refused);
    return answer_of({true, {}}, takes);
  }
  const MonotonicTime due = std::min(at.wait.deadline(), start + timeout_);
  const std::string user(key.user);
  const auto request = std::make_shared<Request>(key, terms, at, takes, due);
  auto future = request->answer.get_future();
  if (!put(user, request)) {
    note(kTooMany);
    health_->calls.add(Outcome::refused);
    return answer_of({false, {}}, takes);
  }
  if (future.wait_for(due - start) == std::future_status::ready) {
    Result<LeaseAnswer> answer = future.get();
    const bool is_known = answer ? !takes || answer->lease != billing::Lease::none : !is_failure(answer.error().code);
    health_->calls.add(is_known ? Outcome::found : request->called ? Outcome::failed : Outcome::refused);
    return answer;
  }
  give_up(user, request);
  note(request->called ? "it did not answer in time" : kTooMany);
  health_->calls.add(request->called ? Outcome::failed : Outcome::refused);
  return answer_of({false, {}}, takes);
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

void Leases::give_up(const std::string& user, const std::shared_ptr<Request>& request) const {
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

// Those that are still waited for, in the order in which they came.
void Leases::gather(const std::string& user, Batch& batch) const {
  const MonotonicTime now = clock_.monotonic();
  const auto is_over = [&](const auto& each) { return each->due <= now; };
  std::erase_if(batch, is_over);
  const std::lock_guard lock(mutex_);
  Queue& queue = waiting_.find(user)->second;
  for (; !queue.empty() && batch.size() < kBatchMax; queue.pop_front(), --waiting_count_)
    if (!is_over(queue.front())) batch.push_back(std::move(queue.front()));
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
    std::vector<const LeaseRequest*> requests;
    for (const auto& each : batch) {
      due = std::max(due, each->due);
      requests.push_back(&each->what);
      each->called = true;
    }
    const auto fail = [&](const Trouble& trouble) {
      if (trouble.away) gather(user, batch);  // whoever asked meanwhile would wait for the same to happen again
      for (const auto& each : batch) each->answer.set_value(answer_of(trouble, each->what.takes));
      return std::nullopt;
    };

    if (!state) {
      Called<LeaseState> found = read(user, due);
      if (!found) return fail(found.error());
      state = std::move(*found);
      is_read = true;
    }
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
      if (!matched) return fail(matched.error());
      if (!*matched) {
        wait_a_little(tries, clock_.monotonic(), due);
        continue;
      }
    }
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->answer.set_value(std::move(settlement.answers[i]));
    return std::move(settlement.next);
  }
}

// ---- calls ----

template <class T, class Operation>
auto Leases::call(const Operation& operation) const -> Called<T> {
  Breaker& breaker = health_->breaker;
  const MonotonicTime began = clock_.monotonic();
  if (!breaker.admit(began)) return tl::unexpected(Trouble{true, {}});
  Done<T> done = operation();
  if (done) {
    breaker.succeeded();
    return done.map_error([](const Failure&) { return Trouble(); });
  }
  const Failure::Kind kind = done.error().kind;
  const MonotonicTime now = clock_.monotonic();
  // What was begun late says nothing of the server, and neither does what it refuses to do.
  const bool is_brief = kind == Failure::Kind::timeout && now - began < timeout_ / 2;
  if (is_brief || kind == Failure::Kind::rejected)
    breaker.returned();
  else
    breaker.failed(now);
  note(done.error().why);
  return tl::unexpected(Trouble{kind == Failure::Kind::unreachable, std::move(done.error().why)});
}

auto Leases::read(const std::string& user, MonotonicTime due) const -> Called<LeaseState> {
  using Read = tl::expected<LeaseState, Unreadable>;
  Called<Read> read = call<Read>([&]() -> Done<Read> {
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
  unreadable_(read->error());
  note(read->error().why);
  return tl::unexpected(Trouble{false, std::move(read->error().why)});
}

// Was the document as it was before?
auto Leases::write(const std::string& user, const LeaseState& before, const Document::Ptr& change,
                   MonotonicTime due) const -> Called<bool> {
  return call<bool>([&]() -> Done<bool> {
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

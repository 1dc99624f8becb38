#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "geo/base/text.h"
#include "geo/io/http.h"
#include "geo/io/threads.h"
#include "io/http/answers.h"
#include "io/http/call_limit.h"
#include "io/http/client.h"
#include "io/threads/loads.h"

// https://ip-api.com/docs: /json/{ip}, /batch, X-Rl (calls left in this window), X-Ttl (seconds until the next).

namespace geo::io {
namespace {

using namespace std::chrono_literals;
using namespace http;

constexpr std::string_view kName = "ip-api";
constexpr std::size_t kCallsMax = 4;  // at once, each on its connection
constexpr std::size_t kWaitingMax = 4000;
constexpr std::size_t kBatchMax = 100;    // addresses
constexpr std::size_t kFreeSingles = 45;  // calls a minute
constexpr std::size_t kFreeBatches = 15;  // calls a minute
constexpr std::array<std::string_view, 8> kLanguages{"en", "de", "es", "pt-BR", "fr", "ja", "zh-CN", "ru"};

using Loads = io::Loads<resolve::PlaceKey, place::Location, resolve::PlaceKey::Hash>;

class IpApi final : public resolve::Upstream {
 public:
  IpApi(const IpApiSettings& settings, const Clock& clock)
      : clock_(clock),
        gather_(settings.gather),
        query_(query_of(settings)),
        client_(settings.url, kCallsMax),
        singles_(limit_of(settings, kFreeSingles)),
        batches_(limit_of(settings, kFreeBatches)),
        loads_(kName, clock, kWaitingMax, std::make_shared<Health>(settings.told)),
        workers_(kCallsMax, kCallsMax),
        thread_([this] { run(); }) {}

  ~IpApi() override {
    loads_.close();
    client_.stop();
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  std::string_view name() const override { return kName; }
  UpstreamStatus status(MonotonicTime now) const override {
    UpstreamStatus status = loads_.status(now);
    const std::lock_guard lock(mutex_);
    if (singles_.is_limited()) status.budgets.push_back({"json", singles_.left_now(now)});
    if (batches_.is_limited()) status.budgets.push_back({"batch", batches_.left_now(now)});
    return status;
  }

  void ask(resolve::PlaceCache::Load load, std::chrono::milliseconds budget) const override {
    const Loads::Ptr taken = loads_.take(std::move(load), budget);
    if (!taken) return;
    {
      std::unique_lock lock(mutex_);
      const MonotonicTime now = clock_.monotonic();
      if (is_late(*taken, now)) {
        const auto left = next(now) - now;
        lock.unlock();
        return fail_beyond(*taken, left);
      }
      queue_.push_back(taken);
    }
    wake_.notify_all();
  }

 private:
  using Batch = Loads::Batch;
  enum class Kind : std::uint8_t { single, batch };

  static std::string query_of(const IpApiSettings& settings) {
    const bool is_offered = std::count(kLanguages.begin(), kLanguages.end(), settings.language) > 0;
    std::string query = "?fields=status,message,countryCode,region,regionName,city,lat,lon,query&lang=";
    query += is_offered ? settings.language : "en";
    if (!settings.key.empty()) append_percent_encoded(query += "&key=", settings.key);
    return query;
  }
  static std::optional<std::size_t> limit_of(const IpApiSettings& settings, std::size_t free) {
    return settings.key.empty() ? std::optional(free) : std::nullopt;
  }
  void fail_beyond(Loads::Taken& taken, MonotonicTime::duration left) const {
    loads_.fail(taken, "its limit of calls is used up", std::chrono::ceil<std::chrono::seconds>(left));
  }
  CallLimit& limit(Kind kind) const { return kind == Kind::single ? singles_ : batches_; }

  // ---- under mutex_ ----

  MonotonicTime next(MonotonicTime now) const { return std::min(singles_.next(now), batches_.next(now)); }

  // No call may leave within its budget.
  bool is_late(const Loads::Taken& taken, MonotonicTime now) const {
    const MonotonicTime at = next(now);
    return at > now && at >= taken.due;
  }
  Batch take_late(MonotonicTime now) {
    Batch late;
    std::erase_if(queue_, [&](const Loads::Ptr& each) {
      const bool it_is = is_late(*each, now);
      if (it_is) late.push_back(each);
      return it_is;
    });
    return late;
  }
  // The oldest that are still waited for.
  Batch take(std::size_t most) {
    Batch batch;
    for (; !queue_.empty() && batch.size() < most; queue_.pop_front())
      if (!loads_.is_finished(*queue_.front())) batch.push_back(std::move(queue_.front()));
    return batch;
  }

  // How long a call that could take more addresses is held back for them: the longer, the more of the minute's calls
  // are used, but never for more than a third of what the load may take.
  std::chrono::milliseconds hold(Kind kind, const Loads::Taken& oldest, MonotonicTime now) const {
    const CallLimit& calls = limit(kind);
    const std::size_t used = calls.is_limited() ? calls.used(now) : 0;
    const std::size_t doublings = kind == Kind::single ? used / 4 : used * 2;
    const auto most = std::chrono::floor<std::chrono::milliseconds>((oldest.due - oldest.since) / 3);
    return std::min(most, gather_ * (1 << std::min<std::size_t>(doublings, 10)));
  }

  // ---- the thread that gathers ----

  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      const MonotonicTime now = clock_.monotonic();
      while (!queue_.empty() && loads_.is_finished(*queue_.front())) queue_.pop_front();
      if (queue_.empty() || calls_ >= kCallsMax) {
        wake_.wait(lock);
        continue;
      }
      if (const MonotonicTime at = next(now); at > now) {
        if (const Batch late = take_late(now); !late.empty()) {
          lock.unlock();
          for (const Loads::Ptr& each : late) fail_beyond(*each, at - now);
          lock.lock();
        } else {
          wake_.wait_for(lock, at - now);
        }
        continue;
      }
      const bool many = queue_.size() > 1;
      const Kind kind = batches_.next(now) <= now && (many || singles_.next(now) > now) ? Kind::batch : Kind::single;
      const MonotonicTime leaves = queue_.front()->since + hold(kind, *queue_.front(), now);
      if (queue_.size() < kBatchMax && leaves > now) {
        wake_.wait_for(lock, leaves - now);
        continue;
      }
      const auto batch = std::make_shared<const Batch>(take(kind == Kind::batch ? kBatchMax : 1));
      if (batch->empty()) continue;  // they ended meanwhile
      if (!loads_.breaker().admit(now)) {
        lock.unlock();
        loads_.fail_open(*batch);
        lock.lock();
        continue;
      }
      limit(kind).left(now);
      ++calls_;
      // never refused: there are as many threads as calls
      workers_.submit([this, kind, batch] { call(kind, *batch); });
    }
  }

  // ---- the threads that call ----

  void call(Kind kind, const Batch& batch) const {
    std::vector<Ip> ips;
    MonotonicTime due{};
    for (const Loads::Ptr& each : batch) {
      loads_.called(*each);
      ips.push_back(each->key.ip);
      due = std::max(due, each->due);
    }
    std::size_t repeated = 0;
    Request request{.target = (kind == Kind::single ? "/json/" + ips[0].to_string() : "/batch") + query_,
                    .headers = {{"Accept", "application/json"}},
                    .json = {},
                    .may_repeat = [&] { return repeat(repeated); }};
    if (kind == Kind::batch) {
      Json json(request.json.emplace());
      json.open('[');
      for (const Ip& ip : ips) json.text(ip.to_string());
      json.close(']');
    }
    const MonotonicTime now = clock_.monotonic();
    const auto answer = client_.call(request, std::chrono::ceil<std::chrono::milliseconds>(due - now));
    loads_.tell((kind == Kind::single ? "/json of " : "/batch of ") + std::to_string(ips.size()), now,
                outcome_of(answer));
    const bool is_refused = answer && answer->status == 429;
    {
      const std::lock_guard lock(mutex_);
      const MonotonicTime back = clock_.monotonic();
      for (; repeated > 0; --repeated) singles_.came_back(back);
      if (answer)
        limit(kind).came_back(back, answer->header("X-Rl"), answer->header("X-Ttl"), is_refused);
      else
        limit(kind).came_back(back);
      --calls_;
      // may go by the other kind of call, or be told when
      if (is_refused) queue_.insert(queue_.begin(), batch.begin(), batch.end());
    }
    wake_.notify_all();
    if (is_refused) return loads_.breaker().returned();
    finish(kind, batch, ips, answer);
  }

  // A second attempt is a call like any other.
  bool repeat(std::size_t& repeated) const {
    const std::lock_guard lock(mutex_);
    const MonotonicTime now = clock_.monotonic();
    if (singles_.next(now) > now) return false;
    singles_.left(now);
    ++repeated;
    return true;
  }

  void finish(Kind kind, const Batch& batch, const std::vector<Ip>& ips,
              const tl::expected<Answer, std::string>& answer) const {
    if (!answer) return loads_.failed(batch, answer.error());
    if (answer->status != 200) return loads_.failed(batch, "it answers with status " + std::to_string(answer->status));
    if (!is_json(answer->header("Content-Type"))) return loads_.failed(batch, "its answer is no JSON");
    if (kind == Kind::single) return loads_.settle(batch, {read_ip_api(answer->body, ips[0])});
    Read<Locations> entries = read_ip_api_batch(answer->body, ips);
    if (!entries) return loads_.failed(batch, entries.error());
    loads_.settle(batch, std::move(*entries));
  }

  const Clock& clock_;
  const std::chrono::milliseconds gather_;
  const std::string query_;  // holds the key
  const Client client_;

  mutable std::mutex mutex_;
  mutable std::condition_variable wake_;
  mutable std::deque<Loads::Ptr> queue_;  // not yet called for, the oldest first
  mutable CallLimit singles_, batches_;
  mutable std::size_t calls_ = 0;  // under way
  bool stopping_ = false;

  mutable Loads loads_;
  Workers workers_;
  std::thread thread_;  // the last: it uses all else
};

}  // namespace

std::shared_ptr<const resolve::Upstream> ip_api(const IpApiSettings& settings, const Clock& clock) {
  return std::make_shared<const IpApi>(settings, clock);
}

}  // namespace geo::io

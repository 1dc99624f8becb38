#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "geo/base/text.h"
#include "geo/io/http.h"
#include "geo/io/threads.h"
#include "io/http/answers.h"
#include "io/http/client.h"
#include "io/threads/loads.h"

namespace geo::io {
namespace {

using namespace std::chrono_literals;
using namespace http;

constexpr std::string_view kName = "remote";
constexpr std::size_t kThreads = 32;  // calls at once, each on its connection: 160 a second to one that is 200 ms away
constexpr std::size_t kWaitingMax = 2000;
constexpr std::size_t kBatchMax = 100;             // addresses in a call
constexpr std::array kNoPost{400, 404, 405, 501};  // statuses of one that knows GET alone

using Loads = io::Loads<resolve::PlaceKey, place::Location, resolve::PlaceKey::Hash>;

class Remote final : public resolve::Upstream {
 public:
  Remote(const RemoteSettings& settings, const Clock& clock)
      : clock_(clock),
        client_(settings.url, kThreads),
        loads_(kName, clock, kWaitingMax, std::make_shared<Health>(settings.told)),
        workers_(kThreads, kWaitingMax) {}
  ~Remote() override {
    loads_.close();  // so that what is queued makes no call
    client_.stop();
  }

  std::string_view name() const override { return kName; }
  UpstreamStatus status(MonotonicTime now) const override { return loads_.status(now); }

  void ask(resolve::PlaceCache::Load load, std::chrono::milliseconds budget) const override {
    if (load.key().hops >= kHopsMax)
      return loads_.refuse(std::move(load), "a query has passed too many geo-resolvers: do they ask in a circle?");
    const Loads::Ptr taken = loads_.take(std::move(load), budget);
    if (!taken) return;
    queue_.put(taken);
    submit();
  }

 private:
  using Batch = Loads::Batch;

  // A job for each load, which may take several: so none is left without one. Where a job is refused as many are
  // waiting already as there may be loads.
  void submit() const {
    (void)workers_.submit([this] { run(); });
  }
  void put_back(const Batch& batch) const {
    queue_.put_back_alone(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) submit();
  }

  void run() const {
    const MonotonicTime now = clock_.monotonic();
    const Batch batch =
        queue_.take(now, [](const auto& first, const auto& other) { return first.key.hops == other.key.hops; });
    if (batch.empty()) return;
    if (!loads_.breaker().admit(now)) return loads_.fail_open(batch);
    std::vector<Ip> ips;
    for (const Loads::Ptr& each : batch) {
      loads_.called(*each);
      ips.push_back(each->key.ip);
    }
    const auto answer = client_.call(request_for(ips, batch.front()->key.hops),
                                     std::chrono::ceil<std::chrono::milliseconds>(Loads::due_of(batch) - now));
    loads_.tell("/resolve of " + std::to_string(ips.size()), now, outcome_of(answer));
    if (!answer) return loads_.failed_since(batch, now, answer.error());
    finish(batch, ips, *answer);
  }

  static Request request_for(const std::vector<Ip>& ips, unsigned hops) {
    const bool is_one = ips.size() == 1;
    Request request{.target = is_one ? "/resolve?ip=" + ips[0].to_string() : "/resolve",
                    .headers = {{"Accept", "application/json"}, {std::string(kHopsHeader), std::to_string(hops + 1)}},
                    .json = {},
                    .changes_nothing = true};
    if (is_one) return request;
    Json json(request.json.emplace());
    json.open('{').key("ips").open('[');
    for (const Ip& ip : ips) json.text(ip.to_string());
    json.close(']').close('}');
    return request;
  }

  void finish(const Batch& batch, const std::vector<Ip>& ips, const Answer& answer) const {
    if (batch.size() > 1 && std::count(kNoPost.begin(), kNoPost.end(), answer.status) > 0) {
      loads_.breaker().returned();
      return put_back(batch);
    }
    const bool in_json = is_json(answer.header("Content-Type"));
    if (answer.status != 200 && answer.status != 404) {
      const Read<ErrorCode> code = read_problem(answer.body, answer.status);
      const std::chrono::seconds later = retry_after(answer.header("Retry-After"));
      if (!in_json || !code || !is_passing(*code))
        return loads_.failed(batch, "it answers with status " + std::to_string(answer.status), later);
      loads_.breaker().succeeded();
      return loads_.fail(batch, "it answers " + std::string(name_of(*code)), later);
    }
    if (!in_json) return loads_.failed(batch, "its answer is no JSON");
    Read<Locations> entries = read(answer, ips);
    if (!entries) return loads_.failed(batch, entries.error());
    // The no-store of several speaks of those alone that are not found.
    const bool all_found =
        std::all_of(entries->begin(), entries->end(), [](const auto& each) { return each && each->has_value(); });
    loads_.settle(batch, std::move(*entries), all_found ? max_age(answer.header("Cache-Control")) : std::nullopt);
  }

  static Read<Locations> read(const Answer& answer, const std::vector<Ip>& ips) {
    if (ips.size() > 1) return read_resolved_batch(answer.body, ips);
    const auto alone = [](Result<place::Location> one) { return Locations{std::move(one)}; };
    if (answer.status == 200) return read_resolved(answer.body, ips[0]).map(alone);
    const Read<ErrorCode> code = read_problem(answer.body, answer.status);
    if (code && *code != ErrorCode::unknown_address && *code != ErrorCode::reserved_address)
      return tl::unexpected<std::string>("its answer is not in the agreed form");
    return code.map([&](ErrorCode it) { return alone(deny(it, {})); });
  }

  const Clock& clock_;
  const Client client_;
  mutable Loads loads_;
  mutable LoadQueue<Loads> queue_{loads_, kWaitingMax, kBatchMax};
  mutable Workers workers_;  // the last: its threads use all else
};

}  // namespace

std::shared_ptr<const resolve::Upstream> remote(const RemoteSettings& settings, const Clock& clock) {
  return std::make_shared<const Remote>(settings, clock);
}

}  // namespace geo::io

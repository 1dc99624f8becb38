#include <algorithm>
#include <utility>

#include "geo/base/text.h"
#include "geo/io/http.h"
#include "geo/io/threads.h"
#include "io/http/answers.h"
#include "io/http/client.h"
#include "io/http/loads.h"

namespace geo::io {
namespace {

using namespace std::chrono_literals;
using namespace http;

constexpr std::string_view kName = "remote";
constexpr std::size_t kThreads = 32;  // calls at once, each on its connection: 160 a second to one that is 200 ms away
constexpr std::size_t kWaitingMax = 2000;
constexpr auto kRetryMax = 3600s;

class Remote final : public resolve::Upstream {
 public:
  Remote(const RemoteSettings& settings, const Clock& clock)
      : clock_(clock),
        client_(settings.url, kThreads),
        loads_(kName, clock, kWaitingMax),
        workers_(kThreads, kWaitingMax) {}
  ~Remote() override {
    loads_.close();  // so that what is queued makes no call
    client_.stop();
  }

  std::string_view name() const override { return kName; }
  resolve::ProviderStatus status(MonotonicTime now) const override { return loads_.status(now); }

  void ask(resolve::PlaceCache::Load load, std::chrono::milliseconds budget) const override {
    if (load.key().hops >= kHopsMax)
      return loads_.refuse(std::move(load), "a query has passed too many geo-resolvers: do they ask in a circle?");
    const Loads::Ptr taken = loads_.take(std::move(load), budget);
    if (taken && !workers_.submit([this, taken] { run(*taken); }))
      loads_.fail(*taken, "too many addresses are waiting for it");
  }

 private:
  void run(Loads::Taken& taken) const {
    const MonotonicTime now = clock_.monotonic();
    if (taken.due <= now || loads_.is_finished(taken)) return;
    Breaker& breaker = loads_.breaker();
    if (!breaker.admit(now)) return loads_.fail_open(taken);

    const Ip ip = taken.key.ip;
    const Request request{
        .target = "/resolve?ip=" + ip.to_string(),
        .headers = {{"Accept", "application/json"}, {std::string(kHopsHeader), std::to_string(taken.key.hops + 1U)}},
        .json = {}};
    const auto answer = client_.call(request, std::chrono::ceil<std::chrono::milliseconds>(taken.due - now));
    const auto failed = [&](std::string why, std::chrono::seconds retry_after = 1s) {
      breaker.failed(clock_.monotonic());
      loads_.fail(taken, std::move(why), retry_after);
    };
    if (!answer) return failed(answer.error());
    if (answer->status != 200 && answer->status != 404) {
      const std::uint64_t after = parse_digits(answer->header("Retry-After")).value_or(1);
      return failed(
          "it answers with status " + std::to_string(answer->status),
          std::clamp<std::chrono::seconds>(std::chrono::seconds(std::min<std::uint64_t>(after, 86400)), 1s, kRetryMax));
    }
    if (!is_json(answer->header("Content-Type"))) return failed("its answer is no JSON");
    if (answer->status == 404) {
      const Read<ErrorCode> code = read_refusal(answer->body);
      if (!code) return failed(code.error());
      breaker.succeeded();
      return loads_.answer(taken, deny(*code, {}));
    }
    Read<place::Location> location = read_resolved(answer->body, ip);
    if (!location) return failed(location.error());
    breaker.succeeded();
    loads_.answer(taken, std::move(*location), max_age(answer->header("Cache-Control")));
  }

  const Clock& clock_;
  const Client client_;
  mutable Loads loads_;
  mutable Workers workers_;  // the last: its threads use all else
};

}  // namespace

std::shared_ptr<const resolve::Upstream> remote(const RemoteSettings& settings, const Clock& clock) {
  return std::make_shared<const Remote>(settings, clock);
}

}  // namespace geo::io

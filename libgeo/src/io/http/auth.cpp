#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "geo/base/hmac.h"
#include "geo/base/text.h"
#include "geo/io/http.h"
#include "geo/io/threads.h"
#include "io/http/answers.h"
#include "io/http/client.h"
#include "io/threads/loads.h"

namespace geo::io {
namespace {

using namespace http;

constexpr std::size_t kThreads = 32;  // calls at once, each on its connection
constexpr std::size_t kWaitingMax = 2000;
constexpr const char* kTooMany = "too many are waiting for it";

// Of everything that a decision is about: an entry holds no token.
struct Hash {
  std::size_t operator()(const Digest& digest) const {
    std::size_t first = 0;
    std::memcpy(&first, digest.data(), sizeof first);
    return first;
  }
};
using Decisions = Cache<Digest, auth::Token, Hash>;
using Loads = io::Loads<Digest, auth::Token, Hash>;

Digest key_of(const Digest& token, const auth::Query& query) {
  std::string text(token.begin(), token.end());
  for (const std::string_view part : {query.rights, query.object_type, query.object_id, query.server})
    text.append(std::to_string(part.size())).append(":").append(part);
  return sha256(text);
}

std::string body_of(const auth::Query& query) {
  std::string body;
  Json(body)
      .open('{')
      .field("token", query.token)
      .field("rights", query.rights)
      .field("object_type", query.object_type)
      .field("object_id", query.object_id)
      .field("server", query.server)
      .close('}');
  return body;
}

bool is_refusal(ErrorCode code) {
  return code == ErrorCode::token_unknown || code == ErrorCode::token_expired || code == ErrorCode::forbidden;
}

class Remote final : public AuthClient {
 public:
  Remote(const AuthClientSettings& settings, const Clock& clock)
      : clock_(clock),
        budget_(settings.budget),
        client_(settings.url, kThreads),
        decisions_(settings.limits, Stale::when_failed),
        loads_(kName, clock, kWaitingMax, std::make_shared<Health>(settings.told)),
        workers_(kThreads, kWaitingMax) {}
  ~Remote() override {
    loads_.close();  // so that what is queued makes no call
    client_.stop();
  }

  Polled<auth::Right> authorize(const auth::Query& query, const Moment& at) const override {
    const Digest token = sha256(query.token);
    const auto hit = decisions_.get(
        key_of(token, query), at.monotonic, at.wait,
        [&](Decisions::Load load) { begin(std::move(load), token, query); }, at.aside);
    if (!hit) return std::nullopt;
    const Result<auth::Token>& answer = hit->entry->answer;
    if (!answer) return tl::unexpected<Denial>(answer.error());
    if (answer->expires_at && at.now >= *answer->expires_at)
      return tl::unexpected(auth::denial(ErrorCode::token_expired));
    return auth::Right{{{hit->entry, &*answer}, hit->from, hit->entry->fresh_until}};
  }
  UpstreamStatus status(MonotonicTime now) const override { return loads_.status(now); }
  CacheStats stats() const override { return decisions_.stats(); }

 private:
  void begin(Decisions::Load load, const Digest& token, const auth::Query& query) const {
    const Loads::Ptr taken = loads_.take(std::move(load), budget_);
    if (!taken) return;
    const bool queued = workers_.submit([this, taken, token, body = body_of(query)] { run(taken, token, body); });
    if (!queued) loads_.fail(*taken, kTooMany);
  }

  void run(const Loads::Ptr& taken, const Digest& token, const std::string& body) const {
    const MonotonicTime now = clock_.monotonic();
    if (taken->due <= now || loads_.is_finished(*taken)) return;
    if (!loads_.breaker().admit(now)) return loads_.fail_open(*taken);
    loads_.called(*taken);
    const Request request{
        .target = "/authorize", .headers = {{"Accept", "application/json"}}, .json = body, .changes_nothing = true};
    const auto answer = client_.call(request, std::chrono::ceil<std::chrono::milliseconds>(taken->due - now));
    loads_.tell("/authorize", now, outcome_of(answer));
    if (!answer) return loads_.failed_since({taken}, now, answer.error());
    finish(taken, token, *answer);
  }

  void finish(const Loads::Ptr& taken, const Digest& token, const Answer& answer) const {
    const bool in_json = is_json(answer.header("Content-Type"));
    if (answer.status == 200) {
      if (!in_json) return loads_.failed({taken}, "its answer is no JSON");
      Read<Decision> decision = read_decision(answer.body);
      if (!decision) return loads_.failed({taken}, decision.error());
      const auto ttl = life_of(*decision);
      return settle(taken, auth::Token{token, std::move(decision->owner), decision->expires_at}, ttl);
    }
    const Read<ErrorCode> code = read_problem(answer.body, answer.status);
    if (in_json && code && is_refusal(*code)) return settle(taken, tl::unexpected(auth::denial(*code)));
    const std::chrono::seconds later = retry_after(answer.header("Retry-After"));
    if (!in_json || !code || !is_passing(*code))
      return loads_.failed({taken}, "it answers with status " + std::to_string(answer.status), later);
    loads_.breaker().succeeded();
    loads_.fail(*taken, "it answers " + std::string(name_of(*code)), later);
  }
  void settle(const Loads::Ptr& taken, Result<auth::Token> answer,
              std::optional<std::chrono::milliseconds> ttl = {}) const {
    loads_.breaker().succeeded();
    loads_.answer(*taken, std::move(answer), ttl);
  }

  // As long as it says, and the token lives; nothing: as long as we like.
  std::optional<std::chrono::milliseconds> life_of(const Decision& decision) const {
    std::optional<std::chrono::milliseconds> life = decision.max_age;
    if (!decision.expires_at) return life;
    const auto left = std::chrono::floor<std::chrono::milliseconds>(*decision.expires_at - clock_.wall());
    return life ? std::min(*life, left) : left;
  }

  const Clock& clock_;
  const std::chrono::milliseconds budget_;
  const Client client_;
  mutable Decisions decisions_;
  mutable Loads loads_;
  mutable Workers workers_;  // the last: its threads use all else
};

}  // namespace

std::shared_ptr<const AuthClient> auth_client(const AuthClientSettings& settings, const Clock& clock) {
  return std::make_shared<const Remote>(settings, clock);
}

}  // namespace geo::io

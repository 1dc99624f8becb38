#include "io/checks/loop.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <unordered_set>
#include <utility>

#include "io/checks/report.h"

namespace geo::io::checks {
namespace {

std::function<double()> dice() {
  return [engine = std::minstd_rand(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
}

// OpenSSL writes to sockets that may be closed, and libcurl must not touch the process' signals (CURLOPT_NOSIGNAL).
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// Descriptors for connections that are kept: what is left beside those under way.
std::size_t kept_of(const CheckSettings& settings) {
  return settings.connections_max - std::min(settings.connections_max, settings.most_at_once);
}

}  // namespace

Loop::Loop(const CheckSettings& settings, const Clock& clock, std::function<void(const CheckResult&)> told,
           Names::LookUp look_up)
    : settings_(settings),
      clock_(clock),
      told_(std::move(told)),
      schedule_(settings.interval, settings.jitter_percent, kept_of(settings), dice()),
      fetches_(settings),
      names_(std::move(look_up), settings.timeout, [this] { fetches_.wake(); }),
      thread_([this] { run(); }) {}

Loop::~Loop() {
  stopping_ = true;
  fetches_.wake();
  thread_.join();
}

void Loop::watch(std::vector<CheckTarget> targets) {
  watched_.with([&](auto& waiting) { waiting = std::move(targets); });
  fetches_.wake();
}

void Loop::run() {
  block_signals();
  while (!stopping_) {
    take_over();
    for (const std::string& host : names_.turn(clock_.monotonic()))
      if (auto node = nameless_.extract(host); !node.empty())
        for (std::shared_ptr<Target>& each : node.mapped()) schedule_.put_back(std::move(each));
    start_due();
    for (Ended& ended : fetches_.wait(pause())) finish(std::move(ended));
  }
}

void Loop::take_over() {
  auto targets = watched_.with([](auto& waiting) { return std::exchange(waiting, std::nullopt); });
  if (!targets) return;
  std::unordered_set<std::string> names, hosts;
  for (const CheckTarget& each : *targets)
    if (auto host = host_of(each.url); host && host->is_name) {
      hosts.insert(host->at());
      names.insert(std::move(host->name));
    }
  names_.keep(names);
  fetches_.keep(hosts);
  schedule_.watch(std::move(*targets), clock_.monotonic());
}

void Loop::start_due() {
  const MonotonicTime now = clock_.monotonic();  // one for all: who is due again meanwhile waits for the next turn
  while (fetches_.has_room()) {
    std::shared_ptr<Target> target = schedule_.take(now);
    if (target == nullptr) return;
    start(std::move(target), now);
  }
}

void Loop::start(std::shared_ptr<Target> target, MonotonicTime now) {
  const auto host = host_of(target->node.url);
  if (!host) return finish({std::move(target), CheckOutcome::failed, "its URL cannot be used", {}});
  Found found;
  if (host->is_name) {
    std::optional<Found> known = names_.ask(host->name, now);
    if (!known) {
      target->waited_for_name = true;
      nameless_[host->name].push_back(std::move(target));
      return;
    }
    found = std::move(*known);
    if (found.addresses.empty())
      return finish({std::move(target), found.is_ours ? CheckOutcome::not_made : CheckOutcome::failed, found.why, {}});
  }
  const auto left = settings_.timeout - (target->waited_for_name ? found.took : std::chrono::milliseconds(0));
  fetches_.start(std::move(target), *host, found.addresses, left);
}

void Loop::finish(Ended ended) {
  if (!ended.target->watched) return;
  CheckResult result{
      ended.target->node.id, ended.outcome, std::move(ended.why), {}, clock_.monotonic() - ended.target->began};
  if (ended.outcome == CheckOutcome::passed) result.report = read_report(ended.body, result.id, clock_.wall());
  told_(result);
  schedule_.done(std::move(ended.target), clock_.monotonic());
}

std::chrono::milliseconds Loop::pause() {
  constexpr std::chrono::milliseconds kMost{60'000};
  MonotonicTime next = names_.next();
  if (fetches_.has_room()) next = std::min(next, schedule_.next());
  if (next == MonotonicTime::max()) return kMost;
  return std::min(kMost, std::chrono::ceil<std::chrono::milliseconds>(next - clock_.monotonic()));
}

}  // namespace geo::io::checks

#include "node_checks.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "descriptors.h"

namespace geod {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kWarnEvery{10};

geo::io::CheckSettings settings_of(const geo::config::Config& config, const std::string& user_agent) {
  constexpr std::size_t kMostAtOnce = 2048, kLeastAtOnce = 32;
  const Descriptors descriptors = share_out(config);
  geo::io::CheckSettings settings;
  settings.interval = milliseconds(config.health.interval_ms);
  settings.timeout = milliseconds(config.health.timeout_ms);
  settings.jitter_percent = static_cast<int>(config.health.jitter_percent);
  // Viewers' connections go first, but who serves them must be known in time.
  settings.most_at_once = std::clamp(std::max(descriptors.left / 2, descriptors.max / 16), kLeastAtOnce, kMostAtOnce);
  settings.connections_max = descriptors.left;
  settings.user_agent = user_agent;
  return settings;
}

}  // namespace

NodeChecks::NodeChecks(Worlds& worlds, const geo::Clock& clock, const AppLog& log, std::string user_agent,
                       std::function<void()> turned)
    : worlds_(worlds), clock_(clock), log_(log), user_agent_(std::move(user_agent)), turned_(std::move(turned)) {}

void NodeChecks::watch(const std::shared_ptr<const geo::compose::World>& world) {
  if (world == watched_) return;
  const geo::redirect::Snapshot& snapshot = world->snapshot;
  std::vector<geo::io::CheckTarget> targets;
  for (const geo::place::Node& node : snapshot.topology->rows().nodes)
    if (auto target = geo::io::check_target(node, world->config.health.path)) targets.push_back(std::move(*target));
  const geo::io::CheckSettings settings = settings_of(world->config, user_agent_);
  if (settings != settings_) checks_.reset();
  settings_ = settings;
  if (!targets.empty() && checks_ == nullptr)
    checks_ = std::make_unique<geo::io::Checks>(settings, clock_,
                                                [this](const geo::io::CheckResult& result) { take(result); });
  // Each that hangs takes a place until the timeout; so many get their turn within an interval.
  const auto in_time = settings.most_at_once * static_cast<std::size_t>(settings.interval.count()) /
                       static_cast<std::size_t>(settings.timeout.count());
  if (targets.size() > in_time)
    log_.warn("{} nodes are checked, {} at once: where more than that hang, the checks of others are late",
              targets.size(), settings.most_at_once);
  whys_.with([&](auto& whys) {
    std::unordered_map<std::string, std::string> kept;
    for (const geo::io::CheckTarget& target : targets) kept[target.id] = std::move(whys[target.id]);
    whys = std::move(kept);
    const auto& nodes = snapshot.topology->rows().nodes;
    for (geo::place::Index node = 0; node < nodes.size(); ++node)
      if (!whys.contains(nodes[node].id)) snapshot.live->not_checked(node);
  });
  if (checks_ != nullptr) checks_->watch(std::move(targets));
  watched_ = world;
}

void NodeChecks::tell(const geo::io::CheckResult& result) const {
  const double took_ms = std::chrono::duration<double, std::milli>(result.took).count();
  if (result.outcome == geo::io::CheckOutcome::passed)
    log_.trace("node {}: its check passed, after {:.1f} ms", result.id, took_ms);
  else
    log_.debug("node {}: its check {}: {}, after {:.1f} ms", result.id,
               result.outcome == geo::io::CheckOutcome::failed ? "failed" : "was not made", result.why, took_ms);
}

void NodeChecks::take(const geo::io::CheckResult& result) {
  tell(result);
  if (result.outcome == geo::io::CheckOutcome::not_made) {
    const geo::MonotonicTime now = clock_.monotonic();
    if (now < next_warning_) return;
    log_.warn("node {}: it was not checked: {}", result.id, result.why);
    next_warning_ = now + kWarnEvery;
    return;
  }
  const bool turned = whys_.with([&](auto& whys) {
    const auto why = whys.find(result.id);
    if (why == whys.end()) return false;  // no longer checked
    why->second = result.why;
    const std::shared_ptr<const geo::compose::World> world = worlds_.latest();
    const geo::place::Index node = world->snapshot.topology->find_node(result.id);
    return node != geo::place::kNone &&
           world->snapshot.live->checked(node, result.outcome == geo::io::CheckOutcome::passed, result.report);
  });
  if (turned) turned_();
}

std::string NodeChecks::why(const std::string& node) {
  return whys_.with([&](const auto& whys) {
    const auto found = whys.find(node);
    return found == whys.end() ? std::string() : found->second;
  });
}

}  // namespace geod

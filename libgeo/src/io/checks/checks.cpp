#include "geo/io/checks.h"

#include <utility>

#include "io/checks/loop.h"

namespace geo::io {

std::optional<CheckTarget> check_target(const place::Node& node, std::string_view health_path) {
  if (!node.check.empty()) return CheckTarget{node.id, node.check};
  const std::uint16_t port = node.ports.https != 0 ? node.ports.https : node.ports.http;
  if (health_path.empty() || port == 0) return std::nullopt;
  std::string url = node.ports.https != 0 ? "https://" : "http://";
  url += node.host + ':' + std::to_string(port);
  url += health_path;
  return CheckTarget{node.id, std::move(url)};
}

Checks::Checks(const CheckSettings& settings, const Clock& clock, std::function<void(const CheckResult&)> told)
    : loop_(std::make_unique<checks::Loop>(settings, clock, std::move(told), checks::look_up)) {}
Checks::~Checks() = default;
void Checks::watch(std::vector<CheckTarget> targets) { loop_->watch(std::move(targets)); }

}  // namespace geo::io

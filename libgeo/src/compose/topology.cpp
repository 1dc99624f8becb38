#include "compose/topology.h"

#include <fmt/format.h>

#include <cstdlib>

#include "geo/base/hmac.h"
#include "geo/base/text.h"
#include "geo/io/file.h"

namespace geo::compose {
namespace {

std::string first_hex(std::string_view text, std::size_t bytes) {
  const Digest digest = sha256(text);
  return hex(digest.data(), bytes);
}

std::filesystem::path state_dir(const config::Config& config) {
  if (!config.store.state_dir.empty()) return config.path(config.store.state_dir);
  for (const io::EnvironmentVariable& each : io::environment("STATE_DIRECTORY"))
    if (each.name == "STATE_DIRECTORY" && !each.value.empty()) return each.value.substr(0, each.value.find(':'));
  return config.dir / "state";
}

balance::Settings balance_settings(const config::Config& config) {
  balance::Settings settings;
  settings.allow_plain = config.redirect.allow_plain;
  settings.policy = balance::policy_of(config.balance.policy).value_or(settings.policy);
  settings.balance_factor = config.balance.balance_factor;
  settings.credit_half_life = std::chrono::seconds(config.balance.credit_half_life_s);
  settings.report_max_age = std::chrono::seconds(config.health.report_max_age_s);
  settings.rise = static_cast<int>(config.health.rise);
  settings.fall = static_cast<int>(config.health.fall);
  settings.panic_percent = static_cast<double>(config.health.panic_percent);
  settings.slow_start = std::chrono::seconds(config.health.slow_start_s);
  return settings;
}

}  // namespace

std::string version_of(const place::Rows& rows) { return first_hex(io::topology_text(rows), 6); }

void put_topology(World& world, place::Rows rows, TopologyInfo info) {
  put_topology(world, std::make_shared<const place::Topology>(std::move(rows), world.config.balance.nearest),
               std::move(info));
}

void put_topology(World& world, std::shared_ptr<const place::Topology> topology, TopologyInfo info) {
  world.snapshot.topology = topology;
  auto balancer = std::make_shared<const balance::Balancer>(std::move(topology), balance_settings(world.config));
  const std::shared_ptr<balance::Live> before = world.snapshot.live;
  world.snapshot.live = before == nullptr ? std::make_shared<balance::Live>(std::move(balancer))
                                          : std::make_shared<balance::Live>(std::move(balancer), *before);
  world.topology = std::move(info);
  world.watched->confirmed_s = std::chrono::floor<std::chrono::seconds>(kClock.wall()).time_since_epoch().count();
  take_reports(world);
  if (world.snapshot.resolver != nullptr) world.snapshot.resolver = reindexed(world);
}

bool is_young(const io::FileStamp& stamp) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(kClock.wall().time_since_epoch()).count();
  return std::abs(now - stamp.modified_ns) < std::chrono::nanoseconds(std::chrono::seconds(1)).count();
}

void take_reports(const World& world) {
  if (!world.has_topology()) return;
  world.watched->reports.with(
      [&](const std::vector<balance::Report>& reports) { world.snapshot.live->reported(reports); });
}

std::shared_ptr<const resolve::Provider> indexed(const World& world, const resolve::Provider* before) {
  std::vector<std::shared_ptr<const io::CityIndex>> indexes;
  for (const Database& database : world.databases) indexes.push_back(database.index);
  return std::make_shared<const io::IndexedMaxMind>(std::move(indexes), world.snapshot.topology,
                                                    dynamic_cast<const io::IndexedMaxMind*>(before));
}

std::shared_ptr<const resolve::Resolver> reindexed(const World& world) {
  std::vector<std::shared_ptr<const resolve::Provider>> providers = world.snapshot.resolver->providers();
  for (auto& provider : providers)
    if (provider->name() == io::kMaxMind && !world.databases.empty()) provider = indexed(world, provider.get());
  return std::make_shared<const resolve::Resolver>(std::move(providers), world.snapshot.resolver->settings());
}

std::filesystem::path last_good_file(const World& world) {
  const config::Store& store = world.config.store;
  std::error_code unknown;
  const std::string identity =
      world.store != nullptr
          ? "mongodb " + world.store->where()
          : "files " + std::filesystem::weakly_canonical(world.config.path(store.dir), unknown).string();
  return state_dir(world.config) / fmt::format("topology-{}.toml", first_hex(identity, 4));
}

std::filesystem::path index_file(const config::Config& config, const std::filesystem::path& database) {
  std::error_code unknown;
  const auto digits = [&](const std::filesystem::path& of) {
    return first_hex(std::filesystem::weakly_canonical(of, unknown).string(), 4);
  };
  return state_dir(config) / fmt::format("city-{}-{}.index", digits(config.file), digits(database));
}

}  // namespace geo::compose

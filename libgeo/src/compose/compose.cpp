#include "geo/compose.h"

#include <fmt/format.h>

#include <algorithm>

#include "geo/io/file.h"
#include "geo/io/mmdb.h"
#include "geo/io/system.h"

namespace geo::compose {
namespace {

// Builds one part after the other, collecting what is wrong on the way.
class Builder {
 public:
  Builder(const config::Config& config, const Options& options) : config_(config), options_(options) {}

  Built run() {
    world_->config = config_;
    read_proxies();
    if (!options_.without_signing) read_keys();
    open_providers();
    const bool has_data = !options_.without_data && config_.store.kind != "none";
    if (has_data) read_store();
    if (!faults_.empty()) {
      sort(faults_);
      return {nullptr, std::move(faults_)};
    }
    apply_settings();
    return {std::move(world_), {}};
  }

 private:
  // About the value that stands at `at`: "signing.keys[0].secret_file".
  void fault(std::string_view at, std::string key, std::string message) {
    const auto found = config_.positions.find(at);
    const config::Config::Position position =
        found == config_.positions.end() ? config::Config::Position{} : found->second;
    faults_.push_back({config_.file.empty() ? "config" : config_.file.string(), position.line, position.col,
                       std::move(key), std::move(message)});
  }

  void read_proxies() {
    std::vector<Cidr> networks;
    for (const std::string& text : config_.http.trusted_proxies)
      if (const auto cidr = Cidr::parse(text)) networks.push_back(*cidr);
    world_->trusted_proxies = client::TrustedProxies(std::move(networks));
  }

  void read_keys() {
    std::vector<sign::Key> keys;
    for (std::size_t i = 0; i < config_.signing.keys.size(); ++i) {
      const config::SigningKey& key = config_.signing.keys[i];
      const auto path = io::secret_path(key.secret_file, config_.dir);
      auto secret = path ? io::read_secret(*path) : tl::unexpected(path.error());
      if (!secret) {
        fault(fmt::format("signing.keys[{}].secret_file", i), "signing.keys",
              fmt::format("key \"{}\": {}", key.id, secret.error()));
        continue;
      }
      keys.push_back({key.id, HmacKey(*secret)});
      wipe(*secret);
    }
    if (keys.empty() && config_.signing.keys.empty())
      fault("signing.keys", "signing.keys", "at least one key is needed");
    else if (!keys.empty())
      world_->snapshot.keys = std::make_shared<const sign::Keyring>(std::move(keys), config_.signing.active);
  }

  void open_providers() {
    std::vector<std::unique_ptr<const resolve::Provider>> providers;
    for (const std::string& name : config_.resolver.providers) {
      if (name == resolve::Networks::kName) providers.push_back(std::make_unique<resolve::Networks>());
      if (name == io::MaxMind::kName && !config_.resolver.maxmind.files.empty()) {
        std::vector<std::filesystem::path> files;
        for (const std::string& file : config_.resolver.maxmind.files) files.push_back(config_.path(file));
        auto maxmind = io::MaxMind::open(files, config_.resolver.language);
        if (maxmind)
          providers.push_back(std::move(*maxmind));
        else
          fault("resolver.maxmind.files", "resolver.maxmind.files", maxmind.error());
      }
    }
    world_->snapshot.resolver = std::make_shared<const resolve::Resolver>(std::move(providers));
  }

  void read_store() {
    io::ReadData read = io::read_data(config_.path(config_.store.dir));
    if (!read.faults.empty()) {
      faults_.insert(faults_.end(), read.faults.begin(), read.faults.end());
      return;
    }
    place::Rows rows = std::move(read.data.topology);
    for (place::Node& node : rows.nodes) {
      const auto in = [&](const std::vector<std::string>& ids) {
        return std::find(ids.begin(), ids.end(), node.id) != ids.end();
      };
      if (in(options_.drain)) node.admin = place::Admin::drain;
      if (in(options_.down)) node.admin = place::Admin::offline;
    }
    auto topology = std::make_shared<const place::Topology>(std::move(rows), config_.balance.nearest);
    world_->has_topology = true;
    world_->states.publish(std::make_shared<const balance::States>(*topology, read.data.node_states));

    redirect::Snapshot& snapshot = world_->snapshot;
    snapshot.topology = topology;
    balance::Settings settings;
    settings.allow_plain = config_.redirect.allow_plain;
    settings.report_max_age = std::chrono::seconds(config_.health.report_max_age_s);
    snapshot.balancer = std::make_shared<const balance::Balancer>(topology, settings);
    read.data.topology = {};
    auto store = std::make_shared<const io::FileStore>(std::move(read.data));
    snapshot.authorizer = std::make_shared<const auth::Rules>(store);
    snapshot.billing = store;
    snapshot.devices = store;
  }

  void apply_settings() {
    redirect::Options& options = world_->snapshot.options;
    options.token_in_url = config_.redirect.token == "pass";
    options.bind_client_ip = config_.signing.bind_client_ip;
    options.ttl = std::chrono::seconds(config_.signing.ttl_s);
    if (world_->snapshot.keys == nullptr) options.upto = redirect::Upto::inspect;
  }

  const config::Config& config_;
  const Options& options_;
  std::shared_ptr<World> world_ = std::make_shared<World>();
  Faults faults_;
};

}  // namespace

Built build(const config::Config& config, const Options& options) { return Builder(config, options).run(); }

Faults refresh_states(const World& world) {
  if (!world.has_topology) return {};
  const std::filesystem::path file = world.config.path(world.config.store.dir) / "states.toml";
  std::error_code gone;
  const auto changed = std::filesystem::last_write_time(file, gone);
  const std::optional stamp = gone ? std::nullopt : std::optional(changed);
  if (stamp == world.states_stamp) return {};
  world.states_stamp = stamp;
  io::ReadStates read = io::read_states(file, world.snapshot.topology->rows().nodes);
  if (read.faults.empty())
    world.states.publish(std::make_shared<const balance::States>(*world.snapshot.topology, read.reports));
  return read.faults;
}

}  // namespace geo::compose

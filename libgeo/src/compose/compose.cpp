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
  Builder(const config::Config& config, Faults faults, const Options& options)
      : config_(config), options_(options), config_faults_(faults.size()), faults_(std::move(faults)) {}

  Built run() {
    world_->config = config_;
    if (options_.serving && is_sound("listen") && is_sound("store")) check_listeners();
    read_proxies();
    if (options_.signing && is_sound("signing")) read_keys();
    if (is_sound("resolver")) open_providers();
    if (config_.store.kind != "none" && is_sound("store")) read_store();
    if (!faults_.empty()) {
      sort(faults_);
      return {nullptr, std::move(faults_), std::move(notes_)};
    }
    apply_settings();
    return {std::move(world_), {}, std::move(notes_)};
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

  // Has that section of the config no fault of its own? What it says can be used then.
  bool is_sound(std::string_view section) const {
    return std::none_of(faults_.begin(), faults_.begin() + static_cast<std::ptrdiff_t>(config_faults_),
                        [&](const Fault& known) { return known.key.empty() || known.key.starts_with(section); });
  }

  void check_listeners() {
    const config::Listen& listen = config_.listen;
    if (listen.redirect.empty() && listen.verify.empty() && listen.admin.empty())
      fault("listen", "listen", "no listener is configured");
    if (!listen.redirect.empty() && config_.store.kind == "none")
      fault("listen.redirect", "listen.redirect", "needs a store, and store.kind is \"none\"");
  }

  bool needs_keys() const {
    return !options_.serving || !config_.listen.redirect.empty() || !config_.listen.verify.empty();
  }

  // Outside the service there are no credentials; a check by hand can only say that it did not see this one.
  bool set_aside(const config::SigningKey& key) {
    if (!options_.credentials_may_lack || !key.secret_file.starts_with("credential:")) return false;
    if (!io::environment("CREDENTIALS_DIRECTORY").empty()) return false;
    notes_.push_back(fmt::format("signing.keys: {} is not checked: CREDENTIALS_DIRECTORY is not set", key.secret_file));
    return true;
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
      if (set_aside(key)) continue;
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
    if (config_.signing.keys.empty() && needs_keys())
      fault("signing.keys", "signing.keys", "at least one key is needed");
    else if (!keys.empty())
      world_->snapshot.keys = std::make_shared<const sign::Keyring>(std::move(keys), config_.signing.active);
  }

  void open_providers() {
    std::vector<std::shared_ptr<const resolve::Provider>> providers;
    for (const std::string& name : config_.resolver.providers) {
      if (name == resolve::Networks::kName) providers.push_back(std::make_shared<const resolve::Networks>());
      if (name == io::kMaxMind && !config_.resolver.maxmind.files.empty()) {
        std::vector<std::filesystem::path> files;
        for (const std::string& file : config_.resolver.maxmind.files) files.push_back(config_.path(file));
        auto maxmind = io::MaxMind::open(files, config_.resolver.language);
        if (maxmind)
          providers.push_back(std::move(*maxmind));
        else
          tell_unusable(files);
      }
    }
    world_->snapshot.resolver = std::make_shared<const resolve::Resolver>(std::move(providers));
  }

  // Each of them is named, not only the first.
  void tell_unusable(const std::vector<std::filesystem::path>& files) {
    for (std::size_t i = 0; i < files.size(); ++i)
      if (const auto alone = io::MaxMind::open({files[i]}, config_.resolver.language); !alone)
        fault(fmt::format("resolver.maxmind.files[{}]", i), "resolver.maxmind.files", alone.error());
  }

  void read_store() {
    io::ReadData read = io::read_data(config_.path(config_.store.dir));
    if (!read.faults.empty()) {
      faults_.insert(faults_.end(), read.faults.begin(), read.faults.end());
      return;
    }
    place::Rows rows = std::move(read.data.topology);
    for (place::Node& node : rows.nodes) {
      const bool down = std::find(options_.down.begin(), options_.down.end(), node.id) != options_.down.end();
      if (down) node.admin = place::Admin::offline;
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
  std::size_t config_faults_;  // the first of them
  Faults faults_;
  std::vector<std::string> notes_;
};

}  // namespace

namespace {

// A file that is written every second must not fill the log.
Faults shortened(Faults faults) {
  constexpr std::size_t kTold = 5;
  if (faults.size() <= kTold) return faults;
  Fault more{faults.front().file, 0, 0, "", fmt::format("and {} faults more", faults.size() - kTold)};
  faults.resize(kTold);
  faults.push_back(std::move(more));
  return faults;
}

}  // namespace

Built build(const config::Config& config, const Options& options) { return Builder(config, {}, options).run(); }

Built build(const config::Read& read, const Options& options) {
  return Builder(read.config, read.faults, options).run();
}

Faults refresh_states(const World& world) {
  if (!world.has_topology) return {};
  const std::filesystem::path file = world.config.path(world.config.store.dir) / "states.toml";
  // The stamp is taken before the file is read: a write in between is seen the next time.
  std::error_code gone;
  const auto changed = std::filesystem::last_write_time(file, gone);
  const std::optional stamp = gone ? std::nullopt : std::optional(changed);
  const bool settled = !stamp || std::filesystem::file_time_type::clock::now() - *stamp > std::chrono::seconds(1);
  if (stamp == world.states_stamp && world.states_settled) return {};
  const bool told = stamp == world.states_stamp;
  world.states_stamp = stamp;
  world.states_settled = settled;  // a file this young may change again within the same tick of its clock
  io::ReadStates read = io::read_states(file, world.snapshot.topology->rows().nodes);
  if (read.readable)
    world.states.publish(std::make_shared<const balance::States>(*world.snapshot.topology, read.reports));
  return told ? Faults{} : shortened(std::move(read.faults));
}

}  // namespace geo::compose

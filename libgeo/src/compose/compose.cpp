#include "geo/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "geo/io/file.h"
#include "geo/io/http.h"
#include "geo/io/mmdb.h"
#include "geo/io/system.h"

namespace geo::compose {
namespace {

constexpr std::string_view kIpApi = "ip-api", kRemote = "remote";

const io::SystemClock kClock;  // what upstreams count their deadlines by

std::shared_ptr<const resolve::Provider> indexed(const World& world, const resolve::Provider* before = nullptr) {
  std::vector<std::shared_ptr<const io::CityIndex>> indexes;
  for (const Database& database : world.databases) indexes.push_back(database.index);
  return std::make_shared<const io::IndexedMaxMind>(std::move(indexes), world.snapshot.topology,
                                                    dynamic_cast<const io::IndexedMaxMind*>(before));
}

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
    const bool resolving = is_sound("resolver") && is_sound("cache") && is_sound("deadline");
    if (resolving) open_databases();
    if (config_.store.kind != "none" && is_sound("store")) read_store();
    if (resolving) open_providers();  // knows the topology by now
    if (is_sound("auth") && is_sound("cache") && is_sound("deadline")) open_auth_client();
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
    if (listen.redirect.empty() && listen.resolver.empty() && listen.auth.empty() && listen.verify.empty() &&
        listen.admin.empty())
      fault("listen", "listen", "no listener is configured");
    if (config_.store.kind != "none") return;
    if (!listen.redirect.empty())
      fault("listen.redirect", "listen.redirect", "needs a store, and store.kind is \"none\"");
    if (!listen.auth.empty()) fault("listen.auth", "listen.auth", "needs a store, and store.kind is \"none\"");
  }

  bool needs_keys() const {
    return !options_.serving || !config_.listen.redirect.empty() || !config_.listen.verify.empty();
  }

  // Outside the service there are no credentials; a check by hand can only say that it did not see this one.
  bool set_aside(std::string_view key, std::string_view file) {
    if (!options_.credentials_may_lack || !file.starts_with("credential:")) return false;
    if (!io::environment("CREDENTIALS_DIRECTORY").empty()) return false;
    notes_.push_back(fmt::format("{}: {} is not checked: CREDENTIALS_DIRECTORY is not set", key, file));
    return true;
  }

  void read_proxies() {
    std::vector<Cidr> networks;
    for (const std::string& text : config_.http.trusted_proxies)
      if (const auto cidr = Cidr::parse(text)) networks.push_back(*cidr);
    world_->trusted_proxies = client::TrustedProxies(networks);
  }

  void read_keys() {
    std::vector<sign::Key> keys;
    for (std::size_t i = 0; i < config_.signing.keys.size(); ++i) {
      const config::SigningKey& key = config_.signing.keys[i];
      if (set_aside("signing.keys", key.secret_file)) continue;
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

  // Who is asked. With [resolver] url the far one decides, and only the own networks are asked before it.
  std::vector<std::string> provider_names() const {
    if (config_.resolver.url.empty()) return config_.resolver.providers;
    return {std::string(resolve::Networks::kName), std::string(kRemote)};
  }

  void open_databases() {
    std::vector<std::filesystem::path> files;
    for (const std::string& file : config_.resolver.maxmind.files) files.push_back(config_.path(file));
    const std::vector<std::string> names = provider_names();
    if (files.empty() || std::find(names.begin(), names.end(), io::kMaxMind) == names.end()) return;
    if (options_.indexed)
      build_indexes(files);
    else if (auto direct = io::MaxMind::open(files, config_.resolver.language))
      direct_ = std::move(*direct);
    else
      tell_unusable(files);
  }

  // Each file on its own thread.
  void build_indexes(const std::vector<std::filesystem::path>& files) {
    using Index = decltype(io::CityIndex::build({}, {}));
    std::vector<std::optional<io::FileStamp>> stamps;
    std::vector<std::future<Index>> building;
    for (const std::filesystem::path& file : files) {
      stamps.push_back(io::stamp_of(file));  // before it is read: a change in between is seen later
      building.push_back(std::async(std::launch::async,
                                    [this, file] { return io::CityIndex::build(file, config_.resolver.language); }));
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (Index index = building[i].get())
        world_->databases.push_back({files[i], std::move(*index), stamps[i]});
      else
        tell_unusable(i, index.error());
    }
    world_->watched->databases_seen = std::move(stamps);
  }

  void tell_unusable(std::size_t file, const std::string& why) {
    fault(fmt::format("resolver.maxmind.files[{}]", file), "resolver.maxmind.files", why);
  }
  // Each of them is named, not only the first.
  void tell_unusable(const std::vector<std::filesystem::path>& files) {
    for (std::size_t i = 0; i < files.size(); ++i)
      if (const auto alone = io::MaxMind::open({files[i]}, config_.resolver.language); !alone)
        tell_unusable(i, alone.error());
  }

  void open_providers() {
    const config::Resolver& config = config_.resolver;
    const std::vector<std::string> names = provider_names();
    resolve::Settings settings;
    settings.budget = std::chrono::milliseconds(config_.deadline.resolve_ms);
    settings.complete = config.complete;
    settings.far_decides = !config.url.empty();
    const auto upstreams = std::count_if(names.begin(), names.end(),
                                         [](const std::string& name) { return name == kRemote || name == kIpApi; });

    std::vector<std::shared_ptr<const resolve::Provider>> providers;
    std::uint8_t number = 0;
    const auto add_upstream = [&](std::shared_ptr<const resolve::Upstream> upstream) {
      if (world_->places == nullptr) world_->places = make_place_cache();
      providers.push_back(std::make_shared<const resolve::Cached>(std::move(upstream), world_->places, number++,
                                                                  settings.budget / upstreams));
    };
    for (const std::string& name : names) {
      if (name == resolve::Networks::kName) providers.push_back(std::make_shared<const resolve::Networks>());
      if (name == io::kMaxMind && direct_ != nullptr) providers.push_back(direct_);
      if (name == io::kMaxMind && !world_->databases.empty()) providers.push_back(indexed(*world_));
      if (name == kIpApi && is_good("resolver.ip-api.url", config.ip_api.url))
        add_upstream(io::ip_api(ip_api_settings(), kClock));
      const std::string_view far = config.url.empty() ? "resolver.remote.url" : "resolver.url";
      const std::string& url = config.url.empty() ? config.remote.url : config.url;
      if (name == kRemote && is_good(far, url)) add_upstream(io::remote({url}, kClock));
    }
    check_answerable(providers);
    world_->snapshot.resolver = std::make_shared<const resolve::Resolver>(std::move(providers), settings);
  }

  bool is_good(std::string_view key, const std::string& url) {
    const auto good = io::check_http_url(url);
    if (!good) fault(key, std::string(key), good.error());
    return good.has_value();
  }

  // A resolver of which nobody could ever get an answer is a mistake.
  void check_answerable(const std::vector<std::shared_ptr<const resolve::Provider>>& providers) {
    if (!options_.serving || config_.listen.resolver.empty() || !faults_.empty()) return;
    const bool has_networks = world_->snapshot.topology != nullptr;
    if (std::none_of(providers.begin(), providers.end(), [&](const auto& provider) {
          return has_networks || provider->name() != resolve::Networks::kName;
        }))
      fault("listen.resolver", "listen.resolver", "no provider is configured that could answer");
  }

  std::shared_ptr<resolve::PlaceCache> make_place_cache() const {
    return std::make_shared<resolve::PlaceCache>(limits_of(config_.cache.places), Stale::while_refreshed);
  }

  io::IpApiSettings ip_api_settings() {
    io::IpApiSettings settings;
    settings.url = config_.resolver.ip_api.url;
    settings.language = config_.resolver.language;
    const std::string& file = config_.resolver.ip_api.key_file;
    if (file.empty() || set_aside("resolver.ip-api.key_file", file)) return settings;
    const auto path = io::secret_path(file, config_.dir);
    auto key = path ? io::read_key(*path) : tl::unexpected(path.error());
    if (key)
      settings.key = std::move(*key);
    else
      fault("resolver.ip-api.key_file", "resolver.ip-api.key_file", key.error());
    return settings;
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
    world_->states->publish(std::make_shared<const balance::States>(*topology, read.data.node_states));

    redirect::Snapshot& snapshot = world_->snapshot;
    snapshot.topology = topology;
    balance::Settings settings;
    settings.allow_plain = config_.redirect.allow_plain;
    settings.report_max_age = std::chrono::seconds(config_.health.report_max_age_s);
    snapshot.balancer = std::make_shared<const balance::Balancer>(topology, settings);
    read.data.topology = {};
    auto store = std::make_shared<const io::FileStore>(std::move(read.data));
    world_->authority = std::make_shared<const auth::Rules>(store);
    snapshot.authorizer = world_->authority;
    snapshot.billing = store;
    snapshot.devices = store;
  }

  static CacheLimits limits_of(const config::CacheLimits& limits) {
    using std::chrono::seconds;
    return {static_cast<std::size_t>(limits.entries), seconds(limits.ttl_s), seconds(limits.stale_s),
            seconds(limits.negative_ttl_s)};
  }

  // [auth] url: somebody else's word instead of the store's.
  void open_auth_client() {
    if (config_.auth.url.empty() || !is_good("auth.url", config_.auth.url)) return;
    world_->auth_client = io::auth_client(
        {config_.auth.url, std::chrono::milliseconds(config_.deadline.auth_ms), limits_of(config_.cache.tokens)},
        kClock);
    world_->snapshot.authorizer = world_->auth_client;
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
  std::shared_ptr<const io::MaxMind> direct_;
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

// Somebody may be at it still.
bool is_young(const io::FileStamp& stamp) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(kClock.wall().time_since_epoch()).count();
  return std::abs(now - stamp.modified_ns) < std::chrono::nanoseconds(std::chrono::seconds(1)).count();
}

}  // namespace

Built build(const config::Config& config, const Options& options) { return Builder(config, {}, options).run(); }

Built build(const config::Read& read, const Options& options) {
  return Builder(read.config, read.faults, options).run();
}

tl::expected<std::string, std::string> store_uri(const config::Config& config) {
  const config::Store& store = config.store;
  if (!store.uri.empty()) return store.uri;
  if (store.uri_file.empty())
    return tl::unexpected<std::string>("store.uri: missing; expected it, or the file that holds it as store.uri_file");
  const auto path = io::secret_path(store.uri_file, config.dir);
  auto uri = path ? io::read_key(*path) : tl::unexpected(path.error());
  if (!uri) return tl::unexpected(fmt::format("store.uri_file: {}", uri.error()));
  return std::move(*uri);
}

Faults refresh_states(const World& world) {
  if (!world.has_topology) return {};
  Watched& watched = *world.watched;
  const std::filesystem::path file = world.config.path(world.config.store.dir) / "states.toml";
  // The stamp is taken before the file is read: a write in between is seen the next time.
  const std::optional<io::FileStamp> stamp = io::stamp_of(file);
  const bool settled = !stamp || !is_young(*stamp);
  if (stamp == watched.states_stamp && watched.states_settled) return {};
  const bool told = stamp == watched.states_stamp;
  watched.states_stamp = stamp;
  watched.states_settled = settled;  // a file this young may change again within the same tick of its clock
  io::ReadStates read = io::read_states(file, world.snapshot.topology->rows().nodes);
  if (read.readable)
    world.states->publish(std::make_shared<const balance::States>(*world.snapshot.topology, read.reports));
  return told ? Faults{} : shortened(std::move(read.faults));
}

Refreshed refresh_databases(const World& world) {
  Refreshed refreshed;
  std::shared_ptr<World> next;
  // One with each look: two old ones and two new ones at once would take much memory.
  for (std::size_t i = 0; i < world.databases.size() && next == nullptr; ++i) {
    const Database& current = world.databases[i];
    std::optional<io::FileStamp>& seen = world.watched->databases_seen[i];
    const std::optional<io::FileStamp> stamp = io::stamp_of(current.file);
    const bool news = stamp != current.stamp && stamp != seen;
    if (news && stamp && is_young(*stamp)) continue;
    seen = stamp;
    if (!news) continue;
    const std::string name = current.file.string();
    const auto refuse = [&](std::string_view why) {
      if (why.starts_with(name + ": ")) why.remove_prefix(name.size() + 2);
      refreshed.faults.push_back({name, 0, 0, {}, std::string(why)});
    };
    if (!stamp) {
      refuse("is gone; what was read from it stays in service");
      continue;
    }
    auto index = io::CityIndex::build(current.file, world.config.resolver.language);
    if (io::stamp_of(current.file) != stamp) {
      seen = current.stamp;  // changed while it was read: the next look tries again
    } else if (index) {
      refreshed.loaded = (*index)->info();
      next = std::make_shared<World>(world);
      next->databases[i] = {current.file, std::move(*index), stamp};
    } else {
      refuse(index.error());
    }
  }
  if (next == nullptr) return refreshed;
  std::vector<std::shared_ptr<const resolve::Provider>> providers = world.snapshot.resolver->providers();
  for (auto& provider : providers)
    if (provider->name() == io::kMaxMind) provider = indexed(*next, provider.get());
  next->snapshot.resolver =
      std::make_shared<const resolve::Resolver>(std::move(providers), world.snapshot.resolver->settings());
  refreshed.world = std::move(next);
  return refreshed;
}

}  // namespace geo::compose

#include "geo/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "compose/topology.h"
#include "geo/io/file.h"
#include "geo/io/http.h"
#include "geo/io/mmdb.h"
#include "geo/io/mongo.h"
#include "geo/io/system.h"

namespace geo::compose {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kIpApi = "ip-api", kRemote = "remote";
constexpr std::chrono::seconds kStartPatience{10};  // for a topology that comes slowly

// Builds one part after the other, collecting what is wrong on the way.
class Builder {
 public:
  Builder(const config::Config& config, Faults faults, const Options& options)
      : config_(config),
        options_(options),
        before_(options.before.get()),
        config_faults_(faults.size()),
        faults_(std::move(faults)) {
    if (before_ != nullptr) differences_ = config::differences(before_->config, config);
  }

  Built run() {
    world_->config = config_;
    if (options_.serving && is_sound("listen") && is_sound("store")) check_listeners();
    read_proxies();
    if (options_.signing && is_sound("signing")) read_keys();
    if (options_.serving && is_sound("admin")) read_admin_token();
    const bool resolving = is_sound("resolver") && is_sound("cache") && is_sound("deadline");
    if (resolving) open_databases();
    if (config_.store.kind != "none" && is_sound("store")) read_store();
    if (resolving) open_providers();  // knows the topology by now
    if (is_sound("auth") && is_sound("cache") && is_sound("deadline")) open_auth_client();
    if (!faults_.empty()) {
      sort(faults_);
      return {nullptr, std::move(faults_), {}, std::move(notes_)};
    }
    if (denial_) return {nullptr, {}, std::move(denial_), std::move(notes_)};
    apply_settings();
    if (world_->has_topology()) (void)world_->snapshot.live->tick(kClock.wall(), kClock.monotonic());
    return {std::move(world_), {}, {}, std::move(notes_)};
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

  // Is there a world before this one, and these sections are as they were?
  bool is_kept(std::initializer_list<std::string_view> sections) const {
    return before_ != nullptr && std::all_of(sections.begin(), sections.end(),
                                             [&](std::string_view each) { return differences_.spare(each); });
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

  void read_admin_token() {
    const std::string& file = config_.admin.token_file;
    if (file.empty() || set_aside("admin.token_file", file)) return;
    const auto path = io::secret_path(file, config_.dir);
    auto token = path ? io::read_key(*path) : tl::unexpected(path.error());
    if (!token) return fault("admin.token_file", "admin.token_file", token.error());
    world_->admin_token = sha256(*token);
    wipe(*token);
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

  // Each file on its own thread; one that has not changed since, or is being written, is used on.
  void build_indexes(const std::vector<std::filesystem::path>& files) {
    using Index = decltype(io::CityIndex::build({}, {}));
    std::vector<Database> databases(files.size());
    std::vector<std::future<Index>> building(files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      const std::filesystem::path& file = files[i];
      const auto stamp = io::stamp_of(file);  // before it is read: a change in between is seen later
      const Database* const known = known_database(file);
      if (known != nullptr && (known->stamp == stamp || (stamp && is_young(*stamp)))) {
        databases[i] = *known;
        continue;
      }
      databases[i] = {file, nullptr, stamp,
                      known != nullptr ? known->seen : std::make_shared<std::optional<io::FileStamp>>(stamp)};
      building[i] = std::async(std::launch::async,
                               [this, file] { return io::CityIndex::build(file, config_.resolver.language); });
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (databases[i].index == nullptr) {
        if (Index index = building[i].get())
          databases[i].index = std::move(*index);
        else
          tell_unusable(i, index.error());
      }
      if (databases[i].index != nullptr) world_->databases.push_back(std::move(databases[i]));
    }
  }

  // Null: it is a new one.
  const Database* known_database(const std::filesystem::path& file) const {
    if (before_ == nullptr || before_->config.resolver.language != config_.resolver.language) return nullptr;
    for (const Database& each : before_->databases)
      if (each.file == file) return &each;
    return nullptr;
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
    settings.budget = milliseconds(config_.deadline.resolve_ms);
    settings.complete = config.complete;
    settings.far_decides = !config.url.empty();
    const auto upstreams = std::count_if(names.begin(), names.end(),
                                         [](const std::string& name) { return name == kRemote || name == kIpApi; });

    std::vector<std::shared_ptr<const resolve::Provider>> providers;
    std::uint8_t number = 0;
    const auto add_upstream = [&](std::string_view name, auto&& make) {
      if (auto known = known_provider(name)) {
        world_->places = before_->places;
        providers.push_back(std::move(known));
        return;
      }
      std::shared_ptr<const resolve::Upstream> upstream = make();
      if (world_->places == nullptr) world_->places = make_place_cache();
      providers.push_back(std::make_shared<const resolve::Cached>(std::move(upstream), world_->places, number++,
                                                                  settings.budget / upstreams));
    };
    for (const std::string& name : names) {
      if (name == resolve::Networks::kName) providers.push_back(std::make_shared<const resolve::Networks>());
      if (name == io::kMaxMind && direct_ != nullptr) providers.push_back(direct_);
      if (name == io::kMaxMind && !world_->databases.empty()) providers.push_back(indexed(*world_));
      if (name == kIpApi && is_good("resolver.ip-api.url", config.ip_api.url))
        add_upstream(name, [&] { return io::ip_api(ip_api_settings(), kClock); });
      const std::string_view far = config.url.empty() ? "resolver.remote.url" : "resolver.url";
      const std::string& url = config.url.empty() ? config.remote.url : config.url;
      if (name == kRemote && is_good(far, url)) add_upstream(name, [&] { return io::remote({url}, kClock); });
    }
    check_answerable(providers);
    world_->snapshot.resolver = std::make_shared<const resolve::Resolver>(std::move(providers), settings);
  }

  // With what it knows of its upstream. Null: it has to be made anew; so has one whose key may be another one by now.
  std::shared_ptr<const resolve::Provider> known_provider(std::string_view name) const {
    if (!is_kept({"resolver", "cache.places", "deadline"}) || !config_.resolver.ip_api.key_file.empty()) return nullptr;
    for (const auto& each : before_->snapshot.resolver->providers())
      if (each->name() == name) return each;
    return nullptr;
  }

  bool is_good(std::string_view key, const std::string& url) {
    const auto good = io::check_http_url(url);
    if (!good) fault(key, std::string(key), good.error());
    return good.has_value();
  }

  // A resolver of which nobody could ever get an answer is a mistake.
  void check_answerable(const std::vector<std::shared_ptr<const resolve::Provider>>& providers) {
    if (!options_.serving || config_.listen.resolver.empty() || !faults_.empty()) return;
    const bool has_networks = config_.store.kind != "none";
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
    if (config_.store.kind == "mongodb")
      open_mongodb();
    else
      read_files();
    redirect::Snapshot& snapshot = world_->snapshot;
    if (world_->authority == nullptr) return;
    snapshot.authorizer = world_->authority;
    snapshot.on_unknown = on_unknown();
  }

  void read_files() {
    const std::filesystem::path dir = config_.path(config_.store.dir);
    io::ReadData read = io::read_data(dir);
    world_->watched->reports.with([&](auto& reports) { reports = std::move(read.data.node_states); });
    const bool has_others = std::any_of(read.faults.begin(), read.faults.end(), [](const Fault& each) {
      return std::filesystem::path(each.file).filename() != "topology.toml";
    });
    if (!read.faults.empty() && (has_others || !serve_last_good(read.faults))) {
      faults_.insert(faults_.end(), read.faults.begin(), read.faults.end());
      return;
    }
    if (!world_->has_topology()) {
      TopologyInfo info{version_of(read.data.topology), {}, "files"};
      put_topology(*world_, std::move(read.data.topology), std::move(info));
    }
    read.data.topology = {};
    use(std::make_shared<const io::FileStore>(std::move(read.data)));
  }

  void open_mongodb() {
    auto uri = store_uri(config_);
    if (!uri) {
      const std::string_view why = uri.error();
      const std::string_view key = why.substr(0, why.find(": "));
      return fault(key, std::string(key), std::string(why.substr(std::min(why.size(), key.size() + 2))));
    }
    world_->store_uri = sha256(*uri);
    const bool same_place = before_ != nullptr && before_->store != nullptr &&
                            before_->store_uri == world_->store_uri &&
                            before_->config.store.database == config_.store.database;
    std::shared_ptr<const io::MongoStore> store;
    if (same_place && is_kept({"store", "deadline", "cache", "billing"})) {
      store = before_->store;
    } else {
      auto opened = io::MongoStore::open(mongo_settings(std::move(*uri)), kClock);
      if (!opened) return fault("store.uri", "store.uri", opened.error());
      store = std::move(*opened);
    }
    world_->store = store;
    use(store);
    world_->snapshot.leases = std::shared_ptr<const billing::Leases>(store, &store->leases());

    auto read = store->topology({}, kClock.monotonic() + kStartPatience);
    if (read) {
      put_topology(*world_, std::move((*read)->rows), {(*read)->stamp.version, (*read)->stamp.stamp, "mongodb"});
    } else if (same_place && read.error().away && before_->has_topology()) {
      options_.log("the store cannot be reached: " + read.error().why + "; the topology in service stays");
      put_topology(*world_, before_->snapshot.topology, before_->topology);
      world_->watched->confirmed_s = before_->watched->confirmed_s.load();
    } else if (!serve_last_good({{"mongodb " + store->where(), 0, 0, {}, read.error().why}})) {
      without_topology(read.error());
    }
    if (!world_->has_topology()) return;
    const auto reports = store->node_states(kClock.monotonic() + milliseconds(config_.deadline.store_ms));
    if (reports) world_->watched->reports.with([&](auto& known) { known = *reports; });
    take_reports(*world_);
  }

  // A store that says nonsense is a fault; one that is away is waited for, where there is somebody to wait. A user or
  // password that is wrong is one of the config's where that is checked; a geod that starts waits until it is taken.
  void without_topology(const io::NoTopology& none) {
    const bool is_check = options_.serving && !options_.last_good;
    if (!none.away || (none.locked_out && is_check)) return fault("store.uri", "store", none.why);
    if (options_.last_good)
      options_.log("the store cannot be reached and there is no last good topology: " + none.why +
                   "; nobody can be served until it can");
    else
      denial_ =
          Denial{ErrorCode::upstream_unavailable, fmt::format("the store {}: {}", world_->store->where(), none.why)};
  }

  // Loudly. False: there is none, or it may not.
  bool serve_last_good(const Faults& instead_of) {
    if (!options_.last_good) return false;
    auto last = io::read_last_good(last_good_file(*world_));
    if (!last) {
      if (!last.error().missing) options_.log(last.error().why + "; it is not used");
      return false;
    }
    for (const Fault& each : instead_of) options_.log(to_string(each));
    options_.log(fmt::format("the last good topology is in service: version {}, kept at {}", last->version,
                             rfc3339(last->time)));
    put_topology(*world_, std::move(last->rows), {last->version, last->stamp, "last_good"});
    world_->watched->confirmed_s = std::chrono::floor<std::chrono::seconds>(last->time.time_since_epoch()).count();
    return true;
  }

  template <class Store>
  void use(const std::shared_ptr<const Store>& store) {
    world_->authority = std::make_shared<const auth::Rules>(store);
    world_->snapshot.billing = store;
    world_->snapshot.devices = store;
  }

  billing::OnUnknown on_unknown() const {
    if (config_.billing.on_unknown == "allow") return billing::OnUnknown::allow;
    if (config_.billing.on_unknown == "refuse") return billing::OnUnknown::refuse;
    return billing::OnUnknown::known_only;
  }

  static CacheLimits limits_of(const config::CacheLimits& limits) {
    using std::chrono::seconds;
    return {static_cast<std::size_t>(limits.entries), seconds(limits.ttl_s), seconds(limits.stale_s),
            seconds(limits.negative_ttl_s)};
  }

  io::MongoSettings mongo_settings(std::string uri) const {
    io::MongoSettings settings;
    settings.uri = std::move(uri);
    settings.database = config_.store.database;
    settings.timeout = milliseconds(config_.deadline.store_ms);
    settings.tokens = limits_of(config_.cache.tokens);
    settings.billing = limits_of(config_.cache.billing);
    settings.usage = limits_of(config_.cache.usage);
    settings.devices = limits_of(config_.cache.devices);
    settings.lease = std::chrono::seconds(config_.billing.lease_s);
    settings.log = options_.log;
    return settings;
  }

  // [auth] url: somebody else's word instead of the store's.
  void open_auth_client() {
    if (config_.auth.url.empty() || !is_good("auth.url", config_.auth.url)) return;
    if (is_kept({"auth", "deadline", "cache.tokens"}))
      world_->auth_client = before_->auth_client;
    else
      world_->auth_client = io::auth_client(
          {config_.auth.url, milliseconds(config_.deadline.auth_ms), limits_of(config_.cache.tokens)}, kClock);
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
  const World* const before_;
  config::Differences differences_;  // from the config of `before_`
  std::shared_ptr<World> world_ = std::make_shared<World>();
  std::shared_ptr<const io::MaxMind> direct_;
  std::size_t config_faults_;  // the first of them
  Faults faults_;
  std::vector<std::string> notes_;
  std::optional<Denial> denial_;
};

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

}  // namespace geo::compose

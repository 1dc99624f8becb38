// Who is asked beside the store: city databases, geo-resolvers, an auth-server.
#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "compose/builder.h"
#include "geo/io/http.h"
#include "geo/io/mmdb.h"
#include "geo/io/system.h"

namespace geo::compose {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kIpApi = "ip-api", kRemote = "remote";

}  // namespace

std::vector<std::string> Builder::provider_names() const {
  if (config_.resolver.url.empty()) return config_.resolver.providers;
  return {std::string(resolve::Networks::kName), std::string(kRemote)};
}

void Builder::open_databases() {
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

void Builder::build_indexes(const std::vector<std::filesystem::path>& files) {
  std::vector<Database> databases(files.size());
  std::vector<std::future<Index>> building(files.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::filesystem::path& file = files[i];
    const auto stamp = io::stamp_of(file);  // before it is read: a change in between is seen later
    const Database* const known = known_database(file);
    if (known != nullptr && known->stamp == stamp) {
      databases[i] = *known;
      continue;
    }
    databases[i] = {file, nullptr, stamp,
                    known != nullptr ? known->seen : std::make_shared<std::optional<io::FileStamp>>(stamp)};
    building[i] = std::async(std::launch::async, [this, file] { return index_of(config_, file, options_.log); });
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

const Database* Builder::known_database(const std::filesystem::path& file) const {
  if (before_ == nullptr || before_->config.resolver.language != config_.resolver.language) return nullptr;
  for (const Database& each : before_->databases)
    if (each.file == file) return &each;
  return nullptr;
}

void Builder::tell_unusable(std::size_t file, const std::string& why) {
  fault(fmt::format("resolver.maxmind.files[{}]", file), "resolver.maxmind.files", why);
}

void Builder::tell_unusable(const std::vector<std::filesystem::path>& files) {
  for (std::size_t i = 0; i < files.size(); ++i)
    if (const auto alone = io::MaxMind::open({files[i]}, config_.resolver.language); !alone)
      tell_unusable(i, alone.error());
}

void Builder::open_providers() {
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
  // Where a provider lacks its URL, its name may be told to be at fault already.
  const auto has_url = [&](std::string_view key, const std::string& url) {
    return (!url.empty() || is_sound({"resolver.providers"})) && is_good(key, url);
  };
  for (const std::string& name : names) {
    const auto earlier = earlier_provider(name);
    if (name == resolve::Networks::kName)
      providers.push_back(earlier != nullptr ? earlier : std::make_shared<const resolve::Networks>());
    if (name == io::kMaxMind && direct_ != nullptr) providers.push_back(direct_);
    if (name == io::kMaxMind && !world_->databases.empty()) providers.push_back(indexed(*world_, earlier.get()));
    if (name == kIpApi) {
      const io::IpApiSettings asking = ip_api_settings();
      if (has_url("resolver.ip-api.url", config.ip_api.url))
        add_upstream(name, [&] { return io::ip_api(asking, kClock); });
    }
    const std::string_view far = config.url.empty() ? "resolver.remote.url" : "resolver.url";
    const std::string& url = config.url.empty() ? config.remote.url : config.url;
    if (name == kRemote && has_url(far, url))
      add_upstream(name, [&] { return io::remote({url, options_.told}, kClock); });
  }
  check_answerable(providers);
  world_->snapshot.resolver = std::make_shared<const resolve::Resolver>(std::move(providers), settings);
}

std::shared_ptr<const resolve::Provider> Builder::known_provider(std::string_view name) const {
  if (!is_kept({"resolver", "cache.places", "deadline"}) || !config_.resolver.ip_api.key_file.empty()) return nullptr;
  return earlier_provider(name);
}

std::shared_ptr<const resolve::Provider> Builder::earlier_provider(std::string_view name) const {
  if (before_ == nullptr) return nullptr;
  for (const auto& each : before_->snapshot.resolver->providers())
    if (each->name() == name) return each;
  return nullptr;
}

void Builder::check_answerable(const std::vector<std::shared_ptr<const resolve::Provider>>& providers) {
  if (!options_.serving || !config_.serves_resolver() || !faults_.empty()) return;
  const bool has_networks = config_.store.kind != "none";
  if (std::none_of(providers.begin(), providers.end(), [&](const auto& provider) {
        return has_networks || provider->name() != resolve::Networks::kName;
      })) {
    const std::string resolver = config_.listen.resolver.empty() ? "tls.resolver" : "listen.resolver";
    fault(resolver, resolver, "no provider is configured that could answer");
  }
}

std::shared_ptr<resolve::PlaceCache> Builder::make_place_cache() const {
  return std::make_shared<resolve::PlaceCache>(limits_of(config_.cache.places), Stale::while_refreshed);
}

io::IpApiSettings Builder::ip_api_settings() {
  io::IpApiSettings settings;
  settings.url = config_.resolver.ip_api.url;
  settings.language = config_.resolver.language;
  settings.told = options_.told;
  const std::string& file = config_.resolver.ip_api.key_file;
  if (file.empty() || !is_sound({"resolver.ip-api.key_file"}) || set_aside("resolver.ip-api.key_file", file))
    return settings;
  const auto path = io::secret_path(file, config_.dir);
  auto key = path ? io::read_key(*path) : tl::unexpected(path.error());
  if (path) note_if_open_to_all("resolver.ip-api.key_file", *path);
  if (key)
    settings.key = std::move(*key);
  else
    fault("resolver.ip-api.key_file", "resolver.ip-api.key_file", key.error());
  return settings;
}

void Builder::open_auth_client() {
  if (config_.auth.url.empty() || !is_good("auth.url", config_.auth.url)) return;
  if (is_kept({"auth", "deadline", "cache.tokens"}))
    world_->auth_client = before_->auth_client;
  else
    world_->auth_client = io::auth_client(
        {config_.auth.url, milliseconds(config_.deadline.auth_ms), limits_of(config_.cache.tokens), options_.told},
        kClock);
  world_->snapshot.authorizer = world_->auth_client;
}

}  // namespace geo::compose

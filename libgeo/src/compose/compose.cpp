#include "geo/compose.h"

#include <fmt/format.h>

#include <algorithm>

#include "compose/builder.h"

namespace geo::compose {
namespace {

// "signing" and "signing.keys" are, "signing.keys" and "signing.active" are not.
bool is_one_in_the_other(std::string_view a, std::string_view b) {
  const std::string_view inner = a.size() < b.size() ? b : a, outer = a.size() < b.size() ? a : b;
  return inner.starts_with(outer) && (inner.size() == outer.size() || inner[outer.size()] == '.');
}

}  // namespace

Built Builder::run() {
  world_->config = config_;
  world_->told = options_.told;
  if (options_.serving && is_sound({"listen", "tls.redirect", "tls.resolver", "store.kind"})) check_listeners();
  if (options_.serving && is_sound({"log.access"})) check_access_log();
  read_proxies();
  if (options_.signing && is_sound({"signing.keys"})) read_keys();
  if (options_.serving && is_sound({"admin.token_file"})) read_admin_token();
  if (options_.serving) read_tls_identity();
  if (is_sound({"resolver.maxmind.files"})) open_databases();
  if (config_.store.kind != "none") read_store();
  open_providers();  // knows the topology by now
  if (is_sound({"auth.url"})) open_auth_client();
  if (!faults_.empty()) {
    sort(faults_);
    return {nullptr, std::move(faults_), {}, std::move(notes_)};
  }
  if (denial_) return {nullptr, {}, std::move(denial_), std::move(notes_)};
  apply_settings();
  if (world_->has_topology()) (void)world_->snapshot.live->tick(kClock.wall(), kClock.monotonic());
  return {std::move(world_), {}, {}, std::move(notes_)};
}

void Builder::check_listeners() {
  const config::Listen& listen = config_.listen;
  if (!config_.serves_redirect() && !config_.serves_resolver() && listen.auth.empty() && listen.verify.empty() &&
      listen.admin.empty())
    fault("listen", "listen", "no listener is configured");
  if (config_.store.kind != "none") return;
  const std::string redirect = listen.redirect.empty() ? "tls.redirect" : "listen.redirect";
  if (config_.serves_redirect()) fault(redirect, redirect, "needs a store, and store.kind is \"none\"");
  if (!listen.auth.empty()) fault("listen.auth", "listen.auth", "needs a store, and store.kind is \"none\"");
}

void Builder::check_access_log() {
  const std::string& target = config_.log.access;
  if (target == "stdout" || target == "stderr" || target == "off") return;
  const std::filesystem::path file = config_.path(target);
  const auto good = io::check_appendable(file);
  if (!good && options_.log_may_lack) note("log.access: " + good.error());
  if (!good && !options_.log_may_lack) fault("log.access", "log.access", good.error());
}

bool Builder::is_sound(std::initializer_list<std::string_view> keys) const {
  return std::none_of(faults_.begin(), faults_.begin() + static_cast<std::ptrdiff_t>(config_faults_),
                      [&](const Fault& known) {
                        // a file that could not be read says nothing; a variable that is none says nothing of a key
                        if (known.key.empty()) return known.file != "environment";
                        return std::any_of(keys.begin(), keys.end(),
                                           [&](std::string_view key) { return is_one_in_the_other(key, known.key); });
                      });
}

bool Builder::is_kept(std::initializer_list<std::string_view> sections) const {
  return before_ != nullptr &&
         std::all_of(sections.begin(), sections.end(), [&](std::string_view each) { return differences_.spare(each); });
}

void Builder::fault(std::string_view at, std::string key, std::string message) {
  const auto found = config_.positions.find(at);
  const config::Config::Position position =
      found == config_.positions.end() ? config::Config::Position{} : found->second;
  faults_.push_back({config_.file.empty() ? "config" : config_.file.string(), position.line, position.col,
                     std::move(key), std::move(message)});
}

void Builder::note(const std::string& text) {
  notes_.push_back(text);
  options_.log(text);
}

void Builder::note_if_open_to_all(std::string_view key, const std::filesystem::path& file) {
  if (io::is_open_to_all(file))
    note(fmt::format("{}: {}: everybody may read this secret (chmod o= mends it)", key, file.string()));
}

bool Builder::set_aside(std::string_view key, std::string_view file) {
  if (!options_.credentials_may_lack || !file.starts_with("credential:")) return false;
  if (!io::environment("CREDENTIALS_DIRECTORY").empty()) return false;
  note(fmt::format("{}: {} is not checked: CREDENTIALS_DIRECTORY is not set", key, file));
  return true;
}

bool Builder::is_good(std::string_view key, const std::string& url) {
  if (!is_sound({key})) return false;
  const auto good = io::check_http_url(url);
  if (!good) fault(key, std::string(key), good.error());
  return good.has_value();
}

CacheLimits Builder::limits_of(const config::CacheLimits& limits) {
  using std::chrono::seconds;
  return {static_cast<std::size_t>(limits.entries), seconds(limits.ttl_s), seconds(limits.stale_s),
          seconds(limits.negative_ttl_s)};
}

void Builder::apply_settings() {
  redirect::Options& options = world_->snapshot.options;
  options.token_in_url = config_.redirect.token == "pass";
  options.bind_client_ip = config_.signing.bind_client_ip;
  options.ttl = std::chrono::seconds(config_.signing.ttl_s);
  if (world_->snapshot.keys == nullptr) options.upto = redirect::Upto::inspect;
}

Built build(const config::Config& config, const Options& options) { return Builder(config, {}, options).run(); }

Built build(const config::Read& read, const Options& options) {
  return Builder(read.config, read.faults, options).run();
}

}  // namespace geo::compose

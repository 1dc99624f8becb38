// From a config to a World, part by part, collecting what is wrong on the way.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "compose/topology.h"
#include "geo/compose.h"

namespace geo::compose {

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

  Built run();

 private:
  void check_listeners();
  // Without making it.
  void check_access_log();
  // Has the config no fault about any of these keys, or about what they stand in or what stands in them? What they say
  // can be used then.
  bool is_sound(std::initializer_list<std::string_view> keys) const;
  // Is there a world before this one, and these sections are as they were?
  bool is_kept(std::initializer_list<std::string_view> sections) const;
  // About the value that stands at `at`: "signing.keys[0].secret_file".
  void fault(std::string_view at, std::string key, std::string message);
  // Nothing that would keep geod from serving.
  void note(const std::string& text);
  // One rule for all that holds a secret.
  void note_if_open_to_all(std::string_view key, const std::filesystem::path& file);
  // Outside the service there are no credentials; a check by hand can only say that it did not see this one.
  bool set_aside(std::string_view key, std::string_view file);
  // Can that URL, which the config says is one, be asked? Told where not.
  bool is_good(std::string_view key, const std::string& url);
  static CacheLimits limits_of(const config::CacheLimits& limits);
  void apply_settings();

  // ---- secrets.cpp ----

  void read_proxies();
  bool needs_keys() const;
  void read_keys();
  void read_admin_token();
  void read_tls_identity();
  // One that nobody could take does not come into the place of one that is good: that would be an outage. Where there
  // is none better, as at a start, it is served.
  void check_life(const io::TlsIdentity& identity, const std::filesystem::path& certificate);

  // ---- providers.cpp ----

  // Who is asked. With [resolver] url the far one decides, and only the own networks are asked before it.
  std::vector<std::string> provider_names() const;
  void open_databases();
  // Each file on its own thread; one that has not changed since, or is being written, is used on.
  void build_indexes(const std::vector<std::filesystem::path>& files);
  // Null: it is a new one.
  const Database* known_database(const std::filesystem::path& file) const;
  void tell_unusable(std::size_t file, const std::string& why);
  // Each of them is named, not only the first.
  void tell_unusable(const std::vector<std::filesystem::path>& files);
  void open_providers();
  // The one of the world before this one, whose counts go on; null: there was none.
  std::shared_ptr<const resolve::Provider> earlier_provider(std::string_view name) const;
  // With what it knows of its upstream. Null: it has to be made anew; so has one whose key may be another one by now.
  std::shared_ptr<const resolve::Provider> known_provider(std::string_view name) const;
  // A resolver of which nobody could ever get an answer is a mistake.
  void check_answerable(const std::vector<std::shared_ptr<const resolve::Provider>>& providers);
  std::shared_ptr<resolve::PlaceCache> make_place_cache() const;
  io::IpApiSettings ip_api_settings();
  // [auth] url: somebody else's word instead of the store's.
  void open_auth_client();

  // ---- store.cpp ----

  void read_store();
  void read_files();
  // What other processes write keeps no geod from serving: its faults are told, and the rows that can be read count.
  void pass_over_states(io::ReadData& read, const std::filesystem::path& dir);
  void open_mongodb();
  // A store that says nonsense is a fault; one that is away is waited for, where there is somebody to wait. A user or
  // password that is wrong is one of the config's where that is checked; a geod that starts waits until it is taken.
  void without_topology(const io::NoTopology& none);
  // Loudly. False: there is none, or it may not.
  bool serve_last_good(const Faults& instead_of);
  billing::OnUnknown on_unknown() const;
  io::MongoSettings mongo_settings(std::string uri) const;
  template <class Store>
  void use(const std::shared_ptr<const Store>& store) {
    world_->authority = std::make_shared<const auth::Rules>(store);
    world_->snapshot.billing = store;
    world_->snapshot.devices = store;
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

}  // namespace geo::compose

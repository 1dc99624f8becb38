#include "world.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "geo/io/mmdb.h"
#include "geo/io/system.h"

namespace geoctl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSearched[] = {"geod.toml", "/etc/geod/geod.toml"};

// Empty: none is given and none is found.
std::string config_file_of(const Session& session) {
  if (!session.config_file.empty() || !session.data_dir.empty()) return session.config_file;
  std::error_code absent;
  for (const char* file : kSearched)
    if (fs::exists(file, absent)) return file;
  return {};
}

// One of the configured providers, and it alone; what the others need is not opened.
geo::Result<void> restrict_to(const std::string& provider, geo::config::Resolver& resolver) {
  const bool far = !resolver.url.empty();  // then there are these two
  const std::vector<std::string> configured = far ? std::vector<std::string>{"networks", "remote"} : resolver.providers;
  if (std::find(configured.begin(), configured.end(), provider) == configured.end())
    return geo::deny(geo::ErrorCode::bad_request, fmt::format("provider: \"{}\" is not configured; there are: {}",
                                                              provider, fmt::join(configured, ", ")));
  if (provider == geo::io::kMaxMind && resolver.maxmind.files.empty())
    return geo::deny(geo::ErrorCode::bad_request, "provider: maxmind has no files, see [resolver.maxmind] files");
  if (!far) resolver.providers = {provider};
  return {};
}

// Of [resolver] url the settings stay: the far one decides about reserved addresses too.
void keep_only(const std::string& provider, geo::compose::World& world) {
  const geo::resolve::Resolver& all = *world.snapshot.resolver;
  std::vector<std::shared_ptr<const geo::resolve::Provider>> kept;
  for (const auto& each : all.providers())
    if (each->name() == provider) kept.push_back(each);
  world.snapshot.resolver = std::make_shared<const geo::resolve::Resolver>(std::move(kept), all.settings());
}

}  // namespace

geo::config::Read read_config(const Session& session, geo::config::IfBroken if_broken) {
  const std::vector<geo::config::Variable> environment = geo::io::environment("GEO_");
  const std::string file = config_file_of(session);
  geo::config::Read read =
      file.empty() ? geo::config::read_defaults(environment) : geo::config::read_file(file, environment, if_broken);
  if (!session.data_dir.empty()) {
    read.config.store.kind = "files";
    // relative to where geoctl was called, not to the config
    read.config.store.dir = file.empty() ? session.data_dir : fs::absolute(session.data_dir).string();
  }
  return read;
}

Opened open_world(Session& session, const Wanted& wanted) {
  geo::config::Read read = read_config(session);
  Output& output = session.output;
  if (!read.faults.empty()) return {nullptr, output.refuse(read.faults)};
  if (wanted.locating) {
    if (!wanted.provider.empty())
      if (const auto restricted = restrict_to(wanted.provider, read.config.resolver); !restricted)
        return {nullptr, output.refuse(restricted.error())};
  } else {
    read.config.resolver.providers.clear();
    read.config.resolver.url.clear();
  }

  geo::compose::Options options;
  options.signing = wanted.signing;
  geo::compose::Built built = geo::compose::build(read.config, options);
  if (built.denial) return {nullptr, output.refuse(*built.denial)};
  if (built.world == nullptr) {
    const int exit_status = output.refuse(built.faults);
    if (session.data_dir.empty() && config_file_of(session).empty() && !output.json)
      output.err.write(
          "No --config and no --data was given, and neither ./geod.toml nor /etc/geod/geod.toml is there.\n");
    return {nullptr, exit_status};
  }
  if (!built.world->has_topology() && wanted.topology)
    return {nullptr, output.refuse(geo::Denial{geo::ErrorCode::invalid_config,
                                               "[store] kind is \"none\": give --data DIR or a config with a store"})};
  if (!wanted.provider.empty()) keep_only(wanted.provider, *built.world);
  return {std::move(built.world), geo::kExitOk};
}

geo::WallTime now() { return geo::io::SystemClock().wall(); }

geo::Wait patience(const geo::compose::World& world) {
  return geo::Wait::until(geo::io::SystemClock().monotonic() +
                          std::chrono::milliseconds(world.config.deadline.request_ms));
}

geo::Moment moment(const geo::compose::World& world, geo::WallTime wall) {
  return {wall, geo::io::SystemClock().monotonic(), patience(world)};
}

}  // namespace geoctl

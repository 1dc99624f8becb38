// What is in the store: the topology, and who answers for the rows.
#include <fmt/format.h>

#include <algorithm>

#include "compose/builder.h"
#include "geo/base/text.h"
#include "geo/io/file.h"
#include "geo/io/mongo.h"
#include "geo/io/system.h"

namespace geo::compose {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kStartPatience{10};  // for a topology that comes slowly
constexpr const char* kStates = "states.toml";

}  // namespace

void Builder::read_store() {
  if (!is_sound({"store.kind"})) return;
  if (config_.store.kind == "mongodb") {
    if (is_sound({"store.uri", "store.uri_file", "store.database"})) open_mongodb();
  } else if (is_sound({"store.dir"})) {
    read_files();
  }
  redirect::Snapshot& snapshot = world_->snapshot;
  if (world_->authority == nullptr) return;
  snapshot.authorizer = world_->authority;
  snapshot.on_unknown = on_unknown();
}

void Builder::read_files() {
  const std::filesystem::path dir = config_.path(config_.store.dir);
  // Before they are read: a change in between is seen later.
  world_->watched->states_stamp = io::stamp_of(dir / kStates);
  io::ReadData read = io::read_data(dir);
  if (options_.reports_may_fail) pass_over_states(read, dir);
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

void Builder::pass_over_states(io::ReadData& read, const std::filesystem::path& dir) {
  const std::string file = (dir / kStates).string();
  std::vector<std::string> lines;
  for (const Fault& each : read.faults)
    if (each.file == file) lines.push_back(to_string(each));
  std::erase_if(read.faults, [&](const Fault& each) { return each.file == file; });
  for (const std::string& line : shortened(std::move(lines))) options_.log(line);
  // Of a file that is no TOML the reports that were there before go on, and age.
  if (read.states_readable || before_ == nullptr || before_->config.path(before_->config.store.dir) != dir) return;
  read.data.node_states = before_->watched->reports.with([](const auto& reports) { return reports; });
}

void Builder::open_mongodb() {
  if (config_.store.uri.empty() && set_aside("store.uri_file", config_.store.uri_file)) return;
  auto uri = store_uri(config_);
  if (!uri) {
    const std::string_view why = uri.error();
    const std::string_view key = why.substr(0, why.find(": "));
    return fault(key, std::string(key), std::string(why.substr(std::min(why.size(), key.size() + 2))));
  }
  if (config_.store.uri.empty())
    if (const auto file = io::secret_path(config_.store.uri_file, config_.dir))
      note_if_open_to_all("store.uri_file", *file);
  world_->store_uri = sha256(*uri);
  const bool same_place = before_ != nullptr && before_->store != nullptr && before_->store_uri == world_->store_uri &&
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

void Builder::without_topology(const io::NoTopology& none) {
  const bool is_check = options_.serving && !options_.last_good;
  if (!none.away || (none.locked_out && is_check)) return fault("store.uri", "store", none.why);
  if (options_.last_good)
    options_.log("the store cannot be reached and there is no last good topology: " + none.why +
                 "; nobody can be served until it can");
  else
    denial_ =
        Denial{ErrorCode::upstream_unavailable, fmt::format("the store {}: {}", world_->store->where(), none.why)};
}

bool Builder::serve_last_good(const Faults& instead_of) {
  if (!options_.last_good) return false;
  auto last = io::read_last_good(last_good_file(*world_));
  if (!last) {
    if (!last.error().missing) options_.log(last.error().why + "; it is not used");
    return false;
  }
  for (const Fault& each : instead_of) options_.log(to_string(each));
  options_.log(
      fmt::format("the last good topology is in service: version {}, kept at {}", last->version, rfc3339(last->time)));
  put_topology(*world_, std::move(last->rows), {last->version, last->stamp, "last_good"});
  world_->watched->confirmed_s = std::chrono::floor<std::chrono::seconds>(last->time.time_since_epoch()).count();
  return true;
}

billing::OnUnknown Builder::on_unknown() const {
  if (config_.billing.on_unknown == "allow") return billing::OnUnknown::allow;
  if (config_.billing.on_unknown == "refuse") return billing::OnUnknown::refuse;
  return billing::OnUnknown::known_only;
}

io::MongoSettings Builder::mongo_settings(std::string uri) const {
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
  settings.told = options_.told;
  return settings;
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

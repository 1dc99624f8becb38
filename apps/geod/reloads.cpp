#include "reloads.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <future>
#include <utility>

#include "databases.h"
#include "geo/compose.h"
#include "geo/io/system.h"

namespace geod {
namespace {

// What the config says of the log may be at fault already, for the same reason.
void add_log_fault(const geo::config::Config& config, std::string why, geo::Faults& faults) {
  geo::Fault fault{config.file.string(), 0, 0, "log.access", std::move(why)};
  if (std::any_of(faults.begin(), faults.end(), [&](const geo::Fault& each) { return each.key == fault.key; })) return;
  if (const auto at = config.positions.find(fault.key); at != config.positions.end())
    fault.line = at->second.line, fault.col = at->second.col;
  faults.push_back(std::move(fault));
  sort(faults);
}

}  // namespace

Reloads::Reloads(Worlds& worlds, const geo::Clock& clock, AppLog& log, AccessLog* access_log,
                 const ServiceManager& manager)
    : worlds_(worlds),
      clock_(clock),
      log_(log),
      access_log_(access_log),
      manager_(manager),
      started_with_(worlds.latest()->config),
      repeated_("the configuration", clock, log, [this] { return look(); }) {}

void Reloads::begin(std::string_view by) {
  {
    const std::lock_guard lock(mutex_);
    wanted_by_ = by;
  }
  repeated_.now();
}

geo::MonotonicTime Reloads::look() {
  std::string by;
  {
    const std::lock_guard lock(mutex_);
    by = std::exchange(wanted_by_, {});
  }
  if (!by.empty()) reload(by);
  return geo::MonotonicTime::max();
}

Reloaded Reloads::reload(std::string_view by) {
  const std::lock_guard one(reloading_);
  manager_.reloading();
  Reloaded reloaded;
  try {
    // A second's work for a large topology: in a thread that lets those who serve go first.
    reloaded = std::async(std::launch::async, [this] {
                 geo::io::stand_back();
                 return try_it();
               }).get();
  } catch (const std::exception& fault) {
    reloaded.denial = geo::Denial{geo::ErrorCode::internal, fault.what()};
  }
  tell(reloaded, by);
  (reloaded.ok() ? done_ : refused_).fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    last_ = Last{reloaded.ok(), clock_.wall()};
  }
  manager_.ready();
  return reloaded;
}

Reloaded Reloads::try_it() {
  const std::shared_ptr<const geo::compose::World> current = worlds_.latest();
  // First, since all else takes its time: until then lines go to a file that was moved away.
  tl::expected<void, std::string> reopened;
  if (access_log_ != nullptr) reopened = access_log_->reopen();
  const geo::config::Read read = geo::config::read_file(current->config.file, geo::io::environment("GEO_"));
  geo::compose::Reloaded next =
      geo::compose::reload(current, read, [this](const std::string& line) { log_.warn("{}", line); });
  Reloaded reloaded{{}, std::move(next.faults), std::move(next.denial)};
  if (!reopened) add_log_fault(read.config, std::move(reopened.error()), reloaded.faults);
  if (!reloaded.ok()) return reloaded;
  for (const auto& index : new_databases(worlds_.change(next.change))) log_.info("{}", in_service(*index));
  reloaded.needing_restart = geo::config::differences(started_with_, read.config).needing_restart;
  if (read.config.log.level != current->config.log.level)
    if (const auto level = level_of(read.config.log.level)) log_.set_level(*level);
  return reloaded;
}

void Reloads::tell(const Reloaded& reloaded, std::string_view by) const {
  for (const geo::Fault& fault : reloaded.faults) log_.error("{}", to_string(fault));
  if (reloaded.denial) log_.error("{}", reloaded.denial->detail);
  if (!reloaded.ok()) {
    log_.audit("reload, by {}: refused; what is in service stays", by);
  } else if (reloaded.needing_restart.empty()) {
    log_.audit("reload, by {}: done", by);
  } else {
    log_.audit("reload, by {}: done, but these take a restart: {}", by, fmt::join(reloaded.needing_restart, ", "));
  }
}

std::optional<Reloads::Last> Reloads::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

}  // namespace geod

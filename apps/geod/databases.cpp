#include "databases.h"

#include <algorithm>
#include <chrono>

#include "geo/base/text.h"
#include "geo/io/mmdb.h"

namespace geod {
namespace {

constexpr std::chrono::seconds kEvery{2};

}  // namespace

std::string in_service(const geo::io::MmdbInfo& info) {
  return fmt::format("{} is in service: {}, built {}, {} networks", info.path, info.type,
                     geo::rfc3339(geo::WallTime(std::chrono::seconds(info.build_epoch_s))), info.networks);
}

std::vector<geo::io::MmdbInfo> new_databases(const Worlds::Changed& changed) {
  std::vector<geo::io::MmdbInfo> infos;
  const std::vector<geo::compose::Database>& old = changed.from->databases;
  for (const geo::compose::Database& each : changed.to->databases)
    if (std::none_of(old.begin(), old.end(), [&](const auto& then) { return then.index == each.index; }))
      infos.push_back(each.index->info());
  return infos;
}

Databases::Databases(Worlds& worlds, const geo::Clock& clock, const AppLog& log)
    : worlds_(worlds), clock_(clock), log_(log), repeated_("the databases", clock, log, [this] { return refresh(); }) {}

geo::MonotonicTime Databases::refresh() {
  const geo::MonotonicTime start = clock_.monotonic();
  geo::compose::Refreshed refreshed = geo::compose::refresh_databases(*worlds_.latest());
  const geo::MonotonicTime end = clock_.monotonic();
  for (const geo::Fault& fault : refreshed.faults)
    log_.error("{}; what was read before stays in service", to_string(fault));
  if (refreshed.change == nullptr) return end + kEvery;
  const std::chrono::duration<double> took = end - start;
  for (const geo::io::MmdbInfo& info : new_databases(worlds_.change(refreshed.change)))
    log_.info("{}, read in {:.1f} s", in_service(info), took.count());
  return end;  // at the others
}

}  // namespace geod

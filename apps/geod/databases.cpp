#include "databases.h"

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

Databases::Databases(Worlds& worlds, const geo::Clock& clock, const AppLog& log)
    : worlds_(worlds), clock_(clock), log_(log), repeated_("the databases", clock, log, [this] { return refresh(); }) {}

geo::MonotonicTime Databases::refresh() {
  const geo::MonotonicTime start = clock_.monotonic();
  geo::compose::Refreshed refreshed = geo::compose::refresh_databases(*worlds_.latest());
  const geo::MonotonicTime end = clock_.monotonic();
  for (const geo::Fault& fault : refreshed.faults)
    log_.error("{}; what was read before stays in service", to_string(fault));
  if (refreshed.change == nullptr) return end + kEvery;
  worlds_.change(refreshed.change);
  const std::chrono::duration<double> took = end - start;
  log_.info("{}, read in {:.1f} s", in_service(*refreshed.loaded), took.count());
  return end;  // at the others
}

}  // namespace geod

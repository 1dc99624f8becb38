#include "databases.h"

#include <algorithm>
#include <chrono>

#include "geo/base/text.h"

namespace geod {
namespace {

constexpr std::chrono::seconds kEvery{2};
constexpr std::chrono::seconds kKeepAgain{60};  // where the disk is full, or may not be written

}  // namespace

std::string in_service(const geo::io::CityIndex& index) {
  const geo::io::MmdbInfo& info = index.info();
  return fmt::format("{} is in service: {}, built {}, {} networks{}", info.path, info.type,
                     geo::rfc3339(geo::WallTime(std::chrono::seconds(info.build_epoch_s))), info.networks,
                     index.is_kept() ? ", by its index that was kept" : "");
}

std::vector<std::shared_ptr<const geo::io::CityIndex>> new_databases(const Worlds::Changed& changed) {
  std::vector<std::shared_ptr<const geo::io::CityIndex>> indexes;
  const std::vector<geo::compose::Database>& old = changed.from->databases;
  for (const geo::compose::Database& each : changed.to->databases)
    if (std::none_of(old.begin(), old.end(), [&](const auto& then) { return then.index == each.index; }))
      indexes.push_back(each.index);
  return indexes;
}

Databases::Databases(Worlds& worlds, const geo::Clock& clock, const AppLog& log)
    : worlds_(worlds), clock_(clock), log_(log), repeated_("the databases", clock, log, [this] { return look(); }) {}

geo::MonotonicTime Databases::look() {
  const bool changed = refresh();
  const geo::MonotonicTime now = clock_.monotonic();
  if (changed) return now;  // at the others, before anything is kept
  if (now >= next_keeping_) keep();
  return now + kEvery;
}

bool Databases::refresh() {
  const geo::MonotonicTime start = clock_.monotonic();
  geo::compose::Refreshed refreshed = geo::compose::refresh_databases(*worlds_.latest());
  const std::chrono::duration<double> took = clock_.monotonic() - start;
  for (const std::string& note : refreshed.notes) log_.warn("{}", note);
  for (const geo::Fault& fault : refreshed.faults)
    log_.error("{}; what was read before stays in service", to_string(fault));
  if (refreshed.change == nullptr) return false;
  for (const auto& index : new_databases(worlds_.change(refreshed.change)))
    log_.info("{}, read in {:.1f} s", in_service(*index), took.count());
  return true;
}

void Databases::keep() {
  const std::shared_ptr<const geo::compose::World> world = worlds_.latest();
  if (kept_of_.lock() == world) return;
  const auto kept = geo::compose::keep_indexes(*world);
  if (kept) kept_of_ = world;
  next_keeping_ = kept ? geo::MonotonicTime::min() : clock_.monotonic() + kKeepAgain;
  const std::string trouble = kept ? std::string() : kept.error();
  if (!kept && trouble != trouble_told_)
    log_.warn("the index of a city database is not kept, and the next start builds it anew: {}", trouble);
  trouble_told_ = trouble;
}

}  // namespace geod

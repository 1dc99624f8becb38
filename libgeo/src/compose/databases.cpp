// City databases: their indexes, taken up as files change, and kept for the next start.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "compose/topology.h"

namespace geo::compose {

Index index_of(const config::Config& config, const std::filesystem::path& database,
               const std::function<void(const std::string&)>& log) {
  auto kept = io::CityIndex::read(index_file(config, database), database, config.resolver.language);
  if (kept && *kept != nullptr) return kept;
  if (!kept) log(kept.error() + "; the index is built anew");
  return io::CityIndex::build(database, config.resolver.language);
}

Refreshed refresh_databases(const World& world) {
  Refreshed refreshed;
  // One with each look: two old ones and two new ones at once would take much memory.
  for (const Database& current : world.databases) {
    if (refreshed.change != nullptr) break;
    std::optional<io::FileStamp>& seen = *current.seen;
    const std::optional<io::FileStamp> stamp = io::stamp_of(current.file);
    const bool news = stamp != current.stamp && stamp != seen;
    if (news && stamp && is_young(*stamp)) continue;
    seen = stamp;
    if (!news) continue;
    const std::string name = current.file.string();
    const auto refuse = [&](std::string_view why) {
      if (why.starts_with(name + ": ")) why.remove_prefix(name.size() + 2);
      refreshed.faults.push_back({name, 0, 0, {}, std::string(why)});
    };
    if (!stamp) {
      refuse("is gone");
      continue;
    }
    auto index =
        index_of(world.config, current.file, [&](const std::string& note) { refreshed.notes.push_back(note); });
    if (io::stamp_of(current.file) != stamp) {
      seen = current.stamp;  // changed while it was read: the next look tries again
    } else if (index) {
      refreshed.change = [database = Database{current.file, std::move(*index), stamp, current.seen}](const World& now) {
        auto next = std::make_shared<World>(now);
        for (Database& each : next->databases)
          if (each.seen == database.seen && each.stamp != database.stamp) each = database;  // a reload was no sooner
        next->snapshot.resolver = reindexed(*next);
        return next;
      };
    } else {
      refuse(index.error());
    }
  }
  return refreshed;
}

tl::expected<void, std::string> keep_indexes(const World& world) {
  tl::expected<void, std::string> done;
  std::vector<std::filesystem::path> in_use;
  for (const Database& each : world.databases) {
    in_use.push_back(index_file(world.config, each.file));
    std::error_code unknown;
    if (each.index->is_kept() && std::filesystem::exists(in_use.back(), unknown)) continue;
    if (auto kept = each.index->keep(in_use.back()); !kept && done) done = std::move(kept);
  }
  const std::filesystem::path any = index_file(world.config, {});
  const std::string name = any.filename().string(), own = name.substr(0, name.rfind('-') + 1);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(any.parent_path(), ignored))
    if (entry.path().filename().string().starts_with(own) &&
        std::find(in_use.begin(), in_use.end(), entry.path()) == in_use.end())
      std::filesystem::remove(entry.path(), ignored);
  return done;
}

}  // namespace geo::compose

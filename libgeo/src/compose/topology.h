// A topology comes into service.
#pragma once

#include <filesystem>

#include "geo/compose.h"
#include "geo/io/system.h"

namespace geo::compose {

inline const io::SystemClock kClock;  // what upstreams count their deadlines by

std::string version_of(const place::Rows& rows);

// Everything in `world` that follows from the topology. Its providers too, where it has them.
void put_topology(World& world, place::Rows rows, TopologyInfo info);
void put_topology(World& world, std::shared_ptr<const place::Topology> topology, TopologyInfo info);

// Somebody may be writing that file still.
bool is_young(const io::FileStamp& stamp);

// Faults of what others write all the time must not fill the log.
std::vector<std::string> shortened(std::vector<std::string> lines);

// What the nodes report, as read last.
void take_reports(const World& world);

// The `maxmind` provider over the world's databases. before: the one whose place it takes.
std::shared_ptr<const resolve::Provider> indexed(const World& world, const resolve::Provider* before = nullptr);
// The world's resolver with that provider made anew.
std::shared_ptr<const resolve::Resolver> reindexed(const World& world);

// In the state directory, by what identifies the store: two stores never share one.
std::filesystem::path last_good_file(const World& world);

// In the state directory: where the index of a database is kept. The first digits are the config's, of which there may
// be several with one such directory: each removes its own alone.
std::filesystem::path index_file(const config::Config& config, const std::filesystem::path& database);

// The index of that file as it is now: the one that is kept, else one that is built. log: told of one that is damaged.
using Index = tl::expected<std::shared_ptr<const io::CityIndex>, std::string>;
Index index_of(const config::Config& config, const std::filesystem::path& database,
               const std::function<void(const std::string&)>& log);

}  // namespace geo::compose

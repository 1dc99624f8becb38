// The topology that holds, whole.
#pragma once

#include <optional>

#include "geo/io/mongo.h"
#include "io/mongo/connection.h"
#include "io/mongo/skipped.h"

namespace geo::io::mongo {

// Nothing: `known` still holds. Rows and references that dangle are skipped too; what a node or place would lose its
// limits by goes with them.
tl::expected<std::optional<MongoTopology>, NoTopology> read_topology(Connection& connection, SkippedDocuments& skipped,
                                                                     const std::optional<TopologyStamp>& known,
                                                                     MonotonicTime deadline);

}  // namespace geo::io::mongo

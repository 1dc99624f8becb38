// The version document: which version of the topology holds.
//
// Shape: collection `versions`, {_id: "topology", version: "20270115T080000Z-9f3c51d2", stamp: "5be1..", schema: 1}.
//        A topology's documents have `_id` = VERSION/KEY. `stamp` is new after each change of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "geo/io/mongo.h"
#include "io/mongo/connection.h"

namespace geo::io::mongo {

inline constexpr std::string_view kVersions = "versions";
inline constexpr std::int64_t kSchema = 1;

struct NoVersion {
  std::optional<Failure> failure;  // nothing: what the document says is wrong
  bool newer = false;              // a schema that is not ours
  std::string why;
};

// Nothing: there is no such document, so no topology.
tl::expected<std::optional<TopologyStamp>, NoVersion> read_version(Connection& connection, MonotonicTime deadline);

// Documents of a topology's version.
Document::Ptr in_version(std::string_view version);
// Those of all others.
Document::Ptr in_other_versions(std::string_view version);

// {name: value}
Document::Ptr equals(const std::string& name, std::string_view value);

}  // namespace geo::io::mongo

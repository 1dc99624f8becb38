// Rows <-> documents, and the collections they are kept in.
//
// Shape: {_id: "u1", id: "u1", tariff: "home", paid_until: ISODate("2030-01-01T00:00:00Z")}; of the topology
//        {_id: "VERSION/eu", id: "eu", country: "DE"}. Fields are the TOML keys. `_id` decides: `id`, `sha256`, `user`,
//        `server` and `id` of cameras and `cidr` are read from it and never from their fields. Grants and places have
//        no such key: their fields decide, and `_id` may be anything.
// Units: times are dates, to the millisecond; what is finer is cut off when it is written.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <vector>

#include "geo/auth.h"
#include "geo/balance.h"
#include "geo/billing.h"
#include "geo/devices.h"
#include "geo/place.h"
#include "io/mongo/documents.h"

namespace geo::io::mongo {

template <class Row, class... Rows>
concept AnyOf = (std::is_same_v<Row, Rows> || ...);
template <class Row>
concept InTopology =
    AnyOf<Row, place::Pattern, place::Partner, place::Group, place::Place, place::Network, place::Node>;

struct Index {
  std::vector<std::string> fields;
  // A TTL index: the server may remove a document this long after the date in its one field.
  std::optional<std::chrono::seconds> expire_after = {};
};

struct Collection {
  std::string name;
  std::vector<std::string> fields;  // what is read of a document, beside `_id`: the projection of queries
  std::vector<Index> indexes;       // beside the one of `_id`
};

// What the store keeps of one kind of row.
template <class Row>
struct Documents {
  static const Collection& collection();

  // The row, or the first thing that is wrong with its document: "streams: expected an integer, found a string".
  static tl::expected<Row, std::string> read(const Document& document);

  // `_id`, of the topology without VERSION/.
  static std::string key_of(const Row& row);
  static Document::Ptr write(const Row& row) requires(!InTopology<Row>);
  static Document::Ptr write(const Row& row, std::string_view version) requires InTopology<Row>;
};

// Every table of a topology, what others refer to first.
template <class Rows, class Each>
void each_of_topology(Rows& rows, const Each& each) {
  each(rows.patterns);
  each(rows.partners);
  each(rows.groups);
  each(rows.places);
  each(rows.networks);
  each(rows.nodes);
}

// Of leases this room's other files know the fields.
const Collection& leases();
// All that hold rows, and leases.
std::span<const Collection* const> collections();

}  // namespace geo::io::mongo

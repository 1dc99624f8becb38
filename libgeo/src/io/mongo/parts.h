// What MongoAdmin's files share: its connections, failures as refusals, rows of a store by their kind.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "geo/base/text.h"
#include "geo/io/mongo_admin.h"
#include "io/mongo/connection.h"
#include "io/mongo/rows.h"
#include "io/mongo/version.h"

namespace geo::io {

// A whole reading or writing; each round trip of it has its own end.
inline MonotonicTime soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(10); }
inline MonotonicTime late() { return std::chrono::steady_clock::now() + std::chrono::hours(1); }

struct MongoAdmin::Parts {
  std::unique_ptr<mongo::Connection> quick;  // first: who is away is known at once
  std::unique_ptr<mongo::Connection> bulk;
  std::chrono::milliseconds budget;

  // Of what is done by hand.
  MonotonicTime end() const { return std::chrono::steady_clock::now() + budget; }

  tl::unexpected<Denial> refuse(const mongo::Failure& failure) const {
    return deny(ErrorCode::upstream_unavailable, "the store " + quick->where() + ": " + failure.why);
  }
  tl::unexpected<Denial> refuse(const mongo::NoVersion& none) const {
    return none.failure ? refuse(*none.failure)
                        : deny(ErrorCode::invalid_config, "the store " + quick->where() + ": " + none.why);
  }
  Fault unreadable(const mongo::Collection& collection, const std::string& id, std::string why) const {
    return {quick->where(), 0, 0, collection.name + " " + id, std::move(why)};
  }

  // Appends to `rows`. Of what cannot be read the faults.
  template <class Row>
  mongo::Done<void> read(mongo::Connection& connection, MonotonicTime deadline, const mongo::Document::Ptr& filter,
                         std::vector<Row>& rows, Faults& faults) const {
    const mongo::Collection& collection = mongo::Documents<Row>::collection();
    return connection.find({collection.name, filter, collection.fields}, deadline, [&](mongo::Found found) {
      if (!found) {
        faults.push_back(unreadable(collection, found.error().id, found.error().why));
        return;
      }
      auto row = mongo::Documents<Row>::read(**found);
      if (row)
        rows.push_back(std::move(*row));
      else
        faults.push_back(unreadable(collection, mongo::id_of(**found), row.error()));
    });
  }
  template <class Row>
  mongo::Done<void> read(const mongo::Document::Ptr& filter, std::vector<Row>& rows, Faults& faults) const {
    return read(*bulk, late(), filter, rows, faults);
  }
  // The same for a whole topology.
  mongo::Done<void> read(std::string_view version, place::Rows& rows, Faults& faults) const;
};

// A text that nobody else has.
std::string fresh();

// ---- every kind of row, what others refer to first; of the topology: each_of_topology() ----

template <class AnyData, class Each>
void each_beside_topology(AnyData& data, const Each& each) {
  each(data.tariffs);
  each(data.users);
  each(data.tokens);
  each(data.usage);
  each(data.servers);
  each(data.cameras);
  each(data.grants);
}

}  // namespace geo::io

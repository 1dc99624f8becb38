// One user's leases as values: read from their document, and what a batch of requests makes of them.
//
// Shape: {_id: "u1", rev: 1764000000000000, expires_at: ISODate(..),
//         leases: {"<32 hex>": {token: "9f86d081", server: "s1", camera: "c1", client_ip: "192.0.2.1",
//                               taken_at: ISODate(..), expires_at: ISODate(..)}, ..}}
//        `rev` goes up by one with each change and is decided by: whoever names it in a filter has seen all that is
//        there. It starts at the time, in microseconds, so that a document that was removed and made anew is another.
//        The outer `expires_at` is the latest end, for a TTL index.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "geo/billing.h"
#include "geo/io/mongo_admin.h"
#include "io/mongo/documents.h"

namespace geo::io::mongo {

// Of a user; with the longest names that is 1.6 MB of the 2 MB that are read (documents.h). They go when they expire,
// and before that, once there are so many, when the usage was reported after they were taken: so this bounds the
// streams that an account begins within a lease's life or between two reports, whichever is shorter. Past it they are
// refused: the alternative would be to count wrong. An account that needs more has a tariff without max_streams.
inline constexpr std::size_t kLeasesMax = MongoAdmin::kLeasesMax;

// Of a token, server, camera and client address; a key in the document, in hex.
using LeaseId = std::array<std::uint8_t, 16>;
LeaseId lease_id(const billing::LeaseKey& key);

struct HeldLease {
  LeaseId id{};
  WallTime taken_at{}, expires_at{};
  bool operator==(const HeldLease&) const = default;
};
struct LeaseState {
  std::optional<std::int64_t> rev;  // nothing: there is no document
  std::vector<HeldLease> leases;    // also expired ones
  std::vector<LeaseId> gone;        // nobody's, or unreadable: count as absent, and go with the next change
};
// The error is what is wrong with the document itself.
tl::expected<LeaseState, std::string> read_leases(const Document& document);

// For people; what cannot be read of it is empty.
struct ListedLease {
  std::string token, server, camera, client_ip;  // token: the first 8 hex digits of its hash
  WallTime taken_at{}, expires_at{};
};
// By the time they were taken, without those that have expired.
tl::expected<std::vector<ListedLease>, std::string> list_leases(const Document& document, WallTime now);

struct LeaseRequest {
  LeaseRequest(const billing::LeaseKey& key, const billing::LeaseTerms& terms_, WallTime now_, bool takes_);
  LeaseId id;
  ListedLease as_listed;
  billing::LeaseTerms terms;
  WallTime now;
  bool takes;  // false: it looks
};

struct LeaseAnswer {
  billing::Lease lease{};  // of one that takes
  billing::Leased leased;  // of one that looks
};
struct Settlement {
  std::vector<Result<LeaseAnswer>> answers;  // hold if `next` is what the store has after it
  LeaseState next;
  Document::Ptr change;  // null: nothing changes. Without a document before: the new one, else operators for an update
};
// First come, first served.
Settlement settle(const std::string& user, const LeaseState& state, const std::vector<const LeaseRequest*>& requests,
                  std::chrono::seconds lease);

}  // namespace geo::io::mongo

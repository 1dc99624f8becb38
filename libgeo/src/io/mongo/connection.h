// Operations on a MongoDB database: documents as Poco carries them, libmongoc behind it (in connection.cpp and uri.cpp
// alone).
//
// Errors: values. No text holds the URI's password, or what its options are set to.
// Threads: any number at a time; each operation borrows a client from a pool of `clients`.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "geo/base/clock.h"
#include "io/mongo/documents.h"

namespace geo::io::mongo {

inline constexpr std::string_view kName = "store";  // as an upstream

struct Settings {
  std::string uri;  // as its owner wrote it; with all that libmongoc knows
  std::string database;
  std::chrono::milliseconds timeout{
      500};                    // of each wait: for a client, a server, a connection, an answer; the URI may say less
  std::uint32_t clients = 16;  // the URI's maxPoolSize may say otherwise
  std::optional<std::chrono::milliseconds> answer = {};  // where an answer alone may take longer than `timeout`
};

struct Failure {
  enum class Kind : std::uint8_t {
    unreachable,  // refused, reset, nobody to choose from: nothing was done, or nobody can tell
    timeout,      // it may or may not have been done
    duplicate,    // a unique index holds that key already
    rejected,     // the server answered an error: not authorized, ..
    locked_out,   // it does not take the URI's user and password
    unreadable,   // what the server answered is no answer
  };
  Kind kind = Kind::unreachable;
  std::string why;
};

template <class T>
using Done = tl::expected<T, Failure>;

// A document that cannot be read at all.
struct Unreadable {
  std::string collection;
  std::string id;  // its `_id` as text, as far as that can be read
  std::string why;
};

using Found = tl::expected<Document::Ptr, Unreadable>;

struct Query {
  std::string collection;
  Document::Ptr filter = {};             // null: all
  std::vector<std::string> fields = {};  // the only ones to come, beside `_id`; empty: all
  Document::Ptr sort = {};
  std::int64_t limit = 0;      // 0: none
  std::uint32_t batch = 1000;  // documents to a round trip
};

struct Replacement {
  Document::Ptr filter;
  Document::Ptr document;  // put in the place of what the filter matches; added where it matches nothing
};

// What a conditional update did.
enum class Effect : std::uint8_t { none, matched, upserted, duplicate };

class Connection {
 public:
  // Connects to nobody yet. The error is a fault of the URI, as text.
  static tl::expected<std::unique_ptr<Connection>, std::string> open(const Settings& settings);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The servers and the database, for logs: "a.example.com:27017,b.example.com:27017/geo".
  const std::string& where() const;
  std::uint32_t busy() const;     // clients in use
  std::uint32_t clients() const;  // that there may be

  // An operation starts no wait after its deadline; one under way lasts `Settings::timeout`, or `answer`, at most.

  // Calls `each` as documents come, from this thread. A failure may come after some of them; none comes twice.
  Done<void> find(const Query& query, MonotonicTime deadline, const std::function<void(Found)>& each);
  // In order, up to the first failure.
  Done<void> insert(const std::string& collection, const std::vector<Document::Ptr>& documents, MonotonicTime deadline);
  Done<void> replace(const std::string& collection, const std::vector<Replacement>& replacements,
                     MonotonicTime deadline);
  // How many were removed.
  Done<std::uint64_t> remove(const std::string& collection, const Document::Ptr& filter, MonotonicTime deadline);
  // One document, if one matches: what the filter says holds at the moment of the update.
  Done<Effect> update(const std::string& collection, const Document::Ptr& filter, const Document::Ptr& change,
                      bool upsert, MonotonicTime deadline);
  // One that is there already is left as it is.
  Done<void> create_index(const std::string& collection, const std::string& name, const Document::Ptr& keys,
                          std::optional<std::chrono::seconds> expire_after, MonotonicTime deadline);

 private:
  struct Pool;
  explicit Connection(std::unique_ptr<Pool> pool);
  std::unique_ptr<Pool> pool_;
};

}  // namespace geo::io::mongo

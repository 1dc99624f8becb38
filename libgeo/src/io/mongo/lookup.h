// Rows by key: a cache, and for what it does not have one call for many.
//
//   get() -> cache -> Loads -> queue -> a job takes up to 100 that are still waited for -> one find -> each its own row
//
// While calls are under way what is asked for meanwhile gathers in the queue; nobody waits for company.
#pragma once

#include <Poco/MongoDB/Array.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "geo/base/cache.h"
#include "geo/base/held.h"
#include "geo/base/text.h"
#include "geo/base/upstream.h"
#include "geo/io/threads.h"
#include "io/mongo/connection.h"
#include "io/mongo/rows.h"
#include "io/mongo/skipped.h"
#include "io/threads/loads.h"

namespace geo::io::mongo {

inline constexpr std::size_t kWaitingMax = 2000;  // of each kind
inline constexpr std::size_t kBatchMax = 100;     // rows in a call

// What look-ups of all kinds share.
struct Upstream {
  Connection& connection;
  SkippedDocuments& skipped;
  const Clock& clock;
  const std::chrono::milliseconds timeout;  // of a look-up
  const std::shared_ptr<Health> health;
  Workers& workers;
};

// ---- kinds of rows ----

// Clients name servers and cameras; which of those meet in a hash nobody can work out ahead.
struct TextHash {
  std::size_t operator()(const std::string& key) const {
    static const std::uint64_t seed = std::random_device()() | std::uint64_t{std::random_device()()} << 32;
    return XXH3_64bits_withSeed(key.data(), key.size(), seed);
  }
};
struct DigestHash {
  std::size_t operator()(const Digest& digest) const {
    std::size_t value = 0;
    std::memcpy(&value, digest.data(), sizeof value);
    return value;
  }
};

// A kind: `Key`; `text_of` it, as Documents<Row>::key_of() says it of the row; read() a document; `Value`, made by
// add() of one or more rows. strict: a document that cannot be read is not the same as none.

template <class RowType, bool is_strict>
struct ById {
  using Row = RowType;
  using Key = std::string;
  using Hash = TextHash;
  using Value = Row;
  static constexpr bool strict = is_strict;
  static const std::string& text_of(const Key& key) { return key; }
  static tl::expected<Row, std::string> read(const Document& document) { return Documents<Row>::read(document); }
  static void add(Result<Value>& to, Row row) { to = std::move(row); }
  // What is kept where there is no row.
  static tl::unexpected<Denial> absent() { return deny(ErrorCode::not_found, "there is no such row"); }
  template <class Value>
  static bool is_absent(const Value&) {
    return false;
  }
};

struct Tokens : ById<auth::Token, true> {
  using Key = Digest;
  using Hash = DigestHash;
  static std::string text_of(const Key& key) { return hex(key.data(), key.size()); }
};

// One without a tariff may do nothing, but is there.
struct Users : ById<billing::User, true> {
  static tl::expected<Row, std::string> read(const Document& document) {
    const auto& elements = elements_of(document);
    const bool has_tariff = std::any_of(elements.begin(), elements.end(), [](const auto& element) {
      return !element.isNull() && element->name() == "tariff" &&
             element->type() != Poco::MongoDB::ElementTraits<Poco::MongoDB::NullValue>::TypeId;
    });
    if (has_tariff) return Documents<Row>::read(document);
    Document other;
    for (const auto& element : elements)
      if (!element.isNull() && element->name() != "tariff") other.addElement(element);
    other.add("tariff", std::string("none"));
    auto row = Documents<Row>::read(other);
    if (row) row->tariff.clear();
    return row;
  }
};

// Who owns a server is part of its row.
struct OwnedServer {
  devices::Server server;
  auth::Owner owner;
};
struct Servers : ById<devices::Server, false> {
  using Value = OwnedServer;
  static void add(Result<Value>& to, Row row) {
    auth::Owner owner{row.owner_type, row.owner_id};
    to = OwnedServer{std::move(row), std::move(owner)};
  }
};

// Of these having none is an answer like any other, which decisions rest on: so it too serves past its life while the
// store is away.
struct UsageRows : ById<billing::Usage, true> {
  static Result<Value> absent() { return Value(); }
  static bool is_absent(const Value& usage) { return usage.user.empty(); }
};

// Known by their fields, whatever their `_id`; several may give rights to one object.
struct Grants : ById<auth::Grant, false> {
  using Value = auth::Rights;
  static Result<Value> absent() { return Value(); }
  static bool is_absent(const Value& rights) { return rights.empty(); }
  static void add(Result<Value>& to, Row row) {
    for (std::string& right : row.rights)
      if (std::find(to->begin(), to->end(), right) == to->end()) to->push_back(std::move(right));
  }
};

using Texts = std::vector<std::string>;

template <class Kind>
Document::Ptr filter_of(const Texts& texts) {
  Poco::MongoDB::Array::Ptr ids = new Poco::MongoDB::Array;
  for (std::size_t i = 0; i < texts.size(); ++i) ids->add(std::to_string(i), texts[i]);
  Document::Ptr filter = new Document;
  filter->addNewDocument("_id").add("$in", ids);
  return filter;
}
template <>
inline Document::Ptr filter_of<Grants>(const Texts& texts) {
  static const std::array<std::string, 5> kFields{"owner_type", "owner_id", "object_type", "server", "object_id"};
  Poco::MongoDB::Array::Ptr any = new Poco::MongoDB::Array;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::string_view> values = split(texts[i], '/');
    Document::Ptr one = new Document;
    for (std::size_t at = 0; at < kFields.size(); ++at)
      if (!values[at].empty()) one->add(kFields[at], std::string(values[at]));
    any->add(std::to_string(i), one);
  }
  Document::Ptr filter = new Document;
  filter->add("$or", any);
  return filter;
}

// A grant to a whole server may name it twice; it is found by one of them.
template <class Row>
std::string found_by(const Row& row) {
  return Documents<Row>::key_of(row);
}
template <>
inline std::string found_by(const auth::Grant& grant) {
  auth::Grant known{grant.owner, grant.object_type, grant.server, grant.object_id, {}};
  if (known.object_type == "server") known.server.clear();
  return Documents<auth::Grant>::key_of(known);
}

// How long an answer may be kept, if that is shorter than the cache's limits. One that has expired already is kept no
// longer than a token that is not known; one that has not is read anew at its end, in case that was moved.
template <class Value>
std::optional<std::chrono::milliseconds> life_of(const Value&, WallTime, const CacheLimits&) {
  return std::nullopt;
}
template <>
inline std::optional<std::chrono::milliseconds> life_of(const auth::Token& token, WallTime now,
                                                        const CacheLimits& limits) {
  if (!token.expires_at) return std::nullopt;
  if (*token.expires_at <= now) return limits.negative_ttl;
  return std::chrono::ceil<std::chrono::milliseconds>(*token.expires_at - now);
}

// ---- the look-up ----

// Threads: any number at once.
template <class Kind>
class Lookup {
 public:
  using Key = typename Kind::Key;
  using Row = typename Kind::Row;
  using Value = typename Kind::Value;

  Lookup(Upstream& upstream, const CacheLimits& limits)
      : upstream_(upstream),
        limits_(limits),
        loads_(kName, upstream.clock, kWaitingMax, upstream.health),
        cache_(limits, Stale::when_failed) {}

  // A hit takes no lock that other cores' hits take, and no memory.
  Polled<Held<Value>> get(const Key& key, const Moment& at) {
    auto hit = cache_.get(
        key, at.monotonic, at.wait,
        [this](Load load) {
          if (auto taken = loads_.take(std::move(load), upstream_.timeout)) put(std::move(taken));
        },
        at.aside);
    if (!hit) return std::nullopt;
    const Result<Value>& answer = hit->entry->answer;
    const MonotonicTime fresh_until = hit->entry->fresh_until;
    if (answer && !Kind::is_absent(*answer))
      return Held<Value>{{std::move(hit->entry), &*answer}, hit->from, fresh_until};
    if (!answer && is_failure(answer.error().code)) return tl::unexpected<Denial>(answer.error());
    return Held<Value>{nullptr, hit->from, fresh_until};
  }

  CacheStats stats() const { return cache_.stats(); }
  // Fails what is waited for and takes nothing new. Once.
  void close() { loads_.close(); }

 private:
  using Loads = io::Loads<Key, Value, typename Kind::Hash>;
  using Load = typename Loads::Load;
  using Batch = typename Loads::Batch;

  // A job for each load, which may take several: so none is left without one. Where a job is refused as many are
  // waiting already as there may be loads.
  void put(typename Loads::Ptr taken) {
    queue_.put(std::move(taken));
    (void)upstream_.workers.submit([this] { run(); });
  }

  void run() {
    const MonotonicTime now = upstream_.clock.monotonic();
    const Batch batch = queue_.take(now, [](const auto&, const auto&) { return true; });
    if (batch.empty()) return;
    if (!loads_.breaker().admit(now)) return loads_.fail_open(batch);
    Texts texts;
    for (const auto& each : batch) {
      loads_.called(*each);
      texts.push_back(Kind::text_of(each->key));
    }
    Entries<Value> entries(batch.size(), Entry<Value>(Result<Value>(Kind::absent())));
    const Done<void> done = find(texts, Loads::due_of(batch), entries);
    loads_.tell(std::to_string(batch.size()) + " of " + Documents<Row>::collection().name, now,
                done ? "answered" : done.error().why);
    if (!done) {
      if (done.error().kind == Failure::Kind::unreadable)
        (void)upstream_.skipped.tell(Documents<Row>::collection().name, "*", done.error().why);
      return loads_.failed_since(batch, now, done.error().why);
    }
    settle(batch, std::move(entries));
  }

  Done<void> find(const Texts& texts, MonotonicTime due, Entries<Value>& entries) {
    std::unordered_map<std::string_view, Entry<Value>*> by_text;
    for (std::size_t i = 0; i < texts.size(); ++i) by_text.emplace(texts[i], &entries[i]);
    const auto entry_of = [&](std::string_view text) {
      const auto at = by_text.find(text);
      return at == by_text.end() ? nullptr : at->second;  // null: nobody asked for it
    };
    const auto cannot_read = [&](const std::string& id, const std::string& why) {
      std::string text = upstream_.skipped.tell(Documents<Row>::collection().name, id, why);
      if constexpr (Kind::strict)
        if (Entry<Value>* const entry = entry_of(id)) *entry = tl::unexpected(std::move(text));
    };
    const Collection& collection = Documents<Row>::collection();
    return upstream_.connection.find(
        {.collection = collection.name, .filter = filter_of<Kind>(texts), .fields = collection.fields}, due,
        [&](Found found) {
          if (!found) return cannot_read(found.error().id, found.error().why);
          auto row = Kind::read(**found);
          if (!row) return cannot_read(id_of(**found), row.error());
          Entry<Value>* const entry = entry_of(found_by(*row));
          if (entry != nullptr && *entry) Kind::add(**entry, std::move(*row));
        });
  }

  void settle(const Batch& batch, Entries<Value> entries) {
    loads_.breaker().succeeded();
    const WallTime now = upstream_.clock.wall();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Entry<Value>& entry = entries[i];
      if (!entry) {
        loads_.fail(*batch[i], std::move(entry.error()));
        continue;
      }
      std::optional<std::chrono::milliseconds> life;
      if (*entry) life = Kind::is_absent(**entry) ? limits_.negative_ttl : life_of(**entry, now, limits_);
      loads_.answer(*batch[i], std::move(*entry), life);
    }
  }

  Upstream& upstream_;
  const CacheLimits limits_;
  Loads loads_;
  LoadQueue<Loads> queue_{loads_, kWaitingMax, kBatchMax};
  Cache<Key, Value, typename Kind::Hash> cache_;
};

}  // namespace geo::io::mongo

#include <xxhash.h>

#include <cstring>
#include <utility>

#include "geo/io/file.h"
#include "slots.h"

namespace geo::io {
namespace {

std::uint64_t hash_of(std::string_view text, std::uint64_t seed = 0) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}
std::uint64_t hash_of(const Digest& digest) {
  std::uint64_t value = 0;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

// The rows, and where each one is by its key.
template <class Row>
class Table {
 public:
  // hash_of_key(row)
  template <class HashOfKey>
  Table(std::vector<Row> rows, HashOfKey&& hash_of_key) : rows_(std::move(rows)), slots_(rows_.size()) {
    for (std::size_t i = 0; i < rows_.size(); ++i) slots_.insert(hash_of_key(rows_[i]), i);
  }
  Table(std::vector<Row> rows, std::string Row::*key)
      : Table(std::move(rows), [key](const Row& row) { return hash_of(row.*key); }) {}

  template <class IsIt>
  Held<Row> find(std::uint64_t hash, IsIt&& is_it) const {
    const std::uint32_t at = slots_.find(hash, [&](std::uint32_t row) { return is_it(rows_[row]); });
    // A pointer that owns nothing: no reference count is touched.
    return {{std::shared_ptr<const void>(), at == Slots::kNone ? nullptr : &rows_[at]}};
  }
  Held<Row> find(std::string_view text, std::string Row::*key) const {
    return find(hash_of(text), [&](const Row& row) { return row.*key == text; });
  }

 private:
  std::vector<Row> rows_;
  Slots slots_;
};

// All rights of one owner to one object. A server is found by its id alone, whether or not the row names it twice.
struct Granted {
  auth::Owner owner;
  std::string object_type, server, object_id;
  auth::Rights rights;
};

struct Object {
  const auth::Owner& owner;
  std::string_view type, server, id;

  Object(const auth::Owner& of, std::string_view object_type, std::string_view of_server, std::string_view object_id)
      : owner(of), type(object_type), server(object_type == "server" ? std::string_view() : of_server), id(object_id) {}
  std::uint64_t hash() const {
    return hash_of(id, hash_of(server, hash_of(type, hash_of(owner.id, hash_of(owner.type)))));
  }
  bool is_of(const Granted& row) const {
    return row.object_id == id && row.server == server && row.owner == owner && row.object_type == type;
  }
};

std::vector<Granted> gathered(const std::vector<auth::Grant>& grants) {
  std::vector<Granted> rows;
  Slots known(grants.size());
  for (const auth::Grant& grant : grants) {
    const Object object(grant.owner, grant.object_type, grant.server, grant.object_id);
    std::uint32_t at = known.find(object.hash(), [&](std::uint32_t row) { return object.is_of(rows[row]); });
    if (at == Slots::kNone) {
      at = static_cast<std::uint32_t>(rows.size());
      known.insert(object.hash(), at);
      rows.push_back({grant.owner, grant.object_type, std::string(object.server), grant.object_id, {}});
    }
    rows[at].rights.insert(rows[at].rights.end(), grant.rights.begin(), grant.rights.end());
  }
  return rows;
}

// Side by side: whoever asks for the one asks for the other too.
struct Owned {
  auth::Owner owner;
  devices::Server server;
};
std::vector<Owned> owned(std::vector<devices::Server> servers) {
  std::vector<Owned> rows;
  rows.reserve(servers.size());
  for (devices::Server& server : servers) {
    auth::Owner owner{server.owner_type, server.owner_id};
    rows.push_back({std::move(owner), std::move(server)});
  }
  return rows;
}

std::uint64_t hash_of_camera(std::string_view server, std::string_view id) { return hash_of(id, hash_of(server)); }

// What a row holds, as long as the row is there.
template <class Part, class Row>
Held<Part> part_of(const Held<Row>& held, const Part Row::*part) {
  return {{std::shared_ptr<const void>(), held ? &(*held.row.*part) : nullptr}};
}

}  // namespace

struct FileStore::Tables {
  explicit Tables(Data data)
      : tokens(std::move(data.tokens), [](const auth::Token& row) { return hash_of(row.sha256); }),
        granted(
            gathered(data.grants),
            [](const Granted& row) { return Object(row.owner, row.object_type, row.server, row.object_id).hash(); }),
        users(std::move(data.users), &billing::User::id),
        tariffs(std::move(data.tariffs), &billing::Tariff::id),
        usage(std::move(data.usage), &billing::Usage::user),
        servers(owned(std::move(data.servers)), [](const Owned& row) { return hash_of(row.server.id); }),
        cameras(std::move(data.cameras),
                [](const devices::Camera& row) { return hash_of_camera(row.server, row.id); }) {}
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  Held<Owned> server(std::string_view id) const {
    return servers.find(hash_of(id), [&](const Owned& row) { return row.server.id == id; });
  }

  const Table<auth::Token> tokens;
  const Table<Granted> granted;
  const Table<billing::User> users;
  const Table<billing::Tariff> tariffs;
  const Table<billing::Usage> usage;
  const Table<Owned> servers;
  const Table<devices::Camera> cameras;
};

FileStore::FileStore(Data data) : tables_(std::make_unique<const Tables>(std::move(data))) {}
FileStore::~FileStore() = default;

Polled<Held<auth::Token>> FileStore::token(const Digest& sha256, const Moment&) const {
  return tables_->tokens.find(hash_of(sha256), [&](const auth::Token& row) { return row.sha256 == sha256; });
}

Polled<Held<auth::Rights>> FileStore::rights(const auth::Owner& owner, std::string_view object_type,
                                             std::string_view server, std::string_view object_id, const Moment&) const {
  const Object object(owner, object_type, server, object_id);
  return part_of(tables_->granted.find(object.hash(), [&](const Granted& row) { return object.is_of(row); }),
                 &Granted::rights);
}

Polled<Held<auth::Owner>> FileStore::owner_of(std::string_view server, const Moment&) const {
  return part_of(tables_->server(server), &Owned::owner);
}

Polled<Held<billing::User>> FileStore::user(std::string_view id, const Moment&) const {
  return tables_->users.find(id, &billing::User::id);
}

Polled<Held<billing::Tariff>> FileStore::tariff(std::string_view id, const Moment&) const {
  return tables_->tariffs.find(id, &billing::Tariff::id);
}

Polled<Held<billing::Usage>> FileStore::usage(std::string_view user, const Moment&) const {
  return tables_->usage.find(user, &billing::Usage::user);
}

Polled<Held<devices::Server>> FileStore::server(std::string_view id, const Moment&) const {
  return part_of(tables_->server(id), &Owned::server);
}

Polled<Held<devices::Camera>> FileStore::camera(std::string_view server, std::string_view id, const Moment&) const {
  return tables_->cameras.find(hash_of_camera(server, id),
                               [&](const devices::Camera& row) { return row.id == id && row.server == server; });
}

}  // namespace geo::io

#include <cstring>
#include <unordered_map>
#include <utility>

#include "geo/io/file.h"

namespace geo::io {
namespace {

std::size_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }
std::size_t mix(std::size_t a, std::size_t b) { return (a ^ (b + 0x9e3779b97f4a7c15U + (a << 6U) + (a >> 2U))); }

struct CameraKey {
  std::string_view server, id;
  bool operator==(const CameraKey&) const = default;
};
struct ObjectKey {
  std::string_view owner_type, owner_id, object_type, server, object_id;
  bool operator==(const ObjectKey&) const = default;
};
struct Hash {
  std::size_t operator()(const CameraKey& key) const { return mix(hash_of(key.server), hash_of(key.id)); }
  std::size_t operator()(const ObjectKey& key) const {
    const std::size_t owner = mix(hash_of(key.owner_type), hash_of(key.owner_id));
    return mix(mix(owner, hash_of(key.object_type)), mix(hash_of(key.server), hash_of(key.object_id)));
  }
  std::size_t operator()(const Digest& digest) const {
    std::size_t value = 0;
    std::memcpy(&value, digest.data(), sizeof value);
    return value;
  }
};

template <class T>
using ById = std::unordered_map<std::string_view, const T*>;

template <class T>
ById<T> by_id(const std::vector<T>& rows, std::string T::*key) {
  ById<T> table;
  table.reserve(rows.size());
  for (const T& row : rows) table.emplace(row.*key, &row);
  return table;
}

// A pointer that owns nothing: no reference count is touched.
template <class T>
std::shared_ptr<const T> borrowed(const T* row) {
  return {std::shared_ptr<const void>(), row};
}

template <class Table, class Key>
auto find(const Table& table, const Key& key) {
  const auto at = table.find(key);
  using T = std::remove_const_t<std::remove_pointer_t<typename Table::mapped_type>>;
  return Result<Held<T>>(Held<T>{borrowed<T>(at == table.end() ? nullptr : at->second)});
}

}  // namespace

// Keys are views into the rows, which never move again.
struct FileStore::Tables {
  explicit Tables(Data data)
      : token_rows(std::move(data.tokens)),
        grant_rows(std::move(data.grants)),
        user_rows(std::move(data.users)),
        tariff_rows(std::move(data.tariffs)),
        usage_rows(std::move(data.usage)),
        server_rows(std::move(data.servers)),
        camera_rows(std::move(data.cameras)),
        users(by_id(user_rows, &billing::User::id)),
        tariffs(by_id(tariff_rows, &billing::Tariff::id)),
        usage(by_id(usage_rows, &billing::Usage::user)),
        servers(by_id(server_rows, &devices::Server::id)) {
    tokens.reserve(token_rows.size());
    for (const auth::Token& token : token_rows) tokens.emplace(token.sha256, &token);
    cameras.reserve(camera_rows.size());
    for (const devices::Camera& camera : camera_rows) cameras.emplace(CameraKey{camera.server, camera.id}, &camera);
    for (const auth::Grant& grant : grant_rows) {
      auth::Rights& known = rights[object_key(grant.owner, grant.object_type, grant.server, grant.object_id)];
      known.insert(known.end(), grant.rights.begin(), grant.rights.end());
    }
    owner_rows.reserve(server_rows.size());
    for (const devices::Server& server : server_rows) owner_rows.push_back({server.owner_type, server.owner_id});
    owners.reserve(server_rows.size());
    for (std::size_t i = 0; i < server_rows.size(); ++i) owners.emplace(server_rows[i].id, &owner_rows[i]);
  }
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  // A server is found by its id alone, whether or not the row names it twice.
  static ObjectKey object_key(const auth::Owner& owner, std::string_view type, std::string_view server,
                              std::string_view id) {
    return {owner.type, owner.id, type, type == "server" ? std::string_view() : server, id};
  }

  const std::vector<auth::Token> token_rows;
  const std::vector<auth::Grant> grant_rows;
  const std::vector<billing::User> user_rows;
  const std::vector<billing::Tariff> tariff_rows;
  const std::vector<billing::Usage> usage_rows;
  const std::vector<devices::Server> server_rows;
  const std::vector<devices::Camera> camera_rows;
  std::vector<auth::Owner> owner_rows;  // of server_rows, in their order

  std::unordered_map<Digest, const auth::Token*, Hash> tokens;
  std::unordered_map<ObjectKey, auth::Rights, Hash> rights;
  ById<billing::User> users;
  ById<billing::Tariff> tariffs;
  ById<billing::Usage> usage;
  ById<devices::Server> servers;
  ById<auth::Owner> owners;
  std::unordered_map<CameraKey, const devices::Camera*, Hash> cameras;
};

FileStore::FileStore(Data data) : tables_(std::make_unique<const Tables>(std::move(data))) {}
FileStore::~FileStore() = default;

Polled<Held<auth::Token>> FileStore::token(const Digest& sha256, const Moment&) const {
  return find(tables_->tokens, sha256);
}

Polled<Held<auth::Rights>> FileStore::rights(const auth::Owner& owner, std::string_view object_type,
                                             std::string_view server, std::string_view object_id, const Moment&) const {
  const auto at = tables_->rights.find(Tables::object_key(owner, object_type, server, object_id));
  return Held<auth::Rights>{borrowed(at == tables_->rights.end() ? nullptr : &at->second)};
}

Polled<Held<auth::Owner>> FileStore::owner_of(std::string_view server, const Moment&) const {
  return find(tables_->owners, server);
}

Polled<Held<billing::User>> FileStore::user(std::string_view id, const Moment&) const {
  return find(tables_->users, id);
}

Polled<Held<billing::Tariff>> FileStore::tariff(std::string_view id, const Moment&) const {
  return find(tables_->tariffs, id);
}

Polled<Held<billing::Usage>> FileStore::usage(std::string_view user, const Moment&) const {
  return find(tables_->usage, user);
}

Polled<Held<devices::Server>> FileStore::server(std::string_view id, const Moment&) const {
  return find(tables_->servers, id);
}

Polled<Held<devices::Camera>> FileStore::camera(std::string_view server, std::string_view id, const Moment&) const {
  return find(tables_->cameras, CameraKey{server, id});
}

}  // namespace geo::io

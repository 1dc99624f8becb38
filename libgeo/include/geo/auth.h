// Authorize: who holds the token, and may they?
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/hmac.h"
#include "geo/base/result.h"

namespace geo::auth {

struct Owner {
  std::string type;  // "user"
  std::string id;
  bool operator==(const Owner&) const = default;
};

// ---- rows ----
struct Token {
  Digest sha256{};  // the token itself is stored nowhere
  Owner owner;
  std::optional<WallTime> expires_at;  // nothing: no end
  bool operator==(const Token&) const = default;
};
struct Grant {
  Owner owner;
  std::string object_type;  // "camera" or "server"
  std::string server;
  std::string object_id;
  std::vector<std::string> rights;
  bool operator==(const Grant&) const = default;
};

struct Query {
  std::string_view token;  // as the client sent it
  std::string_view rights = "view";
  std::string_view object_type = "camera";
  std::string_view object_id;
  std::string_view server;
};

// A positive decision. Owns: `token` may point into a snapshot that the caller holds.
struct Right {
  std::shared_ptr<const Token> token;
  bool cached = false;
  const Owner& owner() const { return token->owner; }
};

// The step. Errors: token_unknown, token_expired, forbidden, upstream_unavailable; nothing where it would have to wait.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual Polled<Right> authorize(const Query& query, WallTime now, Wait wait) const = 0;
};

// What the rules below ask of a store. Null: there is no such row. Upstream trouble is a Denial.
class Store {
 public:
  virtual ~Store() = default;
  virtual Polled<std::shared_ptr<const Token>> token(const Digest& sha256, Wait wait) const = 0;
  // Does a grant give `owner` the right to the object, or to its whole server?
  virtual Polled<bool> granted(const Owner& owner, const Query& query, Wait wait) const = 0;
  // The owner of a server; null: unknown server.
  virtual Polled<std::shared_ptr<const Owner>> owner_of(std::string_view server, Wait wait) const = 0;
};

// A server's owner may view its cameras without a grant; everyone else needs one.
class GEO_EXPORT Rules final : public Authorizer {
 public:
  explicit Rules(std::shared_ptr<const Store> store) : store_(std::move(store)) {}
  Polled<Right> authorize(const Query& query, WallTime now, Wait wait) const override;

 private:
  std::shared_ptr<const Store> store_;
};

// 1-4096 visible ASCII characters.
GEO_EXPORT bool is_well_formed(std::string_view token);

}  // namespace geo::auth

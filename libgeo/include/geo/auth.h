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
#include "geo/base/held.h"
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

// A positive decision.
struct Right {
  Held<Token> token;  // never null; from: the oldest of what it was decided by
  const Owner& owner() const { return token->owner; }
};

// The step. Errors: token_unknown, token_expired, forbidden, upstream_unavailable; nothing where it would have to wait.
// Threads: any number at once.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual Polled<Right> authorize(const Query& query, const Moment& at) const = 0;
  // Who answers: "store", or "auth" for an auth-server. Static text.
  virtual std::string_view name() const = 0;
};

// The rights that one owner has to one object, by all rows that say so.
using Rights = std::vector<std::string>;

// What the rules below ask of a store. Null: there is no such row. Upstream trouble is a Denial.
class Store {
 public:
  virtual ~Store() = default;
  virtual Polled<Held<Token>> token(const Digest& sha256, const Moment& at) const = 0;
  // To a camera of `server`, or (object_type "server", object_id its id) to all of them.
  virtual Polled<Held<Rights>> rights(const Owner& owner, std::string_view object_type, std::string_view server,
                                      std::string_view object_id, const Moment& at) const = 0;
  // The owner of a server; null: unknown server.
  virtual Polled<Held<Owner>> owner_of(std::string_view server, const Moment& at) const = 0;
};

// A server's owner may view its cameras without a grant; everyone else needs one.
class GEO_EXPORT Rules final : public Authorizer {
 public:
  explicit Rules(std::shared_ptr<const Store> store) : store_(std::move(store)) {}
  Polled<Right> authorize(const Query& query, const Moment& at) const override;
  std::string_view name() const override { return "store"; }

 private:
  std::shared_ptr<const Store> store_;
};

// What a refusal of a right says, whoever decided: token_unknown, token_expired, forbidden.
GEO_EXPORT Denial denial(ErrorCode code);

// How long a decision may be kept: `ttl` at most, no longer than the token lives, and not at all where it is stale.
GEO_EXPORT std::chrono::seconds max_age(const Right& right, const Moment& at, std::chrono::seconds ttl);

// {"owner_type":"user","owner_id":"u1","expires_at":"2030-01-01T00:00:00Z","max_age_s":60}; no end: null.
GEO_EXPORT void append_json(std::string& out, const Right& right, std::chrono::seconds max_age);

// 1-4096 visible ASCII characters.
GEO_EXPORT bool is_well_formed(std::string_view token);
// What an Authorization field holds after "Bearer" (RFC 6750); nothing: it is of another scheme.
GEO_EXPORT std::optional<std::string_view> bearer_token(std::string_view authorization);

}  // namespace geo::auth

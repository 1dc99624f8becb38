// The signed URL: made by geod, checked by the node.
//
// Shape:
//   https://node-moscow-1.example.com/flv?server=100-abcdef&camera=0&exp=1800000000&kid=k1&sig=mw1s1hEWGnL4J0Atu3-9Eh..
//           |------------------- string to sign --------------------------------------|     |- base64url(HMAC-SHA256)
//           host[:port]  target = path and query, byte for byte, up to but without "&sig="
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/hmac.h"
#include "geo/base/ip.h"

namespace geo::sign {

struct Key {
  std::string id;
  HmacKey hmac;
};

// One key signs, all verify. Threads: immutable.
class GEO_EXPORT Keyring {
 public:
  // `active` is the id of one of them.
  Keyring(std::vector<Key> keys, std::string_view active);
  Keyring(Keyring&&) noexcept = default;
  const Key& active() const { return keys_[active_]; }
  const Key* find(std::string_view id) const;

 private:
  std::vector<Key> keys_;
  std::size_t active_ = 0;
};

struct Parameter {
  std::string_view name, value;  // decoded
};

// What stands in a URL. All values decoded.
struct Url {
  std::string_view scheme;  // "https"
  std::string_view host;    // in lower case; ":port" where it is not the scheme's default
  std::string_view path;    // "/flv"
  std::string_view server, camera;
  std::string_view token;             // empty: not in the URL
  std::span<const Parameter> passed;  // in the configured order
  std::optional<Ip> client_ip;        // bound by `cip`
  std::int64_t expires_at_s = 0;      // Unix seconds
};

// Appends the whole signed URL to `out`; returns where the string to sign begins and ends in it.
GEO_EXPORT std::pair<std::size_t, std::size_t> append_url(std::string& out, const Url& url, const Keyring& keys);

// The reasons of X-Geo-Reason, in the order they are checked.
enum class Reason : std::uint8_t { ok, malformed, wrong_host, unknown_key, bad_signature, expired, wrong_client };
GEO_EXPORT std::string_view name_of(Reason reason);

struct Presented {
  std::string_view target;  // as the client sent it to the node
  std::string_view host;    // Host header
  std::optional<Ip> client_ip;
  WallTime now;
};

// Good while now <= exp + leeway. is_node_host: is that "host[:port]" in lower case a node's? Empty: any host will do.
GEO_EXPORT Reason verify(const Presented& presented, const Keyring& keys, std::chrono::seconds leeway,
                         const std::function<bool(std::string_view)>& is_node_host);

}  // namespace geo::sign

// One HTTP request on its way through geod: what came, what goes back, what the access log tells of it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "geo/compose.h"
#include "geo/redirect.h"

namespace geod {

// The header fields that somebody here reads.
enum class Known : std::uint8_t {
  host,
  content_length,
  transfer_encoding,
  authorization,
  accept,
  origin,
  forwarded,
  x_forwarded_for,
  x_request_id,
  x_original_uri,
  x_original_host,
  x_real_ip,
  geo_hops,
  x_client_token,
};
inline constexpr std::size_t kKnownCount = 14;

class Headers {
 public:
  void clear();
  // Fields nobody reads are passed over. `value` is trimmed; it has to live as long as the request.
  void add(std::string_view name, std::string_view value);
  // How often it was sent.
  unsigned lines(Known known) const { return fields_[static_cast<std::size_t>(known)].lines; }
  // Its lines joined with ", " in their order; empty where it was not sent.
  std::string_view operator[](Known known) const;

 private:
  struct Field {
    std::string_view first;
    std::string joined;  // from the second line on
    unsigned lines = 0;
  };
  std::array<Field, kKnownCount> fields_;
};

struct Incoming {
  std::string target;            // as it came, no byte changed
  std::string_view path, query;  // of `target`; "*" is a path
  std::string_view method;
  std::string_view host;  // the Host field, or the target's own where it has one (absolute-form)
  Headers headers;
  geo::Ip peer, client;
  std::string request_id;
  geo::WallTime at;
  geo::MonotonicTime started;

  // What the header says of a body.
  std::uint64_t content_length = 0;
  bool chunked = false;
  std::string body;
  std::size_t body_bytes = 0;    // that came; `body` holds them unless they are too many
  std::size_t header_bytes = 0;  // the request line included

  bool head() const { return method == "HEAD"; }
  bool has_body() const { return chunked || content_length > 0; }
};

// Buffers are kept from request to request.
class Answer {
 public:
  struct Field {
    const char* name = "";
    std::string value;
  };

  void clear();
  // `name` is static text.
  void header(const char* name, std::string_view value);
  const Field* begin() const { return fields_.data(); }
  const Field* end() const { return fields_.data() + used_; }

  int status = 0;
  std::string body;
  std::optional<std::chrono::seconds> max_age;  // how long the client alone may keep it; nothing: no-store

 private:
  std::vector<Field> fields_;
  std::size_t used_ = 0;
};

// What the access log tells beside what Incoming and Answer have. An empty text is unknown; views point into the
// request or into its world.
struct Entry {
  std::string_view path = "other";
  std::string_view code;
  std::string_view reason;  // verify: why the URL does not hold
  std::string_view format, server, camera, partner;
  std::string_view located_by, provider, group, pattern, node, owner, lease;
  bool degraded = false;
  // Which caches answered: places, tokens, billing, devices.
  bool place_cached = false, token_cached = false, bill_cached = false, device_cached = false;

  void located(std::string_view by, geo::From from);
};

// Reused from request to request.
// Threads: belongs to its loop; while the connection is suspended, to the worker that has it.
struct Exchange {
  Incoming in;
  Answer out;
  Entry entry;

  // The redirect listener's work.
  std::optional<geo::redirect::Request> request;
  geo::redirect::Decision decision;

  // The resolver listener's: one address of a GET, all of a POST.
  struct Asked {
    std::optional<geo::Ip> ip;
    std::string given;  // where that is no address
    geo::Polled<geo::resolve::Located> answer;
  };
  std::vector<Asked> asked;
  unsigned hops = 0;

  // The auth listener's.
  struct Authorize {
    std::string token, rights, object_type, object_id, server;
    std::string owner;  // of the token, once that is known
  };
  std::optional<Authorize> authorize;

  std::shared_ptr<const geo::compose::World> world;  // held only when the request goes on in another thread

  enum class State : std::uint8_t { fresh, accepted, answered };
  State state = State::fresh;

  void clear();
};

// Answers with the row of `denial`'s code: status, header and problem body. allow: the methods of a 405.
void refuse(Exchange& exchange, const geo::Denial& denial, std::string_view allow = {});

// Is the method GET or HEAD? False: refused.
bool is_get(Exchange& exchange);

// One line of the access log, its newline included. mask: addresses tell the network alone.
void append_line(std::string& out, const Exchange& exchange, std::string_view listener, geo::MonotonicTime now,
                 bool mask);

}  // namespace geod

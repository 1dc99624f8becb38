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

#include "code.h"
#include "geo/base/clock.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "geo/compose.h"
#include "geo/redirect.h"

namespace geod {

// The header fields that somebody here reads.
enum class Known : std::uint8_t {
  host,
  connection,
  content_length,
  transfer_encoding,
  expect,
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
inline constexpr std::size_t kKnownCount = 16;

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
  std::string head;  // as it came, no byte changed; the views point into it
  std::string_view method, target;
  std::string_view path, query;  // of `target`; "*" is a path
  std::string_view host;         // the Host field, or the target's own where it has one (absolute-form)
  Headers headers;
  int fd = -1;  // the connection's
  geo::Ip peer, client;
  std::string request_id;
  geo::WallTime at;
  geo::MonotonicTime started;

  bool stays = true;       // the client wants the connection kept
  bool is_old = false;     // HTTP/1.0
  bool continues = false;  // it waits to be asked for the body
  std::string body;
  // Which part of the body is next.
  enum class Body : std::uint8_t { whole, bytes, chunk_size, chunk_end, trailer };
  Body next = Body::whole;
  std::uint64_t left = 0;  // bytes of the body, or of its chunk, that are to come
  std::string line;        // of a chunk's size or a trailer, what came of it

  bool is_head() const { return method == "HEAD"; }
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
  Code code = code_of(geo::ErrorCode::internal);
  std::string_view reason;  // verify: why the URL does not hold
  std::optional<geo::balance::Format> format;
  std::string_view server, camera, partner;
  std::string_view located_by, provider, group, pattern, node, owner, lease;
  bool degraded = false;
  // Which caches answered: places, tokens, billing, devices.
  bool place_cached = false, token_cached = false, bill_cached = false, device_cached = false;

  void located(std::string_view by, geo::From from);
};

// Reused from request to request.
// Threads: belongs to its loop; while its connection waits, to the worker that has it.
struct Exchange {
  Incoming in;
  Answer out;
  Entry entry;

  // The redirect listener's work.
  std::optional<geo::redirect::Request> request;
  geo::redirect::Decision decision;
  std::optional<geo::redirect::StepTimes> step_times;  // of a request whose steps are timed

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

  void clear();
};

// Answers with the row of `denial`'s code: status, header and problem body. allow: the methods of a 405. status: where
// it is another one.
void refuse(Exchange& exchange, const geo::Denial& denial, std::string_view allow = {}, int status = 0);

// Is the method GET or HEAD? False: refused.
bool is_get(Exchange& exchange);

// One line of the access log, its newline included. mask: addresses tell the network alone.
void append_line(std::string& out, const Exchange& exchange, std::string_view listener, geo::MonotonicTime now,
                 bool mask);

}  // namespace geod

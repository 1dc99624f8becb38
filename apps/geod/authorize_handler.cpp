#include "authorize_handler.h"

#include <Poco/JSON/ParseHandler.h>
#include <Poco/JSON/Parser.h>
#include <fmt/format.h>

#include <set>

#include "geo/auth.h"
#include "geo/base/text.h"

namespace geod {
namespace {

using geo::ErrorCode;
using geo::auth::Right;
using Asked = Exchange::Authorize;
using World = geo::compose::World;

constexpr std::size_t kDepthMax = 16;  // of the body's JSON

geo::Result<void> bad(std::string detail) { return geo::deny(ErrorCode::bad_request, std::move(detail)); }

// Of members with one name Poco keeps the last, others the first: whoever stands between could be told something else.
class Reader final : public Poco::JSON::ParseHandler {
 public:
  bool has_twice(const std::string& name) const { return twice_.contains(name); }

  void startObject() override {
    ++depth_;
    ParseHandler::startObject();
  }
  void endObject() override {
    --depth_;
    ParseHandler::endObject();
  }
  void key(const std::string& name) override {
    if (depth_ == 1 && !names_.insert(name).second) twice_.insert(name);
    ParseHandler::key(name);
  }

 private:
  std::size_t depth_ = 0;
  std::set<std::string> names_, twice_;
};

// {"token":"..","rights":"view","object_type":"camera","object_id":"0","server":"100-abcdef"}; other members are passed
// over.
class Body {
 public:
  explicit Body(Asked& asked) : asked_(asked) {}

  geo::Result<void> read(const std::string& body) {
    try {
      Poco::JSON::Parser parser(reader_);
      parser.setDepth(kDepthMax);
      const Poco::Dynamic::Var root = parser.parse(body);
      if (root.type() != typeid(Poco::JSON::Object::Ptr)) return bad("the body is no JSON object");
      object_ = root.extract<Poco::JSON::Object::Ptr>();
    } catch (const Poco::Exception&) {
      return bad("the body is no JSON");
    }
    auto done = id("rights", asked_.rights, "view");
    if (done) done = object_type();
    if (done) done = id("object_id", asked_.object_id);
    if (done) done = id("server", asked_.server);
    if (done && asked_.object_type == "server" && asked_.object_id != asked_.server)
      return bad("object_id: a server's is that of the server");
    return done ? token() : done;
  }

 private:
  // Nothing: it is missing.
  geo::Result<std::optional<std::string>> text(const char* name) const {
    if (reader_->has_twice(name)) return tl::unexpected(bad(fmt::format("{}: given twice", name)).error());
    const Poco::Dynamic::Var value = object_->get(name);
    if (value.isEmpty()) return std::nullopt;
    if (value.type() != typeid(std::string)) return tl::unexpected(bad(fmt::format("{}: no text", name)).error());
    return value.extract<std::string>();
  }
  geo::Result<void> id(const char* name, std::string& out, std::string_view otherwise = {}) const {
    auto value = text(name);
    if (!value) return tl::unexpected(std::move(value.error()));
    if (!*value && otherwise.empty()) return bad(fmt::format("{}: missing", name));
    out = value->value_or(std::string(otherwise));
    if (!geo::is_id(out)) return bad(fmt::format("{}: must be {}", name, geo::kIdForm));
    return {};
  }
  geo::Result<void> object_type() const {
    auto value = text("object_type");
    if (!value) return tl::unexpected(std::move(value.error()));
    asked_.object_type = value->value_or("camera");
    if (asked_.object_type == "camera" || asked_.object_type == "server") return {};
    return bad("object_type: must be camera or server");
  }
  geo::Result<void> token() const {
    auto value = text("token");
    if (!value) return tl::unexpected(std::move(value.error()));
    if (!*value) return geo::deny(ErrorCode::missing_token, "token: missing");
    asked_.token = std::move(**value);
    if (!geo::auth::is_well_formed(asked_.token)) return bad("token: must be 1-4096 visible ASCII characters");
    return {};
  }

  Asked& asked_;
  const Poco::SharedPtr<Reader> reader_{new Reader};
  Poco::JSON::Object::Ptr object_;
};

// For the log of requests that got no further.
void note_parameters(Exchange& exchange) {
  const Asked& asked = *exchange.authorize;
  if (geo::is_id(asked.server)) exchange.entry.server = asked.server;
  if (asked.object_type == "camera" && geo::is_id(asked.object_id)) exchange.entry.camera = asked.object_id;
}

geo::Polled<Right> ask(const Exchange& exchange, const World& world, geo::Wait wait) {
  const Asked& asked = *exchange.authorize;
  return world.authority->authorize({asked.token, asked.rights, asked.object_type, asked.object_id, asked.server},
                                    {exchange.in.at, exchange.in.started, wait});
}

void tell(Exchange& exchange, const World& world, const geo::Result<Right>& right) {
  if (!right) {
    refuse(exchange, right.error());
    return;
  }
  std::string& owner = exchange.authorize->owner;
  owner.append(right->owner().type).append("/").append(right->owner().id);
  exchange.entry.owner = owner;
  exchange.entry.code = Code::ok;
  exchange.out.status = 200;
  exchange.out.header("Content-Type", "application/json");
  const std::chrono::seconds ttl(world.config.cache.tokens.ttl_s);
  const geo::Moment asked{exchange.in.at, exchange.in.started};
  geo::auth::append_json(exchange.out.body, *right, geo::auth::max_age(*right, asked, ttl));
}

}  // namespace

bool AuthorizeHandler::answer(Exchange& exchange) {
  const Incoming& in = exchange.in;
  if (in.path != "/authorize") {
    refuse(exchange, {ErrorCode::no_such_path, "there is only /authorize"});
    return true;
  }
  exchange.entry.path = in.path;
  if (in.method != "POST") {
    refuse(exchange, {ErrorCode::method_not_allowed, "POST is allowed"}, "POST");
    return true;
  }
  const geo::Result<void> read = Body(exchange.authorize.emplace()).read(in.body);
  note_parameters(exchange);
  if (!read) {
    refuse(exchange, read.error());
    return true;
  }
  const std::shared_ptr<const World>& world = world_.get();
  const geo::Polled<Right> right = ask(exchange, *world, geo::Wait::never());
  if (!right) {
    exchange.world = world;
    return false;
  }
  tell(exchange, *world, *right);
  return true;
}

void AuthorizeHandler::answer_waiting(Exchange& exchange) {
  const World& world = *exchange.world;
  const geo::MonotonicTime deadline = exchange.in.started + std::chrono::milliseconds(world.config.deadline.request_ms);
  const geo::Polled<Right> right = ask(exchange, world, geo::Wait::until(deadline));
  // Of what failed after the request's own end nobody can say that it would have.
  const bool late = clock_.monotonic() >= deadline;
  if (!right || (late && !*right && geo::is_failure(right->error().code)))
    refuse(exchange, {ErrorCode::deadline_exceeded, "the request's deadline ended first"});
  else
    tell(exchange, world, *right);
}

}  // namespace geod

#include "io/mongo/connection.h"

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "io/mongo/codes.h"
#include "io/mongo/heard.h"
#include "io/mongo/uri.h"

namespace geo::io::mongo {
namespace {

using std::chrono::milliseconds;
using Kind = Failure::Kind;

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* it) const {
    destroy(it);
  }
};
template <class T, auto destroy>
using Owned = std::unique_ptr<T, Destroy<destroy>>;

using Uri = Owned<mongoc_uri_t, mongoc_uri_destroy>;
using Collection = Owned<mongoc_collection_t, mongoc_collection_destroy>;
using Cursor = Owned<mongoc_cursor_t, mongoc_cursor_destroy>;
using Bulk = Owned<mongoc_bulk_operation_t, mongoc_bulk_operation_destroy>;

constexpr std::size_t kAtOnce = 1000;     // documents to a command of insert and replace
constexpr milliseconds kAskedAgain(500);  // libmongoc's minHeartbeatFrequencyMS: it asks no server sooner

tl::unexpected<Failure> fail(Kind kind, std::string why) { return tl::unexpected(Failure{kind, std::move(why)}); }
tl::unexpected<Failure> late() { return fail(Kind::timeout, "its deadline has passed"); }
bool has_passed(MonotonicTime deadline) { return std::chrono::steady_clock::now() >= deadline; }

// A document on its way to the server.
class Bytes {
 public:
  static Done<Bytes> of(const Document::Ptr& document) {
    auto bytes = write_bson(document.isNull() ? Document() : *document);
    if (!bytes) return fail(Kind::rejected, std::move(bytes.error()));
    return Bytes(std::move(*bytes));
  }

  bson_t view() const {
    bson_t out;
    bson_init_static(&out, reinterpret_cast<const std::uint8_t*>(bytes_.data()), bytes_.size());
    return out;
  }

 private:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string bytes_;
};

// Options and replies.
class Made {
 public:
  Made() { bson_init(&it_); }
  ~Made() { bson_destroy(&it_); }
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;

  bson_t* get() { return &it_; }
  Made& add(const char* name, std::int64_t value) {
    bson_append_int64(&it_, name, -1, value);
    return *this;
  }
  Made& add(const char* name, bool value) {
    bson_append_bool(&it_, name, -1, value);
    return *this;
  }
  Made& add(const char* name, const bson_t& value) {
    bson_append_document(&it_, name, -1, &value);
    return *this;
  }
  std::int64_t number(const char* name) const {
    bson_iter_t at;
    return bson_iter_init_find(&at, &it_, name) ? bson_iter_as_int64(&at) : 0;
  }

 private:
  bson_t it_;
};

void at_most(mongoc_uri_t* uri, const char* option, milliseconds limit) {
  const auto ms = static_cast<std::int32_t>(limit.count());
  const std::int32_t given = mongoc_uri_get_option_as_int32(uri, option, 0);
  if (given <= 0 || given > ms) mongoc_uri_set_option_as_int32(uri, option, ms);
}

bool holds(std::string_view text, const char* what) {
  // Shorter ones are in any text; who takes such a password has none.
  constexpr std::size_t kShortest = 4;
  return what != nullptr && std::string_view(what).size() >= kShortest && text.find(what) != text.npos;
}

bool is_whole(const bson_iter_t& batch) {
  bson_iter_t at;
  if (!BSON_ITER_HOLDS_ARRAY(&batch) || !bson_iter_recurse(&batch, &at)) return false;
  while (bson_iter_next(&at)) {
    const std::uint8_t* bytes = nullptr;
    std::uint32_t size = 0;
    bson_t document;
    if (!BSON_ITER_HOLDS_DOCUMENT(&at)) return false;
    bson_iter_document(&at, &size, &bytes);
    if (bytes == nullptr || !bson_init_static(&document, bytes, size)) return false;
  }
  return at.err_off == 0;
}

// libmongoc ends a cursor in silence where a batch cannot be read to its end, so that who is in the rest would be
// absent, and ends the process where a document's last byte is no zero. So each batch is looked through before it is
// read; where one is broken its answer has no "cursor" any more, which libmongoc tells as an invalid one.
void refuse_broken(const bson_t* reply) {
  bson_iter_t at, in;
  if (!bson_iter_init_find(&at, reply, "cursor") || !BSON_ITER_HOLDS_DOCUMENT(&at) || !bson_iter_recurse(&at, &in))
    return;
  bool has_batch = false, is_good = true;
  while (bson_iter_next(&in)) {
    const std::string_view key = bson_iter_key(&in);
    if (key != "firstBatch" && key != "nextBatch") continue;
    has_batch = true;
    is_good = is_good && is_whole(in);
  }
  if (!has_batch || !is_good || in.err_off != 0) *const_cast<char*>(bson_iter_key(&at)) = '?';
}

}  // namespace

struct Connection::Pool {
  Settings settings;
  Uri uri;
  std::string where;
  milliseconds selecting{}, longest{};  // of a wait for a server: for any, for its word
  Heard heard;
  std::atomic<std::uint32_t> busy{0};
  std::mutex making;
  Owned<mongoc_client_pool_t, mongoc_client_pool_destroy> clients;  // made with the first operation: srv asks the DNS

  bool is_long(std::chrono::steady_clock::duration took) const {
    return took >= longest * 9 / 10;  // clocks and polls do not agree to the millisecond
  }
  Done<mongoc_client_pool_t*> made();
  void listen();
  std::string told(std::string_view text) const;
  std::string why_not(const bson_error_t& error) const;
  Failure refused() { return {Kind::unreachable, "not reachable: " + heard.why()}; }
  Failure failure(const bson_error_t& error, MonotonicTime since);
};

void Connection::Pool::listen() {
  const Owned<mongoc_apm_callbacks_t, mongoc_apm_callbacks_destroy> calls(mongoc_apm_callbacks_new());
  mongoc_apm_set_server_heartbeat_succeeded_cb(calls.get(), [](const mongoc_apm_server_heartbeat_succeeded_t* event) {
    static_cast<Pool*>(mongoc_apm_server_heartbeat_succeeded_get_context(event))
        ->heard.set(mongoc_apm_server_heartbeat_succeeded_get_host(event)->host_and_port, {Heard::Last::Kind::answer});
  });
  mongoc_apm_set_server_heartbeat_failed_cb(calls.get(), [](const mongoc_apm_server_heartbeat_failed_t* event) {
    auto* const pool = static_cast<Pool*>(mongoc_apm_server_heartbeat_failed_get_context(event));
    const std::chrono::microseconds took(mongoc_apm_server_heartbeat_failed_get_duration(event));
    bson_error_t error{};
    mongoc_apm_server_heartbeat_failed_get_error(event, &error);
    pool->heard.set(mongoc_apm_server_heartbeat_failed_get_host(event)->host_and_port,
                    pool->is_long(took) ? Heard::Last{Heard::Last::Kind::silence}
                                        : Heard::Last{Heard::Last::Kind::no, pool->why_not(error)});
  });
  mongoc_apm_set_server_closed_cb(calls.get(), [](const mongoc_apm_server_closed_t* event) {
    static_cast<Pool*>(mongoc_apm_server_closed_get_context(event))
        ->heard.forget(mongoc_apm_server_closed_get_host(event)->host_and_port);
  });
  mongoc_apm_set_command_succeeded_cb(calls.get(), [](const mongoc_apm_command_succeeded_t* event) {
    const std::string_view command = mongoc_apm_command_succeeded_get_command_name(event);
    if (command == "find" || command == "getMore") refuse_broken(mongoc_apm_command_succeeded_get_reply(event));
  });
  mongoc_client_pool_set_apm_callbacks(clients.get(), calls.get(), this);
}

Done<mongoc_client_pool_t*> Connection::Pool::made() {
  const auto since = std::chrono::steady_clock::now();
  const std::lock_guard lock(making);
  if (!clients) {
    bson_error_t error{};
    clients.reset(mongoc_client_pool_new_with_error(uri.get(), &error));
    if (!clients) return tl::unexpected(failure(error, since));
    mongoc_client_pool_set_error_api(clients.get(), MONGOC_ERROR_API_VERSION_2);
    listen();
  }
  return clients.get();
}

// What a server or libmongoc says, as it may be told. Where it quotes the password all of it is left out: the words
// around a hole would tell what is in it.
std::string Connection::Pool::told(std::string_view text) const {
  if (holds(text, mongoc_uri_get_password(uri.get()))) return "in words that hold the password";
  // Servers quote the whole command after a brace.
  std::string out(text.substr(0, std::min<std::size_t>(text.find('{'), 200)));
  for (char& c : out) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~') c = '?';
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == ':')) out.pop_back();
  return out;
}

// Why no server was found, where it said no.
std::string Connection::Pool::why_not(const bson_error_t& error) const {
  if (error.domain == MONGOC_ERROR_STREAM && error.code == MONGOC_ERROR_STREAM_CONNECT)
    return "connection refused, or no route to it";
  if (error.domain == MONGOC_ERROR_STREAM && error.code == MONGOC_ERROR_STREAM_NAME_RESOLUTION)
    return "its name cannot be resolved";
  // One text for two things, but whoever is silent is told apart before.
  if (std::string_view(error.message).ends_with("socket error or timeout")) return "the connection was closed";
  return told(error.message);
}

Failure Connection::Pool::failure(const bson_error_t& error, MonotonicTime since) {
  const bool was_long = is_long(std::chrono::steady_clock::now() - since);
  const auto away = [&](bool silent) {
    return silent ? Failure{Kind::timeout, fmt::format("timed out: {}", told(error.message))}
                  : Failure{Kind::unreachable, fmt::format("not reachable: {}", why_not(error))};
  };
  switch (error.domain) {
    case MONGOC_ERROR_SERVER_SELECTION:
      if (heard.is_silent())
        return {Kind::timeout, fmt::format("timed out: no answer within {} ms", selecting.count())};
      return heard.why().empty() ? away(false) : refused();
    case MONGOC_ERROR_STREAM:
      return away(was_long);
    case MONGOC_ERROR_POOL:
      return away(true);
    case MONGOC_ERROR_PROTOCOL:
    case MONGOC_ERROR_CURSOR:
    case MONGOC_ERROR_BSON:
      return {Kind::unreadable, fmt::format("an answer that cannot be read: {}", told(error.message))};
    case MONGOC_ERROR_WRITE_CONCERN:  // done here, but not where else it was wanted in time
      return kind_of(error.code) == Kind::unreachable ? away(false) : Failure{Kind::timeout, told(error.message)};
    case MONGOC_ERROR_SERVER:
    case MONGOC_ERROR_COMMAND:
    case MONGOC_ERROR_QUERY:
      break;
    default:  // to log in, for one, also where it could not be asked
      if (was_long) return away(true);
      if (std::string_view(error.message).find("socket error or timeout") != std::string_view::npos) return away(false);
      if (error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE && error.domain == MONGOC_ERROR_CLIENT)
        return {Kind::locked_out, fmt::format("authentication failed: {}", told(error.message))};
      return {Kind::rejected, told(error.message)};
  }
  switch (const Kind kind = kind_of(error.code)) {
    case Kind::unreachable:
      return away(false);
    case Kind::rejected:
      return {kind, fmt::format("{} (code {})", told(error.message), error.code)};
    default:
      return {kind, told(error.message)};
  }
}

namespace {

// A client of the pool, for one operation.
template <class Pool>
class Borrowed {
 public:
  static Done<Borrowed> from(Pool& pool, MonotonicTime deadline) {
    if (has_passed(deadline)) return late();
    // Else libmongoc would wait all the same, and whoever comes meanwhile too.
    if (pool.heard.is_no(std::chrono::steady_clock::now() - kAskedAgain)) return tl::unexpected(pool.refused());
    const auto clients = pool.made();
    if (!clients) return tl::unexpected(clients.error());
    mongoc_client_t* const client = mongoc_client_pool_pop(*clients);
    if (!client) return fail(Kind::timeout, fmt::format("all {} connections are in use", pool.settings.clients));
    ++pool.busy;
    return Borrowed(pool, client);
  }
  Borrowed(Borrowed&& other) noexcept : pool_(other.pool_), client_(std::exchange(other.client_, nullptr)) {}
  ~Borrowed() {
    if (!client_) return;
    --pool_.busy;
    mongoc_client_pool_push(pool_.clients.get(), client_);
  }

  Collection collection(const std::string& name) const {
    return Collection(mongoc_client_get_collection(client_, pool_.settings.database.c_str(), name.c_str()));
  }

 private:
  Borrowed(Pool& pool, mongoc_client_t* client) : pool_(pool), client_(client) {}
  Pool& pool_;
  mongoc_client_t* client_;
};

// Some of `all` to a command; `add` puts one of them into it, and answers what libmongoc says.
template <class Pool, class T, class Add>
Done<void> in_bulk(Pool& pool, const std::string& collection, const std::vector<T>& all, MonotonicTime deadline,
                   const Add& add) {
  for (std::size_t from = 0; from < all.size(); from += kAtOnce) {
    const auto client = Borrowed<Pool>::from(pool, deadline);
    if (!client) return tl::unexpected(client.error());
    const Collection in = client->collection(collection);
    const Bulk bulk(mongoc_collection_create_bulk_operation_with_opts(in.get(), nullptr));
    bson_error_t error{};
    for (std::size_t i = from; i < std::min(from + kAtOnce, all.size()); ++i) {
      const Done<bool> added = add(bulk.get(), all[i], &error);
      if (!added) return tl::unexpected(added.error());
      if (!*added) return fail(Kind::rejected, pool.told(error.message));
    }
    const auto since = std::chrono::steady_clock::now();
    if (mongoc_bulk_operation_execute(bulk.get(), nullptr, &error) == 0)
      return tl::unexpected(pool.failure(error, since));
  }
  return {};
}

milliseconds left(MonotonicTime deadline) {
  return std::max(milliseconds(1), std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()));
}

}  // namespace

Connection::Connection(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
Connection::~Connection() = default;
const std::string& Connection::where() const { return pool_->where; }
std::uint32_t Connection::busy() const { return pool_->busy; }
std::uint32_t Connection::clients() const { return pool_->settings.clients; }

tl::expected<std::unique_ptr<Connection>, std::string> Connection::open(const Settings& settings) {
  if (auto fault = fault_of(settings.uri)) return tl::unexpected(std::move(*fault));
  auto pool = std::make_unique<Pool>();
  pool->settings = settings;
  pool->uri.reset(mongoc_uri_new(settings.uri.c_str()));
  mongoc_uri_t* const uri = pool->uri.get();

  for (const char* wait :
       {MONGOC_URI_SERVERSELECTIONTIMEOUTMS, MONGOC_URI_CONNECTTIMEOUTMS, MONGOC_URI_WAITQUEUETIMEOUTMS})
    at_most(uri, wait, settings.timeout);
  at_most(uri, MONGOC_URI_SOCKETTIMEOUTMS, settings.answer.value_or(settings.timeout));
  // A second try would begin when the first has used up the time; find() has its own, for what failed at once.
  if (!mongoc_uri_has_option(uri, MONGOC_URI_RETRYREADS))
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
  if (!mongoc_uri_has_option(uri, MONGOC_URI_MAXPOOLSIZE))
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, static_cast<std::int32_t>(settings.clients));
  pool->settings.clients = static_cast<std::uint32_t>(mongoc_uri_get_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, 0));
  if (!mongoc_uri_get_appname(uri)) mongoc_uri_set_appname(uri, "geod");
  pool->selecting = milliseconds(mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 0));
  pool->longest = milliseconds(std::min(mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, 0),
                                        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, 0)));

  for (const auto* host = mongoc_uri_get_hosts(uri); host; host = host->next)
    pool->where += (pool->where.empty() ? "" : ",") + std::string(host->host_and_port);
  if (const char* service = mongoc_uri_get_srv_hostname(uri)) pool->where = service;
  pool->where += "/" + settings.database;
  return std::unique_ptr<Connection>(new Connection(std::move(pool)));
}

Done<void> Connection::find(const Query& query, MonotonicTime deadline, const std::function<void(Found)>& each) {
  const auto filter = Bytes::of(query.filter);
  const auto sort = Bytes::of(query.sort);
  if (!filter) return tl::unexpected(filter.error());
  if (!sort) return tl::unexpected(sort.error());
  Made fields;
  for (const std::string& field : query.fields) fields.add(field.c_str(), std::int64_t{1});

  bool came = false;  // then it is too late to start again
  const auto once = [&]() -> Done<void> {
    auto client = Borrowed<Pool>::from(*pool_, deadline);
    if (!client) return tl::unexpected(client.error());
    const Collection collection = client->collection(query.collection);
    Made options;
    options.add("batchSize", std::int64_t{query.batch}).add("maxTimeMS", std::int64_t{left(deadline).count()});
    if (query.limit > 0) options.add("limit", query.limit);
    if (!query.sort.isNull()) options.add("sort", sort->view());
    if (!query.fields.empty()) options.add("projection", *fields.get());
    const bson_t matching = filter->view();
    const Cursor cursor(mongoc_collection_find_with_opts(collection.get(), &matching, options.get(), nullptr));
    for (;;) {
      const auto since = std::chrono::steady_clock::now();
      if (since >= deadline) return late();
      const bson_t* document = nullptr;
      if (!mongoc_cursor_next(cursor.get(), &document)) {
        bson_error_t error{};
        if (!mongoc_cursor_error(cursor.get(), &error)) return {};
        return tl::unexpected(pool_->failure(error, since));
      }
      came = true;
      auto read = read_bson({reinterpret_cast<const char*>(bson_get_data(document)), document->len});
      if (read)
        each(std::move(*read));
      else
        each(tl::unexpected(Unreadable{query.collection, std::move(read.error().id), std::move(read.error().why)}));
    }
  };
  // A server that was started anew closes the connections that the pool still holds: that shows at once.
  const auto since = std::chrono::steady_clock::now();
  auto done = once();
  if (done || came || done.error().kind != Kind::unreachable ||
      pool_->is_long(std::chrono::steady_clock::now() - since))
    return done;
  return once();
}

Done<void> Connection::insert(const std::string& collection, const std::vector<Document::Ptr>& documents,
                              MonotonicTime deadline) {
  return in_bulk(*pool_, collection, documents, deadline,
                 [](mongoc_bulk_operation_t* bulk, const Document::Ptr& document, bson_error_t* error) -> Done<bool> {
                   const auto what = Bytes::of(document);
                   if (!what) return tl::unexpected(what.error());
                   const bson_t added = what->view();
                   return mongoc_bulk_operation_insert_with_opts(bulk, &added, nullptr, error);
                 });
}

Done<void> Connection::replace(const std::string& collection, const std::vector<Replacement>& replacements,
                               MonotonicTime deadline) {
  Made upsert;
  upsert.add("upsert", true);
  return in_bulk(*pool_, collection, replacements, deadline,
                 [&](mongoc_bulk_operation_t* bulk, const Replacement& each, bson_error_t* error) -> Done<bool> {
                   const auto which = Bytes::of(each.filter);
                   const auto what = Bytes::of(each.document);
                   if (!which) return tl::unexpected(which.error());
                   if (!what) return tl::unexpected(what.error());
                   const bson_t matching = which->view();
                   const bson_t by = what->view();
                   return mongoc_bulk_operation_replace_one_with_opts(bulk, &matching, &by, upsert.get(), error);
                 });
}

Done<std::uint64_t> Connection::remove(const std::string& collection, const Document::Ptr& filter,
                                       MonotonicTime deadline) {
  const auto which = Bytes::of(filter);
  if (!which) return tl::unexpected(which.error());
  const auto client = Borrowed<Pool>::from(*pool_, deadline);
  if (!client) return tl::unexpected(client.error());
  const auto since = std::chrono::steady_clock::now();
  const bson_t matching = which->view();
  bson_error_t error{};
  Made reply;
  if (!mongoc_collection_delete_many(client->collection(collection).get(), &matching, nullptr, reply.get(), &error))
    return tl::unexpected(pool_->failure(error, since));
  return static_cast<std::uint64_t>(reply.number("deletedCount"));
}

Done<Effect> Connection::update(const std::string& collection, const Document::Ptr& filter, const Document::Ptr& change,
                                bool upsert, MonotonicTime deadline) {
  const auto which = Bytes::of(filter);
  const auto what = Bytes::of(change);
  if (!which) return tl::unexpected(which.error());
  if (!what) return tl::unexpected(what.error());
  const auto client = Borrowed<Pool>::from(*pool_, deadline);
  if (!client) return tl::unexpected(client.error());
  const auto since = std::chrono::steady_clock::now();
  const bson_t matching = which->view();
  const bson_t changes = what->view();
  Made options;
  options.add("upsert", upsert);
  bson_error_t error{};
  Made reply;
  if (!mongoc_collection_update_one(client->collection(collection).get(), &matching, &changes, options.get(),
                                    reply.get(), &error)) {
    Failure failure = pool_->failure(error, since);
    if (failure.kind == Kind::duplicate) return Effect::duplicate;
    return tl::unexpected(std::move(failure));
  }
  if (reply.number("matchedCount") > 0) return Effect::matched;
  return reply.number("upsertedCount") > 0 ? Effect::upserted : Effect::none;
}

Done<void> Connection::create_index(const std::string& collection, const std::string& name, const Document::Ptr& keys,
                                    std::optional<std::chrono::seconds> expire_after, MonotonicTime deadline) {
  const auto by = Bytes::of(keys);
  if (!by) return tl::unexpected(by.error());
  const auto client = Borrowed<Pool>::from(*pool_, deadline);
  if (!client) return tl::unexpected(client.error());
  Made command, index;
  index.add("key", by->view());
  BSON_APPEND_UTF8(index.get(), "name", name.c_str());
  if (expire_after) index.add("expireAfterSeconds", std::int64_t{expire_after->count()});
  BCON_APPEND(command.get(), "createIndexes", BCON_UTF8(collection.c_str()), "indexes", "[", BCON_DOCUMENT(index.get()),
              "]");
  const auto since = std::chrono::steady_clock::now();
  bson_error_t error{};
  constexpr std::uint32_t kOther = 85;  // IndexOptionsConflict: whoever made it gave it another name, or another time
  if (!mongoc_collection_write_command_with_opts(client->collection(collection).get(), command.get(), nullptr, nullptr,
                                                 &error) &&
      error.code != kOther)
    return tl::unexpected(pool_->failure(error, since));
  return {};
}

}  // namespace geo::io::mongo

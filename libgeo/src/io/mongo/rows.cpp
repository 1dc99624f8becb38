#include "io/mongo/rows.h"

#include <Poco/MongoDB/Array.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "io/file/rows.h"
#include "io/mongo/fields.h"

namespace geo::io::mongo {
namespace {

namespace bson = Poco::MongoDB;

// ---- `_id` ----

// Which of a row's keys `_id` says.
template <class Row>
constexpr std::string_view kKey = "id";
template <>
constexpr std::string_view kKey<auth::Token> = "sha256";
template <>
constexpr std::string_view kKey<billing::Usage> = "user";
template <>
constexpr std::string_view kKey<place::Network> = "cidr";
template <>
constexpr std::string_view kKey<auth::Grant> = "";
template <>
constexpr std::string_view kKey<place::Place> = "";

using KeysOrFault = tl::expected<Keys, std::string>;

// Shape: SERVER/CAMERA, VERSION/KEY. No id has a slash; a network has.
template <class Row>
KeysOrFault keys_in(const std::string& id) {
  const std::size_t slash = id.find('/');
  if constexpr (std::is_same_v<Row, devices::Camera>) {
    if (slash == std::string::npos)
      return tl::unexpected(fmt::format("_id: expected SERVER/CAMERA, found {}", in_quotes(id)));
    return Keys{{"server", id.substr(0, slash)}, {"id", id.substr(slash + 1)}};
  } else if constexpr (InTopology<Row>) {
    if (slash == std::string::npos)
      return tl::unexpected(fmt::format("_id: expected VERSION/{}, found {}", kKey<Row>, in_quotes(id)));
    return Keys{{kKey<Row>, id.substr(slash + 1)}};
  } else {
    return Keys{{kKey<Row>, id}};
  }
}

template <class Row>
KeysOrFault keys_of(const Document& document) {
  if constexpr (kKey<Row>.empty()) {
    return Keys{};
  } else {
    static const TextRule any{"a string", [](std::string_view, std::string&) { return true; }, true};
    Fields fields(document, {});
    const auto id = fields.text("_id", any, Need::required);
    return id ? keys_in<Row>(*id) : KeysOrFault(tl::unexpect, fields.first_fault());
  }
}

// A slash in a name is none between names.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '/' || c == '%')
      append_percent_encoded(out, {&c, 1});
    else
      out += c;
  }
  return out;
}

std::string id_of_row(const auth::Token& token) { return hex(token.sha256.data(), token.sha256.size()); }
std::string id_of_row(const auth::Grant& grant) {
  return fmt::format("{}/{}/{}/{}/{}", grant.owner.type, grant.owner.id, grant.object_type, grant.server,
                     grant.object_id);
}
std::string id_of_row(const billing::Usage& usage) { return usage.user; }
std::string id_of_row(const devices::Camera& camera) { return camera.server + "/" + camera.id; }
std::string id_of_row(const place::Place& place) {
  return fmt::format("{}/{}/{}", place.country, escaped(place.region), escaped(place.city));
}
std::string id_of_row(const place::Network& network) { return network.cidr.to_string(); }
template <class Row>
std::string id_of_row(const Row& row) {
  return row.id;
}

// ---- values ----

void add(Document& to, const std::string& name, std::string_view text) { to.add(name, std::string(text)); }
void add(Document& to, const std::string& name, bool value) { to.add(name, value); }
void add(Document& to, const std::string& name, std::int64_t value) { to.add(name, static_cast<Poco::Int64>(value)); }
void add(Document& to, const std::string& name, double value) { to.add(name, value); }
void add(Document& to, const std::string& name, WallTime time) {
  using namespace std::chrono;
  to.add(name, Poco::Timestamp(microseconds(floor<milliseconds>(time).time_since_epoch()).count()));
}
void add(Document& to, const std::string& name, const place::Forbid& forbid) {
  add(to, name, forbid.client + ">" + forbid.node);
}
void add(Document& to, const std::string& name, const place::Ports& ports) {
  Document& by_scheme = to.addNewDocument(name);
  for (const auto& [scheme, port] : {std::pair{"https", ports.https}, std::pair{"wss", ports.wss},
                                     std::pair{"http", ports.http}, std::pair{"ws", ports.ws}})
    if (port != 0) by_scheme.add(scheme, static_cast<Poco::Int32>(port));
}
template <class Item>
void add(Document& to, const std::string& name, const std::vector<Item>& items) {
  const bson::Array::Ptr array = new bson::Array;
  std::size_t at = 0;
  for (const Item& item : items) add(*array, std::to_string(at++), item);
  to.add(name, array);
}
void add(Document& to, const std::string& name, const place::Coordinates& at) {
  add(to, name, std::vector<double>{at.latitude, at.longitude});
}
template <class Value>
void add(Document& to, const std::string& name, const std::optional<Value>& value) {
  if (value) add(to, name, *value);
}

class Writer {
 public:
  explicit Writer(Document& document) : document_(document) {}

  template <class Value>
  Writer& key(const std::string& name, const Value& value) {
    add(document_, name, value);
    return *this;
  }
  template <class Value>
  Writer& key(const std::string& name, const Value& value, const Value& usual) {
    return value == usual ? *this : key(name, value);
  }

 private:
  Document& document_;
};

template <class Row>
Document::Ptr document_of(const Row& row, const std::string& id) {
  static const Row kUsual{};
  const Document::Ptr document = new Document;
  add(*document, "_id", id);
  Writer writer(*document);
  write_row(writer, row, kUsual);
  return document;
}

// ---- collections ----

// All that a query has to name; read_row() says what it reads.
template <class Row>
Collection made(std::string name, std::vector<Index> indexes = {}) {
  FieldNames fields;
  Row row;
  read_row(fields, row);
  std::erase_if(fields.names, [](const std::string& field) {
    return field == kKey<Row> || (std::is_same_v<Row, devices::Camera> && field == "server");
  });
  return {std::move(name), std::move(fields.names), std::move(indexes)};
}

struct Collections {
  Collection tokens = made<auth::Token>("tokens");
  Collection grants = made<auth::Grant>("grants", {Index{{"owner_type", "owner_id", "object_type", "object_id"}}});
  Collection users = made<billing::User>("users");
  Collection tariffs = made<billing::Tariff>("tariffs");
  Collection usage = made<billing::Usage>("usage");
  Collection servers = made<devices::Server>("servers");
  Collection cameras = made<devices::Camera>("cameras");
  Collection node_states = made<balance::Report>("node_states");
  Collection patterns = made<place::Pattern>("patterns");
  Collection partners = made<place::Partner>("partners");
  Collection groups = made<place::Group>("groups");
  Collection places = made<place::Place>("places");
  Collection networks = made<place::Network>("networks");
  Collection nodes = made<place::Node>("nodes");
  Collection leases{"leases", {"rev", "leases"}, {Index{{"expires_at"}, true}}};
};

const Collections& all() {
  static const Collections collections;
  return collections;
}

}  // namespace

const Collection& leases() { return all().leases; }

std::span<const Collection* const> collections() {
  static const std::array list{&all().tokens,  &all().grants,   &all().users,    &all().tariffs,     &all().usage,
                               &all().servers, &all().cameras,  &all().patterns, &all().partners,    &all().groups,
                               &all().places,  &all().networks, &all().nodes,    &all().node_states, &all().leases};
  return list;
}

template <class Row>
tl::expected<Row, std::string> read(const Document& document) {
  auto keys = keys_of<Row>(document);
  if (!keys) return tl::unexpected(std::move(keys.error()));
  Fields fields(document, std::move(*keys));
  Row row;
  read_row(fields, row);
  if (!fields.ok()) return tl::unexpected(fields.first_fault());
  return row;
}

template <class Row>
std::string key_of(const Row& row) {
  return id_of_row(row);
}

template <class Row>
requires(!InTopology<Row>) Document::Ptr write(const Row& row) { return document_of(row, key_of(row)); }

template <InTopology Row>
Document::Ptr write(const Row& row, std::string_view version) {
  return document_of(row, fmt::format("{}/{}", version, key_of(row)));
}

#define GEO_ROW(ROW, COLLECTION)                                 \
  template <>                                                    \
  const Collection& collection_of<ROW>() {                       \
    return all().COLLECTION;                                     \
  }                                                              \
  template tl::expected<ROW, std::string> read(const Document&); \
  template std::string key_of(const ROW&);
GEO_ROW(auth::Token, tokens)
GEO_ROW(auth::Grant, grants)
GEO_ROW(billing::User, users)
GEO_ROW(billing::Tariff, tariffs)
GEO_ROW(billing::Usage, usage)
GEO_ROW(devices::Server, servers)
GEO_ROW(devices::Camera, cameras)
GEO_ROW(balance::Report, node_states)
GEO_ROW(place::Pattern, patterns)
GEO_ROW(place::Partner, partners)
GEO_ROW(place::Group, groups)
GEO_ROW(place::Place, places)
GEO_ROW(place::Network, networks)
GEO_ROW(place::Node, nodes)
#undef GEO_ROW
}  // namespace geo::io::mongo

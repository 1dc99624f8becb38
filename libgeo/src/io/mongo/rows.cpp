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

// ---- the collections ----

struct About {
  std::string_view collection;
  std::string_view key = "id";  // the row's key that `_id` says; "": none
  std::span<const std::string_view> index = {};
};
constexpr std::array<std::string_view, 4> kGranted{"owner_type", "owner_id", "object_type", "object_id"};

template <class Row>
constexpr About kAbout;
template <>
constexpr About kAbout<auth::Token>{"tokens", "sha256"};
template <>
constexpr About kAbout<auth::Grant>{"grants", "", kGranted};
template <>
constexpr About kAbout<billing::User>{"users"};
template <>
constexpr About kAbout<billing::Tariff>{"tariffs"};
template <>
constexpr About kAbout<billing::Usage>{"usage", "user"};
template <>
constexpr About kAbout<devices::Server>{"servers"};
template <>
constexpr About kAbout<devices::Camera>{"cameras"};
template <>
constexpr About kAbout<balance::Report>{"node_states"};
template <>
constexpr About kAbout<place::Pattern>{"patterns"};
template <>
constexpr About kAbout<place::Partner>{"partners"};
template <>
constexpr About kAbout<place::Group>{"groups"};
template <>
constexpr About kAbout<place::Place>{"places", ""};
template <>
constexpr About kAbout<place::Network>{"networks", "cidr"};
template <>
constexpr About kAbout<place::Node>{"nodes"};

// read_row() says what is read of a row.
template <class Row>
Collection made() {
  constexpr About kIt = kAbout<Row>;
  FieldNames fields;
  Row row;
  read_row(fields, row);
  std::erase_if(fields.names, [](const std::string& field) {
    return field == kIt.key || (std::is_same_v<Row, devices::Camera> && field == "server");
  });
  Collection collection{std::string(kIt.collection), std::move(fields.names), {}};
  if (!kIt.index.empty()) collection.indexes.push_back({{kIt.index.begin(), kIt.index.end()}});
  return collection;
}

// ---- `_id` ----

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
      return tl::unexpected(fmt::format("_id: expected VERSION/{}, found {}", kAbout<Row>.key, in_quotes(id)));
    return Keys{{kAbout<Row>.key, id.substr(slash + 1)}};
  } else {
    return Keys{{kAbout<Row>.key, id}};
  }
}

template <class Row>
KeysOrFault keys_of(const Document& document) {
  if constexpr (kAbout<Row>.key.empty()) {
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
  bson::Array::Ptr array = new bson::Array;
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
  Document::Ptr document = new Document;
  add(*document, "_id", id);
  Writer writer(*document);
  write_row(writer, row, kUsual);
  return document;
}

}  // namespace

template <class Row>
const Collection& Documents<Row>::collection() {
  static const Collection collection = made<Row>();
  return collection;
}

template <class Row>
tl::expected<Row, std::string> Documents<Row>::read(const Document& document) {
  auto keys = keys_of<Row>(document);
  if (!keys) return tl::unexpected(std::move(keys.error()));
  Fields fields(document, std::move(*keys));
  Row row;
  read_row(fields, row);
  if (!fields.ok()) return tl::unexpected(fields.first_fault());
  return row;
}

template <class Row>
std::string Documents<Row>::key_of(const Row& row) {
  return id_of_row(row);
}

template <class Row>
Document::Ptr Documents<Row>::write(const Row& row) requires(!InTopology<Row>) {
  return document_of(row, key_of(row));
}

template <class Row>
Document::Ptr Documents<Row>::write(const Row& row, std::string_view version) requires InTopology<Row> {
  return document_of(row, fmt::format("{}/{}", version, key_of(row)));
}

template struct Documents<auth::Token>;
template struct Documents<auth::Grant>;
template struct Documents<billing::User>;
template struct Documents<billing::Tariff>;
template struct Documents<billing::Usage>;
template struct Documents<devices::Server>;
template struct Documents<devices::Camera>;
template struct Documents<balance::Report>;
template struct Documents<place::Pattern>;
template struct Documents<place::Partner>;
template struct Documents<place::Group>;
template struct Documents<place::Place>;
template struct Documents<place::Network>;
template struct Documents<place::Node>;

const Collection& leases() {
  // A server whose clock is ahead removes none too early.
  static const Collection collection{"leases", {"rev", "leases"}, {{{"expires_at"}, std::chrono::hours(1)}}};
  return collection;
}

std::span<const Collection* const> collections() {
  static const std::array list{&Documents<auth::Token>::collection(),
                               &Documents<auth::Grant>::collection(),
                               &Documents<billing::User>::collection(),
                               &Documents<billing::Tariff>::collection(),
                               &Documents<billing::Usage>::collection(),
                               &Documents<devices::Server>::collection(),
                               &Documents<devices::Camera>::collection(),
                               &Documents<place::Pattern>::collection(),
                               &Documents<place::Partner>::collection(),
                               &Documents<place::Group>::collection(),
                               &Documents<place::Place>::collection(),
                               &Documents<place::Network>::collection(),
                               &Documents<place::Node>::collection(),
                               &Documents<balance::Report>::collection(),
                               &leases()};
  return list;
}

}  // namespace geo::io::mongo

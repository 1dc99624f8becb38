// Rows as TOML, in the one form that equal content has.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "geo/base/text.h"
#include "geo/io/file.h"
#include "io/file/bytes.h"
#include "io/file/rows.h"
#include "io/file/tables.h"
#include "io/file/written.h"

namespace geo::io {
namespace {

template <class Row>
std::vector<const Row*> in_order(const std::vector<Row>& rows) {
  std::vector<const Row*> order;
  order.reserve(rows.size());
  for (const Row& row : rows) order.push_back(&row);
  std::stable_sort(order.begin(), order.end(), [](const Row* a, const Row* b) { return key_of(*a) < key_of(*b); });
  return order;
}

// ---- rows: what is required is always there, all else where it differs from its default ----

class Keys {
 public:
  explicit Keys(std::string& out) : out_(out) {}

  template <class Value>
  Keys& key(std::string_view name, const Value& value) {
    out_ += name;
    out_ += " = ";
    append(out_, value);
    out_ += '\n';
    return *this;
  }
  template <class Value>
  Keys& key(std::string_view name, const Value& value, const Value& usual) {
    return value == usual ? *this : key(name, value);
  }

 private:
  std::string& out_;
};

template <class Row>
void table(std::string& out, std::string_view name, const std::vector<Row>& rows) {
  static const Row kUsual{};
  Keys keys(out);
  for (const Row* row : in_order(rows)) {
    if (!out.empty()) out += '\n';
    fmt::format_to(std::back_inserter(out), "[[{}]]\n", name);
    write_row(keys, *row, kUsual);
  }
}

template <class Row>
void sort(std::vector<Row>& rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return key_of(a) < key_of(b); });
}

}  // namespace

std::string toml_time(WallTime time) {
  using namespace std::chrono;
  constexpr WallTime kFirst = sys_days(year(0) / January / 1);
  constexpr WallTime kLast = WallTime(sys_days(year(10000) / January / 1)) - microseconds(1);
  time = std::clamp(time, kFirst, kLast);
  std::string out = rfc3339(time);
  const auto fraction = time - floor<seconds>(time);
  if (fraction.count() == 0) return out;
  out.pop_back();
  fmt::format_to(std::back_inserter(out), ".{:06}", fraction.count());
  out.erase(out.find_last_not_of('0') + 1);
  return out + 'Z';
}

void sort_by_key(place::Rows& rows) {
  sort(rows.patterns);
  sort(rows.partners);
  sort(rows.groups);
  sort(rows.places);
  sort(rows.networks);
  sort(rows.nodes);
}

void sort_by_key(Data& data) {
  sort_by_key(data.topology);
  sort(data.tokens);
  sort(data.grants);
  sort(data.users);
  sort(data.tariffs);
  sort(data.usage);
  sort(data.servers);
  sort(data.cameras);
  sort(data.node_states);
}

std::string topology_text(const place::Rows& rows) {
  std::string out;
  table(out, "patterns", rows.patterns);
  table(out, "partners", rows.partners);
  table(out, "groups", rows.groups);
  table(out, "places", rows.places);
  table(out, "networks", rows.networks);
  table(out, "nodes", rows.nodes);
  return out;
}

std::string accounts_text(const Data& data) {
  std::string out;
  table(out, "tokens", data.tokens);
  table(out, "grants", data.grants);
  table(out, "users", data.users);
  table(out, "tariffs", data.tariffs);
  table(out, "usage", data.usage);
  return out;
}

std::string devices_text(const Data& data) {
  std::string out;
  table(out, "servers", data.servers);
  table(out, "cameras", data.cameras);
  return out;
}

std::string states_text(const std::vector<balance::Report>& reports) {
  std::string out;
  table(out, "node_states", reports);
  return out;
}

tl::expected<void, std::string> write_data(const Data& data, const std::filesystem::path& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return tl::make_unexpected(fmt::format("{}: cannot be made: {}", dir.string(), error.message()));
  // What others refer to comes first: devices name users, and partners of the topology.
  const std::string topology = topology_text(data.topology), accounts = accounts_text(data),
                    devices = devices_text(data);
  // The URLs of checks may hold passwords, and hashes of tokens are nobody's business either.
  return replace_files(
      {{dir / "topology.toml", {topology}}, {dir / "accounts.toml", {accounts}}, {dir / "devices.toml", {devices}}},
      0600);
}

tl::expected<void, std::string> write_text(const std::filesystem::path& file, std::string_view text) {
  return replace_file(file, text);
}

}  // namespace geo::io

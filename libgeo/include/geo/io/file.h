// The store in files: topology.toml, accounts.toml, devices.toml, states.toml in one directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "geo/auth.h"
#include "geo/balance.h"
#include "geo/base/export.h"
#include "geo/base/fault.h"
#include "geo/billing.h"
#include "geo/devices.h"
#include "geo/place.h"

namespace geo::io {

// Every row of the store, as values; also what is imported, exported and compared.
struct Data {
  place::Rows topology;
  std::vector<auth::Token> tokens;
  std::vector<auth::Grant> grants;
  std::vector<billing::User> users;
  std::vector<billing::Tariff> tariffs;
  std::vector<billing::Usage> usage;
  std::vector<devices::Server> servers;
  std::vector<devices::Camera> cameras;
  std::vector<balance::Report> node_states;
  bool operator==(const Data&) const = default;
};

// Data as far as it could be read, and every fault of all files in one run: syntax, unknown keys, wrong types, values
// out of range, duplicates, dangling references across files. A missing topology.toml is a fault, a missing
// accounts.toml, devices.toml or states.toml an empty one. Fault::file is `dir / name` as given.
struct ReadData {
  Data data;
  Faults faults;
  bool states_readable = true;  // false: states.toml as a whole could not be read
};
GEO_EXPORT ReadData read_data(const std::filesystem::path& dir);

// states.toml alone (missing: no reports). `nodes`: the topology's, a report for any other is a fault.
struct ReadStates {
  std::vector<balance::Report> reports;  // those that could be read
  Faults faults;
  bool readable = false;  // false: the file as a whole could not be read
};
GEO_EXPORT ReadStates read_states(const std::filesystem::path& file, const std::vector<place::Node>& nodes);

// ---- writing ----

// As TOML, in the one form that equal content has, whatever the order of its rows: rows by key, of what is not required
// only what differs from its default. It reads back equal, but for times outside the years 0 to 9999, which TOML cannot
// write: they become the nearest it can.
GEO_EXPORT std::string topology_text(const place::Rows& rows);
GEO_EXPORT std::string accounts_text(const Data& data);
GEO_EXPORT std::string devices_text(const Data& data);
GEO_EXPORT std::string states_text(const std::vector<balance::Report>& reports);

// The order in which the texts have the rows.
GEO_EXPORT void sort_by_key(place::Rows& rows);
GEO_EXPORT void sort_by_key(Data& data);

// topology.toml, accounts.toml and devices.toml in `dir`, which is made where it is missing; what nodes report,
// states.toml, is left alone. Each file is replaced whole or not at all, that too after a loss of power; none is where
// one cannot be written. New ones are their owner's alone: they hold hashes of tokens. The error names the file.
GEO_EXPORT tl::expected<void, std::string> write_data(const Data& data, const std::filesystem::path& dir);

// Any text in the place of what `file` held: all of it or, where that fails, none. The error names the file.
GEO_EXPORT tl::expected<void, std::string> write_text(const std::filesystem::path& file, std::string_view text);

// ---- comparing ----

// One row that is not in both, or not the same in both.
struct Difference {
  enum class Kind : std::uint8_t { added, removed, changed };
  struct Value {
    std::string key, before, after;  // as TOML has them; empty: not given
    bool operator==(const Value&) const = default;
  };
  Kind kind = Kind::added;
  std::string table, key;     // "cameras", "100-abcdef/0"
  std::vector<Value> values;  // of `changed`
  bool operator==(const Difference&) const = default;
};
// What has to happen to `before` to make it `after`, both by key; node states are not looked at.
GEO_EXPORT std::vector<Difference> differences(const Data& before, const Data& after);

// ---- changes by hand, as geoctl makes them: of the rest of the file no byte changes ----
// Atomic; two at once: one waits. Whatever the file looks like, what was changed is read back before it replaces the
// file. Errors: not_found: no such node, no such token; invalid_config: broken TOML, the row is there twice, or it
// cannot be changed alone; upstream_unavailable: the file cannot be written, and was left as it was.

// Sets `admin` of a node in a topology.toml. false: it was so already, and nothing was written.
GEO_EXPORT Result<bool> set_admin(const std::filesystem::path& file, std::string_view node, place::Admin admin);
// Removes the token's row from an accounts.toml, with the comments on its lines.
GEO_EXPORT Result<void> remove_token(const std::filesystem::path& file, const Digest& sha256);

// ---- the last good topology, for a start while the store is away ----

struct LastGood {
  place::Rows rows;
  std::string version, stamp;  // the store's, of these rows
  WallTime time;               // when they were saved
};

// Shape: a first line `# last_good = { version = "7", stamp = "9f..", time = 2027-01-15T08:00:00Z }`, topology_text(),
// a last line `# sha256 = ` with the digest of all before it. Makes the directory; who saves holds the FileLock of that
// file. The error names the file.
GEO_EXPORT tl::expected<void, std::string> save_last_good(const std::filesystem::path& file, const place::Rows& rows,
                                                          std::string_view version, std::string_view stamp,
                                                          WallTime time);

struct NoLastGood {
  bool missing = false;  // there is no such file; else it is torn, of another kind, or its content is not valid
  std::string why;       // names the file
};
GEO_EXPORT tl::expected<LastGood, NoLastGood> read_last_good(const std::filesystem::path& file);

struct NotKept {
  bool elsewhere = false;  // another process has the right to
  std::string why;         // names the file
};

// The right to save `file`: an flock on FILE.lock, held by one at a time, among processes and within one. It goes with
// the process that holds it; FILE.lock stays.
class GEO_EXPORT FileLock {
 public:
  // Makes FILE.lock and its directory where they are missing.
  static tl::expected<FileLock, NotKept> take(const std::filesystem::path& file);
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// ---- the steps' view ----

// Accounts and devices by key, for the steps. Immutable; its answers are at hand at once and own nothing: whoever asks
// holds the store.
class GEO_EXPORT FileStore final : public auth::Store, public billing::Store, public devices::Store {
 public:
  explicit FileStore(Data data);
  ~FileStore() override;

  Polled<Held<auth::Token>> token(const Digest& sha256, const Moment& at) const override;
  Polled<Held<auth::Rights>> rights(const auth::Owner& owner, std::string_view object_type, std::string_view server,
                                    std::string_view object_id, const Moment& at) const override;
  Polled<Held<auth::Owner>> owner_of(std::string_view server, const Moment& at) const override;
  Polled<Held<billing::User>> user(std::string_view id, const Moment& at) const override;
  Polled<Held<billing::Tariff>> tariff(std::string_view id, const Moment& at) const override;
  Polled<Held<billing::Usage>> usage(std::string_view user, const Moment& at) const override;
  Polled<Held<devices::Server>> server(std::string_view id, const Moment& at) const override;
  Polled<Held<devices::Camera>> camera(std::string_view server, std::string_view id, const Moment& at) const override;

 private:
  struct Tables;
  std::unique_ptr<const Tables> tables_;
};

}  // namespace geo::io

// The store in files: topology.toml, accounts.toml, devices.toml, states.toml in one directory.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
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
};
GEO_EXPORT ReadData read_data(const std::filesystem::path& dir);

// states.toml alone (missing: no reports). `nodes`: the topology's, a report for any other is a fault.
struct ReadStates {
  std::vector<balance::Report> reports;  // those that could be read
  Faults faults;
  bool readable = false;  // false: the file as a whole could not be read
};
GEO_EXPORT ReadStates read_states(const std::filesystem::path& file, const std::vector<place::Node>& nodes);

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

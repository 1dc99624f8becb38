// The one table of geod.toml's keys: reading, unknown keys, the environment, `config show` and keys() all come from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "geo/config.h"
#include "io/file/rules.h"

namespace geo::config {

// Where a key's value lives in a Config.
using Slot =
    std::variant<std::string*, bool*, std::int64_t*, double*, std::vector<std::string>*, std::vector<SigningKey>*>;

struct Key {
  std::string_view section, name;  // "resolver.ip-api", "url"
  Slot (*slot)(Config& config);
  std::string meaning;
  io::TextRule text{};            // a string, or each item of a list
  std::int64_t min = 0, max = 0;  // a number
  bool no_repeats = false;        // of a list
  bool takes_restart = false;     // a geod that runs keeps the old value

  std::string full_name() const;  // "resolver.ip-api.url"
  std::string variable() const;   // "GEO_RESOLVER_IP_API_URL"
  bool is_scalar() const;
  std::string type() const;  // "integer from 1 to 65535"
};

const std::vector<Key>& key_table();
// Null: there is no such key.
const Key* find_key(std::string_view full_name);

// As it stands in a TOML file.
std::string toml_text(const Key& key, Config& config);

// mongodb://user:secret@host -> mongodb://user:***@host
std::string without_password(std::string_view uri);

}  // namespace geo::config

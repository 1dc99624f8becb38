#include <algorithm>
#include <variant>

#include "config/keys.h"
#include "geo/config.h"

namespace geo::config {
namespace {

bool same(const Slot& one, const Slot& other) {
  return std::visit(
      [&]<class T>(T* value) {
        T* const* const theirs = std::get_if<T*>(&other);
        return theirs != nullptr && *value == **theirs;
      },
      one);
}

}  // namespace

bool Differences::spare(std::string_view section) const {
  return std::none_of(keys.begin(), keys.end(),
                      [&](const std::string& key) { return key.starts_with(section) && key[section.size()] == '.'; });
}

Differences differences(const Config& before, const Config& after) {
  Config one = before, other = after;  // slots are for writing too
  Differences found;
  for (const Key& key : key_table()) {
    if (same(key.slot(one), key.slot(other))) continue;
    found.keys.push_back(key.full_name());
    if (key.takes_restart) found.needing_restart.push_back(key.full_name());
  }
  return found;
}

}  // namespace geo::config

// What is wrong in a config or data file, and where.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/export.h"

namespace geo {

// Found by the core, which knows rows and keys but no files. An adapter turns it into a Fault.
struct RowFault {
  std::string table;  // "nodes"
  std::size_t row = 0;
  std::string key;  // "group"; empty: the row itself
  std::string message;
  std::ptrdiff_t item = -1;  // index inside the key's array; -1: the key as a whole

  bool operator==(const RowFault&) const = default;
};

// Shape: `topology.toml:12:9: nodes.group: no group "ru-mks"`. line and col count from 1; 0: the file as a whole.
struct Fault {
  std::string file;
  std::size_t line = 0;
  std::size_t col = 0;
  std::string key;  // TABLE.KEY or SECTION.KEY
  std::string message;

  bool operator==(const Fault&) const = default;
};
using Faults = std::vector<Fault>;

GEO_EXPORT std::string to_string(const Fault& fault);
// {"file":..,"line":..,"col":..,"key":..,"message":..}; line and col are null where it is the file as a whole.
GEO_EXPORT void append_json(std::string& out, const Fault& fault);
// application/problem+json (RFC 9457) of `invalid_config`, with the faults as "faults".
GEO_EXPORT void append_problem(std::string& out, const Faults& faults, std::string_view request_id);
// By file, then position.
GEO_EXPORT void sort(Faults& faults);

}  // namespace geo

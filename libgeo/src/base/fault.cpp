#include "geo/base/fault.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace geo {

std::string to_string(const Fault& fault) {
  const std::string at = fault.line == 0 ? fault.file : fmt::format("{}:{}:{}", fault.file, fault.line, fault.col);
  return fault.key.empty() ? fmt::format("{}: {}", at, fault.message)
                           : fmt::format("{}: {}: {}", at, fault.key, fault.message);
}

void sort(Faults& faults) {
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) {
    return std::tie(a.file, a.line, a.col) < std::tie(b.file, b.line, b.col);
  });
}

}  // namespace geo

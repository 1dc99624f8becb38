// A request's code, as the access log and the metrics tell it: that of its refusal, or which success it was.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "geo/base/error.h"

namespace geod {

// After the refusals, which keep their numbers.
enum class Code : std::uint8_t { ok = geo::kErrorTable.size(), redirect };
inline constexpr std::size_t kCodeCount = geo::kErrorTable.size() + 2;

constexpr Code code_of(geo::ErrorCode refusal) { return static_cast<Code>(refusal); }
constexpr std::string_view name_of(Code code) {
  if (code == Code::ok) return "ok";
  return code == Code::redirect ? "redirect" : geo::name_of(static_cast<geo::ErrorCode>(code));
}

}  // namespace geod

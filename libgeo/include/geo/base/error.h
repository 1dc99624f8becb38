// The one table of all refusals: code, HTTP status, exit status of geoctl. Everything that answers reads it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "geo/base/export.h"

namespace geo {

// An enumerator's name is the code on the wire: ErrorCode::token_expired is "token_expired" everywhere.
enum class ErrorCode : std::uint8_t {
  bad_request,
  missing_token,
  token_unknown,
  token_expired,
  forbidden,
  payment_required,
  format_not_in_tariff,
  limit_exceeded,
  not_found,
  offline,
  format_unavailable,
  no_node,
  reserved_address,
  unknown_address,
  upstream_unavailable,
  deadline_exceeded,
  invalid_config,
  no_such_path,
  method_not_allowed,
  rate_limited,
  internal,
};

// The header that goes with the status.
enum class ErrorHeader : std::uint8_t { none, www_authenticate, retry_after, allow };

struct ErrorRow {
  ErrorCode code;
  std::string_view name;
  std::string_view title;  // for people; the `title` of the problem body
  int http_status;
  int exit_status;  // of geoctl; -1: geoctl never meets it
  ErrorHeader header;
};

inline constexpr int kExitOk = 0;
inline constexpr int kExitInternal = 1;
inline constexpr int kExitUsage = 2;        // arguments, config or data are wrong
inline constexpr int kExitCheckFailed = 6;  // a check did not hold: data validate, config check, verify

inline constexpr std::array kErrorTable{
    ErrorRow{ErrorCode::bad_request, "bad_request", "Bad request", 400, 2, ErrorHeader::none},
    ErrorRow{ErrorCode::missing_token, "missing_token", "Token missing", 401, 3, ErrorHeader::www_authenticate},
    ErrorRow{ErrorCode::token_unknown, "token_unknown", "Token unknown", 401, 3, ErrorHeader::www_authenticate},
    ErrorRow{ErrorCode::token_expired, "token_expired", "Token expired", 401, 3, ErrorHeader::www_authenticate},
    ErrorRow{ErrorCode::forbidden, "forbidden", "Not allowed", 403, 3, ErrorHeader::none},
    ErrorRow{ErrorCode::payment_required, "payment_required", "Payment required", 402, 3, ErrorHeader::none},
    ErrorRow{ErrorCode::format_not_in_tariff, "format_not_in_tariff", "Format not in the tariff", 403, 3,
             ErrorHeader::none},
    ErrorRow{ErrorCode::limit_exceeded, "limit_exceeded", "Concurrent streams used up", 429, 3,
             ErrorHeader::retry_after},
    ErrorRow{ErrorCode::not_found, "not_found", "Not found", 404, 4, ErrorHeader::none},
    ErrorRow{ErrorCode::offline, "offline", "Offline", 409, 4, ErrorHeader::none},
    ErrorRow{ErrorCode::format_unavailable, "format_unavailable", "Format unavailable", 406, 4, ErrorHeader::none},
    ErrorRow{ErrorCode::no_node, "no_node", "No node can serve", 503, 4, ErrorHeader::retry_after},
    ErrorRow{ErrorCode::reserved_address, "reserved_address", "Reserved address", 404, 4, ErrorHeader::none},
    ErrorRow{ErrorCode::unknown_address, "unknown_address", "Unknown address", 404, 4, ErrorHeader::none},
    ErrorRow{ErrorCode::upstream_unavailable, "upstream_unavailable", "Upstream unavailable", 503, 5,
             ErrorHeader::retry_after},
    ErrorRow{ErrorCode::deadline_exceeded, "deadline_exceeded", "Deadline exceeded", 504, 5, ErrorHeader::none},
    ErrorRow{ErrorCode::invalid_config, "invalid_config", "Invalid configuration", 422, 2, ErrorHeader::none},
    ErrorRow{ErrorCode::no_such_path, "no_such_path", "No such path", 404, -1, ErrorHeader::none},
    ErrorRow{ErrorCode::method_not_allowed, "method_not_allowed", "Method not allowed", 405, -1, ErrorHeader::allow},
    ErrorRow{ErrorCode::rate_limited, "rate_limited", "Too many requests", 429, -1, ErrorHeader::retry_after},
    ErrorRow{ErrorCode::internal, "internal", "Internal error", 500, 1, ErrorHeader::none},
};

static_assert(
    [] {
      if (kErrorTable.size() != static_cast<std::size_t>(ErrorCode::internal) + 1) return false;
      for (std::size_t i = 0; i < kErrorTable.size(); ++i)
        if (static_cast<std::size_t>(kErrorTable[i].code) != i || kErrorTable[i].name.empty()) return false;
      return true;
    }(),
    "kErrorTable has one row per ErrorCode, in the enum's order");

constexpr const ErrorRow& row_of(ErrorCode code) { return kErrorTable[static_cast<std::size_t>(code)]; }
constexpr std::string_view name_of(ErrorCode code) { return row_of(code).name; }

// The code of that wire name; nothing for a name the table does not have.
constexpr std::optional<ErrorCode> error_code_of(std::string_view name) {
  for (const ErrorRow& row : kErrorTable)
    if (row.name == name) return row.code;
  return std::nullopt;
}

}  // namespace geo

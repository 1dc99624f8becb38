// What a step answers: a value, a refusal, or - when it may not wait - nothing yet.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "geo/base/error.h"
#include "geo/base/export.h"

namespace geo {

// A refusal, told to the client word for word: `detail` holds no secret and nothing the client may not know.
struct Denial {
  ErrorCode code = ErrorCode::internal;
  std::string detail;
  std::chrono::seconds retry_after{1};  // sent where the code's row says so

  bool operator==(const Denial&) const = default;
};

// Is that refusal an upstream's trouble, which is not kept, or an answer like any other ("unknown"), which is?
constexpr bool is_failure(ErrorCode code) {
  return code == ErrorCode::upstream_unavailable || code == ErrorCode::deadline_exceeded || code == ErrorCode::internal;
}

template <class T>
using Result = tl::expected<T, Denial>;

inline tl::unexpected<Denial> deny(ErrorCode code, std::string detail,
                                   std::chrono::seconds retry_after = std::chrono::seconds{1}) {
  return tl::unexpected<Denial>(Denial{code, std::move(detail), retry_after});
}

// A port's answer. Nothing: it is not at hand, and Wait::never() forbade waiting for it.
template <class T>
using Polled = std::optional<Result<T>>;

// The problem body of RFC 9457: {"title","status","code","detail","request_id"}, and "ip" where it stands for an
// address among others. request_id: null where there is none. status: of the answer where that is not the code's.
GEO_EXPORT void append_problem(std::string& out, const Denial& denial, std::string_view request_id,
                               std::string_view ip = {}, int status = 0);

}  // namespace geo

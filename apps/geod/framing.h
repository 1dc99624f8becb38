// Where a request ends, and what its head says: RFC 9112 to the letter, for whoever reads it in another way would be
// smuggled past. Bare line feeds end lines too, and empty lines before a request are passed over, as it allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "exchange.h"

namespace geod {

// The request line with all fields: a token of 4096 characters, each percent-encoded, and the usual ones beside it.
inline constexpr std::size_t kHeadMax = 32768;

// How long the head is that `text` begins with, the empty line included; nothing: it is not all there.
// scanned: how far earlier calls got with the same text; 0 at first.
std::optional<std::size_t> head_size(std::string_view text, std::size_t& scanned);

// The empty lines that `text` begins with, as bytes.
std::size_t empty_lines(std::string_view text);

// Why a request is not taken. The connection ends after it: what follows cannot be trusted.
struct Refusal {
  geo::Denial denial;
  int status = 400;  // 414, 431 and 505 have no code of their own
};

// One whose head is longer than kHeadMax, as far as it has come.
Refusal too_large(std::string_view text);

// Reads `in.head`, and what it says of a body: nothing is taken where body_max is 0, nor of a GET or HEAD.
std::optional<Refusal> read_head(Incoming& in, std::size_t body_max);

// Takes what `text` has of the body away from its front, into `in.body`; see Incoming::Body.
std::optional<Refusal> read_body(Incoming& in, std::string_view& text, std::size_t body_max);

}  // namespace geod

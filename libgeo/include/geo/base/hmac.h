// SHA-256 and HMAC-SHA256 by OpenSSL, and the secrets they use.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/export.h"

namespace geo {

using Digest = std::array<std::uint8_t, 32>;

GEO_EXPORT Digest sha256(std::string_view text);

// Takes as long for any two digests.
GEO_EXPORT bool equal_in_constant_time(const Digest& a, const Digest& b);

// A key for HMAC-SHA256 (RFC 2104), kept as the two SHA-256 states after the padded key: a signature costs two
// compressions less, and the secret itself is not kept. Not printable; wiped when it goes.
// Threads: sign() may be called by any number at once.
class GEO_EXPORT HmacKey {
 public:
  // Copies nothing: `secret` is read here and should be wiped by its owner (see wipe()).
  explicit HmacKey(const std::vector<std::uint8_t>& secret);
  ~HmacKey();
  HmacKey(HmacKey&&) noexcept;
  HmacKey& operator=(HmacKey&&) noexcept;

  // HMAC(first + second): two pieces, so that a caller need not join them.
  Digest sign(std::string_view first, std::string_view second = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

GEO_EXPORT void wipe(std::vector<std::uint8_t>& secret);
GEO_EXPORT void wipe(std::string& secret);

}  // namespace geo

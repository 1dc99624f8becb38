#include "geo/base/hmac.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

// SHA256_Init and its like are deprecated in OpenSSL 3, but they alone let a state be copied without allocating and
// without a look-up of the algorithm per call: a signature from two kept states costs half of EVP_MAC re-initialised.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace geo {

struct HmacKey::State {
  SHA256_CTX inner, outer;
};

Digest sha256(std::string_view text) {
  Digest digest;
  SHA256_CTX state;
  SHA256_Init(&state);
  SHA256_Update(&state, text.data(), text.size());
  SHA256_Final(digest.data(), &state);
  return digest;
}

bool equal_in_constant_time(const Digest& a, const Digest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

HmacKey::HmacKey(const std::vector<std::uint8_t>& secret) : state_(std::make_unique<State>()) {
  std::array<std::uint8_t, SHA256_CBLOCK> block{};
  if (secret.size() > block.size()) {
    Digest digest = sha256({reinterpret_cast<const char*>(secret.data()), secret.size()});
    std::copy(digest.begin(), digest.end(), block.begin());
    OPENSSL_cleanse(digest.data(), digest.size());
  } else {
    std::copy(secret.begin(), secret.end(), block.begin());
  }
  for (std::uint8_t& byte : block) byte ^= 0x36;
  SHA256_Init(&state_->inner);
  SHA256_Update(&state_->inner, block.data(), block.size());
  for (std::uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
  SHA256_Init(&state_->outer);
  SHA256_Update(&state_->outer, block.data(), block.size());
  OPENSSL_cleanse(block.data(), block.size());
}

HmacKey::~HmacKey() {
  if (state_) OPENSSL_cleanse(state_.get(), sizeof *state_);
}
HmacKey::HmacKey(HmacKey&&) noexcept = default;
HmacKey& HmacKey::operator=(HmacKey&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Digest HmacKey::sign(std::string_view first, std::string_view second) const {
  Digest digest;
  SHA256_CTX state = state_->inner;
  SHA256_Update(&state, first.data(), first.size());
  SHA256_Update(&state, second.data(), second.size());
  SHA256_Final(digest.data(), &state);
  state = state_->outer;
  SHA256_Update(&state, digest.data(), digest.size());
  SHA256_Final(digest.data(), &state);
  ::explicit_bzero(&state, sizeof state);
  return digest;
}

void wipe(std::vector<std::uint8_t>& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}
void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace geo

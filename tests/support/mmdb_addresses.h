// Addresses to ask a MaxMind DB file for.
#pragma once

#include <random>
#include <vector>

#include "geo/base/ip.h"
#include "mmdb_reference.h"

namespace geo::test {

class MmdbAddresses {
 public:
  explicit MmdbAddresses(const MmdbReference& file, unsigned seed = 1)
      : bits_(file.bits()), networks_(file.networks()), dice_(seed) {}

  // Anywhere: all of IPv4, the IPv6 that is given out (2000::/3).
  Ip anywhere_v4() {
    const std::uint32_t bits = static_cast<std::uint32_t>(dice_());
    return Ip::v4(bytes_of(bits).data());
  }
  Ip anywhere_v6() {
    Bytes bytes = random();
    bytes[0] = static_cast<std::uint8_t>(0x20 | (bytes[0] & 0x1f));
    return Ip::v6(bytes.data());
  }
  bool has_networks() const { return !networks_.empty(); }
  // In one of the file's networks, each as likely as the other; with `edges` its first or last, or the one before or
  // behind it.
  Ip inside(bool edges = false) {
    const MmdbReference::Network& network = networks_[dice_() % networks_.size()];
    Bytes bytes = network.first;
    const Bytes host = random();
    const unsigned which = edges ? static_cast<unsigned>(dice_() % 4) : 4;
    for (unsigned bit = network.prefix; bit < bits_; ++bit) {
      const bool set = which == 4 ? (host[bit / 8] >> (7 - bit % 8) & 1) != 0 : which == 1 || which == 3;
      if (set) bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | 0x80U >> bit % 8);
    }
    if (which == 2) step(bytes, 0xff);
    if (which == 3) step(bytes, 1);
    return bits_ == 32 ? Ip::v4(bytes.data()) : Ip::v6(bytes.data());
  }

 private:
  using Bytes = std::array<std::uint8_t, 16>;
  static std::array<std::uint8_t, 4> bytes_of(std::uint32_t bits) {
    return {static_cast<std::uint8_t>(bits >> 24), static_cast<std::uint8_t>(bits >> 16),
            static_cast<std::uint8_t>(bits >> 8), static_cast<std::uint8_t>(bits)};
  }
  Bytes random() {
    Bytes bytes;
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(dice_());
    return bytes;
  }
  // Adds one (by: 1) or takes one (0xff).
  void step(Bytes& bytes, std::uint8_t by) const {
    for (unsigned i = bits_ / 8; i-- > 0;) {
      bytes[i] = static_cast<std::uint8_t>(bytes[i] + by);
      if (bytes[i] != (by == 1 ? 0 : 0xff)) return;  // nothing to carry
    }
  }

  unsigned bits_;
  std::vector<MmdbReference::Network> networks_;
  std::mt19937_64 dice_;
};

}  // namespace geo::test

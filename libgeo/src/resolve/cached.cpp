#include <utility>

#include "geo/resolve.h"

namespace geo::resolve {
namespace {

// 64:ff9b::/96, RFC 6052: the IPv4 Internet as IPv6 hosts see it.
bool holds_ipv4(const Ip& ip) { return ip.high() == 0x0064ff9b00000000 && ip.low() >> 32 == 0; }

constexpr std::uint64_t kMappedLow = 0xffff00000000;  // ::ffff:0:0

std::uint64_t mixed(std::uint64_t x) {
  // The finalizer of MurmurHash3 (Appleby, public domain).
  x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
  return x ^ x >> 33;
}

}  // namespace

PlaceKey PlaceKey::of(const Ip& ip, std::uint8_t upstream, unsigned hops) {
  const bool whole = ip.is_v4() || holds_ipv4(ip);
  return {ip.high(), whole ? ip.low() : 0, upstream, static_cast<std::uint8_t>(std::min(hops, 255U))};
}

Ip PlaceKey::ip() const {
  std::array<std::uint8_t, 16> bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return Ip::v6(bytes.data());
}

std::size_t PlaceKey::Hash::operator()(const PlaceKey& key) const {
  return mixed(key.high + mixed(key.low + (std::uint64_t{key.upstream} << 56) + (std::uint64_t{key.hops} << 48)));
}

Cached::Cached(std::shared_ptr<const Upstream> upstream, std::shared_ptr<PlaceCache> cache, std::uint8_t number,
               std::chrono::milliseconds budget)
    : upstream_(std::move(upstream)), cache_(std::move(cache)), number_(number), budget_(budget) {}

Polled<Located> Cached::locate(const Query& query) const {
  const auto hit = cache_->get(PlaceKey::of(query.ip, number_, query.hops), query.now, query.wait,
                               [this](PlaceCache::Load load) { upstream_->ask(std::move(load), budget_); });
  if (!hit) return std::nullopt;
  const PlaceCache::Entry& entry = *hit->entry;
  if (!entry.answer) return tl::unexpected<Denial>(entry.answer.error());
  Located located{{hit->entry, &*entry.answer}, name(), From::provider, {}, nullptr};
  // What came in since the request came was asked for it, or for another one at the same time.
  if (hit->from == PlaceCache::Hit::From::stale) located.from = From::stale;
  if (hit->from == PlaceCache::Hit::From::cache) located.from = From::cache;
  if (entry.fresh_until > query.now)
    located.left = std::chrono::duration_cast<std::chrono::seconds>(entry.fresh_until - query.now);
  return located;
}

}  // namespace geo::resolve

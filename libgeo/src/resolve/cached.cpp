#include <algorithm>
#include <utility>

#include "geo/resolve.h"

namespace geo::resolve {
namespace {

// 64:ff9b::/96, RFC 6052: the IPv4 Internet as IPv6 hosts see it.
bool holds_ipv4(const Ip& ip) { return ip.high() == 0x0064ff9b00000000 && ip.low() >> 32 == 0; }

// What of the lower half tells networks apart.
std::uint64_t low_of_network(const Ip& ip) { return ip.is_v4() || holds_ipv4(ip) ? ip.low() : 0; }

}  // namespace

bool PlaceKey::operator==(const PlaceKey& other) const {
  return ip.high() == other.ip.high() && low_of_network(ip) == low_of_network(other.ip) && upstream == other.upstream &&
         hops == other.hops;
}

// No more than one number of the parts: the cache spreads it, and keeps from others which keys meet.
std::size_t PlaceKey::Hash::operator()(const PlaceKey& key) const {
  const std::uint64_t who = std::uint64_t{key.upstream} << 56 | std::uint64_t{key.hops} << 48;
  return key.ip.high() * 0x9e3779b97f4a7c15 + (low_of_network(key.ip) ^ who);
}

Cached::Cached(std::shared_ptr<const Upstream> upstream, std::shared_ptr<PlaceCache> cache, std::uint8_t number,
               std::chrono::milliseconds budget)
    : upstream_(std::move(upstream)), cache_(std::move(cache)), number_(number), budget_(budget) {}

Polled<Located> Cached::locate(const Query& query) const {
  const auto hops = static_cast<std::uint8_t>(std::min(query.hops, 255U));
  const auto hit = cache_->get(
      PlaceKey{query.ip, number_, hops}, query.now, query.wait,
      [this](PlaceCache::Load load) { upstream_->ask(std::move(load), budget_); }, query.aside);
  if (!hit) return std::nullopt;
  const PlaceCache::Entry& entry = *hit->entry;
  if (!entry.answer) return tl::unexpected<Denial>(entry.answer.error());
  Located located{{hit->entry, &*entry.answer}, name(), From::upstream, {}, nullptr};
  if (hit->from == PlaceCache::Hit::From::stale) located.from = From::stale;
  if (hit->from == PlaceCache::Hit::From::cache) located.from = From::cache;
  const auto left = std::chrono::floor<std::chrono::seconds>(entry.fresh_until - query.now);
  located.left = std::max(left, std::chrono::seconds{0});
  return located;
}

}  // namespace geo::resolve

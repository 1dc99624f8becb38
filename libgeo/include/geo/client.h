// Who asks: the client's address, from the connection or from proxies that are trusted to tell it.
#pragma once

#include <string_view>
#include <vector>

#include "geo/base/export.h"
#include "geo/base/ip.h"

namespace geo::client {

// Threads: immutable.
class GEO_EXPORT TrustedProxies {
 public:
  explicit TrustedProxies(const std::vector<Cidr>& networks = {});
  bool contains(const Ip& ip) const { return networks_.find(ip).has_value(); }

 private:
  PrefixMap networks_;
};

// forwarded, x_forwarded_for: the header's lines joined with commas in their order; empty: not sent. Both count only if
// `peer` is trusted, `Forwarded` (RFC 7239) before `X-Forwarded-For`; they are walked from the right to the first
// address that is not trusted. An entry that is no address ends the walk: the last good one is the client.
GEO_EXPORT Ip address_of(const Ip& peer, std::string_view forwarded, std::string_view x_forwarded_for,
                         const TrustedProxies& trusted);

// 1-64 of A-Z a-z 0-9 . _ -
GEO_EXPORT bool is_request_id(std::string_view text);

}  // namespace geo::client

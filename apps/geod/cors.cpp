#include "cors.h"

#include <algorithm>

namespace geod {

Cors::Cors(std::vector<std::string> origins)
    : origins_(std::move(origins)), any_(std::find(origins_.begin(), origins_.end(), "*") != origins_.end()) {}

void Cors::decorate(Exchange& exchange) const {
  if (origins_.empty()) return;
  Answer& out = exchange.out;
  if (any_) {
    out.header("Access-Control-Allow-Origin", "*");
  } else {
    out.header("Vary", "Origin");
    const std::string_view origin = exchange.in.headers[Known::origin];
    if (std::find(origins_.begin(), origins_.end(), origin) == origins_.end()) return;
    out.header("Access-Control-Allow-Origin", origin);
  }
  out.header("Access-Control-Expose-Headers", "Location, X-Request-Id, Retry-After");
}

void Cors::preflight(Exchange& exchange) {
  exchange.out.header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
  exchange.out.header("Access-Control-Allow-Headers", "Authorization");
  exchange.out.header("Access-Control-Max-Age", "600");
}

}  // namespace geod

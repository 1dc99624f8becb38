#include "geo/base/text.h"
#include "geo/resolve.h"

namespace geo::resolve {

Polled<Located> Resolver::locate(const Query& query) const {
  const bool reserved = is_reserved(query.ip);
  std::optional<Denial> trouble;
  for (const std::shared_ptr<const Provider>& provider : providers_) {
    if (reserved && provider->name() != Networks::kName) continue;
    Polled<Located> answer = provider->locate(query);
    if (!answer || *answer) return answer;
    if (answer->error().code == ErrorCode::upstream_unavailable) trouble = answer->error();
  }
  if (reserved) return deny(ErrorCode::reserved_address, query.ip.to_string() + " is not globally reachable");
  if (trouble) return tl::unexpected<Denial>(*trouble);
  return deny(ErrorCode::unknown_address, "no provider knows " + query.ip.to_string());
}

void append_json(std::string& out, const Ip& ip, const Located& located) {
  Json json(out);
  json.open('{').field("ip", ip.to_string());
  place::append_fields(json, *located.location);
  json.field("provider", located.provider).field("cached", located.cached()).close('}');
}

}  // namespace geo::resolve

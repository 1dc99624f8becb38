#include <algorithm>

#include "geo/base/text.h"
#include "geo/resolve.h"

namespace geo::resolve {
namespace {

bool is_complete(const place::Location& at) {
  return !at.country_code.empty() && !at.region_iso.empty() && !at.region.empty() && !at.city.empty() && at.coordinates;
}

// What `answer` does not know is taken from `other`, if they are about the same country.
void fill(Located& answer, const Located& other) {
  const place::Location &known = *answer.location, &more = *other.location;
  if (known.country_code != more.country_code) return;
  place::Location both = known;
  const auto take = [](std::string& to, const std::string& from) {
    if (to.empty()) to = from;
  };
  take(both.region_iso, more.region_iso);
  take(both.region, more.region);
  take(both.city, more.city);
  if (!both.coordinates) both.coordinates = more.coordinates;
  if (both == known) return;
  answer.location = std::make_shared<const place::Location>(std::move(both));
  answer.grouped = nullptr;
  answer.from = std::max(answer.from, other.from);
  if (other.left) answer.left = std::min(*other.left, answer.left.value_or(*other.left));
}

// Of the refusals on the way the one that says most: a reserved address is reserved whoever else was asked, and where
// one could not be asked nobody can say that the address is unknown.
void keep(std::optional<Denial>& told, Denial&& denial) {
  const auto weight = [](ErrorCode code) {
    if (code == ErrorCode::reserved_address) return 2;
    return is_failure(code) ? 1 : 0;
  };
  if (!told || weight(denial.code) > weight(told->code) ||
      (is_failure(denial.code) && is_failure(told->code) && denial.retry_after < told->retry_after))
    told = std::move(denial);
}

}  // namespace

Resolver::Resolver(std::vector<std::shared_ptr<const Provider>> providers, Settings settings)
    : providers_(std::move(providers)),
      settings_(settings),
      upstreams_(std::count_if(providers_.begin(), providers_.end(), [](const auto& p) { return p->is_upstream(); })) {}

Polled<Located> Resolver::locate(const Query& query) const {
  const bool reserved = !settings_.far_decides && is_reserved(query.ip);
  std::ptrdiff_t asked = 0;
  std::optional<Located> answer;
  std::optional<Denial> told;
  for (const std::shared_ptr<const Provider>& provider : providers_) {
    if (reserved && provider->name() != Networks::kName) continue;
    Query next = query;
    if (provider->is_upstream() && query.wait.allowed()) {
      // Each upstream has an equal part of the time, and what those before it left.
      const MonotonicTime share = query.now + settings_.budget * ++asked / upstreams_;
      next.wait = Wait::until(std::min(query.wait.deadline(), share));
    }
    Polled<Located> found = provider->locate(next);
    if (!found && !query.wait.allowed()) return std::nullopt;
    if (!found) {
      keep(told, {ErrorCode::upstream_unavailable, std::string(provider->name()) + " did not answer in time"});
      continue;
    }
    if (!*found) {
      keep(told, std::move(found->error()));
      continue;
    }
    // A row of `networks` may tell of a group alone, and a far resolver that decides may have such rows.
    if ((*found)->location->empty() && provider->is_upstream() && !settings_.far_decides) continue;
    if (!answer)
      answer = std::move(**found);
    else
      fill(*answer, **found);
    if (!settings_.complete || answer->location->country_code.empty() || is_complete(*answer->location)) break;
  }
  if (answer) return std::move(*answer);
  if (reserved || (told && told->code == ErrorCode::reserved_address))
    return deny(ErrorCode::reserved_address, query.ip.to_string() + " is not globally reachable");
  if (told && is_failure(told->code)) return tl::unexpected<Denial>(std::move(*told));
  return deny(ErrorCode::unknown_address, "no provider knows " + query.ip.to_string());
}

void append_json(std::string& out, const Ip& ip, const Located& located) {
  Json json(out);
  json.open('{').field("ip", ip.to_string());
  place::append_fields(json, *located.location);
  json.field("provider", located.provider).field("cached", located.cached()).close('}');
}

}  // namespace geo::resolve

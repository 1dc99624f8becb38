// What upstreams' answers say, read strictly: whatever is not as agreed is an error.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "geo/auth.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "geo/place.h"
#include "io/threads/loads.h"

namespace geo::io::http {

template <class T>
using Read = tl::expected<T, std::string>;  // the error is for people and holds nothing of the answer

// What a call for several addresses brought, in their order, each read for itself.
using Locations = io::Entries<place::Location>;

// "application/json", "application/problem+json"; a charset other than UTF-8 is none.
bool is_json(std::string_view content_type);

// max-age of "private, max-age=3600"; 0 with no-store or no-cache.
std::optional<std::chrono::seconds> max_age(std::string_view cache_control);

// Seconds, at least one and an hour at most; one where it says nothing of the kind.
std::chrono::seconds retry_after(std::string_view header);

// ---- refusals in the contract's form ----

// {"code":"unknown_address",..}: a code of the contract, of that status.
Read<ErrorCode> read_problem(std::string_view body, int status);

// Whoever says that is well itself, and cannot tell of this one, or to this client, now.
bool is_passing(ErrorCode code);

// ---- remote: GET, POST /resolve ----

// {"ip":"77.88.55.60","country_code":"RU","region_iso":"MOW","region":"Moscow","city":"Москва",
//  "coordinates":[55.75,37.61],"provider":"maxmind","cached":false}, about `ip`.
Read<place::Location> read_resolved(std::string_view body, const Ip& ip);

// {"locations":[..]}: in the order of `ips`, each read for itself: as above, or {"ip":..,"status":..,"code":..}. A code
// that says nothing about the address is upstream_unavailable.
Read<Locations> read_resolved_batch(std::string_view body, const std::vector<Ip>& ips);

// ---- auth-server: POST /authorize ----

struct Decision {
  auth::Owner owner;
  std::optional<WallTime> expires_at;           // of the token; nothing: no end
  std::optional<std::chrono::seconds> max_age;  // a year at most; nothing: it says nothing
};
// {"owner_type":"user","owner_id":"u1","expires_at":"2030-01-01T00:00:00Z","max_age_s":60}; the last two may be
// missing.
Read<Decision> read_decision(std::string_view body);

// ---- ip-api: GET /json/{ip}, POST /batch ----

// {"status":"success","countryCode":"RU","region":"MOW","regionName":"Moscow","city":"Moscow","lat":55.75,"lon":37.61,
//  "query":"77.88.55.60"} or {"status":"fail","message":"private range","query":"10.0.0.1"}, about `ip`.
Read<Result<place::Location>> read_ip_api(std::string_view body, const Ip& ip);

// An array of such, matched by `query`: in the order of `ips`, each read for itself.
Read<Locations> read_ip_api_batch(std::string_view body, const std::vector<Ip>& ips);

}  // namespace geo::io::http

// What upstreams answer: whatever it is, what is read of it is in the agreed form.
#include <algorithm>

#include "fuzz.h"
#include "geo/base/text.h"
#include "io/http/answers.h"

using namespace geo;
using namespace geo::io::http;

namespace {

void holds(const place::Location& at) {
  const std::string& country = at.country_code;
  require(country.empty() || (country.size() == 2 && std::all_of(country.begin(), country.end(),
                                                                 [](char c) { return c >= 'A' && c <= 'Z'; })));
  require(at.region_iso.empty() || place::is_region_iso(at.region_iso));
  for (const std::string* text : {&at.region, &at.city}) {
    require(text->size() <= 256);
    for (std::size_t i = 0; i < text->size();) {
      const Utf8 c = utf8_at(*text, i);
      require(c.size > 0 && c.code >= 0x20 && c.code != 0x7f);
      i += c.size;
    }
  }
  if (at.coordinates) {
    require(at.coordinates->latitude >= -90 && at.coordinates->latitude <= 90);
    require(at.coordinates->longitude >= -180 && at.coordinates->longitude <= 180);
  }
}

bool is_about_address(ErrorCode code) {
  return code == ErrorCode::unknown_address || code == ErrorCode::reserved_address;
}

void holds(const Read<Result<place::Location>>& read) {
  if (!read) return require(!read.error().empty());
  if (*read) {
    require(!(*read)->empty());
    return holds(**read);
  }
  require(is_about_address(read->error().code));
}

}  // namespace

void fuzz(std::string_view input) {
  static const std::vector<Ip> kIps{*Ip::parse("77.88.55.60"), *Ip::parse("2001:db8::")};
  if (const auto at = read_resolved(input, kIps[0])) holds(*at);
  if (const auto batch = read_resolved_batch(input, kIps)) {
    require(batch->size() == kIps.size());
    for (const auto& each : *batch) {
      if (!each)
        require(!each.error().empty());
      else if (*each)
        holds(**each);
      else
        require(is_about_address(each->error().code) || each->error().code == ErrorCode::upstream_unavailable);
    }
  }
  if (const auto decision = read_decision(input)) {
    require(is_id(decision->owner.type) && is_id(decision->owner.id));
    if (decision->max_age) require(decision->max_age->count() >= 0 && decision->max_age->count() <= 365 * 86400);
  }
  require(retry_after(input).count() >= 1 && retry_after(input).count() <= 3600);
  if (const auto code = read_problem(input, 503)) require(row_of(*code).http_status == 503);
  holds(read_ip_api(input, kIps[0]));
  if (const auto batch = read_ip_api_batch(input, kIps)) {
    require(batch->size() == kIps.size());
    for (const auto& each : *batch) holds(each);
  }
  is_json(input);
  if (const auto age = max_age(input)) require(age->count() >= 0 && age->count() <= 365 * 86400);
}

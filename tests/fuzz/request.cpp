// The request's parameters and the proxies' headers: whatever comes, a Request or a refusal that names a parameter.
#include "fuzz.h"

#include "geo/base/text.h"
#include "geo/client.h"
#include "geo/redirect.h"

void fuzz(std::string_view input) {
  // first line: Authorization, second: Accept, third: forwarding header, the rest: path and query
  std::string_view lines[3];
  for (std::string_view& line : lines) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  geo::redirect::RawRequest raw;
  const std::size_t question = std::min(input.find('?'), input.size());
  raw.path = input.substr(0, question);
  raw.query = input.substr(std::min(question + 1, input.size()));
  if (!lines[0].empty()) raw.authorization = lines[0];
  raw.accept = lines[1];
  static const std::vector<std::string> passed{"lang", "q"};
  geo::redirect::Request request;
  const auto result = geo::redirect::parse_request(raw, passed, request);
  if (result) {
    require(geo::is_id(request.server) && geo::is_id(request.camera));
    require(geo::auth::is_well_formed(request.token));
    require(request.excluded <= geo::redirect::kExcludeMax);
    for (const std::string_view id : request.exclude()) require(geo::is_id(id));
  } else {
    require(result.error().code == geo::ErrorCode::bad_request || result.error().code == geo::ErrorCode::missing_token);
    require(!result.error().detail.empty());
  }
  static const geo::client::TrustedProxies trusted({*geo::Cidr::parse("10.0.0.0/8")});
  const geo::Ip peer = *geo::Ip::parse("10.0.0.1");
  geo::client::address_of(peer, lines[2], "", trusted);
  geo::client::address_of(peer, "", lines[2], trusted);
}

// Parameters of a query, for the listeners that take few.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "geo/base/ip.h"
#include "geo/base/result.h"

namespace geod {

// Decoded; nothing: it is not there. Errors: bad_request naming it, where it is empty, given twice or badly encoded.
geo::Result<std::optional<std::string>> parameter_of(std::string_view query, std::string_view name);

// The parameter `ip`, which has to be there.
geo::Result<geo::Ip> ip_of(std::string_view query);

}  // namespace geod

// What the body of a check's 200 says of the node.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "geo/balance.h"

namespace geo::io::checks {

// {"sessions":120,"load":0.4,"online":true}: any of them, within the ranges of a row of node_states, and whatever else.
// Nothing: it is no report, as most health pages are none.
std::optional<balance::Report> read_report(std::string_view body, const std::string& node, WallTime now);

}  // namespace geo::io::checks

// /metrics: what geod counts, in Prometheus' text format. Read when it is asked for: requests pay nothing for it.
#pragma once

#include <string>

#include "geo/compose.h"
#include "status.h"

namespace geod {

void append_metrics(std::string& out, const geo::compose::World& world, const Now& now);

}  // namespace geod

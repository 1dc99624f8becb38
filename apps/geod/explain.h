// /explain: what a client would get, and how it comes about - the redirect's own code, by one who only looks.
#pragma once

#include "exchange.h"

namespace geod {

// Checks what is asked and leaves it in `exchange.request`, to be decided by explain(). Without the header
// X-Client-Token the steps go up to select, and the camera may be left out.
// Errors: bad_request, naming the parameter; upstream_unavailable where there is no topology.
geo::Result<void> parse_explain(Exchange& exchange, const geo::compose::World& world);

// Writes the trace into the answer's body. Waits, until the request's deadline.
void explain(Exchange& exchange, const geo::compose::World& world, const geo::Clock& clock);

}  // namespace geod

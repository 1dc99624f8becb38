// Who may ask the admin listener for what.
#pragma once

#include "exchange.h"
#include "geo/compose.h"

namespace geod {

// Whoever shows the token of [admin] token_file; where there is none, whoever gets here. False: refused.
bool shows_admin_token(Exchange& exchange, const geo::compose::World& world);

// Not a browser that another site's page sends: a name that is made to point here (DNS rebinding) is no excuse, unless
// the token was shown. False: refused.
bool is_from_here(Exchange& exchange, const geo::compose::World& world);

}  // namespace geod

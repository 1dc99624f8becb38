// Who may ask the admin listener for what, and who was refused.
#pragma once

#include <cstdint>
#include <string>

#include "app_log.h"
#include "exchange.h"
#include "geo/base/clock.h"
#include "geo/base/guarded.h"
#include "geo/compose.h"

namespace geod {

// Whoever shows the token of [admin] token_file, as Bearer or as the password of Basic; where there is none, whoever
// gets here. False: refused; with `ask`, so that a browser asks for a password.
bool shows_admin_token(Exchange& exchange, const geo::compose::World& world, bool ask);

// Asked of an address or of localhost? A browser asks of any other name for another site's page, where that name was
// made to point here (DNS rebinding). Of no matter where the token was shown, or it came over a unix socket, or without
// a Host field: no browser does that. False: refused.
bool is_asked_here(Exchange& exchange, const geo::compose::World& world);

// That, over a unix socket too, and not for a page of another site, with a password that the browser remembers or
// without: for what changes something. False: refused.
bool is_from_here(Exchange& exchange, const geo::compose::World& world);

// "uid 0" over a unix socket, else the client's address.
std::string asker_of(const Incoming& in);

// Those who showed a wrong token or asked for another site's page, counted: a flood of them is a line a second.
// Threads: any.
class Refusals {
 public:
  void add(const Exchange& exchange);
  // What has come since it was told last; at most once a second.
  void tell(geo::MonotonicTime now, const AppLog& log);

 private:
  struct Untold {
    std::uint64_t count = 0;
    std::string last;
    geo::MonotonicTime next = geo::MonotonicTime::min();
  };
  geo::Guarded<Untold> untold_;
};

}  // namespace geod

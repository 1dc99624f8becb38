// The guards between libmicrohttpd and the handlers: what it lets pass and RFC 9112 does not.
#pragma once

#include <microhttpd.h>

#include <optional>

#include "exchange.h"

namespace geod {

// Reads the request's header fields into `in.headers`, its target into `in.path`, `in.query` and `in.host`. The
// refusal: the framing cannot be trusted, so the connection has to be closed after it. url, method, version: as the
// access handler got them; `in.target`: as the URI callback got it.
std::optional<geo::Denial> read_request(MHD_Connection* connection, const char* url, const char* method,
                                        const char* version, Incoming& in);

}  // namespace geod

// The guards between libmicrohttpd and the handlers: what it lets pass and RFC 9112 does not.
#pragma once

#include <microhttpd.h>

#include <optional>

#include "exchange.h"

namespace geod {

// libmicrohttpd before 0.9.77 parses in place and in good faith.
// It cuts a target and a field's value at a NUL, and glues a folded line to the field's NAME. But the texts it hands
// out lie in the connection's buffer one after the other, so a gap between two neighbours is something that was
// dropped. When it refuses a request after the header was read (no Host, a Content-Length that is no number, cookies or
// arguments that do not fit the connection's memory) it loses track: the answer's header goes out twice, or the rest of
// the request's header is taken for the next one's. So it is kept from looking, see tame(). Later versions refuse all
// of it by themselves in their strict mode.
bool library_is_loose();

// Called in the URI callback, once the target is copied: hides the query, and puts an empty cookie and, unless bodies
// are taken, a length of 0 where the library finds them before the client's own. read_request() reads those.
// Where bodies are taken the library refuses a length that is no number by itself, in its own way: 400 or 413 (with the
// answer's header twice), and the connection is closed.
void tame(MHD_Connection* connection, const char* uri, bool takes_bodies);

// Reads the request's header fields into `in.headers`, what they say of a body, and its target into `in.path`,
// `in.query` and `in.host`. The refusal: the framing cannot be trusted, or the body is not taken, so the connection has
// to be closed after it. url, method, version: as the access handler got them; `in.target`: as the URI callback got it.
std::optional<geo::Denial> read_request(MHD_Connection* connection, const char* url, const char* method,
                                        const char* version, std::size_t body_max, Incoming& in);

// What is told of a body longer than that.
geo::Denial too_long(std::size_t body_max);

}  // namespace geod

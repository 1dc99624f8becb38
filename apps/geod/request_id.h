// Names for requests that came without one.
#pragma once

#include <string>

namespace geod {

// Appends 16 hex digits: a random start per thread and a counter, mixed. Unique enough to find a line in a log; no
// secret.
void append_request_id(std::string& out);

}  // namespace geod

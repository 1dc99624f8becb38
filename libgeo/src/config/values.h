// What the values of geod.toml's keys must look like.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/file/rules.h"

namespace geo::config {

io::TextRule path_or_empty();
io::TextRule address(bool unix_too);
io::TextRule url_or_empty();
io::TextRule mongodb_uri();
io::TextRule database_name();
io::TextRule language();
io::TextRule url_path();   // "/health"
io::TextRule origin();     // of CORS
io::TextRule parameter();  // a query parameter that may pass through
io::TextRule access_log();
const io::TextRule& secret_file_rule();  // of a signing key

// "host:port" in its parts; an IPv6 literal keeps its brackets. Empty host: it is none.
struct Address {
  std::string_view host;
  std::uint16_t port = 0;
};
Address parse_address(std::string_view text);

}  // namespace geo::config

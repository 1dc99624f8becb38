// http://HOST[:PORT][/BASE] in its parts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace geo::io::http {

struct Url {
  bool tls = false;
  std::string host;  // a name in lower case, or an address without brackets
  std::uint16_t port = 80;
  std::string base;  // "/geo", or nothing; never ends with a slash

  // For the Host header: without the port where it is the scheme's own.
  std::string authority() const;
};

// The error says what is wrong.
tl::expected<Url, std::string> parse_url(std::string_view text);

}  // namespace geo::io::http

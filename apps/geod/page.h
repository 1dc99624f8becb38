// The status page, as it stands in apps/geod/page, and the description of all listeners.
#pragma once

#include <string_view>

namespace geod::page {

std::string_view html();  // with the land of its map
std::string_view script();
std::string_view style();
std::string_view icon();
std::string_view openapi();

// What the page may load and do: from here alone, and nothing that stands in the page itself.
inline constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

}  // namespace geod::page

// What the parts of a picture share: its colours, its texts.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>

#include "geo/place.h"
#include "svg.h"

namespace geoctl {

inline constexpr double kPictureWidth = 960, kMargin = 20;

struct Box {
  double left, top, width, height;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
};

// Told apart by most eyes (after P. Tol's "bright" and "muted").
inline constexpr std::array<std::string_view, 12> kColours{"#4477aa", "#ee6677", "#228833", "#aa7733",
                                                           "#aa3377", "#3399bb", "#777744", "#cc6633",
                                                           "#6655aa", "#558877", "#996677", "#555555"};
inline std::string_view colour_of(geo::place::Index group) { return kColours[group % kColours.size()]; }

// In an element: markup is none, and what XML cannot hold is written as \xNN.
std::string escaped(std::string_view text);
// 12345 -> "12,345"
std::string grouped(std::uint64_t number);
// Cut in its middle: what names end with tells them apart.
std::string shortened(std::string_view text, std::size_t size_max);

template <class... Values>
void put(std::string& out, fmt::format_string<Values...> format, Values&&... values) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Values>(values)...);
}
// anchor: start, middle, end.
void put_text(std::string& out, double x, double y, std::string_view text, std::string_view anchor = "start",
              std::string_view more = {});

void paint_map(std::string& out, const Scene& scene, const Box& box);
void paint_load(std::string& out, const Scene& scene, const Box& box);

}  // namespace geoctl

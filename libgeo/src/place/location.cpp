#include <algorithm>
#include <cmath>
#include <numbers>

#include "geo/place.h"

namespace geo::place {
namespace {

constexpr double kRadians = std::numbers::pi / 180.0;

}  // namespace

UnitVector::UnitVector(const Coordinates& at) {
  const double from_axis = std::cos(at.latitude * kRadians);
  axis = {from_axis * std::cos(at.longitude * kRadians), from_axis * std::sin(at.longitude * kRadians),
          std::sin(at.latitude * kRadians)};
}

double distance_km(const Coordinates& a, const Coordinates& b) {
  constexpr double kRadiusKm = 6371.0;
  const double half_latitude = std::sin((b.latitude - a.latitude) * kRadians / 2);
  const double half_longitude = std::sin((b.longitude - a.longitude) * kRadians / 2);
  const double h = half_latitude * half_latitude +
                   std::cos(a.latitude * kRadians) * std::cos(b.latitude * kRadians) * half_longitude * half_longitude;
  return 2 * kRadiusKm * std::asin(std::sqrt(std::min(1.0, h)));
}

void append_fields(Json& json, const Location& location) {
  json.field_or_null("country_code", location.country_code).field_or_null("region_iso", location.region_iso);
  json.field_or_null("region", location.region).field_or_null("city", location.city).key("coordinates");
  if (location.coordinates)
    json.open('[').number(location.coordinates->latitude).number(location.coordinates->longitude).close(']');
  else
    json.null();
}

bool is_country_code(std::string_view text) {
  return text.size() == 2 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_region_iso(std::string_view text) {
  return !text.empty() && text.size() <= 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

std::optional<Location> parse_place(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '/');
  if (parts.size() > 3 || !is_country_code(parts[0])) return std::nullopt;
  Location place;
  place.country_code = parts[0];
  if (parts.size() > 1) (is_region_iso(parts[1]) ? place.region_iso : place.region) = parts[1];
  if (parts.size() > 2) place.city = parts[2];
  return place;
}

std::optional<Forbid> parse_forbid(std::string_view text) {
  const auto is_country = [](std::string_view c) { return c == "*" || is_country_code(c); };
  const std::size_t arrow = text.find('>');
  if (arrow == std::string_view::npos) return std::nullopt;
  const std::string_view client = text.substr(0, arrow), node = text.substr(arrow + 1);
  if (!is_country(client) || !is_country(node)) return std::nullopt;
  return Forbid{std::string(client), std::string(node)};
}

namespace {
constexpr std::string_view kAdminNames[] = {"online", "drain", "offline"};
}

std::string_view name_of(Admin admin) { return kAdminNames[static_cast<std::size_t>(admin)]; }

std::optional<Admin> admin_of(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kAdminNames); ++i)
    if (kAdminNames[i] == name) return static_cast<Admin>(i);
  return std::nullopt;
}

std::string_view name_of(GroupedBy by) {
  constexpr std::string_view kNames[] = {"network", "city", "region", "country", "nearest", "default", "nowhere"};
  return kNames[static_cast<std::size_t>(by)];
}

}  // namespace geo::place

#include "io/mmdb/record.h"

#include <array>
#include <charconv>
#include <string_view>

#include "geo/base/text.h"

namespace geo::io::mmdb {
namespace {

// The richest records of real city files have a few hundred values and four levels.
constexpr std::uint64_t kValuesMax = 4096;
constexpr unsigned kDepthMax = 32;
constexpr std::uint64_t kValuesPerByteMax = 64;  // over all records of a section; real files have about 3

std::string text_of(const MMDB_entry_data_s& data) {
  if (data.type != MMDB_DATA_TYPE_UTF8_STRING) return {};
  const std::string_view text(data.utf8_string, data.data_size);
  if (text.find_first_not_of(' ') == std::string_view::npos || !is_plain_text(text)) return {};
  return std::string(text);
}

std::optional<double> number_of(const MMDB_entry_data_s& data) {
  switch (data.type) {
    case MMDB_DATA_TYPE_DOUBLE:
      return data.double_value;
    case MMDB_DATA_TYPE_FLOAT: {
      // 55.7558 in four bytes is 55.75579833984375 in eight: the digits behind are none of the file's.
      std::array<char, 64> digits;
      const char* const end = std::to_chars(digits.begin(), digits.end(), data.float_value).ptr;
      double value = 0;
      if (std::from_chars(digits.begin(), end, value).ec != std::errc{}) return std::nullopt;
      return value;
    }
    case MMDB_DATA_TYPE_INT32:
      return data.int32;
    case MMDB_DATA_TYPE_UINT16:
      return data.uint16;
    case MMDB_DATA_TYPE_UINT32:
      return data.uint32;
    default:
      return std::nullopt;
  }
}

// {"de": "Moskau", "en": "Moscow", ..}: in `language`, else English, else the first there.
std::string name_in(const MMDB_s& file, const MMDB_entry_data_s& names, const std::string& language) {
  if (names.type != MMDB_DATA_TYPE_MAP) return {};
  for (const char* const wanted : {language.c_str(), "en"}) {
    const std::array path{wanted, static_cast<const char*>(nullptr)};
    if (std::string name = find_text(file, names.offset, path.data()); !name.empty()) return name;
  }
  constexpr const char* kHere[] = {nullptr};
  std::uint32_t offset = names.offset_to_next;  // a map's first key
  for (std::uint32_t left = names.data_size; left > 0; --left) {
    const std::optional<MMDB_entry_data_s> key = find(file, offset, kHere);
    const std::optional<MMDB_entry_data_s> value = key ? find(file, key->offset_to_next, kHere) : std::nullopt;
    // behind anything but a text the library does not tell where the next entry is
    if (!value || value->type != MMDB_DATA_TYPE_UTF8_STRING) return {};
    if (std::string name = text_of(*value); !name.empty()) return name;
    offset = value->offset_to_next;
  }
  return {};
}

}  // namespace

Checker::Checker(const std::uint8_t* bytes, std::uint32_t size)
    : bytes_(bytes), size_(size), budget_(kValuesMax + kValuesPerByteMax * size) {}

bool Checker::whole(std::uint32_t offset) {
  values_ = 0;
  std::uint32_t next = 0;
  return value(offset, 0, false, next);
}

std::string Checker::fault() const { return std::string(why_) + " (byte " + std::to_string(why_offset_) + ")"; }

bool Checker::refuse(const char* why, std::uint32_t offset) {
  why_ = why;
  why_offset_ = offset;
  return false;
}

// key: of a map, a text (or a pointer to one).
bool Checker::value(std::uint32_t offset, unsigned depth, bool key, std::uint32_t& next) {
  const std::uint32_t start = offset;
  if (offset >= size_) return refuse("a value beyond the end", start);
  if (++values_ > kValuesMax) return refuse("a record without end", start);
  if (budget_-- == 0) return refuse("records that overlap without end", start);
  if (depth > kDepthMax) return refuse("values nested too deeply, or a pointer back to where it came from", start);

  const std::uint8_t control = bytes_[offset++];
  unsigned type = control >> 5;
  if (type == MMDB_DATA_TYPE_POINTER) return pointer(offset, control, depth, key, next);
  if (type == MMDB_DATA_TYPE_EXTENDED) {
    if (offset >= size_) return refuse("a value cut short", start);
    type = 7U + bytes_[offset++];
    if (type < MMDB_DATA_TYPE_INT32) return refuse("a value of no type", start);
  }
  if (key && type != MMDB_DATA_TYPE_UTF8_STRING) return refuse("a map's key that is no text", start);

  std::uint32_t size = control & 31U;
  if (size >= 29) {
    const std::uint32_t more = size - 28;
    if (size_ - offset < more) return refuse("a value cut short", start);
    constexpr std::array<std::uint32_t, 4> kFrom{0, 29, 285, 65821};
    std::uint32_t extra = 0;
    for (std::uint32_t i = 0; i < more; ++i) extra = extra << 8 | bytes_[offset++];
    size = kFrom[more] + extra;
  }

  if (type == MMDB_DATA_TYPE_MAP || type == MMDB_DATA_TYPE_ARRAY) {
    for (std::uint32_t i = 0; i < size; ++i) {
      if (type == MMDB_DATA_TYPE_MAP && !value(offset, depth + 1, true, offset)) return false;
      if (!value(offset, depth + 1, false, offset)) return false;
    }
    next = offset;
    return true;
  }

  std::uint32_t size_max = UINT32_MAX, size_min = 0;
  switch (type) {
    case MMDB_DATA_TYPE_UTF8_STRING:
    case MMDB_DATA_TYPE_BYTES:
      break;
    case MMDB_DATA_TYPE_DOUBLE:
      size_min = size_max = 8;
      break;
    case MMDB_DATA_TYPE_FLOAT:
      size_min = size_max = 4;
      break;
    case MMDB_DATA_TYPE_UINT16:
      size_max = 2;
      break;
    case MMDB_DATA_TYPE_UINT32:
    case MMDB_DATA_TYPE_INT32:
      size_max = 4;
      break;
    case MMDB_DATA_TYPE_UINT64:
      size_max = 8;
      break;
    case MMDB_DATA_TYPE_UINT128:
      size_max = 16;
      break;
    case MMDB_DATA_TYPE_BOOLEAN:
      // the size is the value
      if (size > 1) return refuse("a boolean that is neither", start);
      size = 0;
      break;
    default:
      return refuse("a value of no type", start);
  }
  if (size < size_min || size > size_max) return refuse("a number of impossible size", start);
  if (size_ - offset < size) return refuse("a value cut short", start);
  next = offset + size;
  return true;
}

bool Checker::pointer(std::uint32_t offset, std::uint8_t control, unsigned depth, bool key, std::uint32_t& next) {
  const std::uint32_t start = offset - 1;
  const std::uint32_t size = ((control >> 3) & 3U) + 1;
  if (size_ - offset < size) return refuse("a pointer cut short", start);
  constexpr std::array<std::uint32_t, 5> kFrom{0, 0, 2048, 526336, 0};
  std::uint32_t target = size == 4 ? 0 : control & 7U;
  for (std::uint32_t i = 0; i < size; ++i) target = target << 8 | bytes_[offset++];
  target += kFrom[size];
  if (target >= size_) return refuse("a pointer beyond the end", start);
  if (bytes_[target] >> 5 == MMDB_DATA_TYPE_POINTER) return refuse("a pointer to a pointer", start);
  next = offset;
  std::uint32_t after_target = 0;
  return value(target, depth + 1, key, after_target);
}

std::optional<MMDB_entry_data_s> find(const MMDB_s& file, std::uint32_t offset, const char* const* path) {
  MMDB_entry_s entry{&file, offset};
  MMDB_entry_data_s data;
  if (MMDB_aget_value(&entry, &data, path) != MMDB_SUCCESS || !data.has_data) return std::nullopt;
  return data;
}

std::optional<std::uint64_t> find_unsigned(const MMDB_s& file, std::uint32_t offset, const char* name) {
  const std::array path{name, static_cast<const char*>(nullptr)};
  const std::optional<MMDB_entry_data_s> data = find(file, offset, path.data());
  if (!data) return std::nullopt;
  switch (data->type) {
    case MMDB_DATA_TYPE_UINT16:
      return data->uint16;
    case MMDB_DATA_TYPE_UINT32:
      return data->uint32;
    case MMDB_DATA_TYPE_UINT64:
      return data->uint64;
    default:
      return std::nullopt;
  }
}

std::string find_text(const MMDB_s& file, std::uint32_t offset, const char* const* path) {
  const std::optional<MMDB_entry_data_s> data = find(file, offset, path);
  return data ? text_of(*data) : std::string();
}

place::Location location_of(const MMDB_s& file, std::uint32_t offset, const std::string& language) {
  using Path = const char* const[];
  const auto text = [&](const char* const* nested, const char* const* flat) {
    std::string found = find_text(file, offset, nested);
    return found.empty() ? find_text(file, offset, flat) : found;
  };
  const auto name = [&](const char* const* nested, const char* const* flat) {
    const std::optional<MMDB_entry_data_s> names = find(file, offset, nested);
    return names ? name_in(file, *names, language) : find_text(file, offset, flat);
  };
  const auto number = [&](const char* const* nested, const char* const* flat) -> std::optional<double> {
    std::optional<MMDB_entry_data_s> data = find(file, offset, nested);
    if (!data) data = find(file, offset, flat);
    return data ? number_of(*data) : std::nullopt;
  };
  static constexpr Path kIso{"country", "iso_code", nullptr}, kCountryCode{"country_code", nullptr},
      kRegionIso{"subdivisions", "0", "iso_code", nullptr}, kRegionNames{"subdivisions", "0", "names", nullptr},
      kState{"state1", nullptr}, kCityNames{"city", "names", nullptr}, kCity{"city", nullptr},
      kNestedLatitude{"location", "latitude", nullptr}, kLatitude{"latitude", nullptr},
      kNestedLongitude{"location", "longitude", nullptr}, kLongitude{"longitude", nullptr};

  place::Location location;
  location.country_code = text(kIso, kCountryCode);
  if (!place::is_country_code(location.country_code)) location.country_code.clear();
  location.region_iso = find_text(file, offset, kRegionIso);
  if (!place::is_region_iso(location.region_iso)) location.region_iso.clear();
  location.region = name(kRegionNames, kState);
  location.city = name(kCityNames, kCity);
  const std::optional<double> latitude = number(kNestedLatitude, kLatitude);
  const std::optional<double> longitude = number(kNestedLongitude, kLongitude);
  const bool in_range =
      latitude && longitude && *latitude >= -90 && *latitude <= 90 && *longitude >= -180 && *longitude <= 180;
  if (in_range) location.coordinates = place::Coordinates{*latitude, *longitude};
  return location;
}

}  // namespace geo::io::mmdb

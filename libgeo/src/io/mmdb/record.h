// Inside a MaxMind DB: are its bytes whole, and what does a record say? (https://maxmind.github.io/MaxMind-DB/)
#pragma once

#include <maxminddb.h>

#include <cstdint>
#include <optional>
#include <string>

#include "geo/place.h"

namespace geo::io::mmdb {

// Reads values only to see whether they can be read. libmaxminddb follows pointers without counting (1.7 as of Debian
// 12): a few bytes of nested pointers can keep it busy for years, so nothing is given to it that has not passed here.
//
// Shape: a value is a control byte (type and size), then its bytes; maps and arrays hold values; a pointer stands for
// the value at its target. Sharing by pointers makes a record bigger than its bytes, hence the limits.
class Checker {
 public:
  // A data or metadata section; offsets count from its first byte.
  Checker(const std::uint8_t* bytes, std::uint32_t size);

  // Is the value at `offset` whole, with all that is in it and that it points to? If not, fault() says why.
  bool whole(std::uint32_t offset);
  std::string fault() const;

 private:
  bool value(std::uint32_t offset, unsigned depth, bool key, std::uint32_t& next);
  bool pointer(std::uint32_t offset, std::uint8_t control, unsigned depth, bool key, std::uint32_t& next);
  bool refuse(const char* why, std::uint32_t offset);

  const std::uint8_t* bytes_;
  std::uint32_t size_;
  std::uint64_t budget_;      // values that may still be read in the whole section
  std::uint64_t values_ = 0;  // read in the current record
  const char* why_ = "";
  std::uint32_t why_offset_ = 0;
};

// A value inside a record that passed the Checker, by the names that lead to it; the last of `path` is null.
std::optional<MMDB_entry_data_s> find(const MMDB_s& file, std::uint32_t offset, const char* const* path);
// The same as a number that is no fraction; as a text (invalid UTF-8, control characters or blanks alone: no text).
std::optional<std::uint64_t> find_unsigned(const MMDB_s& file, std::uint32_t offset, const char* name);
std::string find_text(const MMDB_s& file, std::uint32_t offset, const char* const* path);

// By the GeoIP2/GeoLite2 City schema or the flat one of ip-location-db, whichever the record has.
place::Location location_of(const MMDB_s& file, std::uint32_t offset, const std::string& language);

}  // namespace geo::io::mmdb

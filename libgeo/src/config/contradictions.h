// What a config says that cannot be, although each of its values can.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "geo/config.h"
#include "io/file/document.h"

namespace geo::config {

// Full name of a key -> the environment variable that set it.
using Variables = std::map<std::string, std::string, std::less<>>;

// Where each key's value came from, to say where it is wrong.
class Origins {
 public:
  // document: null where there is no file. `faults` holds what was found while reading; about those keys nothing more
  // is said.
  Origins(Faults& faults, io::Document* document, const Variables& variables)
      : faults_(faults), found_while_reading_(faults.size()), document_(document), variables_(variables) {}

  // About `key`, at its value (or an item of it), else at the value of `other`.
  void fault(std::string_view key, std::string_view other, std::string message, std::ptrdiff_t item = -1);

 private:
  bool told(std::string_view key) const;

  Faults& faults_;
  std::size_t found_while_reading_;
  io::Document* document_;
  const Variables& variables_;
};

void contradictions(const Config& config, Origins& origins);

}  // namespace geo::config

// The fields of one document, read as io/file/rows.h asks for a row's keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/base/clock.h"
#include "geo/place.h"
#include "io/file/rules.h"
#include "io/mongo/documents.h"

namespace geo::io::mongo {

// What `_id` says: keys of the row, in place of fields of the same names.
using Keys = std::map<std::string_view, std::string>;

// Errors: the first fault alone is kept, as text: "streams: expected an integer, found a string". Null is missing; a
// field that is there twice is a fault, for nobody can say which one its writer meant; fields that nobody asks for may
// hold anything. Integral doubles are integers, integers will do as numbers.
class Fields {
 public:
  Fields(const Document& document, Keys keys) : Fields(document, std::move(keys), {}) {}

  std::optional<std::string> text(std::string_view key, const TextRule& rule, Need need = Need::optional);
  std::optional<std::vector<std::string>> texts(std::string_view key, const TextRule& rule, Need need = Need::optional);
  std::optional<bool> boolean(std::string_view key, Need need = Need::optional);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max,
                                      Need need = Need::optional);
  std::optional<double> number(std::string_view key, double min, double max, Need need = Need::optional);
  // Of the years 0 to 9999, as in TOML.
  std::optional<WallTime> time(std::string_view key, Need need = Need::optional);
  std::optional<place::Coordinates> coordinates(std::string_view key);
  template <class Read>
  bool table(std::string_view key, std::string_view expected, Read read);

  void fault(std::string_view key, std::string_view message);
  void fault_missing(std::string_view key, std::string_view message) { fault(key, message); }
  bool ok() const { return fault_.empty(); }
  const std::string& first_fault() const { return fault_; }

 private:
  using Element = Poco::MongoDB::Element;

  Fields(const Document& document, Keys keys, std::string prefix)
      : document_(document), keys_(std::move(keys)), prefix_(std::move(prefix)) {}
  // The element of that name; null where there is none, or that is told.
  const Element* take(std::string_view key, Need need, std::string_view expected);
  std::optional<std::string> text_of(const Element& element, std::string_view key, const TextRule& rule);
  std::optional<double> number_of(const Element& element, std::string_view key, double min, double max);
  Document::Ptr document_of(std::string_view key, std::string_view expected);

  const Document& document_;
  const Keys keys_;
  const std::string prefix_;  // of keys in faults: "ports."
  std::string fault_;
};

// The names of the fields that a row is read from.
class FieldNames {
 public:
  std::vector<std::string> names;

  template <class... Rules>
  std::optional<std::string> text(std::string_view key, const Rules&...) {
    return take(key);
  }
  template <class... Rules>
  std::optional<std::vector<std::string>> texts(std::string_view key, const Rules&...) {
    return take(key);
  }
  std::optional<bool> boolean(std::string_view key, Need = Need::optional) { return take(key); }
  template <class... Rules>
  std::optional<std::int64_t> integer(std::string_view key, const Rules&...) {
    return take(key);
  }
  template <class... Rules>
  std::optional<double> number(std::string_view key, const Rules&...) {
    return take(key);
  }
  std::optional<WallTime> time(std::string_view key, Need = Need::optional) { return take(key); }
  std::optional<place::Coordinates> coordinates(std::string_view key) { return take(key); }
  template <class Read>
  bool table(std::string_view key, std::string_view, Read) {
    take(key);
    return false;
  }
  void fault(std::string_view, std::string_view) {}
  void fault_missing(std::string_view, std::string_view) {}
  bool ok() const { return true; }

 private:
  std::nullopt_t take(std::string_view key) {
    names.emplace_back(key);
    return std::nullopt;
  }
};

template <class Read>
bool Fields::table(std::string_view key, std::string_view expected, Read read) {
  const Document::Ptr document = document_of(key, expected);
  if (document.isNull()) return false;
  Fields fields(*document, {}, prefix_ + std::string(key) + ".");
  read(fields);
  if (ok()) fault_ = fields.fault_;
  return fields.ok();
}

}  // namespace geo::io::mongo

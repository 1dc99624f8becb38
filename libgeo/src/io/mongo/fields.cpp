#include "io/mongo/fields.h"

#include <Poco/MongoDB/Array.h>
#include <Poco/MongoDB/Binary.h>
#include <Poco/MongoDB/JavaScriptCode.h>
#include <Poco/MongoDB/ObjectId.h>
#include <Poco/MongoDB/RegularExpression.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>

namespace geo::io::mongo {
namespace {

namespace bson = Poco::MongoDB;

// The value of an element of that very type.
template <class Value>
std::optional<Value> value_of(const bson::Element& element) {
  const auto* const concrete = dynamic_cast<const bson::ConcreteElement<Value>*>(&element);
  return concrete == nullptr ? std::nullopt : std::optional<Value>(concrete->value());
}

// "an integer", for faults.
std::string kind_of(const bson::Element& element) {
  switch (element.type()) {
    case bson::ElementTraits<double>::TypeId:
      return "a double";
    case bson::ElementTraits<std::string>::TypeId:
      return "a string";
    case bson::ElementTraits<Document::Ptr>::TypeId:
      return "a document";
    case bson::ElementTraits<bson::Array::Ptr>::TypeId:
      return "an array";
    case bson::ElementTraits<bson::Binary::Ptr>::TypeId:
      return "binary data";
    case bson::ElementTraits<bson::ObjectId::Ptr>::TypeId:
      return "an ObjectId";
    case bson::ElementTraits<bool>::TypeId:
      return "a boolean";
    case bson::ElementTraits<Poco::Timestamp>::TypeId:
      return "a date";
    case bson::ElementTraits<bson::NullValue>::TypeId:
      return "null";
    case bson::ElementTraits<Poco::Int32>::TypeId:
    case bson::ElementTraits<Poco::Int64>::TypeId:
      return "an integer";
    default:
      break;
  }
  // documents.h: it stands for what cannot be carried, and names it.
  const auto code = value_of<bson::JavaScriptCode::Ptr>(element);
  if (code && !code->isNull()) return fmt::format("a value that cannot be read: {}", in_quotes((*code)->getCode()));
  return "a value of another type";
}

std::optional<std::int64_t> integer_of(const bson::Element& element) {
  if (const auto value = value_of<Poco::Int32>(element)) return *value;
  if (const auto value = value_of<Poco::Int64>(element)) return *value;
  constexpr double kEnd = 0x1p63;
  const auto value = value_of<double>(element);
  if (value && *value >= -kEnd && *value < kEnd && *value == std::trunc(*value))
    return static_cast<std::int64_t>(*value);
  return std::nullopt;
}

// Kind and value where that is not an integer: "1.5" says more than "a double".
std::string shown(const bson::Element& element) {
  const auto number = value_of<double>(element);
  return number ? fmt::format("{}", *number) : kind_of(element);
}

bson::Array::Ptr array_of(const bson::Element& element) {
  return value_of<bson::Array::Ptr>(element).value_or(bson::Array::Ptr());
}

// By their order, whatever their names; Array::get() walks from the start each time.
std::vector<const bson::Element*> items_of(const bson::Array& array) {
  std::vector<const bson::Element*> items;
  items.reserve(array.size());
  for (const bson::Element::Ptr& item : elements_of(array))
    if (!item.isNull()) items.push_back(item.get());
  return items;
}

}  // namespace

void Fields::fault(std::string_view key, std::string_view message) {
  if (ok()) fault_ = fmt::format("{}{}: {}", prefix_, keys_.contains(key) ? "_id" : key, message);
}

const bson::Element* Fields::take(std::string_view key, Need need, std::string_view expected) {
  const Element* found = nullptr;
  for (const Element::Ptr& element : elements_of(document_)) {
    if (element.isNull() || element->name() != key) continue;
    if (found != nullptr) {
      fault(key, "is there twice");
      return nullptr;
    }
    found = element.get();
  }
  if (found != nullptr && found->type() != bson::ElementTraits<bson::NullValue>::TypeId) return found;
  if (need == Need::required) fault(key, fmt::format("missing; expected {}", expected));
  return nullptr;
}

std::optional<std::string> Fields::text_of(const Element& element, std::string_view key, const TextRule& rule) {
  auto text = value_of<std::string>(element);
  if (!text) {
    fault(key, fmt::format("expected a string, found {}", kind_of(element)));
  } else if (const auto problem = problem_of(*text, rule)) {
    fault(key, *problem);
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> Fields::text(std::string_view key, const TextRule& rule, Need need) {
  if (const auto by_id = keys_.find(key); by_id != keys_.end()) {
    const auto problem = problem_of(by_id->second, rule);
    if (!problem) return by_id->second;
    fault(key, *problem);
    return std::nullopt;
  }
  const Element* const element = take(key, need, rule.expected);
  return element == nullptr ? std::nullopt : text_of(*element, key, rule);
}

std::optional<std::vector<std::string>> Fields::texts(std::string_view key, const TextRule& rule, Need need) {
  const Element* const element = take(key, need, "an array of strings");
  if (element == nullptr) return std::nullopt;
  const bson::Array::Ptr array = array_of(*element);
  if (array.isNull()) {
    fault(key, fmt::format("expected an array of strings, found {}", kind_of(*element)));
    return std::nullopt;
  }
  const auto items = items_of(*array);
  std::vector<std::string> texts;
  texts.reserve(items.size());
  for (const Element* const item : items) {
    auto text = text_of(*item, key, rule);
    if (!text) return std::nullopt;
    texts.push_back(std::move(*text));
  }
  return texts;
}

std::optional<bool> Fields::boolean(std::string_view key, Need need) {
  const Element* const element = take(key, need, "true or false");
  if (element == nullptr) return std::nullopt;
  const auto value = value_of<bool>(*element);
  if (!value) fault(key, fmt::format("expected true or false, found {}", kind_of(*element)));
  return value;
}

std::optional<std::int64_t> Fields::integer(std::string_view key, std::int64_t min, std::int64_t max, Need need) {
  const Element* const element = take(key, need, integer_form(min, max));
  if (element == nullptr) return std::nullopt;
  const auto value = integer_of(*element);
  if (!value)
    fault(key, fmt::format("expected an integer, found {}", shown(*element)));
  else if (*value < min || *value > max)
    fault(key, fmt::format("expected {}, found {}", integer_form(min, max), *value));
  else
    return value;
  return std::nullopt;
}

std::optional<double> Fields::number_of(const Element& element, std::string_view key, double min, double max) {
  std::optional<double> value = value_of<double>(element);
  if (!value)
    if (const auto integer = integer_of(element)) value = static_cast<double>(*integer);
  if (!value)
    fault(key, fmt::format("expected a number, found {}", kind_of(element)));
  else if (!(*value >= min && *value <= max))  // true of NaN
    fault(key, fmt::format("expected {}, found {}", number_form(min, max), *value));
  else
    return value;
  return std::nullopt;
}

std::optional<double> Fields::number(std::string_view key, double min, double max, Need need) {
  const Element* const element = take(key, need, number_form(min, max));
  return element == nullptr ? std::nullopt : number_of(*element, key, min, max);
}

std::optional<WallTime> Fields::time(std::string_view key, Need need) {
  using namespace std::chrono;
  constexpr WallTime kFirst = sys_days(year(0) / January / 1);
  constexpr WallTime kEnd = sys_days(year(10000) / January / 1);
  const Element* const element = take(key, need, "a date");
  if (element == nullptr) return std::nullopt;
  const auto value = value_of<Poco::Timestamp>(*element);
  if (!value) {
    fault(key, fmt::format("expected a date, found {}", kind_of(*element)));
    return std::nullopt;
  }
  const WallTime at{microseconds(value->epochMicroseconds())};
  if (at >= kFirst && at < kEnd) return at;
  fault(key, "expected a date of the years 0 to 9999, found one beyond them");
  return std::nullopt;
}

std::optional<place::Coordinates> Fields::coordinates(std::string_view key) {
  constexpr std::string_view kExpected = "[latitude, longitude] in degrees";
  const Element* const element = take(key, Need::optional, kExpected);
  if (element == nullptr) return std::nullopt;
  const bson::Array::Ptr array = array_of(*element);
  const auto items = array.isNull() ? std::vector<const Element*>() : items_of(*array);
  if (items.size() != 2) {
    const std::string found = array.isNull() ? kind_of(*element) : fmt::format("{} items", items.size());
    fault(key, fmt::format("expected {}, found {}", kExpected, found));
    return std::nullopt;
  }
  const auto latitude = number_of(*items.front(), key, -90, 90);
  const auto longitude = number_of(*items.back(), key, -180, 180);
  if (!latitude || !longitude) return std::nullopt;
  return place::Coordinates{*latitude, *longitude};
}

Document::Ptr Fields::document_of(std::string_view key, std::string_view expected) {
  const Element* const element = take(key, Need::optional, expected);
  if (element == nullptr) return {};
  const Document::Ptr document = value_of<Document::Ptr>(*element).value_or(Document::Ptr());
  if (document.isNull()) fault(key, fmt::format("expected {}, found {}", expected, kind_of(*element)));
  return document;
}

}  // namespace geo::io::mongo

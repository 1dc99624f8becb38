#include "io/file/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "io/file/bytes.h"

namespace geo::io {
namespace {

// toml++ walks nested tables by recursion, and a dotted key nests one a part.
constexpr std::size_t kKeyPartsMax = 64;

// Passes over a string or a comment that begins at `at`; elsewhere over one byte.
std::size_t skip(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c == '#') return std::min(text.find('\n', at), text.size());
  if (c != '"' && c != '\'') return at + 1;
  const std::string_view quote = text.substr(at, 3) == std::string(3, c) ? text.substr(at, 3) : text.substr(at, 1);
  for (std::size_t i = at + quote.size(); i < text.size(); ++i) {
    if (c == '"' && text[i] == '\\') {
      ++i;
    } else if (text.substr(i, quote.size()) == quote) {
      return i + quote.size();
    } else if (quote.size() == 1 && text[i] == '\n') {
      return i;  // broken; the parser will say so
    }
  }
  return text.size();
}

// The line of a key with more parts than anything here needs; 0: there is none.
std::size_t line_of_endless_key(std::string_view text) {
  std::size_t dots = 0;
  for (std::size_t at = 0; at < text.size(); at = skip(text, at)) {
    const char c = text[at];
    if (c == '.' && ++dots >= kKeyPartsMax)
      return 1 +
             static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    if (c == '\n' || c == '=' || c == ',' || c == '[' || c == '{') dots = 0;
  }
  return 0;
}

std::string_view lines_before(std::string_view text, std::size_t line) {
  std::size_t end = 0;
  for (std::size_t at = 1; at < line && end != std::string_view::npos; ++at) {
    end = text.find('\n', end);
    if (end != std::string_view::npos) ++end;
  }
  return text.substr(0, end);
}

// What stands above that line. A value that goes on there - an array, a long string - is left out with its key.
toml::table above(std::string_view text, std::size_t line) {
  constexpr std::size_t kBytesMax = 16U << 20U;  // of all tries
  for (std::size_t tried = 0; line > 1; tried += text.size()) {
    text = lines_before(text, line);
    if (tried + text.size() > kBytesMax) break;
    try {
      return toml::parse(text);
    } catch (const toml::parse_error& broken) {
      line = std::min<std::size_t>(broken.source().begin.line, line - 1);
    }
  }
  return {};
}

// A fault is one line, whatever the file holds.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

// The table at the root has no name.
std::string full_key(std::string_view table, std::string_view key) {
  return table.empty() ? std::string(key) : fmt::format("{}.{}", table, key);
}

std::string number_text(const toml::node& value) {
  if (const auto* integer = value.as_integer()) return fmt::format("{}", integer->get());
  return fmt::format("{}", value.as_floating_point()->get());
}

}  // namespace

std::string_view kind_of(const toml::node& value) {
  switch (value.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a float";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time";
    case toml::node_type::date_time:
      return "a date-time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

Document::Document(const std::filesystem::path& file, IfMissing if_missing, Faults& faults, IfBroken if_broken)
    : file_(file.string()), faults_(faults) {
  std::error_code error;
  if (std::filesystem::status(file, error).type() == std::filesystem::file_type::not_found) {
    readable_ = if_missing == IfMissing::empty;
    if (!readable_) faults_.push_back({file_, 0, 0, "", "no such file"});
    return;
  }
  if (const auto text = read_bytes(file))
    parse(*text, if_broken);
  else
    faults_.push_back({file_, 0, 0, "", text.error()});
}

Document::Document(const std::filesystem::path& file, std::string_view text, Faults& faults)
    : file_(file.string()), faults_(faults) {
  parse(text);
}

void Document::parse(std::string_view text, IfBroken if_broken) {
  if (const std::size_t line = line_of_endless_key(text); line != 0) {
    faults_.push_back({file_, line, 1, "", fmt::format("a key of more than {} parts", kKeyPartsMax)});
    if (if_broken == IfBroken::above) root_ = above(text, line);
    return;
  }
  try {
    root_ = toml::parse(text, file_);
    readable_ = true;
  } catch (const toml::parse_error& broken) {
    add(broken.source(), "", std::string(broken.description()));
    if (if_broken == IfBroken::above) root_ = above(text, broken.source().begin.line);
  }
}

std::vector<const toml::table*> Document::tables_of(std::string_view name) {
  std::vector<const toml::table*> tables;
  const toml::node* node = root_.get(name);
  if (node == nullptr) return tables;
  if (const toml::array* array = node->as_array()) {
    tables.reserve(array->size());
    for (const toml::node& item : *array) {
      if (const toml::table* table = item.as_table()) {
        tables.push_back(table);
        continue;
      }
      misshapen_.emplace(name);
      fault(item, std::string(name), fmt::format("expected a table, found {}", kind_of(item)));
    }
    return tables;
  }
  misshapen_.emplace(name);
  fault(*node, std::string(name), fmt::format("expected an array of tables, [[{}]], found {}", name, kind_of(*node)));
  if (const toml::table* table = node->as_table()) tables.push_back(table);
  return tables;
}

void Document::finish() {
  for (const auto& [key, node] : root_) {
    if (kept_.contains(key.str())) continue;
    std::string known;
    for (const auto& table : kept_) known += (known.empty() ? "" : ", ") + table.first;
    fault(key, shown_key(key.str()), fmt::format("unknown table; known here: {}", known));
  }
}

void Document::add(const toml::source_region& at, std::string key, std::string message) {
  faults_.push_back({file_, at.begin.line, at.begin.column, std::move(key), one_line(std::move(message))});
}

void Document::fault(const toml::node& value, std::string key, std::string message) {
  if (told_.emplace(&value, std::string()).second) add(value.source(), std::move(key), std::move(message));
}

void Document::fault(const toml::key& at, std::string key, std::string message) {
  add(at.source(), std::move(key), std::move(message));
}

void Document::fault_missing(const toml::node& by, std::string key, std::string message) {
  if (told_.emplace(&by, key).second) add(by.source(), std::move(key), std::move(message));
}

void Document::fault_missing(const toml::table& row, std::string_view table, std::string_view key,
                             std::string message) {
  if (told_.emplace(&row, std::string(key)).second) add(row.source(), full_key(table, key), std::move(message));
}

void Document::fault(const RowFault& found) {
  const toml::table& row = *kept_.at(found.table).at(found.row);
  if (found.key.empty()) {
    fault(row, found.table, found.message);
    return;
  }
  const toml::node* value = row.get(found.key);
  if (value == nullptr) {
    fault_missing(row, found.table, found.key, found.message);
    return;
  }
  if (const toml::array* array = value->as_array(); array != nullptr && found.item >= 0)
    if (const toml::node* item = array->get(static_cast<std::size_t>(found.item))) value = item;
  fault(*value, fmt::format("{}.{}", found.table, found.key), found.message);
}

void Row::fault(const toml::node& value, std::string_view key, std::string message) {
  ok_ = false;
  document_.fault(value, full_key(table_, key), std::move(message));
}

void Row::fault(std::string_view key, std::string message) { fault(*take(key), key, std::move(message)); }

void Row::fault_missing(std::string_view key, std::string message) {
  ok_ = false;
  document_.fault_missing(row_, table_, key, std::move(message));
}

void Row::finish() {
  for (const auto& [key, node] : row_) {
    if (std::find(known_.begin(), known_.end(), key.str()) != known_.end()) continue;
    ok_ = false;
    document_.fault(key, full_key(table_, shown_key(key.str())),
                    fmt::format("unknown key; known here: {}", fmt::join(known_, ", ")));
  }
}

const toml::node* Row::take(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  return row_.get(key);
}

const toml::node* Row::take(std::string_view key, Need need, std::string_view expected) {
  const toml::node* value = take(key);
  if (value == nullptr && need == Need::required) fault_missing(key, fmt::format("missing; expected {}", expected));
  return value;
}

std::optional<std::string> Row::text_of(const toml::node& value, std::string_view key, const TextRule& rule) {
  const auto* text = value.as_string();
  if (text == nullptr) {
    fault(value, key, fmt::format("expected a string, found {}", kind_of(value)));
    return std::nullopt;
  }
  auto problem = problem_of(text->get(), rule);
  if (!problem) return text->get();
  fault(value, key, std::move(*problem));
  return std::nullopt;
}

std::optional<std::string> Row::text(std::string_view key, const TextRule& rule, Need need) {
  const toml::node* value = take(key, need, rule.expected);
  return value == nullptr ? std::nullopt : text_of(*value, key, rule);
}

std::optional<std::vector<std::string>> Row::texts(std::string_view key, const TextRule& rule, Need need) {
  const toml::node* value = take(key, need, "an array of strings");
  if (value == nullptr) return std::nullopt;
  const toml::array* array = value->as_array();
  if (array == nullptr) {
    fault(*value, key, fmt::format("expected an array of strings, found {}", kind_of(*value)));
    return std::nullopt;
  }
  std::vector<std::string> texts;
  texts.reserve(array->size());
  for (const toml::node& item : *array) texts.push_back(text_of(item, key, rule).value_or(""));
  return texts;
}

std::optional<bool> Row::boolean(std::string_view key, Need need) {
  const toml::node* value = take(key, need, "true or false");
  if (value == nullptr) return std::nullopt;
  if (const auto* boolean = value->as_boolean()) return boolean->get();
  fault(*value, key, fmt::format("expected true or false, found {}", kind_of(*value)));
  return std::nullopt;
}

std::optional<std::int64_t> Row::integer(std::string_view key, std::int64_t min, std::int64_t max, Need need) {
  const toml::node* value = take(key, need, integer_form(min, max));
  if (value == nullptr) return std::nullopt;
  const auto* integer = value->as_integer();
  if (integer == nullptr) {
    fault(*value, key, fmt::format("expected an integer, found {}", kind_of(*value)));
    return std::nullopt;
  }
  if (integer->get() >= min && integer->get() <= max) return integer->get();
  fault(*value, key, fmt::format("expected {}, found {}", integer_form(min, max), integer->get()));
  return std::nullopt;
}

std::optional<double> Row::number_of(const toml::node& value, std::string_view key, double min, double max) {
  const std::optional<double> number = value.is_number() ? value.value<double>() : std::nullopt;
  if (!number) {
    fault(value, key, fmt::format("expected a number, found {}", kind_of(value)));
    return std::nullopt;
  }
  if (*number >= min && *number <= max) return number;  // false for NaN
  fault(value, key, fmt::format("expected {}, found {}", number_form(min, max), number_text(value)));
  return std::nullopt;
}

std::optional<double> Row::number(std::string_view key, double min, double max, Need need) {
  const toml::node* value = take(key, need, number_form(min, max));
  return value == nullptr ? std::nullopt : number_of(*value, key, min, max);
}

std::optional<WallTime> Row::time(std::string_view key, Need need) {
  constexpr std::string_view kExpected = "a date-time with its offset such as 2030-01-01T00:00:00Z";
  const toml::node* value = take(key, need, kExpected);
  if (value == nullptr) return std::nullopt;
  const auto* held = value->as_date_time();
  if (held == nullptr) {
    fault(*value, key, fmt::format("expected {}, found {}", kExpected, kind_of(*value)));
    return std::nullopt;
  }
  const toml::date_time& at = held->get();
  if (!at.offset) {
    fault(*value, key, fmt::format("expected {}, found a local one; add Z for UTC", kExpected));
    return std::nullopt;
  }
  using namespace std::chrono;
  const year_month_day day{year(at.date.year), month(at.date.month), std::chrono::day(at.date.day)};
  return WallTime(sys_days(day)) + hours(at.time.hour) + minutes(at.time.minute) + seconds(at.time.second) +
         duration_cast<microseconds>(nanoseconds(at.time.nanosecond)) - minutes(at.offset->minutes);
}

std::optional<place::Coordinates> Row::coordinates(std::string_view key) {
  const toml::node* value = take(key);
  if (value == nullptr) return std::nullopt;
  const toml::array* array = value->as_array();
  if (array == nullptr || array->size() != 2) {
    const std::string found = array == nullptr ? std::string(kind_of(*value)) : fmt::format("{} items", array->size());
    fault(*value, key, fmt::format("expected [latitude, longitude] in degrees, found {}", found));
    return std::nullopt;
  }
  const auto latitude = number_of(*array->get(0), key, -90, 90);
  const auto longitude = number_of(*array->get(1), key, -180, 180);
  if (!latitude || !longitude) return std::nullopt;
  return place::Coordinates{*latitude, *longitude};
}

const toml::table* Row::table_of(std::string_view key, std::string_view expected) {
  const toml::node* value = take(key);
  if (value == nullptr) return nullptr;
  const toml::table* table = value->as_table();
  if (table == nullptr) fault(*value, key, fmt::format("expected {}, found {}", expected, kind_of(*value)));
  return table;
}

}  // namespace geo::io

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "config/contradictions.h"
#include "config/keys.h"
#include "config/values.h"
#include "geo/base/text.h"
#include "io/file/document.h"

namespace geo::config {
namespace {

// ---- the file ----

// Every section and the sections around it: "resolver", "resolver.maxmind".
const std::set<std::string_view>& sections() {
  static const std::set<std::string_view> all = [] {
    std::set<std::string_view> names;
    for (const Key& key : key_table())
      for (std::size_t end = 0; end != std::string_view::npos;) {
        end = key.section.find('.', end == 0 ? 0 : end + 1);
        names.insert(key.section.substr(0, end));
      }
    return names;
  }();
  return all;
}

// "ip-api" of "resolver.ip-api" inside "resolver"; empty: it does not stand right inside.
std::string_view child_of(std::string_view section, std::string_view parent) {
  if (!parent.empty()) {
    if (!section.starts_with(parent) || section.size() <= parent.size() || section[parent.size()] != '.') return {};
    section.remove_prefix(parent.size() + 1);
  }
  return section.find('.') == std::string_view::npos ? section : std::string_view{};
}

std::vector<SigningKey> read_signing_keys(io::Document& document, io::Row& row, std::string_view name) {
  std::vector<SigningKey> keys;
  const toml::node* value = row.take(name);
  const toml::array* array = value->as_array();
  if (array == nullptr) {
    row.fault(*value, name, fmt::format("expected a list of {{ id, secret_file }}, found {}", io::kind_of(*value)));
    return keys;
  }
  std::set<std::string> ids;
  for (const toml::node& item : *array) {
    const toml::table* table = item.as_table();
    if (table == nullptr) {
      row.fault(item, name, fmt::format("expected {{ id, secret_file }}, found {}", io::kind_of(item)));
      continue;
    }
    io::Row fields(document, "signing.keys", *table);
    SigningKey key;
    io::assign(fields.text("id", io::rules::id(), io::Need::required), key.id);
    io::assign(fields.text("secret_file", secret_file_rule(), io::Need::required), key.secret_file);
    fields.finish();
    if (!key.id.empty() && !ids.insert(key.id).second)
      fields.fault(*table->get("id"), "id", fmt::format("{} is there already", io::in_quotes(key.id)));
    else if (!key.id.empty() && !key.secret_file.empty())
      keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<std::string> without_repeats(io::Row& row, const Key& key, std::vector<std::string> items) {
  const toml::array& array = *row.take(key.name)->as_array();
  std::vector<std::string> kept;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].empty()) continue;  // told already
    if (key.no_repeats && std::find(kept.begin(), kept.end(), items[i]) != kept.end())
      row.fault(*array.get(i), key.name, fmt::format("{} is in the list already", io::in_quotes(items[i])));
    else
      kept.push_back(std::move(items[i]));
  }
  return kept;
}

void read_key(io::Document& document, io::Row& row, const Key& key, Config& config) {
  if (row.take(key.name) == nullptr) return;
  struct Into {
    io::Document& document;
    io::Row& row;
    const Key& key;
    void operator()(std::string* to) const { io::assign(row.text(key.name, key.text), *to); }
    void operator()(bool* to) const { io::assign(row.boolean(key.name), *to); }
    void operator()(std::int64_t* to) const { io::assign(row.integer(key.name, key.min, key.max), *to); }
    void operator()(double* to) const {
      io::assign(row.number(key.name, static_cast<double>(key.min), static_cast<double>(key.max)), *to);
    }
    void operator()(std::vector<std::string>* to) const {
      if (auto items = row.texts(key.name, key.text)) *to = without_repeats(row, key, std::move(*items));
    }
    void operator()(std::vector<SigningKey>* to) const { *to = read_signing_keys(document, row, key.name); }
  };
  std::visit(Into{document, row, key}, key.slot(config));
}

void read_section(io::Document& document, std::string_view section, const toml::table& table, Config& config) {
  io::Row row(document, section, table);
  for (const Key& key : key_table())
    if (key.section == section) read_key(document, row, key, config);
  for (const std::string_view inner : sections()) {
    const std::string_view name = child_of(inner, section);
    if (name.empty()) continue;
    const toml::node* node = row.take(name);
    if (node == nullptr) continue;
    if (const toml::table* found = node->as_table())
      read_section(document, inner, *found, config);
    else
      row.fault(*node, name, fmt::format("expected a section, [{}], found {}", inner, io::kind_of(*node)));
  }
  row.finish();
}

// ---- the environment ----

template <class Number>
bool parse_number(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// What is wrong with it; empty: it is set.
std::string set_from_variable(const Key& key, const std::string& value, Config& config) {
  struct Into {
    const Key& key;
    const std::string& value;
    std::string expected(std::string_view article) const {
      return fmt::format("expected {}{}, found {}", article, key.type(), io::in_quotes(value));
    }

    std::string operator()(std::string* to) const {
      std::string why;
      if (!key.text.accepts(value, why))
        return key.text.secret ? fmt::format("expected {}", key.text.expected)
                               : fmt::format("expected {}, found {}", key.text.expected, io::in_quotes(value));
      *to = value;
      return {};
    }
    std::string operator()(bool* to) const {
      if (value != "true" && value != "false") return expected("");
      *to = value == "true";
      return {};
    }
    std::string operator()(std::int64_t* to) const {
      std::int64_t number = 0;
      if (!parse_number(value, number) || number < key.min || number > key.max) return expected("an ");
      *to = number;
      return {};
    }
    std::string operator()(double* to) const {
      double number = 0;
      const auto min = static_cast<double>(key.min), max = static_cast<double>(key.max);
      if (!parse_number(value, number) || !(number >= min && number <= max)) return expected("a ");
      *to = number;
      return {};
    }
    std::string operator()(std::vector<std::string>*) const { return "is a list; set it in the file"; }
    std::string operator()(std::vector<SigningKey>*) const { return "is a list; set it in the file"; }
  };
  return std::visit(Into{key, value}, key.slot(config));
}

// A variable that names a section but no key of it is a mistake; any other GEO_ name may be someone else's.
bool names_a_section(std::string_view variable) {
  return std::any_of(key_table().begin(), key_table().end(), [&](const Key& key) {
    const std::string known = key.variable();
    return variable.starts_with(known.substr(0, known.size() - key.name.size()));
  });
}

Variables read_environment(const std::vector<Variable>& environment, Config& config, Faults& faults) {
  Variables set;
  for (const Variable& variable : environment) {
    const auto key = std::find_if(key_table().begin(), key_table().end(),
                                  [&](const Key& known) { return known.variable() == variable.name; });
    if (key != key_table().end()) {
      const std::string problem = set_from_variable(*key, variable.value, config);
      if (!problem.empty()) faults.push_back({"environment", 0, 0, key->full_name(), variable.name + ": " + problem});
      set[key->full_name()] = variable.name;
    } else if (names_a_section(variable.name)) {
      faults.push_back({"environment", 0, 0, "", io::in_quotes(variable.name) + ": no key of geod.toml has this name"});
    }
  }
  return set;
}

void remember_positions(const toml::node& node, const std::string& path, Config& config) {
  const toml::source_position at = node.source().begin;
  if (!path.empty()) config.positions[path] = {at.line, at.column};
  if (const toml::table* table = node.as_table())
    for (const auto& [name, value] : *table)
      remember_positions(value, path.empty() ? std::string(name.str()) : fmt::format("{}.{}", path, name.str()),
                         config);
  if (const toml::array* array = node.as_array())
    for (std::size_t i = 0; i < array->size(); ++i)
      remember_positions(*array->get(i), fmt::format("{}[{}]", path, i), config);
}

}  // namespace

Read read_file(const std::filesystem::path& file, const std::vector<Variable>& environment, IfBroken if_broken) {
  Read read;
  read.config.file = file;
  read.config.dir = file.parent_path();
  io::Document document(file, io::Document::IfMissing::fault, read.faults,
                        if_broken == IfBroken::above ? io::Document::IfBroken::above : io::Document::IfBroken::empty);
  read_section(document, "", document.root(), read.config);
  const Variables variables = read_environment(environment, read.config, read.faults);
  // What a broken file would have said is not known, so nothing contradicts it.
  remember_positions(document.root(), "", read.config);
  Origins origins(read.faults, &document, variables);
  if (document.readable()) contradictions(read.config, origins);
  sort(read.faults);
  return read;
}

Read read_defaults(const std::vector<Variable>& environment) {
  Read read;
  const Variables variables = read_environment(environment, read.config, read.faults);
  Origins origins(read.faults, nullptr, variables);
  contradictions(read.config, origins);
  sort(read.faults);
  return read;
}

std::filesystem::path Config::path(std::string_view relative) const {
  return relative.empty() ? std::filesystem::path() : dir / relative;
}

}  // namespace geo::config

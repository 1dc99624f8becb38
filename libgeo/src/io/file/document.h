// One TOML file: its tables, its rows, and where everything stands in it. The store's files and geod.toml are read with
// it.
#pragma once

#include <toml++/toml.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/fault.h"
#include "geo/place.h"
#include "io/file/rules.h"

namespace geo::io {

class Row;

// Faults go to the list given at the start, each with the place it is about; no value gets two of them, so that what is
// wrong in itself is not told again as a dangling reference.
class Document {
 public:
  enum class IfMissing { empty, fault };
  enum class IfBroken { empty, above };  // above: root() has what stands above the line that is no TOML

  Document(const std::filesystem::path& file, IfMissing if_missing, Faults& faults,
           IfBroken if_broken = IfBroken::empty);
  // What stands in `file`, where it was read already.
  Document(const std::filesystem::path& file, std::string_view text, Faults& faults);
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  // false: unreadable, broken TOML, or missing where it must be there; its one fault is told.
  bool readable() const { return readable_; }
  const std::string& file() const { return file_; }
  const toml::table& root() const { return root_; }

  // Reads each row of the array of tables `name`. read(Row&, T&) says whether the row can be told from others; those
  // that cannot are left out.
  template <class T, class Read>
  void rows(std::string_view name, std::vector<T>& out, Read read);
  // Are all rows of that table known? Not where the file is broken or the table is no array of tables: then nobody can
  // say what is missing in it.
  bool whole(std::string_view name) const { return readable_ && !misshapen_.contains(name); }
  // Tables that rows() was not asked for are unknown.
  void finish();

  // What a check across rows found; RowFault::row counts the rows that were kept.
  void fault(const RowFault& fault);
  void fault(const toml::node& value, std::string key, std::string message);
  void fault(const toml::key& at, std::string key, std::string message);
  // At what needs it, about a key that is not there.
  void fault_missing(const toml::node& by, std::string key, std::string message);
  // At the row's header, about a key that is not there.
  void fault_missing(const toml::table& row, std::string_view table, std::string_view key, std::string message);

 private:
  void parse(std::string_view text, IfBroken if_broken = IfBroken::empty);
  void add(const toml::source_region& at, std::string key, std::string message);
  // The rows of an array of tables; a lone [name] is told and taken for one.
  std::vector<const toml::table*> tables_of(std::string_view name);

  std::string file_;
  Faults& faults_;
  bool readable_ = false;
  toml::table root_;
  std::map<std::string, std::vector<const toml::table*>, std::less<>> kept_;  // also: the tables that are known
  std::set<std::string, std::less<>> misshapen_;
  std::set<std::pair<const toml::node*, std::string>> told_;  // a value, or a row and the key it lacks
};

// The keys of one table. Each reader marks its key as known and tells what is wrong with the value; what comes back
// empty was absent or is told.
class Row {
 public:
  // table: what stands before the key in a fault, "nodes".
  Row(Document& document, std::string_view table, const toml::table& row)
      : document_(document), table_(table), row_(row) {}

  // The value as it stands; marks the key as known.
  const toml::node* take(std::string_view key);

  std::optional<std::string> text(std::string_view key, const TextRule& rule, Need need = Need::optional);
  // Items keep their place: one that is wrong is empty.
  std::optional<std::vector<std::string>> texts(std::string_view key, const TextRule& rule, Need need = Need::optional);
  std::optional<bool> boolean(std::string_view key, Need need = Need::optional);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max,
                                      Need need = Need::optional);
  // An integer will do.
  std::optional<double> number(std::string_view key, double min, double max, Need need = Need::optional);
  std::optional<WallTime> time(std::string_view key, Need need = Need::optional);
  std::optional<place::Coordinates> coordinates(std::string_view key);
  // Has `read` take the keys of a table within the row; true: it is there, and nothing in it is wrong.
  template <class Read>
  bool table(std::string_view key, std::string_view expected, Read read);

  void fault(const toml::node& value, std::string_view key, std::string message);
  // At the key's value, which is there.
  void fault(std::string_view key, std::string message);
  void fault_missing(std::string_view key, std::string message);
  // Keys that nobody took are unknown.
  void finish();
  // Of its header.
  std::size_t line() const { return row_.source().begin.line; }
  // Nothing was wrong so far.
  bool ok() const { return ok_; }

 private:
  const toml::node* take(std::string_view key, Need need, std::string_view expected);
  std::optional<std::string> text_of(const toml::node& value, std::string_view key, const TextRule& rule);
  std::optional<double> number_of(const toml::node& value, std::string_view key, double min, double max);
  const toml::table* table_of(std::string_view key, std::string_view expected);

  Document& document_;
  std::string_view table_;
  const toml::table& row_;
  std::vector<std::string_view> known_;
  bool ok_ = true;
};

// "an integer", for faults.
std::string_view kind_of(const toml::node& value);

template <class T, class Read>
void Document::rows(std::string_view name, std::vector<T>& out, Read read) {
  std::vector<const toml::table*>& kept = kept_[std::string(name)];
  for (const toml::table* table : tables_of(name)) {
    Row row(*this, name, *table);
    T value;
    const bool keep = read(row, value);
    row.finish();
    if (!keep) continue;
    out.push_back(std::move(value));
    kept.push_back(table);
  }
}

template <class Read>
bool Row::table(std::string_view key, std::string_view expected, Read read) {
  const toml::table* table = table_of(key, expected);
  if (table == nullptr) return false;
  const std::string name = std::string(table_) + "." + std::string(key);
  Row row(document_, name, *table);
  read(row);
  row.finish();
  return row.ok();
}

}  // namespace geo::io

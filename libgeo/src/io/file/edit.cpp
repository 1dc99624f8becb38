// Changes of one row in a file that people wrote: comments, order and style stay theirs.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "geo/base/text.h"
#include "geo/io/file.h"
#include "io/file/bytes.h"
#include "io/file/document.h"

namespace geo::io {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::chrono::seconds kPatience{5};  // with another edit, which takes milliseconds

// A file's text, and where in it toml++ found what.
class Source {
 public:
  Source(std::string_view text, const toml::table& root) : text_(text), root_(root) {
    lines_.push_back(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);  // toml++ does not count a byte order mark
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') lines_.push_back(i + 1);
  }

  std::string_view text() const { return text_; }
  const toml::table& root() const { return root_; }

  // Columns count characters.
  std::size_t at(const toml::source_position& position) const {
    if (position.line == 0 || position.line > lines_.size()) return text_.size();
    std::size_t i = lines_[position.line - 1];
    for (toml::source_index left = position.column; left > 1 && i < text_.size(); --left) do
        ++i;
      while (i < text_.size() && (static_cast<unsigned char>(text_[i]) & 0xC0U) == 0x80U);
    return i;
  }
  std::size_t begin(const toml::source_region& region) const { return at(region.begin); }
  std::size_t end(const toml::source_region& region) const { return at(region.end); }

  std::size_t line_begin(std::size_t at) const { return text_.substr(0, at).rfind('\n') + 1; }  // npos + 1 is 0
  // Before its line break.
  std::size_t line_end(std::size_t at) const {
    const std::size_t end = std::min(text_.find('\n', at), text_.size());
    return end > at && end < text_.size() && text_[end - 1] == '\r' ? end - 1 : end;
  }
  // After its line break.
  std::size_t next_line(std::size_t at) const {
    const std::size_t end = text_.find('\n', at);
    return end == std::string_view::npos ? text_.size() : end + 1;
  }
  bool blank(std::size_t from, std::size_t to) const {
    return text_.substr(from, to - from).find_first_not_of(" \t\r\n") == std::string_view::npos;
  }
  // After the blanks, line breaks and comments that begin at `at`.
  std::size_t after_space(std::size_t at) const {
    while (at < text_.size()) {
      if (text_[at] == '#')
        at = next_line(at);
      else if (blank(at, at + 1))
        ++at;
      else
        break;
    }
    return at;
  }
  std::size_t after_blanks(std::size_t at) const {
    return std::min(text_.find_first_not_of(kBlanks, at), text_.size());
  }

 private:
  std::string_view text_;
  const toml::table& root_;
  std::vector<std::size_t> lines_;  // where each begins
};

// Text in the place of other text, and what the file says then.
struct Change {
  std::size_t begin, end;
  std::string text;
  toml::table result;
};
using Changed = Result<std::optional<Change>>;  // nothing: it is so already

Result<bool> edit(const std::filesystem::path& file, const std::function<Changed(const Source&)>& change_of) {
  std::error_code error;
  std::filesystem::path dir = std::filesystem::canonical(file, error).parent_path();
  const Descriptor folder(error ? -1 : ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Where the file system has no such locks, two edits at once are the operator's to avoid.
  if (folder.open())
    if (const auto locked = io::lock(folder, kPatience); !locked && locked.error().empty())
      return deny(ErrorCode::upstream_unavailable, fmt::format("{}: another process is changing it", file.string()));

  const auto text = read_bytes(file);
  if (!text) return deny(ErrorCode::invalid_config, fmt::format("{}: {}", file.string(), text.error()));
  Faults faults;
  const Document document(file, *text, faults);
  if (!document.readable()) return deny(ErrorCode::invalid_config, to_string(faults.front()));
  const Changed changed = change_of(Source(*text, document.root()));
  if (!changed) return tl::make_unexpected(changed.error());
  if (!*changed) return false;

  const Change& change = **changed;
  std::string fresh = *text;
  fresh.replace(change.begin, change.end - change.begin, change.text);
  const Document check(file, fresh, faults);
  if (!check.readable() || check.root() != change.result)
    return deny(ErrorCode::invalid_config,
                fmt::format("{}: that row cannot be changed alone; change it by hand", file.string()));
  if (const auto written = replace_file(file, fresh); !written)
    return deny(ErrorCode::upstream_unavailable, written.error());
  return true;
}

// Where in the array of tables `name` the one row stands for which `is_it` holds.
Result<std::size_t> find_row(const toml::table& root, std::string_view name, std::string_view what,
                             const std::function<bool(const toml::table&)>& is_it) {
  std::optional<std::size_t> found;
  if (const toml::array* rows = root.get_as<toml::array>(name))
    for (std::size_t i = 0; i < rows->size(); ++i) {
      const toml::table* row = rows->get_as<toml::table>(i);
      if (row == nullptr || !is_it(*row)) continue;
      if (found) return deny(ErrorCode::invalid_config, fmt::format("{} is there twice", what));
      found = i;
    }
  if (!found) return deny(ErrorCode::not_found, fmt::format("{} is not there", what));
  return *found;
}

// Does the value stand behind its key? Not those of [name.key], [[name.key]] and key.part.
bool is_inline(const toml::node& value) {
  if (const toml::table* table = value.as_table()) return table->is_inline();
  const toml::array* array = value.as_array();
  if (array == nullptr || array->empty()) return true;
  const toml::table* first = array->get(0)->as_table();
  return first == nullptr || first->is_inline();
}

// `admin = ..` behind the row's last key, in that key's style.
Change insert_admin(const Source& source, const toml::table& row, std::string_view value) {
  const toml::key* last_key = nullptr;
  const toml::node* last = nullptr;
  for (const auto& [key, node] : row)
    if (is_inline(node) && (last == nullptr || last->source().begin < node.source().begin))
      last_key = &key, last = &node;

  const std::string_view text = source.text();
  const std::size_t key_begin = source.begin(last_key->source());
  const std::size_t end = source.end(last->source());
  const std::size_t key_end = source.end(last_key->source());
  std::string equals(text.substr(key_end, source.begin(last->source()) - key_end));
  const char quote = text[source.begin(row.get("id")->source())] == '\'' ? '\'' : '"';
  const auto entry = [&] { return fmt::format("admin{}{}{}{}", equals, quote, value, quote); };

  if (row.is_inline()) {
    const std::size_t before = text.find_last_not_of(kBlanks, key_begin - 1);
    const std::string_view space = text[before] == ',' ? text.substr(before + 1, key_begin - before - 1) : " ";
    return {end, end, fmt::format(",{}{}", space, entry()), {}};
  }
  if (const std::size_t blanks = equals.find('='); blanks > 1) {  // the signs stand in one column
    const std::size_t column = key_end - key_begin + blanks;
    equals.replace(0, blanks, std::max<std::size_t>(column, 6) - 5, ' ');
  }
  const std::size_t line = source.line_begin(key_begin);
  const std::string_view indent = text.substr(line, key_begin - line);
  const std::size_t line_end = source.line_end(end);
  const bool crlf = line >= 2 && text[line - 2] == '\r';  // the header's line is above
  return {line_end, line_end, fmt::format("{}{}{}", crlf ? "\r\n" : "\n", indent, entry()), {}};
}

// The lines of [[tokens]].
Change remove_lines(const Source& source, const toml::table& row) {
  std::size_t end = source.begin(row.source());
  for (const auto& [key, node] : row) end = std::max(end, source.end(node.source()));
  const std::size_t begin = source.line_begin(source.begin(row.source()));
  end = source.next_line(end);
  // Two blank lines would meet.
  const bool blank_above = begin == 0 || source.blank(source.line_begin(begin - 1), begin);
  if (const std::size_t next = source.next_line(end); blank_above && source.blank(end, next)) end = next;
  return {begin, end, "", {}};
}

// One of tokens = [ {..}, {..} ], with its comma; of the lines of its own nothing is left.
Change remove_item(const Source& source, const toml::array& rows, std::size_t at) {
  const std::string_view text = source.text();
  std::size_t begin = source.begin(rows.get(at)->source());
  std::size_t end = source.end(rows.get(at)->source());
  if (const std::size_t comma = source.after_space(end); comma < text.size() && text[comma] == ',') {
    end = source.after_blanks(comma + 1);
  } else if (at > 0) {
    const std::size_t before = source.end(rows.get(at - 1)->source());
    if (text.substr(before, begin - before).find_first_of("#\n") == std::string_view::npos) begin = before;
  }
  const std::size_t line = source.line_begin(begin);
  const std::size_t rest = source.after_blanks(end);
  const bool ends_line = rest == source.line_end(rest) || (rest < text.size() && text[rest] == '#');
  if (ends_line && source.blank(line, begin)) return {line, source.next_line(rest), "", {}};
  return {begin, end, "", {}};
}

}  // namespace

Result<bool> set_admin(const std::filesystem::path& file, std::string_view node, place::Admin admin) {
  const std::string_view value = place::name_of(admin);
  return edit(file, [&](const Source& source) -> Changed {
    const auto at = find_row(source.root(), "nodes", fmt::format("node {}", in_quotes(node)),
                             [&](const toml::table& row) { return row["id"].value_exact<std::string_view>() == node; });
    if (!at) return tl::make_unexpected(at.error());
    const toml::table& row = *source.root().get_as<toml::array>("nodes")->get_as<toml::table>(*at);
    const toml::node* old = row.get("admin");
    const auto now = old != nullptr ? old->value_exact<std::string_view>() : place::name_of(place::Node{}.admin);
    if (now == value) return std::nullopt;

    Change change;
    if (old == nullptr) {
      change = insert_admin(source, row, value);
    } else {
      change = {source.begin(old->source()), source.end(old->source()), {}, {}};
      const char quote = source.text()[change.begin] == '\'' ? '\'' : '"';
      change.text = fmt::format("{}{}{}", quote, value, quote);
    }
    change.result = source.root();
    change.result.get_as<toml::array>("nodes")->get_as<toml::table>(*at)->insert_or_assign("admin", value);
    return change;
  });
}

Result<void> remove_token(const std::filesystem::path& file, const Digest& sha256) {
  const std::string digits = hex(sha256.data(), sha256.size());
  const auto edited = edit(file, [&](const Source& source) -> Changed {
    const auto at = find_row(source.root(), "tokens", "the token", [&](const toml::table& row) {
      return lower(row["sha256"].value_exact<std::string_view>().value_or("")) == digits;
    });
    if (!at) return tl::make_unexpected(at.error());
    const toml::array& rows = *source.root().get_as<toml::array>("tokens");
    const toml::table& row = *rows.get_as<toml::table>(*at);
    const bool own_lines = !row.is_inline();
    Change change = own_lines ? remove_lines(source, row) : remove_item(source, rows, *at);
    change.result = source.root();
    toml::array& left = *change.result.get_as<toml::array>("tokens");
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(*at));
    if (own_lines && left.empty()) change.result.erase("tokens");
    return change;
  });
  if (!edited) return tl::make_unexpected(edited.error());
  return {};
}

}  // namespace geo::io

#include "output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "geo/base/text.h"
#include "geo/redirect.h"

namespace geoctl {
namespace {

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

// The blocks of Unicode's EastAsianWidth.txt (15.0) that are Wide or Fullwidth throughout.
bool is_wide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF && c != 0x303F) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
         (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
}

std::string one_line(const geo::Fault& fault) { return printable(geo::to_string(fault)) + "\n"; }

// The rows that geoctl never meets have no exit status of their own.
int exit_status_of(const geo::Denial& denial) {
  const int exit_status = geo::row_of(denial.code).exit_status;
  return exit_status < 0 ? geo::kExitInternal : exit_status;
}

}  // namespace

Stream::Stream(std::FILE* file) : file_(file), terminal_(isatty(fileno(file)) == 1) {
  const char* term = std::getenv("TERM");
  colours_ = terminal_ && !is_set("NO_COLOR") && term != nullptr && std::string_view(term) != "dumb";
}

std::string Stream::in(std::string_view style, std::string_view text) const {
  return colours_ ? fmt::format("\x1b[{}m{}\x1b[0m", style, text) : std::string(text);
}

void Output::line(std::string_view text) {
  out.write(text);
  out.write("\n");
}

int Output::refuse(const geo::Denial& denial, std::string_view ip) {
  if (!json) return complain(denial);
  std::string problem;
  geo::append_problem(problem, denial, {}, ip);
  line(problem);
  return exit_status_of(denial);
}

int Output::complain(const geo::Denial& denial) {
  out.flush();  // in order, where both streams go to one file
  err.write(fmt::format("{}: {}\n", err.red(geo::row_of(denial.code).name), printable(denial.detail)));
  return exit_status_of(denial);
}

int Output::refuse(const geo::Faults& faults) {
  if (json) {
    std::string problem;
    geo::append_problem(problem, faults, {});
    line(problem);
  } else {
    for (const geo::Fault& fault : faults) err.write(one_line(fault));
  }
  return geo::kExitUsage;
}

int Output::tell(const geo::Faults& faults) {
  for (const geo::Fault& fault : faults) {
    if (json) {
      std::string object;
      geo::append_json(object, fault);
      line(object);
    } else {
      out.write(one_line(fault));
    }
  }
  return faults.empty() ? geo::kExitOk : geo::kExitCheckFailed;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const geo::Utf8 c = geo::utf8_at(text, at);
    const bool control = c.code < 0x20 || (c.code >= 0x7F && c.code < 0xA0);
    const std::size_t size = std::max<std::size_t>(c.size, 1);
    if (c.size == 0 || control)
      for (std::size_t i = 0; i < size; ++i) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at + i]));
    else
      out += text.substr(at, size);
    at += size;
  }
  return out;
}

std::size_t width(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const geo::Utf8 c = geo::utf8_at(text, at);
    const bool combining = c.code >= 0x300 && c.code <= 0x36F;
    columns += combining ? 0 : is_wide(c.code) ? 2 : 1;
    at += std::max<std::size_t>(c.size, 1);
  }
  return columns;
}

std::string padded(std::string_view text, std::size_t columns) {
  const std::size_t has = width(text);
  return std::string(text) + std::string(columns > has ? columns - has : 0, ' ');
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(width(column.title));
}

void Table::fit(const std::vector<std::string>& row) {
  for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], width(row[i]));
}

std::string Table::header() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  return Table(*this).row(titles);
}

std::string Table::row(const std::vector<std::string>& row) {
  fit(row);
  std::string out;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out += "  ";
    const std::string fill(widths_[i] - width(row[i]), ' ');
    out += columns_[i].align == Align::right ? fill + row[i] : row[i] + fill;
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

std::string key_values(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t widest = 0;
  for (const auto& [key, value] : rows) widest = std::max(widest, width(key));
  std::string out;
  for (const auto& [key, value] : rows) out += fmt::format("{}  {}\n", padded(key, widest), value);
  return out;
}

}  // namespace geoctl

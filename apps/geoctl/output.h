// What geoctl prints: text for people, JSON for programs, refusals and faults alike for every command.
#pragma once

#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/fault.h"
#include "geo/base/result.h"

namespace geoctl {

// Where text goes, and whether it may be coloured there: only on a terminal, and never with NO_COLOR.
class Stream {
 public:
  // Nowhere: for text without colours.
  Stream() = default;
  explicit Stream(std::FILE* file);
  bool terminal() const { return terminal_; }
  // A write that fails shows in good(), once, at the end.
  void write(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) failed();
  }
  void flush() {
    if (std::fflush(file_) != 0) failed();
  }
  bool good() const { return error_ == 0; }
  int error() const { return error_; }  // the errno of the first that failed

  std::string bold(std::string_view text) const { return in("1", text); }
  std::string dim(std::string_view text) const { return in("2", text); }
  std::string red(std::string_view text) const { return in("31", text); }
  std::string green(std::string_view text) const { return in("32", text); }

 private:
  std::string in(std::string_view style, std::string_view text) const;
  void failed() { error_ = error_ == 0 ? errno : error_; }
  std::FILE* file_ = nullptr;
  int error_ = 0;
  bool terminal_ = false, colours_ = false;
};

struct Output {
  bool json = false;
  Stream out{stdout}, err{stderr};

  void line(std::string_view text);

  // `code: detail` on stderr; with --json the problem object on stdout. Returns the exit status of the error table.
  // ip: the address it is about, where several were asked.
  int refuse(const geo::Denial& denial, std::string_view ip = {});
  // The same, on stderr with --json too: for what does not end a command.
  int complain(const geo::Denial& denial);
  // A bad config or bad data: one fault a line on stderr; with --json one problem object with all of them.
  int refuse(const geo::Faults& faults);
  // A check's findings: one fault a line on stdout, with --json one object a line. Returns the exit status.
  int tell(const geo::Faults& faults);
};

// For terminals: control characters and bytes that are no UTF-8 become \xNN.
std::string printable(std::string_view text);
// Columns on a terminal: East Asian wide characters take two, combining marks none.
std::size_t width(std::string_view text);
// Followed by blanks up to `columns`.
std::string padded(std::string_view text, std::size_t columns);

enum class Align : std::uint8_t { left, right };
struct Column {
  std::string title;
  Align align = Align::left;
};

// Rows under a header, aligned. A column only ever gets wider, so rows may be printed one by one as they come; those
// given to fit() before line up from the start.
class Table {
 public:
  explicit Table(std::vector<Column> columns);
  void fit(const std::vector<std::string>& row);
  std::string header() const;
  std::string row(const std::vector<std::string>& row);

 private:
  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;
};

// "key    value" lines for one thing.
std::string key_values(const std::vector<std::pair<std::string, std::string>>& rows);

}  // namespace geoctl

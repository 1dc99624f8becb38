#include "check_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "geo/base/result.h"
#include "geo/base/text.h"

namespace geoctl {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  geo::Json(out).text(text);
  return out;
}

std::string indented(std::string_view text, std::string_view by) {
  std::string out;
  while (text.ends_with('\n')) text.remove_suffix(1);
  for (const std::string_view line : geo::split(text, '\n'))
    out += line.empty() ? "\n" : fmt::format("{}{}\n", by, line);
  return out;
}

// A '#' would begin a directive.
std::string tap_name(std::string_view name) {
  std::string out;
  for (const char c : printable(name)) {
    if (c == '#' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// Of an element or an attribute, in XML 1.0: what it cannot hold at all becomes \xNN or a question mark.
std::string xml(std::string_view text) {
  std::string out;
  bool first = true;
  for (const std::string_view line : geo::split(text, '\n')) {
    if (!first) out += "&#10;";
    first = false;
    const std::string safe = printable(line);
    for (std::size_t at = 0; at < safe.size();) {
      const geo::Utf8 c = geo::utf8_at(safe, at);
      if (c.code == '&')
        out += "&amp;";
      else if (c.code == '<')
        out += "&lt;";
      else if (c.code == '>')
        out += "&gt;";
      else if (c.code == '"')
        out += "&quot;";
      else if (c.code == 0xFFFE || c.code == 0xFFFF)
        out += '?';
      else
        out += safe.substr(at, c.size);
      at += c.size;
    }
  }
  return out;
}

double seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

CheckReport::CheckReport(Output& output, std::size_t checks)
    : output_(output),
      form_(output.json             ? Form::json
            : output.out.terminal() ? Form::text
                                    : Form::tap) {
  if (form_ == Form::tap) output_.line(fmt::format("TAP version 14\n1..{}", checks));
}

void CheckReport::tell(Outcome outcome) {
  outcomes_.push_back(std::move(outcome));
  if (form_ == Form::text) tell_text(outcomes_.back());
  if (form_ == Form::json) tell_json(outcomes_.back());
  if (form_ == Form::tap) tell_tap(outcomes_.back());
  output_.out.flush();
}

void CheckReport::tell_text(const Outcome& outcome) {
  const bool is_new_file = outcomes_.size() == 1 || outcomes_[outcomes_.size() - 2].file != outcome.file;
  if (is_new_file) output_.line(output_.out.bold(printable(outcome.file)));
  if (outcome.ok) {
    output_.line(fmt::format("  {}      {}", output_.out.green("ok"), printable(outcome.name)));
    return;
  }
  output_.line(fmt::format("  {}  {} {}", output_.out.red("FAILED"), printable(outcome.name),
                           output_.out.dim(fmt::format("line {}", outcome.line))));
  output_.line(fmt::format("          expected  {}", printable(outcome.expected)));
  output_.line(fmt::format("          got       {}\n", printable(outcome.got)));
  output_.line(indented(outcome.trace, "          "));
}

void CheckReport::tell_json(const Outcome& outcome) {
  std::string object;
  geo::Json json(object);
  json.open('{').field("name", outcome.name).field("ok", outcome.ok);
  json.key("expected").raw(outcome.expected_json).key("got").raw(outcome.got_json);
  json.field("file", outcome.file).field("line", static_cast<std::int64_t>(outcome.line));
  if (!outcome.ok && !outcome.trace_json.empty()) json.key("trace").raw(outcome.trace_json);
  json.close('}');
  output_.line(object);
}

void CheckReport::tell_tap(const Outcome& outcome) {
  output_.line(fmt::format("{} {} - {}", outcome.ok ? "ok" : "not ok", outcomes_.size(), tap_name(outcome.name)));
  if (outcome.ok) return;
  output_.line(fmt::format("  ---\n  at:\n    file: {}\n    line: {}\n  expected: {}\n  got: {}\n  trace: |\n{}  ...",
                           quoted(outcome.file), outcome.line, quoted(outcome.expected), quoted(outcome.got),
                           indented(outcome.trace, "    ")));
}

int CheckReport::end() {
  const auto failed = static_cast<std::size_t>(
      std::count_if(outcomes_.begin(), outcomes_.end(), [](const Outcome& each) { return !each.ok; }));
  if (form_ == Form::text)
    output_.line(failed == 0 ? fmt::format("{}, all hold", counted(outcomes_.size(), "check"))
                             : fmt::format("{}, {} failed", counted(outcomes_.size(), "check"), failed));
  return failed == 0 ? geo::kExitOk : geo::kExitCheckFailed;
}

std::string junit(const std::vector<Outcome>& outcomes) {
  struct Sum {
    std::size_t tests = 0, failures = 0;
    std::chrono::nanoseconds duration{};
    void add(const Outcome& outcome) {
      ++tests;
      failures += outcome.ok ? 0 : 1;
      duration += outcome.duration;
    }
    std::string attributes() const {
      return fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"{:.6f}\"", tests, failures,
                         seconds(duration));
    }
  };
  Sum all;
  std::string suites;
  for (std::size_t begin = 0, end = 0; begin < outcomes.size(); begin = end) {
    const std::string file = xml(outcomes[begin].file);
    Sum suite;
    std::string cases;
    for (end = begin; end < outcomes.size() && outcomes[end].file == outcomes[begin].file; ++end) {
      const Outcome& outcome = outcomes[end];
      suite.add(outcome);
      all.add(outcome);
      cases += fmt::format("    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.6f}\"",
                           xml(outcome.name), file, file, outcome.line, seconds(outcome.duration));
      if (outcome.ok) {
        cases += "/>\n";
        continue;
      }
      const std::string message = fmt::format("expected {}, got {}", outcome.expected, outcome.got);
      cases +=
          fmt::format(">\n      <failure type=\"check\" message=\"{}\">{}</failure>\n    </testcase>\n", xml(message),
                      xml(fmt::format("expected {}\ngot {}\n\n{}", outcome.expected, outcome.got, outcome.trace)));
    }
    suites += fmt::format("  <testsuite name=\"{}\" {}>\n{}  </testsuite>\n", file, suite.attributes(), cases);
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"geoctl check\" {}>\n{}</testsuites>\n",
      all.attributes(), suites);
}

}  // namespace geoctl

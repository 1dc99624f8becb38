#include "explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "geo/base/text.h"

namespace geoctl {
namespace {

using geo::balance::Refused;
using geo::place::GroupedBy;
using geo::redirect::Step;
using geo::redirect::TraceStep;

// The members of a trace's result: one flat JSON object, written by libgeo. A text comes without its quotes, null as an
// empty text, an array or object as it stands.
class Members {
 public:
  explicit Members(std::string_view json) : rest_(json) {
    take('{');
    while (!rest_.empty() && rest_.front() == '"') {
      std::string key = text();
      take(':');
      values_[std::move(key)] = value();
      take(',');
    }
  }
  std::string operator[](std::string_view key) const {
    const auto at = values_.find(key);
    return at == values_.end() ? std::string() : at->second;
  }

 private:
  void take(char c) {
    if (!rest_.empty() && rest_.front() == c) rest_.remove_prefix(1);
  }
  std::string text() {
    std::string out;
    take('"');
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      out += rest_.front();
      rest_.remove_prefix(1);
    }
    take('"');
    return out;
  }
  std::string value() {
    if (!rest_.empty() && rest_.front() == '"') return text();
    std::size_t size = 0;
    bool quoted = false;
    for (int depth = 0; size < rest_.size(); ++size) {
      const char c = rest_[size];
      if (quoted) {
        if (c == '\\') ++size;
        quoted = c != '"';
        continue;
      }
      quoted = c == '"';
      if (depth == 0 && (c == ',' || c == '}')) break;
      depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    }
    const std::string out(rest_.substr(0, size));
    rest_.remove_prefix(std::min(size, rest_.size()));
    return out == "null" ? std::string() : out;
  }

  std::string_view rest_;
  std::map<std::string, std::string, std::less<>> values_;
};

// ["a","b"] -> a, b
std::string listed(std::string_view array) {
  std::string out;
  for (const char c : array) {
    if (c == '[' || c == ']' || c == '"') continue;
    out += c;
    if (c == ',') out += ' ';
  }
  return out;
}

std::string_view meaning_of(Refused refused) {
  switch (refused) {
    case Refused::none:
      return {};
    case Refused::drained:
      return "its admin state is drain";
    case Refused::offline:
      return "its admin state is offline";
    case Refused::unhealthy:
      return "it reports or was found not to work";
    case Refused::stale:
      return "its last report is too old";
    case Refused::full:
      return "its capacity is used up";
    case Refused::quota:
      return "the partner's share of the group is used up";
    case Refused::forbidden:
      return "a forbid rule keeps clients of that country away";
    case Refused::partner:
      return "it does not serve this partner";
    case Refused::pattern:
      return "it does not serve this pattern";
    case Refused::format:
      return "it does not serve this format";
    case Refused::excluded:
      return "the client excluded it";
    case Refused::weight:
      return "its weight is 0";
    case Refused::overloaded:
      return "above its share of what is under way";
    case Refused::not_first:
      return "it may serve, but comes later for this camera";
  }
  return {};
}

std::string describe_place(const Members& at) {
  std::string out;
  const auto add = [&](const std::string& part) {
    if (!part.empty()) out += (out.empty() ? "" : ", ") + part;
  };
  add(at["city"]);
  const std::string iso = at["region_iso"], name = at["region"];
  add(name.empty() || iso.empty() ? name + iso : fmt::format("{} ({})", name, iso));
  add(at["country_code"]);
  if (const std::string coordinates = listed(at["coordinates"]); !coordinates.empty())
    out += fmt::format("{}at {}", out.empty() ? "" : " ", coordinates);
  return out.empty() ? "no place, but known" : out;
}

std::string describe_group(const Members& found) {
  const std::string by = found["by"], group = found["group"];
  if (group.empty())
    return fmt::format("none: no place leads to one, and partner {} has no default group", found["partner"]);
  const std::string partner = fmt::format("of partner {}", found["partner"]);
  if (by == name_of(GroupedBy::partner_default)) return fmt::format("{}, the default group {}", group, partner);
  if (by == name_of(GroupedBy::nearest)) return fmt::format("{}, the nearest, {}", group, partner);
  return fmt::format("{}, by {}, {}", group, by, partner);
}

std::string describe_select(const Members& chosen) {
  if (chosen["node"].empty()) return "nobody";
  return fmt::format("{} of {}, for {}{}", chosen["node"], chosen["group"], chosen["pattern"],
                     chosen["exclude_ignored"] == "true" ? "; nobody else was left, so --exclude is ignored" : "");
}

std::string describe_bill(const Members& bill) {
  const std::string max = bill["max_streams"];
  return fmt::format("tariff {}, {}", bill["tariff"],
                     max.empty() ? bill["streams"] + " streams in use, no limit"
                                 : fmt::format("{} of {} streams in use", bill["streams"], max));
}

std::string describe_inspect(const Members& device) {
  const std::string dc = device["dc"];
  return fmt::format("server {}{}, camera {}, streams {}", device["server_online"] == "true" ? "online" : "offline",
                     dc.empty() ? "" : " in " + dc, device["camera_online"] == "true" ? "online" : "offline",
                     listed(device["streams"]));
}

std::string describe(const TraceStep& step) {
  const Members found(step.result);
  switch (step.step) {
    case Step::locate:
      return describe_place(found);
    case Step::group:
      return describe_group(found);
    case Step::select:
      return describe_select(found);
    case Step::authorize:
      return fmt::format("{}/{} may view it, {}", found["owner_type"], found["owner_id"],
                         found["expires_at"].empty() ? "without end" : "until " + found["expires_at"]);
    case Step::bill:
      return describe_bill(found);
    case Step::inspect:
      return describe_inspect(found);
    case Step::sign:
      return fmt::format("with key {}, good until {}", found["kid"], found["expires_at"]);
  }
  return {};
}

class Explanation {
 public:
  Explanation(const Stream& stream, const geo::redirect::Trace& trace, const geo::place::Topology& topology)
      : stream_(stream), trace_(trace), topology_(topology) {}

  std::string write(const std::string& title) {
    out_ = stream_.bold(title) + "\n\n";
    for (const TraceStep& step : trace_.steps) {
      const Line line = line_of(step);
      text_width_ = std::max(text_width_, width(line.code) + width(line.text));
    }
    int number = 0;
    for (const TraceStep& step : trace_.steps) {
      write_step(++number, step);
      if (step.step == Step::select) write_candidates();
    }
    return std::move(out_);
  }

 private:
  static constexpr std::string_view kIndent = "                ";

  struct Line {
    std::string code, text, note;  // code: of a denial
  };
  static Line line_of(const TraceStep& step) {
    Line line;
    if (step.denial) {
      line.code = name_of(step.denial->code);
      line.text = ": " + printable(step.denial->detail);
    } else {
      line.text = printable(describe(step));
    }
    line.note = step.source;
    if (step.cached) line.note += ", cached";
    const double microseconds = static_cast<double>(step.duration.count()) / 1000;
    line.note += fmt::format("{}{:.1f} us", line.note.empty() ? "" : ", ", microseconds);
    return line;
  }

  void write_step(int number, const TraceStep& step) {
    const Line line = line_of(step);
    // an address nobody knows is no refusal: the default group serves
    const std::string code = step.step == Step::locate ? line.code : stream_.red(line.code);
    out_ += fmt::format("  {}  {}  {}{}  {}\n", number, stream_.bold(padded(name_of(step.step), 9)), code,
                        padded(line.text, text_width_ - width(line.code)), stream_.dim("[" + line.note + "]"));
  }

  void write_candidates() {
    for (const geo::balance::Attempt& attempt : trace_.account.attempts)
      out_ += fmt::format("{}{} in {}: {} may serve\n", kIndent, topology_.pattern(attempt.pattern).id,
                          topology_.group(attempt.group).id, attempt.eligible);
    Table table({{""}, {"NODE"}, {"GROUP"}, {"VERDICT"}, {""}});
    std::vector<std::vector<std::string>> rows;
    for (const geo::balance::Verdict& verdict : trace_.account.verdicts) {
      const bool chosen = verdict.refused == Refused::none;
      table.fit(rows.emplace_back(std::vector<std::string>{
          chosen ? ">" : " ", topology_.node(verdict.node).id, topology_.group(verdict.group).id,
          std::string(chosen ? "chosen" : name_of(verdict.refused)), std::string(meaning_of(verdict.refused))}));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string line = std::string(kIndent) + table.row(rows[i]);
      const bool chosen = trace_.account.verdicts[i].refused == Refused::none;
      out_ += (chosen ? stream_.green(line) : line) + "\n";
    }
  }

  const Stream& stream_;
  const geo::redirect::Trace& trace_;
  const geo::place::Topology& topology_;
  std::size_t text_width_ = 0;
  std::string out_;
};

}  // namespace

std::string explanation(const Stream& stream, const std::string& title, const geo::redirect::Trace& trace,
                        const geo::place::Topology& topology) {
  return Explanation(stream, trace, topology).write(title);
}

}  // namespace geoctl

#include "explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "geo/balance.h"
#include "read_json.h"

namespace geoctl {
namespace {

using geo::balance::Refused;
using Poco::JSON::Array;
using Poco::JSON::Object;

std::string_view meaning_of(std::string_view name) {
  const auto at = std::find(geo::balance::kRefusedNames.begin(), geo::balance::kRefusedNames.end(), name);
  if (at == geo::balance::kRefusedNames.end()) return {};
  switch (static_cast<Refused>(at - geo::balance::kRefusedNames.begin())) {
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

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts)
    if (!part.empty()) out += (out.empty() ? "" : ", ") + part;
  return out;
}

// What a step found, in a few words.
std::string described(const std::string& step, const Object& found) {
  if (step == "locate") {
    const std::string region = text_of(found, "region"), iso = text_of(found, "region_iso");
    std::string out = joined({text_of(found, "city"),
                              region.empty() || iso.empty() ? region + iso : fmt::format("{} ({})", region, iso),
                              text_of(found, "country_code")});
    if (const Array::Ptr at = list_of(found, "coordinates"); at->size() == 2)
      out += fmt::format("{}at {}, {}", out.empty() ? "" : " ", at->getElement<double>(0), at->getElement<double>(1));
    return out.empty() ? "no place, but known" : out;
  }
  if (step == "group") {
    const std::string group = text_of(found, "group"), by = text_of(found, "by"), partner = text_of(found, "partner");
    if (group.empty()) return fmt::format("none: no place leads to one, and partner {} has no default group", partner);
    if (by == "default") return fmt::format("{}, the default group of partner {}", group, partner);
    if (by == "nearest") return fmt::format("{}, the nearest, of partner {}", group, partner);
    return fmt::format("{}, by {}, of partner {}", group, by, partner);
  }
  if (step == "select") {
    if (found.isNull("node")) return "nobody";
    return fmt::format("{} of {}, for {}{}", text_of(found, "node"), text_of(found, "group"), text_of(found, "pattern"),
                       flag_of(found, "exclude_ignored") ? "; nobody else was left, so --exclude is ignored" : "");
  }
  if (step == "authorize") {
    const std::string end = text_of(found, "expires_at");
    return fmt::format("{}/{} may view it, {}", text_of(found, "owner_type"), text_of(found, "owner_id"),
                       end.empty() ? "without end" : "until " + end);
  }
  if (step == "bill") {
    const std::string most = text_of(found, "max_streams"), streams = text_of(found, "streams");
    return fmt::format("tariff {}, {}", text_of(found, "tariff"),
                       most.empty() ? fmt::format("{} streams in use, no limit", streams)
                                    : fmt::format("{} of {} streams in use", streams, most));
  }
  if (step == "inspect") {
    const auto shown = [&](const char* key) { return flag_of(found, key) ? "online" : "offline"; };
    const std::string dc = text_of(found, "dc");
    return fmt::format("server {}{}, camera {}, streams {}", shown("server_online"), dc.empty() ? "" : " in " + dc,
                       shown("camera_online"), joined(texts_of(found, "streams")));
  }
  if (step == "sign")
    return fmt::format("with key {}, good until {}", text_of(found, "kid"), text_of(found, "expires_at"));
  return {};
}

class Explanation {
 public:
  Explanation(const Stream& stream, const Object& trace) : stream_(stream), trace_(trace) {}

  std::string write(const std::string& title) {
    out_ = stream_.bold(title) + "\n\n";
    const std::vector<Object::Ptr> steps = objects_of(trace_, "steps");
    for (const Object::Ptr& step : steps) {
      const Line line = line_of(*step);
      text_width_ = std::max(text_width_, width(line.code) + width(line.text));
    }
    int number = 0;
    for (const Object::Ptr& step : steps) {
      write_step(++number, *step);
      if (text_of(*step, "step") == "select") write_candidates(*step);
    }
    return std::move(out_);
  }

 private:
  static constexpr std::string_view kIndent = "                ";

  struct Line {
    std::string code, text, note;  // code: of a denial
  };
  static Line line_of(const Object& step) {
    Line line;
    line.code = text_of(step, "code");
    if (!line.code.empty())
      line.text = ": " + printable(text_of(step, "detail"));
    else if (!step.isNull("result"))
      line.text = printable(described(text_of(step, "step"), *step.getObject("result")));
    line.note = printable(text_of(step, "source"));
    if (flag_of(step, "cached")) line.note += flag_of(step, "stale") ? ", stale" : ", cached";
    line.note += fmt::format("{}{:.1f} us", line.note.empty() ? "" : ", ", step.getValue<double>("duration_us"));
    return line;
  }

  void write_step(int number, const Object& step) {
    const Line line = line_of(step);
    const std::string name = text_of(step, "step");
    // an address nobody knows is no refusal: the default group serves
    const std::string code = name == "locate" ? line.code : stream_.red(line.code);
    out_ += fmt::format("  {}  {}  {}{}  {}\n", number, stream_.bold(padded(name, 9)), code,
                        padded(line.text, text_width_ - width(line.code)), stream_.dim("[" + line.note + "]"));
  }

  void write_candidates(const Object& step) {
    if (!step.isNull("result"))
      for (const Object::Ptr& attempt : objects_of(*step.getObject("result"), "attempts"))
        out_ += fmt::format("{}{} in {}: {} may serve\n", kIndent, text_of(*attempt, "pattern"),
                            text_of(*attempt, "group"), text_of(*attempt, "eligible"));
    Table table({{""}, {"NODE"}, {"GROUP"}, {"VERDICT"}, {""}});
    const std::vector<Object::Ptr> candidates = objects_of(trace_, "candidates");
    std::vector<std::vector<std::string>> rows;
    for (const Object::Ptr& each : candidates) {
      const std::string refused = text_of(*each, "refused");
      table.fit(rows.emplace_back(std::vector<std::string>{
          refused.empty() ? ">" : " ", printable(text_of(*each, "node")), printable(text_of(*each, "group")),
          refused.empty() ? "chosen" : printable(refused), std::string(meaning_of(refused))}));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string line = std::string(kIndent) + table.row(rows[i]);
      out_ += (candidates[i]->isNull("refused") ? stream_.green(line) : line) + "\n";
    }
  }

  const Stream& stream_;
  const Object& trace_;
  std::size_t text_width_ = 0;
  std::string out_;
};

}  // namespace

std::string explanation(const Stream& stream, const std::string& title, const std::string& trace) {
  const Object::Ptr object = read_json(trace);
  return Explanation(stream, *object).write(title);
}

}  // namespace geoctl

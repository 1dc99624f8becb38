#include "explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>
#include <vector>

#include "geo/base/text.h"

namespace geoctl {
namespace {

using geo::balance::Refused;
using geo::place::GroupedBy;
using geo::redirect::Step;
using geo::redirect::TraceStep;

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

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts)
    if (!part.empty()) out += (out.empty() ? "" : ", ") + part;
  return out;
}

// What a step found, in a few words.
class Description {
 public:
  explicit Description(const geo::place::Topology& topology) : on_(topology) {}

  std::string operator()(std::monostate) const { return {}; }
  std::string operator()(const geo::place::Location& at) const {
    const std::string region =
        at.region.empty() || at.region_iso.empty() ? at.region + at.region_iso : at.region + " (" + at.region_iso + ")";
    std::string out = joined({at.city, region, at.country_code});
    if (at.coordinates)
      out += fmt::format("{}at {}, {}", out.empty() ? "" : " ", at.coordinates->latitude, at.coordinates->longitude);
    return out.empty() ? "no place, but known" : out;
  }
  std::string operator()(const geo::redirect::Grouping& grouping) const {
    const std::string& partner = on_.partner(grouping.partner).id;
    const auto [index, by] = grouping.grouped;
    if (index == geo::place::kNone)
      return fmt::format("none: no place leads to one, and partner {} has no default group", partner);
    const std::string& group = on_.group(index).id;
    if (by == GroupedBy::partner_default) return fmt::format("{}, the default group of partner {}", group, partner);
    if (by == GroupedBy::nearest) return fmt::format("{}, the nearest, of partner {}", group, partner);
    return fmt::format("{}, by {}, of partner {}", group, name_of(by), partner);
  }
  std::string operator()(const geo::balance::Choice& choice) const {
    if (choice.node == geo::place::kNone) return "nobody";
    return fmt::format("{} of {}, for {}{}", on_.node(choice.node).id, on_.group(choice.group).id,
                       on_.pattern(choice.pattern).id,
                       choice.exclude_ignored ? "; nobody else was left, so --exclude is ignored" : "");
  }
  std::string operator()(const geo::auth::Right& right) const {
    const auto& end = right.token->expires_at;
    return fmt::format("{}/{} may view it, {}", right.owner().type, right.owner().id,
                       end ? "until " + geo::rfc3339(*end) : "without end");
  }
  std::string operator()(const geo::billing::Bill& bill) const {
    return fmt::format("tariff {}, {}", bill.tariff,
                       bill.max_streams ? fmt::format("{} of {} streams in use", bill.streams, *bill.max_streams)
                                        : fmt::format("{} streams in use, no limit", bill.streams));
  }
  std::string operator()(const geo::devices::Device& device) const {
    const auto shown = [](bool online) { return online ? "online" : "offline"; };
    const std::string& dc = device.server->dc;
    return fmt::format("server {}{}, camera {}, streams {}", shown(device.server->online),
                       dc.empty() ? "" : " in " + dc, shown(device.camera->online), joined(device.camera->streams));
  }
  std::string operator()(const geo::redirect::Signature& signature) const {
    return fmt::format("with key {}, good until {}", signature.key_id, geo::rfc3339(signature.expires_at));
  }

 private:
  const geo::place::Topology& on_;
};

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
  Line line_of(const TraceStep& step) const {
    Line line;
    if (step.denial) {
      line.code = name_of(step.denial->code);
      line.text = ": " + printable(step.denial->detail);
    } else {
      line.text = printable(std::visit(Description(topology_), step.found));
    }
    line.note = step.source;
    if (step.cached) line.note += step.stale ? ", stale" : ", cached";
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

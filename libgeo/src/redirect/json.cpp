// What the outside reads: the JSON answer, the trace, the problem body.
#include "geo/base/text.h"
#include "geo/redirect.h"

namespace geo::redirect {
namespace {

WallTime at_s(std::int64_t unix_s) { return WallTime(std::chrono::seconds(unix_s)); }

}  // namespace

void append_json(std::string& out, const Request& request, const Snapshot& snapshot, const Decision& decision) {
  const place::Topology& topology = *snapshot.topology;
  Json json(out);
  json.open('{').field("location", decision.location);
  json.field("node", topology.node(decision.choice.node).id);
  json.field("group", topology.group(decision.choice.group).id);
  json.field("pattern", topology.pattern(decision.choice.pattern).id);
  json.field("format", name_of(request.format));
  json.field("expires_at", rfc3339(at_s(decision.expires_at_s)));
  json.key("alternates").open('[');
  for (std::size_t i = 0; i < decision.alternates_found; ++i) json.text(decision.alternate_locations[i]);
  json.close(']').close('}');
}

void append_json(std::string& out, const Trace& trace, const Snapshot& snapshot, const Decision& decision) {
  const place::Topology& topology = *snapshot.topology;
  Json json(out);
  json.open('{').field_or_null("client_ip", trace.client_ip ? trace.client_ip->to_string() : "").key("steps").open('[');
  for (const TraceStep& step : trace.steps) {
    json.open('{').field("step", name_of(step.step)).key("result");
    if (step.result.empty())
      json.null();
    else
      json.raw(step.result);
    if (step.denial) json.field("code", name_of(step.denial->code)).field("detail", step.denial->detail);
    json.field_or_null("source", step.source).field("cached", step.cached);
    json.key("duration_us").number(static_cast<double>(step.duration.count()) / 1000.0, 1).close('}');
  }
  json.close(']').key("candidates").open('[');
  for (const balance::Verdict& verdict : trace.account.verdicts) {
    json.open('{').field("node", topology.node(verdict.node).id).field("group", topology.group(verdict.group).id);
    if (verdict.refused == balance::Refused::none)
      json.field("chosen", true);
    else
      json.field("refused", name_of(verdict.refused));
    json.close('}');
  }
  json.close(']').field("code", decision.denial ? name_of(decision.denial->code) : "redirect");
  if (decision.denial) json.field("detail", decision.denial->detail);
  if (!decision.location.empty()) json.field("location", decision.location);
  json.close('}');
}

}  // namespace geo::redirect

// What the outside reads: the JSON answer, the trace, the problem body.
#include "geo/base/text.h"
#include "geo/redirect.h"

namespace geo::redirect {
namespace {

WallTime at_s(std::int64_t unix_s) { return WallTime(std::chrono::seconds(unix_s)); }

// What a step found, as an object.
class FoundJson {
 public:
  FoundJson(Json& json, const place::Topology& topology, const balance::Account& account)
      : json_(json), on_(topology), account_(account) {}

  void operator()(std::monostate) { json_.null(); }
  void operator()(const place::Location& at) {
    json_.open('{');
    place::append_fields(json_, at);
    json_.close('}');
  }
  void operator()(const Grouping& grouping) {
    json_.open('{').field("partner", on_.partner(grouping.partner).id);
    json_.field_or_null("group", group_id(grouping.grouped.group)).field("by", name_of(grouping.grouped.by));
    json_.close('}');
  }
  void operator()(const balance::Choice& choice) {
    const bool chosen = choice.node != place::kNone;
    json_.open('{').field_or_null("node", chosen ? on_.node(choice.node).id : std::string());
    json_.field_or_null("group", group_id(choice.group));
    json_.field_or_null("pattern", chosen ? on_.pattern(choice.pattern).id : std::string());
    json_.field("exclude_ignored", choice.exclude_ignored).key("attempts").open('[');
    for (const balance::Attempt& attempt : account_.attempts)
      json_.open('{')
          .field("pattern", on_.pattern(attempt.pattern).id)
          .field("group", on_.group(attempt.group).id)
          .field("eligible", std::int64_t{attempt.eligible})
          .close('}');
    json_.close(']').close('}');
  }
  void operator()(const auth::Right& right) {
    const auto& end = right.token->expires_at;
    json_.open('{').field("owner_type", right.owner().type).field("owner_id", right.owner().id).key("expires_at");
    (end ? json_.text(rfc3339(*end)) : json_.null()).close('}');
  }
  void operator()(const billing::Bill& bill) {
    json_.open('{').field("tariff", bill.tariff).field("streams", bill.streams).key("max_streams");
    (bill.max_streams ? json_.number(*bill.max_streams) : json_.null()).close('}');
  }
  void operator()(const devices::Device& device) {
    json_.open('{').field_or_null("dc", device.server->dc).field("server_online", device.server->online);
    json_.field("camera_online", device.camera->online).key("streams").open('[');
    for (const std::string& stream : device.camera->streams) json_.text(stream);
    json_.close(']').close('}');
  }
  void operator()(const Signature& signature) {
    json_.open('{').field("kid", signature.key_id).field("expires_at", rfc3339(signature.expires_at)).close('}');
  }

 private:
  std::string_view group_id(place::Index group) const {
    return group == place::kNone ? std::string_view() : std::string_view(on_.group(group).id);
  }

  Json& json_;
  const place::Topology& on_;
  const balance::Account& account_;
};

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
    std::visit(FoundJson(json, topology, trace.account), step.found);
    if (step.denial) json.field("code", name_of(step.denial->code)).field("detail", step.denial->detail);
    json.field_or_null("source", step.source).field("cached", step.cached);
    if (step.stale) json.field("stale", true);
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

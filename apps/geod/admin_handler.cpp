#include "admin_handler.h"

#include "geo/base/text.h"
#include "metrics.h"
#include "status.h"

namespace geod {

namespace {

void tell_ready(Exchange& exchange, const std::vector<std::string>& reasons) {
  exchange.out.status = reasons.empty() ? 200 : 503;
  geo::Json json(exchange.out.body);
  json.open('{').field("ready", reasons.empty()).key("reasons").open('[');
  for (const std::string& reason : reasons) json.text(reason);
  json.close(']').close('}');
}

}  // namespace

bool AdminHandler::answer(Exchange& exchange) {
  const std::string_view path = exchange.in.path;
  if (path != "/healthz" && path != "/readyz" && path != "/status.json" && path != "/metrics") {
    refuse(exchange, {geo::ErrorCode::no_such_path, "there are /healthz, /readyz, /status.json and /metrics"});
    return true;
  }
  exchange.entry.path = path;
  if (!is_get(exchange)) return true;
  Answer& out = exchange.out;
  out.status = 200;
  exchange.entry.code = "ok";
  const geo::compose::World& world = *world_.get();
  const Now now{clock_.wall(), clock_.monotonic(), process_};
  if (path == "/metrics") {
    out.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    append_metrics(out.body, world, now);
    return true;
  }
  out.header("Content-Type", "application/json");
  if (path == "/healthz")
    out.body = R"({"status":"ok"})";
  else if (path == "/readyz")
    tell_ready(exchange, reasons_not_ready(world));
  else
    append_status(out.body, world, now);
  return true;
}

void AdminHandler::answer_waiting(Exchange& exchange) {
  refuse(exchange, {geo::ErrorCode::internal, "admin never waits"});
}

}  // namespace geod

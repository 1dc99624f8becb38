#include "admin_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "explain.h"
#include "geo/base/text.h"
#include "metrics.h"
#include "node_watch.h"
#include "page.h"
#include "query.h"
#include "status.h"

namespace geod {

namespace {

constexpr std::string_view kGet = "GET, HEAD";
constexpr std::string_view kPost = "POST";
constexpr std::string_view kJson = "application/json";

bool allows(std::string_view methods, std::string_view method) {
  const auto all = geo::split(methods, ',');
  return std::any_of(all.begin(), all.end(), [&](std::string_view each) { return geo::trim(each) == method; });
}

}  // namespace

std::span<const AdminHandler::Route> AdminHandler::routes() {
  static constexpr Route kRoutes[] = {
      {"/healthz", kGet, kJson, &AdminHandler::tell_health, nullptr, Without::answer},
      {"/readyz", kGet, kJson, &AdminHandler::tell_ready, nullptr, Without::answer},
      {"/status.json", kGet, kJson, &AdminHandler::tell_status},
      {"/explain", kGet, kJson, &AdminHandler::begin_explain, &AdminHandler::explain_waiting},
      {"/reload", kPost, kJson, &AdminHandler::begin_reload, &AdminHandler::reload_waiting},
      {"/log-level", kPost, kJson, &AdminHandler::set_log_level},
      {"/openapi.json", kGet, kJson, &AdminHandler::tell_openapi},
      {"/", kGet, "text/html; charset=utf-8", &AdminHandler::tell_page, nullptr, Without::question},
      {"/app.js", kGet, "text/javascript; charset=utf-8", &AdminHandler::tell_script, nullptr, Without::question},
      {"/app.css", kGet, "text/css; charset=utf-8", &AdminHandler::tell_style, nullptr, Without::question},
      {"/icon.svg", kGet, "image/svg+xml", &AdminHandler::tell_icon, nullptr, Without::question},
      {"/metrics", kGet, "text/plain; version=0.0.4; charset=utf-8", &AdminHandler::tell_metrics},
  };
  return kRoutes;
}

const AdminHandler::Route* AdminHandler::route_of(std::string_view path) {
  const auto all = routes();
  const auto route = std::find_if(all.begin(), all.end(), [&](const Route& each) { return each.path == path; });
  return route == all.end() ? nullptr : &*route;
}

bool AdminHandler::answer(Exchange& exchange) {
  const Route* const route = route_of(exchange.in.path);
  if (route == nullptr) {
    std::string there;
    for (const Route& each : routes()) there.append(there.empty() ? "" : ", ").append(each.path);
    refuse(exchange, {geo::ErrorCode::no_such_path, "there are " + there});
    return true;
  }
  exchange.entry.path = route->path;
  if (!allows(route->methods, exchange.in.method)) {
    refuse(exchange, {geo::ErrorCode::method_not_allowed, "allowed: " + std::string(route->methods)}, route->methods);
    return true;
  }
  if (!admits(exchange, *route)) {
    // A browser that has not been asked for the token yet is no news.
    if (exchange.entry.code != code_of(geo::ErrorCode::missing_token)) refusals_.add(exchange);
    return true;
  }
  exchange.out.status = 200;
  exchange.out.header("Content-Type", route->content_type);
  exchange.entry.code = Code::ok;
  (this->*route->answer)(exchange);
  if (route->waiting == nullptr || exchange.out.status != 200) return true;
  exchange.world = world_.get();
  return false;
}

bool AdminHandler::admits(Exchange& exchange, const Route& route) {
  if (route.without == Without::answer) return true;
  const geo::compose::World& world = *world_.get();
  return shows_admin_token(exchange, world, route.without == Without::question) &&
         (route.methods == kPost ? is_from_here(exchange, world) : is_asked_here(exchange, world));
}

void AdminHandler::answer_waiting(Exchange& exchange) { (this->*route_of(exchange.in.path)->waiting)(exchange); }

void AdminHandler::tell_health(Exchange& exchange) { exchange.out.body = R"({"status":"ok"})"; }

void AdminHandler::tell_ready(Exchange& exchange) {
  const std::vector<std::string> reasons = reasons_not_ready(*world_.get(), process_);
  if (!reasons.empty()) exchange.out.status = 503;
  geo::Json json(exchange.out.body);
  json.open('{').field("ready", reasons.empty()).key("reasons").open('[');
  for (const std::string& reason : reasons) json.text(reason);
  json.close(']').close('}');
}

void AdminHandler::tell_status(Exchange& exchange) { append_status(exchange.out.body, *world_.get(), now()); }

void AdminHandler::tell_metrics(Exchange& exchange) { append_metrics(exchange.out.body, *world_.get(), now()); }

void AdminHandler::tell_page(Exchange& exchange) {
  exchange.out.header("Content-Security-Policy", page::kPolicy);
  exchange.out.header("X-Content-Type-Options", "nosniff");
  exchange.out.header("Referrer-Policy", "no-referrer");
  exchange.out.body = page::html();
}
void AdminHandler::tell_script(Exchange& exchange) { exchange.out.body = page::script(); }
void AdminHandler::tell_style(Exchange& exchange) { exchange.out.body = page::style(); }
void AdminHandler::tell_icon(Exchange& exchange) { exchange.out.body = page::icon(); }
void AdminHandler::tell_openapi(Exchange& exchange) { exchange.out.body = page::openapi(); }

void AdminHandler::begin_explain(Exchange& exchange) {
  if (const auto parsed = parse_explain(exchange, *world_.get()); !parsed) refuse(exchange, parsed.error());
}

void AdminHandler::begin_reload(Exchange& exchange) {
  if (!exchange.in.query.empty())
    refuse(exchange, {geo::ErrorCode::bad_request, "nothing can be asked of it but to read everything anew"});
}

void AdminHandler::reload_waiting(Exchange& exchange) const {
  const Reloaded reloaded = reloads_.reload("POST /reload of " + asker_of(exchange.in));
  if (reloaded.denial) return refuse(exchange, *reloaded.denial);
  if (!reloaded.ok()) {
    refuse(exchange, geo::Denial{geo::ErrorCode::invalid_config, {}});
    exchange.out.body.clear();
    return geo::append_problem(exchange.out.body, reloaded.faults, exchange.in.request_id);
  }
  look_at_nodes();
  geo::Json json(exchange.out.body);
  json.open('{').field("ok", true).key("needs_restart").open('[');
  for (const std::string& key : reloaded.needing_restart) json.text(key);
  json.close(']').key("faults").open('[').close(']').close('}');
}

void AdminHandler::look_at_nodes() const {
  const std::shared_ptr<const geo::compose::World> world = worlds_.latest();
  if (!world->has_topology()) return;
  for (const geo::balance::StateChange& change : world->snapshot.live->tick(clock_.wall(), clock_.monotonic()))
    tell(log_, world->snapshot.topology->node(change.node).id, change, {});
}

void AdminHandler::set_log_level(Exchange& exchange) {
  const auto asked = parameter_of(exchange.in.query, "level");
  if (!asked) return refuse(exchange, asked.error());
  const auto level = *asked ? level_of(**asked) : std::nullopt;
  if (!level)
    return refuse(exchange, {geo::ErrorCode::bad_request, "level: one of error, warn, info, debug, trace is needed"});
  log_.set_level(*level);
  log_.audit("log level {}, by POST /log-level of {}", name_of(*level), asker_of(exchange.in));
  geo::Json(exchange.out.body).open('{').field("level", name_of(*level)).close('}');
}

void AdminHandler::explain_waiting(Exchange& exchange) const { explain(exchange, *exchange.world, clock_); }

}  // namespace geod

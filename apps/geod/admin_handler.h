// What operators ask: one path, one row of a table.
#pragma once

#include <span>
#include <string_view>

#include "app_log.h"
#include "geo/base/clock.h"
#include "reloads.h"
#include "status.h"
#include "world_handler.h"

namespace geod {

class AdminHandler final : public WorldHandler {
 public:
  AdminHandler(const Worlds& worlds, const geo::Clock& clock, const Process& process, Reloads& reloads, AppLog& log)
      : WorldHandler(worlds), clock_(clock), process_(process), reloads_(reloads), log_(log) {}
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;

 private:
  // `answer` fills `out.body`, with status 200 unless it says another one. Where there is `waiting`, that does, on a
  // worker, of the world as of `answer`; unless `answer` refused.
  struct Route {
    std::string_view path;
    std::string_view methods;  // as in Allow
    std::string_view content_type;
    void (AdminHandler::*answer)(Exchange&);
    void (AdminHandler::*waiting)(Exchange&) const = nullptr;
    bool open = false;  // to whoever has no token, where one is asked for
  };
  static std::span<const Route> routes();
  // Null: there is none for that path.
  static const Route* route_of(std::string_view path);

  void tell_health(Exchange& exchange);
  void tell_ready(Exchange& exchange);
  void tell_status(Exchange& exchange);
  void tell_metrics(Exchange& exchange);
  void tell_page(Exchange& exchange);
  void tell_script(Exchange& exchange);
  void tell_style(Exchange& exchange);
  void tell_icon(Exchange& exchange);
  void tell_openapi(Exchange& exchange);
  void begin_explain(Exchange& exchange);
  void explain_waiting(Exchange& exchange) const;
  void begin_reload(Exchange& exchange);
  void reload_waiting(Exchange& exchange) const;
  void set_log_level(Exchange& exchange);
  Now now() const { return {clock_.wall(), clock_.monotonic(), process_}; }

  const geo::Clock& clock_;
  const Process& process_;
  Reloads& reloads_;
  AppLog& log_;
};

}  // namespace geod

// What operators ask: one path, one row of a table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "admin_gate.h"
#include "app_log.h"
#include "geo/base/clock.h"
#include "reloads.h"
#include "status.h"
#include "world_handler.h"

namespace geod {

class AdminHandler final : public WorldHandler {
 public:
  AdminHandler(const Worlds& worlds, const geo::Clock& clock, const Process& process, Reloads& reloads,
               Refusals& refusals, AppLog& log)
      : WorldHandler(worlds),
        worlds_(worlds),
        clock_(clock),
        process_(process),
        reloads_(reloads),
        refusals_(refusals),
        log_(log) {}
  bool answer(Exchange& exchange) override;
  void answer_waiting(Exchange& exchange) override;

 private:
  // What whoever does not show the token gets, where one is asked for. The page's own parts have a browser ask for it;
  // what the page fetches must not, again and again, where the token is another one by now.
  enum class Without : std::uint8_t { refusal, question, answer };

  // `answer` fills `out.body`, with status 200 unless it says another one. Where there is `waiting`, that does, on a
  // worker, of the world as of `answer`; unless `answer` refused.
  struct Route {
    std::string_view path;
    std::string_view methods;  // as in Allow
    std::string_view content_type;
    void (AdminHandler::*answer)(Exchange&);
    void (AdminHandler::*waiting)(Exchange&) const = nullptr;
    Without without = Without::refusal;
  };
  static std::span<const Route> routes();
  // Null: there is none for that path.
  static const Route* route_of(std::string_view path);
  // False: refused.
  bool admits(Exchange& exchange, const Route& route);

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
  // What a reload says of nodes is so when it is answered, and not by the next look at them.
  void look_at_nodes() const;
  void set_log_level(Exchange& exchange);
  Now now() const { return {clock_.wall(), clock_.monotonic(), process_}; }

  const Worlds& worlds_;
  const geo::Clock& clock_;
  const Process& process_;
  Reloads& reloads_;
  Refusals& refusals_;
  AppLog& log_;
};

}  // namespace geod

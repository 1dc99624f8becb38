// geoctl select: which node, for a client there - without tokens, accounts and devices.
#include <fmt/format.h>

#include "arguments.h"
#include "draws.h"
#include "explain.h"
#include "geo/base/text.h"
#include "geo/io/system.h"
#include "geo/redirect.h"
#include "session.h"
#include "what_if.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::deny;
using geo::ErrorCode;

struct Arguments {
  std::string ip, place, partner, pattern, format, exclude, draws;
  CameraArguments camera;
  CLI::Option *ip_option = nullptr, *place_option = nullptr, *exclude_option = nullptr, *format_option = nullptr,
              *draws_option = nullptr;
  std::vector<std::string> down;
  bool explain = false;
};

// The arguments, checked, as a request that goes as far as `select`.
geo::Result<void> ask(const Arguments& arguments, Asked& asked) {
  const auto bad = [](std::string detail) { return deny(ErrorCode::bad_request, std::move(detail)); };
  if ((arguments.ip_option->count() > 0) == (arguments.place_option->count() > 0))
    return bad("ip: give either --ip or --place");
  const bool has_camera = arguments.camera.camera_option->count() > 0;
  if (has_camera != (arguments.camera.server_option->count() > 0))
    return bad(fmt::format("{}: missing; --server and --camera go together", has_camera ? "server" : "camera"));

  // What this command does not ask for, the checks of a request want to see nevertheless.
  asked.add("server", has_camera ? arguments.camera.server : "-");
  asked.add("camera", has_camera ? arguments.camera.camera : "-");
  asked.add("access_token", "-");
  asked.add("format", arguments.format_option->count() > 0 ? arguments.format : "flv");
  asked.add("exclude", arguments.exclude, *arguments.exclude_option);
  if (auto parsed = asked.parse(); !parsed) return parsed;
  if (!has_camera) asked.request.server = asked.request.camera = {};

  if (arguments.ip_option->count() > 0) {
    const auto ip = ip_of(arguments.ip);
    if (!ip) return tl::unexpected(ip.error());
    asked.request.client_ip = *ip;
  } else {
    asked.request.place = geo::place::parse_place(arguments.place);
    if (!asked.request.place)
      return bad(fmt::format("place: \"{}\" is none; as RU, RU/MOW, RU/MOW/Москва or RU//Москва", arguments.place));
  }
  asked.request.partner = arguments.partner;
  asked.request.now = now();
  return {};
}

std::string title_of(const Arguments& arguments, const geo::redirect::Request& request) {
  std::string title =
      arguments.place.empty() ? "Client " + request.client_ip.to_string() : "A client in " + printable(arguments.place);
  title += request.camera.empty() ? ", no camera named"
                                  : fmt::format(", camera {} of server {}", request.camera, request.server);
  if (arguments.format_option->count() > 0) title += fmt::format(", {}", name_of(request.format));
  return title;
}

class Select {
 public:
  Select(const Arguments& arguments, Output& output, const geo::compose::World& world, geo::redirect::Snapshot snapshot,
         Asked& asked)
      : arguments_(arguments), output_(output), world_(world), asked_(asked), snapshot_(std::move(snapshot)) {
    snapshot_.options.upto = geo::redirect::Upto::select;
    snapshot_.options.any_format = arguments.format_option->count() == 0;
  }

  int run(std::uint64_t draws) {
    if (const auto partner = check_partner(world_, arguments_.partner); !partner)
      return output_.refuse(partner.error());
    if (!arguments_.pattern.empty()) {
      snapshot_.options.pattern = snapshot_.topology->find_pattern(arguments_.pattern);
      if (snapshot_.options.pattern == geo::place::kNone)
        return output_.refuse(geo::Denial{ErrorCode::bad_request,
                                          fmt::format("pattern: there is no pattern \"{}\"", arguments_.pattern)});
    }
    return draws == 0 ? one() : many(draws);
  }

 private:
  void decide(geo::redirect::Trace* trace) {
    asked_.request.arrived = clock_.monotonic();
    geo::redirect::decide(asked_.request, snapshot_, patience(world_), clock_, decision_, trace);
  }
  const std::string& id_of(const geo::balance::Choice& choice) const {
    return snapshot_.topology->node(choice.node).id;
  }

  int one() {
    snapshot_.options.with_alternates = true;
    geo::redirect::Trace trace;
    decide(arguments_.explain ? &trace : nullptr);
    const bool refused = decision_.denial.has_value();
    std::string explained;
    if (arguments_.explain) geo::redirect::append_json(explained, trace, snapshot_, decision_);
    if (arguments_.explain && output_.json) {
      output_.line(explained);
      return refused ? geo::row_of(decision_.denial->code).exit_status : geo::kExitOk;
    }
    if (arguments_.explain)
      output_.out.write(explanation(output_.out, title_of(arguments_, asked_.request), explained));
    if (refused) return output_.refuse(*decision_.denial);
    if (!arguments_.explain) print_choice();
    return geo::kExitOk;
  }

  void print_choice() {
    const std::string& group = snapshot_.topology->group(decision_.choice.group).id;
    const std::string& pattern = snapshot_.topology->pattern(decision_.choice.pattern).id;
    if (output_.json) {
      std::string object;
      geo::Json json(object);
      json.open('{').field("node", id_of(decision_.choice)).field("group", group).field("pattern", pattern);
      json.key("alternates").open('[');
      for (std::size_t i = 0; i < decision_.alternates_found; ++i) json.text(id_of(decision_.alternates[i]));
      json.close(']').close('}');
      output_.line(object);
      return;
    }
    std::string alternates;
    for (std::size_t i = 0; i < decision_.alternates_found; ++i)
      alternates += (i == 0 ? "" : ", ") + id_of(decision_.alternates[i]);
    output_.out.write(key_values({{"node", output_.out.bold(id_of(decision_.choice))},
                                  {"group", group},
                                  {"pattern", pattern},
                                  {"alternates", alternates.empty() ? "-" : alternates}}));
  }

  int many(std::uint64_t draws) {
    const Drawn drawn = draw(world_, snapshot_, asked_.request, draws);
    if (output_.json)
      print_json(drawn);
    else
      print_table(drawn);
    // some were served: that is an answer
    return drawn.nodes.empty() ? geo::row_of(drawn.refused.begin()->first).exit_status : geo::kExitOk;
  }

  const std::string& node_of(const Drawn::Share& share) const { return snapshot_.topology->node(share.node).id; }
  const std::string& group_of(const Drawn::Share& share) const { return snapshot_.topology->group(share.group).id; }

  void print_json(const Drawn& drawn) {
    std::string object;
    geo::Json json(object);
    json.open('{').field("requests", static_cast<std::int64_t>(drawn.requests)).key("nodes").open('[');
    for (const Drawn::Share& share : drawn.nodes) {
      json.open('{').field("node", node_of(share)).field("group", group_of(share));
      json.field("requests", static_cast<std::int64_t>(share.requests));
      json.key("share_percent").number(share.percent_of_group, 3);
      json.key("weight_percent").number(share.weight_percent, 3).close('}');
    }
    json.close(']').key("refused").open('{');
    for (const auto& [code, count] : drawn.refused) json.key_of(name_of(code)).number(static_cast<std::int64_t>(count));
    json.close('}').close('}');
    output_.line(object);
  }

  void print_table(const Drawn& drawn) {
    Table table({{"NODE"}, {"GROUP"}, {"REQUESTS", Align::right}, {"SHARE", Align::right}, {"WEIGHT", Align::right}});
    std::vector<std::vector<std::string>> rows;
    for (const Drawn::Share& share : drawn.nodes)
      table.fit(rows.emplace_back(std::vector<std::string>{
          node_of(share), group_of(share), fmt::to_string(share.requests),
          fmt::format("{:.2f}%", share.percent_of_group), fmt::format("{:.2f}%", share.weight_percent)}));
    if (!rows.empty()) output_.line(output_.out.bold(table.header()));
    for (const auto& row : rows) output_.line(table.row(row));
    for (const auto& [code, count] : drawn.refused)
      output_.line(fmt::format("{} of {} refused: {}", count, drawn.requests, output_.out.red(name_of(code))));
  }

  const Arguments& arguments_;
  Output& output_;
  const geo::compose::World& world_;
  Asked& asked_;
  geo::redirect::Snapshot snapshot_;
  geo::io::SystemClock clock_;
  geo::redirect::Decision decision_;
};

int run_select(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  std::uint64_t draws = 0;
  if (arguments.draws_option->count() > 0) {
    draws = geo::parse_digits(arguments.draws).value_or(0);
    if (draws == 0 || draws > kDrawsMax)
      return output.refuse(geo::Denial{ErrorCode::bad_request,
                                       fmt::format("n: \"{}\" is no number of 1 to {}", arguments.draws, kDrawsMax)});
    if (arguments.explain)
      return output.refuse(geo::Denial{ErrorCode::bad_request, "explain: tells of one choice, not of -n many"});
  }
  Asked asked;
  if (const auto checked = ask(arguments, asked); !checked) return output.refuse(checked.error());
  Wanted wanted;
  wanted.locating = arguments.ip_option->count() > 0;
  const Opened opened = open_world(session, wanted);
  if (opened.world == nullptr) return opened.exit_status;
  auto snapshot = WhatIfs::without(opened.world, arguments.down);
  if (!snapshot) return output.refuse(snapshot.error());
  return Select(arguments, output, *opened.world, std::move(*snapshot), asked).run(draws);
}

}  // namespace

void add_select(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("select", "Which node serves a client there? Locate, group and select alone");
  arguments->ip_option = command->add_option("--ip", arguments->ip, "The client's address")->option_text("ADDRESS");
  arguments->place_option =
      command->add_option("--place", arguments->place, "A place instead: RU, RU/MOW, RU/MOW/Москва or RU//Москва")
          ->option_text("PLACE");
  command->add_option("--partner", arguments->partner, "The partner whose client it is (default)")->option_text("ID");
  command->add_option("--pattern", arguments->pattern, "What the node is to do (streaming)")->option_text("ID");
  arguments->format_option =
      command->add_option("--format", arguments->format, "flv, hls or ws-fmp4; without it any will do")
          ->option_text("FORMAT");
  arguments->camera.add_to(*command);
  arguments->draws_option = command
                                ->add_option("-n", arguments->draws,
                                             "Draw so often and show the shares: that many cameras, or with "
                                             "--camera requests for that one")
                                ->option_text("N");
  add_repeated(*command, "--down", arguments->down, "What if this node were offline? May be repeated")
      ->option_text("NODE");
  arguments->exclude_option =
      command->add_option("--exclude", arguments->exclude, "Nodes that did not work for the client, at most 4")
          ->option_text("NODE,..");
  command->add_flag("--explain", arguments->explain, "Show how the choice came about");
  command->footer(
      "Examples:\n"
      "  geoctl select --ip 77.88.55.60 --server 100-abcdef --camera 0\n"
      "  geoctl select --place RU/MOW/Москва --format flv --explain\n"
      "  geoctl select --place RU//Москва -n 100000 --down node-moscow-1\n\n"
      "Without --camera the choice is the one for a camera without a name.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_select(session, *arguments); }; });
}

}  // namespace geoctl

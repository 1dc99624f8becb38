// geoctl simulate: what a world would do under traffic, before it does it.
#include <fmt/format.h>

#include <charconv>

#include "arguments.h"
#include "figures.h"
#include "geo/base/text.h"
#include "progress.h"
#include "session.h"
#include "simulation.h"
#include "svg.h"
#include "traffic_arguments.h"
#include "world.h"
#include "written.h"

namespace geoctl {
namespace {

using geo::deny;
using geo::ErrorCode;
using geo::place::Admin;

struct Arguments {
  TrafficArguments traffic;
  std::vector<std::string> events;
  std::string svg, picks;
};

// 300:down:node-moscow-1
geo::Result<Event> event_of(std::string_view text, const geo::place::Topology& topology) {
  const auto bad = [&](std::string_view why) {
    return deny(ErrorCode::bad_request, fmt::format("event: \"{}\": {}", text, why));
  };
  const std::size_t first = text.find(':'), second = first == text.npos ? first : text.find(':', first + 1);
  if (second == text.npos) return bad("expected SECOND:down|up|drain:NODE");
  const std::string_view time = text.substr(0, first), what = text.substr(first + 1, second - first - 1);
  const std::string_view node = text.substr(second + 1);
  Event event;
  double at = 0;
  const auto [end, error] = std::from_chars(time.data(), time.data() + time.size(), at);
  constexpr double kLatest = 1e9;
  if (error != std::errc() || end != time.data() + time.size() || !(at >= 0 && at <= kLatest))
    return bad(fmt::format("\"{}\" is no number of seconds", time));
  event.at = Micros(static_cast<Micros::rep>(at * 1e6));
  if (what == "down")
    event.admin = Admin::offline;
  else if (what == "up")
    event.admin = Admin::online;
  else if (what == "drain")
    event.admin = Admin::drain;
  else
    return bad(fmt::format("\"{}\" is none of down, up and drain", what));
  event.node = topology.find_node(node);
  if (event.node == geo::place::kNone) return bad(fmt::format("there is no node \"{}\"", node));
  return event;
}

class Simulate {
 public:
  Simulate(const Arguments& arguments, const Session& session, Output& output, const geo::compose::World& world)
      : arguments_(arguments),
        output_(output),
        world_(world),
        command_(session.command_line),
        picks_("picks", arguments.picks),
        svg_("svg", arguments.svg) {}

  int run() {
    const auto settings = arguments_.traffic.settings();
    if (!settings) return output_.refuse(settings.error());
    auto simulated = arguments_.traffic.simulation(world_);
    if (!simulated) return output_.refuse(simulated.error());
    const geo::place::Topology& topology = *world_.snapshot.topology;
    for (const std::string& text : arguments_.events) {
      const auto event = event_of(text, topology);
      if (!event) return output_.refuse(event.error());
      simulated->events.push_back(*event);
    }
    simulated->warm_up = Micros(static_cast<Micros::rep>(settings->length_s * 1e6));
    for (const Written* file : {&picks_, &svg_})
      if (const auto good = file->good(); !good) return output_.refuse(good.error());
    auto traffic = arguments_.traffic.traffic(*settings, world_);
    if (!traffic) return output_.refuse(traffic.error());

    Simulation simulation(offline(output_, world_.snapshot), std::move(*simulated));
    Figures figures(world_.snapshot.topology);
    Flows flows(world_.snapshot.topology);
    Progress progress(output_.err, false, "requests");
    for (Ask ask; traffic->next(ask);) {
      const Pick pick = simulation.serve(ask);
      figures.count(ask, pick);
      if (svg_.wanted()) flows.count(pick);
      if (picks_.wanted()) tell(ask, pick);
      progress.reach(figures.requests(), traffic->size());
    }
    progress.clear();
    if (svg_.wanted()) svg_.write(picture({world_.snapshot.topology, figures, flows, simulation, *settings, command_}));
    for (Written* file : {&picks_, &svg_})
      if (const auto closed = file->close(); !closed) return output_.refuse(closed.error());
    if (output_.json)
      output_.line(figures.json(settings->seed, simulation));
    else
      figures.print(output_, settings->seed, simulation);
    return geo::kExitOk;
  }

 private:
  void tell(const Ask& ask, const Pick& pick) {
    const geo::place::Topology& topology = *world_.snapshot.topology;
    line_.clear();
    geo::Json json(line_);
    json.open('{').key("t").number(std::chrono::duration<double>(ask.at).count(), 6);
    json.field("client_ip", ask.client_ip.to_string()).field("server", ask.server).field("camera", ask.camera);
    const geo::place::Index group = pick.refused ? pick.own_group : pick.group;
    json.field_or_null("group", group == geo::place::kNone ? std::string_view() : topology.group(group).id);
    json.field_or_null("node", pick.refused ? std::string_view() : topology.node(pick.node).id);
    json.field("code", pick.refused ? name_of(*pick.refused) : "redirect").close('}');
    picks_.write(line_ += '\n');
  }

  const Arguments& arguments_;
  Output& output_;
  const geo::compose::World& world_;
  const std::string& command_;
  Written picks_, svg_;
  std::string line_;
};

int run_simulate(Session& session, const Arguments& arguments) {
  Wanted wanted;
  wanted.locating = true;
  const Opened opened = open_world(session, wanted);
  if (opened.world == nullptr) return opened.exit_status;
  return Simulate(arguments, session, session.output, *opened.world).run();
}

}  // namespace

void add_simulate(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("simulate", "What would geod do under traffic? Shares, load, distances, before it does");
  arguments->traffic.add_to(*command);
  add_repeated(*command, "--event", arguments->events, "A node's state changes then: down, up or drain")
      ->option_text("SECOND:down|up|drain:NODE");
  command->add_option("--picks", arguments->picks, "Write each request and its node, one JSON object a line")
      ->option_text("FILE");
  command
      ->add_option("--svg", arguments->svg,
                   "Write a picture: a map of clients, groups and flows, and the load over time")
      ->option_text("FILE");
  command->footer(
      "Examples:\n"
      "  geoctl simulate --requests 1000000 --rate 500 --length-s 300\n"
      "  geoctl --data config/demo simulate --event 200:down:node-moscow-1 --event 400:up:node-moscow-1\n"
      "  geoctl simulate --traffic access.log --svg load.svg --picks picks.jsonl\n\n"
      "Without --traffic clients are drawn from the city databases, or else from the topology's networks, by size.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_simulate(session, *arguments); }; });
}

}  // namespace geoctl

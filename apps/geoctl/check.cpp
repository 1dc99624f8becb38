// geoctl check: does the balancing do what it is held to? Dry runs, for CI.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "check_report.h"
#include "draws.h"
#include "explain.h"
#include "geo/base/text.h"
#include "geo/io/file.h"
#include "geo/io/file_trials.h"
#include "geo/io/system.h"
#include "geo/redirect.h"
#include "session.h"
#include "what_if.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::io::Case;
using geo::io::ReadTrials;
using geo::io::Share;
using geo::io::Trial;

static_assert(geo::io::kTrialExcludeMax == geo::redirect::kExcludeMax);

struct Arguments {
  std::vector<std::string> files;
  std::string junit;
  CLI::Option* junit_option = nullptr;
};

// "node=n1|n2 code=redirect"; what may be anything is left out.
void add_words(std::string& words, std::string_view key, const std::vector<std::string>& values) {
  if (!values.empty()) words += fmt::format("{}{}={}", words.empty() ? "" : " ", key, fmt::join(values, "|"));
}

void add_texts(geo::Json& json, std::string_view key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  json.key_of(key).open('[');
  for (const std::string& value : values) json.text(value);
  json.close(']');
}

bool allows(const std::vector<std::string>& expected, const std::string& got) {
  return expected.empty() || std::find(expected.begin(), expected.end(), got) != expected.end();
}

std::string_view code_of(const std::optional<geo::ErrorCode>& code) { return code ? name_of(*code) : "redirect"; }

std::string title_of(const Trial& check) {
  std::string title = (check.ip ? "Client " : "A client in ") + check.who;
  title +=
      check.camera.empty() ? ", no camera named" : fmt::format(", camera {} of server {}", check.camera, check.server);
  if (check.format) title += fmt::format(", {}", name_of(*check.format));
  return title;
}

WhatIf what_if_of(const Trial& check) { return {check.down, check.drain, check.load, check.at}; }

class Checks {
 public:
  explicit Checks(std::shared_ptr<const geo::compose::World> world) : world_(world), what_ifs_(std::move(world)) {}

  Outcome run(const Case& check) {
    geo::redirect::Snapshot snapshot = snapshot_for(check);
    geo::redirect::Request request;
    ask(check, request);
    if (check.token) {
      request.token = *check.token;
      snapshot.options.upto = world_->snapshot.options.upto;  // without keys sign is skipped
      snapshot.options.any_format = false;
    }
    geo::redirect::Decision decision;
    geo::redirect::Trace trace;
    request.arrived = clock_.monotonic();
    geo::redirect::decide(request, snapshot, patience(*world_), clock_, decision, &trace);
    decision.location.clear();  // who reads CI's log is not the client
    return outcome_of(check, snapshot, decision, trace);
  }

  Outcome run(const Share& check) {
    geo::redirect::Snapshot snapshot = snapshot_for(check);
    geo::redirect::Request request;
    ask(check, request);
    const Drawn drawn = draw(*world_, snapshot, request, static_cast<std::uint64_t>(check.requests));
    return outcome_of(check, *snapshot.topology, drawn);
  }

 private:
  geo::redirect::Snapshot snapshot_for(const Trial& check) {
    geo::redirect::Snapshot snapshot = what_ifs_.snapshot(what_if_of(check));
    if (!check.pattern.empty()) snapshot.options.pattern = snapshot.topology->find_pattern(check.pattern);
    snapshot.options.upto = geo::redirect::Upto::select;
    snapshot.options.any_format = !check.format;
    return snapshot;
  }

  // The request's texts stay the check's.
  static void ask(const Trial& check, geo::redirect::Request& request) {
    if (check.ip) request.client_ip = *check.ip;
    request.place = check.place;
    request.partner = check.partner;
    request.server = check.server;
    request.camera = check.camera;
    request.format = check.format.value_or(geo::balance::Format::flv);
    for (const std::string& node : check.exclude) request.exclude_ids[request.excluded++] = node;
    request.now = WhatIfs::now(what_if_of(check));
  }

  static Outcome outcome_of(const Case& check, const geo::redirect::Snapshot& snapshot,
                            const geo::redirect::Decision& decision, const geo::redirect::Trace& trace) {
    Outcome outcome;
    const std::string_view code = decision.denial ? name_of(decision.denial->code) : "redirect";
    std::string group, node, pattern;
    if (decision.choice.node != geo::place::kNone) {
      group = snapshot.topology->group(decision.choice.group).id;
      node = snapshot.topology->node(decision.choice.node).id;
      pattern = snapshot.topology->pattern(decision.choice.pattern).id;
    }
    outcome.ok = code == code_of(check.code) && allows(check.groups, group) && allows(check.nodes, node) &&
                 allows(check.patterns, pattern);

    const auto only = [](const std::string& id) { return id.empty() ? std::vector<std::string>{} : std::vector{id}; };
    say(outcome.expected, outcome.expected_json, check.groups, check.nodes, check.patterns, code_of(check.code));
    std::string got;
    geo::Json json(outcome.got_json);
    add_words(got, "group", only(group));
    add_words(got, "node", only(node));
    add_words(got, "pattern", only(pattern));
    add_words(got, "code", {std::string(code)});
    json.open('{').field_or_null("group", group).field_or_null("node", node).field_or_null("pattern", pattern);
    json.field("code", code);
    if (decision.denial) {
      got += fmt::format(" ({})", decision.denial->detail);
      json.field("detail", decision.denial->detail);
    }
    json.close('}');
    outcome.got = std::move(got);
    if (outcome.ok) return outcome;
    geo::redirect::append_json(outcome.trace_json, trace, snapshot, decision);
    outcome.trace = explanation(Stream(), title_of(check), outcome.trace_json);
    return outcome;
  }

  static void say(std::string& words, std::string& object, const std::vector<std::string>& groups,
                  const std::vector<std::string>& nodes, const std::vector<std::string>& patterns,
                  std::string_view code) {
    add_words(words, "group", groups);
    add_words(words, "node", nodes);
    add_words(words, "pattern", patterns);
    add_words(words, "code", {std::string(code)});
    geo::Json json(object);
    json.open('{');
    add_texts(json, "group", groups);
    add_texts(json, "node", nodes);
    add_texts(json, "pattern", patterns);
    json.field("code", code).close('}');
  }

  static Outcome outcome_of(const Share& check, const geo::place::Topology& topology, const Drawn& drawn) {
    Outcome outcome;
    outcome.ok = true;
    geo::Json expected(outcome.expected_json), got(outcome.got_json);
    expected.open('{');
    got.open('{');
    Table table({{"NODE"}, {"REQUESTS", Align::right}, {"PERCENT", Align::right}, {"EXPECTED", Align::right}});
    std::vector<std::vector<std::string>> rows;
    const auto add = [&](const std::string& node, std::uint64_t requests, double percent, std::string wanted) {
      got.key_of(node).number(percent, 3);
      outcome.got += fmt::format("{}{}={:.2f}%", outcome.got.empty() ? "" : " ", node, percent);
      table.fit(rows.emplace_back(
          std::vector{node, fmt::to_string(requests), fmt::format("{:.2f}%", percent), std::move(wanted)}));
    };
    for (const auto& [node, wanted] : check.percent) {
      const auto [requests, percent] = drawn.of(topology.find_node(node));
      constexpr double kRounding = 1e-9;
      outcome.ok = outcome.ok && std::abs(percent - wanted) <= check.tolerance + kRounding;
      expected.key_of(node).number(wanted);
      outcome.expected += fmt::format("{}{}={:.2f}%", outcome.expected.empty() ? "" : " ", node, wanted);
      add(node, requests, percent, fmt::format("{:.2f}%", wanted));
    }
    // and who got what was not expected
    for (const Drawn::Share& share : drawn.nodes) {
      const std::string& node = topology.node(share.node).id;
      if (share.requests > 0 && !check.percent.contains(node))
        add(node, share.requests, drawn.of(share.node).percent, "-");
    }
    outcome.expected += fmt::format(", each within {:.2f} points", check.tolerance);
    for (const auto& [code, count] : drawn.refused) outcome.got += fmt::format(", {} {}", count, name_of(code));
    expected.close('}');
    got.close('}');
    if (outcome.ok) return outcome;
    outcome.trace = fmt::format("{}, {} requests\n{}\n", title_of(check), drawn.requests, table.header());
    for (const auto& row : rows) outcome.trace += table.row(row) + "\n";
    for (const auto& [code, count] : drawn.refused)
      outcome.trace += fmt::format("{} of {} refused: {}\n", count, drawn.requests, name_of(code));
    return outcome;
  }

  std::shared_ptr<const geo::compose::World> world_;
  WhatIfs what_ifs_;
  geo::io::SystemClock clock_;
};

// In the order of the file.
template <class Run>
void for_each_check(const ReadTrials& read, Run&& run) {
  auto share = read.shares.begin();
  for (const Case& each : read.cases) {
    for (; share != read.shares.end() && share->line < each.line; ++share) run(*share);
    run(each);
  }
  for (; share != read.shares.end(); ++share) run(*share);
}

int run_check(Session& session, const Arguments& arguments) {
  std::vector<ReadTrials> files;
  std::size_t count = 0;
  geo::Faults faults;
  Wanted wanted;
  for (const std::string& file : arguments.files) {
    const ReadTrials& read = files.emplace_back(geo::io::read_trials(file));
    count += read.cases.size() + read.shares.size();
    faults.insert(faults.end(), read.faults.begin(), read.faults.end());
    for_each_check(read, [&](const Trial& check) { wanted.locating = wanted.locating || check.ip.has_value(); });
    for (const Case& each : read.cases) wanted.signing = wanted.signing || each.token.has_value();
  }
  wanted.signing = wanted.signing && (session.data_dir.empty() || !session.config_file.empty());
  const Opened opened = open_world(session, wanted);
  if (opened.world == nullptr) return opened.exit_status;
  for (const ReadTrials& read : files) {
    const geo::Faults found = dangling(read.references, *opened.world->snapshot.topology);
    faults.insert(faults.end(), found.begin(), found.end());
  }
  sort(faults);
  if (!faults.empty()) return session.output.refuse(faults);

  Checks checks(opened.world);
  CheckReport report(session.output, count);
  for (std::size_t i = 0; i < files.size(); ++i)
    for_each_check(files[i], [&](const auto& check) {
      const auto begin = std::chrono::steady_clock::now();
      Outcome outcome = checks.run(check);
      outcome.duration = std::chrono::steady_clock::now() - begin;
      outcome.file = arguments.files[i];
      outcome.line = check.line;
      outcome.name = check.name;
      report.tell(std::move(outcome));
    });
  const int exit_status = report.end();
  if (arguments.junit_option->count() > 0)
    if (const auto written = geo::io::write_text(arguments.junit, junit(report.outcomes())); !written)
      return session.output.refuse(geo::Denial{geo::ErrorCode::bad_request, "junit: " + written.error()});
  return exit_status;
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("check", "Dry runs for CI: does the balancing do what files of checks hold it to?");
  command->add_option("FILE", arguments->files, "Files of checks: [[case]], one request; [[share]], many of them")
      ->required();
  arguments->junit_option =
      command->add_option("--junit", arguments->junit, "Write the outcome to this file as JUnit XML, too")
          ->option_text("OUT.xml");
  command->footer(
      "Example:\n"
      "  geoctl --config config/demo/geod.toml check config/demo/checks.toml --junit checks.xml\n\n"
      "  [[case]]\n"
      "  name = \"Moscow stays in Moscow\"\n"
      "  ip = \"77.88.55.60\"\n"
      "  server = \"100-abcdef\"\n"
      "  camera = \"0\"\n"
      "  down = [\"node-moscow-1\"]\n"
      "  expect = { group = \"ru-msk\", node = [\"node-moscow-2\", \"node-moscow-3\"] }\n\n"
      "Text on a terminal, TAP on a pipe. Exit status: 0 all hold, 2 an argument, a file of checks, the config or the\n"
      "data is wrong, 6 a check did not hold.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_check(session, *arguments); }; });
}

}  // namespace geoctl

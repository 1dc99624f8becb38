// geoctl data validate, geoctl data import, geoctl data export, geoctl data diff
#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

#include "geo/base/text.h"
#include "geo/io/file.h"
#include "progress.h"
#include "session.h"
#include "store.h"
#include "world.h"

namespace geoctl {
namespace {

struct Arguments {
  std::string dir;
  CLI::Option* dir_option = nullptr;
};

std::string summary(const geo::io::Data& data) {
  const auto& topology = data.topology;
  return fmt::format(
      "{} nodes in {} groups, {} partners, {} patterns, {} places, {} networks; {} tokens, {} grants, {} users, "
      "{} tariffs; {} servers, {} cameras; {} node states",
      topology.nodes.size(), topology.groups.size(), topology.partners.size(), topology.patterns.size(),
      topology.places.size(), topology.networks.size(), data.tokens.size(), data.grants.size(), data.users.size(),
      data.tariffs.size(), data.servers.size(), data.cameras.size(), data.node_states.size());
}

int run_validate(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  std::filesystem::path dir = arguments.dir_option->count() > 0 ? arguments.dir : session.data_dir;
  if (arguments.dir_option->count() > 0 && arguments.dir.empty())
    return output.refuse(geo::Denial{geo::ErrorCode::bad_request, "DIR: empty"});
  if (dir.empty()) {
    const geo::config::Read read = read_config(session);
    if (!read.faults.empty()) return output.refuse(read.faults);
    if (read.config.store.kind != "files")
      return output.refuse(
          geo::Denial{geo::ErrorCode::invalid_config,
                      fmt::format("[store] kind is \"{}\": name the directory to validate", read.config.store.kind)});
    dir = read.config.path(read.config.store.dir);
  }
  const geo::io::ReadData read = geo::io::read_data(dir);
  if (read.faults.empty() && output.out.terminal() && !output.json)
    output.line(fmt::format("{}  {}: {}", output.out.green("ok"), printable(dir.string()), summary(read.data)));
  return output.tell(read.faults);
}

// ---- TOML <-> MongoDB ----

constexpr const char* kMongoAlone = "this command moves data between a directory and MongoDB";

// As TOML has it; for people what is not given is "nothing".
std::string_view shown(const std::string& value) { return value.empty() ? "nothing" : std::string_view(value); }

void print(Output& output, const geo::io::Difference& difference) {
  using Kind = geo::io::Difference::Kind;
  if (output.json) {
    const char* const change = difference.kind == Kind::added     ? "added"
                               : difference.kind == Kind::removed ? "removed"
                                                                  : "changed";
    std::string object;
    geo::Json json(object);
    json.open('{').field("table", difference.table).field("key", difference.key).field("change", change);
    json.key("values").open('[');
    for (const geo::io::Difference::Value& value : difference.values) {
      json.open('{').field("key", value.key).field_or_null("before", value.before);
      json.field_or_null("after", value.after).close('}');
    }
    json.close(']').close('}');
    output.line(object);
    return;
  }
  const std::string row = printable(difference.table + " " + difference.key);
  if (difference.kind == Kind::added) return output.line(output.out.green("+ " + row));
  if (difference.kind == Kind::removed) return output.line(output.out.red("- " + row));
  std::string values;
  for (const geo::io::Difference::Value& value : difference.values)
    values +=
        fmt::format("{}{} {} -> {}", values.empty() ? "" : ", ", value.key, shown(value.before), shown(value.after));
  output.line(fmt::format("~ {}: {}", row, printable(values)));
}

// The directory's content. Nothing: it was told what is wrong.
std::optional<geo::io::Data> read_dir(Output& output, const std::string& dir, int& exit_status) {
  geo::io::ReadData read = geo::io::read_data(dir);
  if (read.faults.empty()) return geo::io::MongoAdmin::kept(std::move(read.data));
  exit_status = output.refuse(read.faults);
  return std::nullopt;
}

void note_limits(Output& output, const geo::io::Data& data) {
  constexpr auto kMost = geo::io::MongoAdmin::kLeasesMax;
  for (const geo::billing::Tariff& tariff : data.tariffs)
    if (tariff.max_streams > kMost)
      output.err.write(fmt::format(
          "note: tariffs {}: max_streams {}: MongoDB keeps account of {} streams of a user that are not reported yet\n",
          tariff.id, *tariff.max_streams, kMost));
}

// Remembers the first SIGINT or SIGTERM, so that what is under way ends in order; a second one ends the process.
class EndedBySignal {
 public:
  EndedBySignal() {
    struct sigaction action {};
    action.sa_handler = [](int signal) { caught_ = signal; };
    action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], nullptr, &before_[i]);
      if (before_[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &action, nullptr);
    }
  }
  ~EndedBySignal() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
    if (caught_ != 0) ::raise(caught_);
  }
  EndedBySignal(const EndedBySignal&) = delete;
  EndedBySignal& operator=(const EndedBySignal&) = delete;

  bool caught() const { return caught_ != 0; }

 private:
  static constexpr std::array kSignals{SIGINT, SIGTERM};
  // Whichever thread the signal meets; what takes no lock may be written there.
  static std::atomic<int> caught_;
  static_assert(std::atomic<int>::is_always_lock_free);
  std::array<struct sigaction, kSignals.size()> before_{};
};
std::atomic<int> EndedBySignal::caught_{0};

struct ImportArguments {
  std::string dir;
  bool dry_run = false;
};

int run_import(Session& session, const ImportArguments& arguments) {
  Output& output = session.output;
  const OpenedStore store = open_mongo(session, kMongoAlone);
  if (store.none()) return store.exit_status;
  int exit_status = geo::kExitOk;
  const auto data = read_dir(output, arguments.dir, exit_status);
  if (!data) return exit_status;
  note_limits(output, *data);
  if (arguments.dry_run) {
    const auto there = store.mongo->read();
    if (!there) return output.refuse(there.error());
    for (const geo::io::Difference& each : geo::io::differences(there->data, *data)) print(output, each);
    for (const geo::Fault& fault : there->faults)
      output.err.write(printable(to_string(fault)) + ": the import would replace or remove it\n");
    return geo::kExitOk;
  }

  const EndedBySignal ended;  // what waits for its deadline may take a moment longer
  Progress progress(output.err, false, "rows");
  const auto done = store.mongo->import_data(
      *data, [&](std::uint64_t rows, std::uint64_t of) { progress.reach(rows, of); }, [&] { return ended.caught(); });
  progress.clear();
  if (!done) return output.refuse(done.error());
  if (output.json) {
    std::string object;
    geo::Json json(object);
    json.open('{').field("topology", done->topology).field("written", static_cast<std::int64_t>(done->written));
    json.field("removed", static_cast<std::int64_t>(done->removed)).close('}');
    output.line(object);
  } else {
    const bool nothing = !done->topology && done->written == 0 && done->removed == 0;
    output.line(fmt::format("{}  {}", output.out.green("ok"),
                            nothing ? "the store was equal already"
                                    : fmt::format("{} rows written, {} removed{}", done->written, done->removed,
                                                  done->topology ? "; a new version of the topology holds" : "")));
  }
  return geo::kExitOk;
}

int run_export(Session& session, const std::string& dir) {
  Output& output = session.output;
  const OpenedStore store = open_mongo(session, kMongoAlone);
  if (store.none()) return store.exit_status;
  const auto read = store.mongo->read();
  if (!read) return output.refuse(read.error());
  if (!read->faults.empty()) return output.refuse(read->faults);
  if (read->data.topology.nodes.empty())
    return output.refuse(geo::Denial{geo::ErrorCode::invalid_config,
                                     fmt::format("the store {} holds no topology", store.mongo->where())});
  if (const auto written = geo::io::write_data(read->data, dir); !written)
    return output.refuse(geo::Denial{geo::ErrorCode::bad_request, written.error()});
  if (output.out.terminal() && !output.json)
    output.line(fmt::format("{}  {}: {}", output.out.green("ok"), printable(dir), summary(read->data)));
  return geo::kExitOk;
}

int run_diff(Session& session, const std::string& dir) {
  Output& output = session.output;
  const OpenedStore store = open_mongo(session, kMongoAlone);
  if (store.none()) return store.exit_status;
  int exit_status = geo::kExitOk;
  const auto data = read_dir(output, dir, exit_status);
  if (!data) return exit_status;
  const auto there = store.mongo->read();
  if (!there) return output.refuse(there.error());
  if (!there->faults.empty()) return output.refuse(there->faults);
  const auto all = geo::io::differences(there->data, *data);
  for (const geo::io::Difference& each : all) print(output, each);
  return all.empty() ? geo::kExitOk : geo::kExitCheckFailed;
}

}  // namespace

void add_data(CLI::App& app, Session& session) {
  CLI::App* data = app.add_subcommand("data", "The store's content");
  data->require_subcommand(1);
  data->footer(
      "Examples:\n"
      "  geoctl data validate config/demo\n"
      "  geoctl --config geod.toml data import config/demo");

  auto arguments = std::make_shared<Arguments>();
  CLI::App* validate = data->add_subcommand("validate", "Find every fault of a store directory in one run");
  arguments->dir_option =
      validate->add_option("DIR", arguments->dir, "The directory (else --data, else [store] dir of the config)")
          ->option_text(" ");
  validate->footer(
      "Examples:\n"
      "  geoctl data validate config/demo\n"
      "  geoctl --json data validate --data /etc/geod/data\n\n"
      "Prints FILE:LINE:COL: TABLE.KEY: message, one fault a line. Exit status: 0 none, 6 there are some.");
  validate->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_validate(session, *arguments); }; });

  auto from = std::make_shared<ImportArguments>();
  CLI::App* import = data->add_subcommand("import", "Make the store in MongoDB equal to a directory");
  import->add_option("DIR", from->dir, "The directory, as data validate finds no fault with it")
      ->required()
      ->option_text(" ");
  import->add_flag("--dry-run", from->dry_run, "Change nothing; print what would differ, as data diff does");
  import->footer(
      "Examples:\n"
      "  geoctl data import config/demo --dry-run\n"
      "  geoctl --config /etc/geod/geod.toml data import config/demo\n\n"
      "Those who read meanwhile find the old topology or the new one. What nodes report and leases stay. Ended early, "
      "it\n"
      "is run again. Exit status: 0 done, 2 the config or the data is wrong, 5 the store is away or another import is\n"
      "under way.");
  import->callback([&session, from] { session.run = [&session, from] { return run_import(session, *from);
};
}  // namespace geoctl
);

const auto add = [&](const char* name, const char* description, const char* option,
                     int (*run)(Session&, const std::string&)) {
  CLI::App* command = data->add_subcommand(name, description);
  auto dir = std::make_shared<std::string>();
  command->add_option("DIR", *dir, option)->required()->option_text(" ");
  command->callback([&session, dir, run] { session.run = [&session, dir, run] { return run(session, *dir); }; });
  return command;
};
add("export", "Write the store in MongoDB to a directory", "The directory; made where it is missing", run_export)
    ->footer(
        "Example:\n  geoctl --config /etc/geod/geod.toml data export backup\n\n"
        "Rows by key; the same content gives the same bytes. states.toml is left alone. New files are their owner's\n"
        "alone: they hold hashes of tokens. Exit status: 0 done, 2 the config is wrong, something in the store cannot\n"
        "be read or a file cannot be written, 5 the store is away.");
add("diff", "What data import would change", "The directory", run_diff)
    ->footer(
        "Examples:\n"
        "  geoctl data diff config/demo\n"
        "  geoctl --json data diff config/demo\n\n"
        "Prints + for a row that the directory alone has, - for one that the store alone has, ~ for one that differs:\n"
        "the store's values -> the directory's. Exit status: 0 equal, 6 not equal.");
}

}  // namespace geoctl

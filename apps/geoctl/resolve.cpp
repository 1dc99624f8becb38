// geoctl resolve IP... | -
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "arguments.h"
#include "geo/base/text.h"
#include "geo/resolve.h"
#include "lines.h"
#include "session.h"
#include "world.h"

namespace geoctl {
namespace {

struct Arguments {
  std::vector<std::string> addresses;
  std::string provider;
  bool csv = false;
};

// RFC 4180: quoted where it holds a comma, a quote or a line end.
std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

class Resolve {
 public:
  Resolve(const Arguments& arguments, Output& output, const geo::compose::World& world)
      : arguments_(arguments), output_(output), world_(world) {}

  // The highest exit status among the addresses.
  int run() {
    if (csv()) output_.line("ip,country_code,region_iso,region,city,latitude,longitude,provider,cached,code");
    for (const std::string& address : arguments_.addresses)
      if (const auto ip = geo::Ip::parse(address)) table_.fit({ip->to_string()});
    for (const std::string& address : arguments_.addresses) {
      if (address == "-")
        read_standard_input();
      else
        answer(address);
    }
    return exit_status_;
  }

 private:
  bool csv() const { return arguments_.csv; }

  void read_standard_input() {
    Lines lines(STDIN_FILENO, [this] { output_.out.flush(); });
    while (const auto line = lines.next())
      if (!geo::trim(*line).empty()) answer(*line);
    if (!lines.error().empty())
      count(output_.refuse(geo::Denial{geo::ErrorCode::bad_request, "standard input: " + lines.error()}));
  }

  void answer(std::string_view text) {
    const auto ip = ip_of(text);
    if (!ip) return refuse(ip.error(), text);
    const auto located = world_.snapshot.resolver->locate({*ip, world_.snapshot.topology.get(), patience(world_)});
    if (!located || !*located)
      return refuse(located ? located->error() : geo::Denial{geo::ErrorCode::deadline_exceeded, "no answer in time"},
                    ip->to_string());
    if (csv())
      print_csv(*ip, **located);
    else if (output_.json)
      print_json(*ip, **located);
    else
      print_row(*ip, **located);
  }

  void refuse(const geo::Denial& denial, std::string_view ip) {
    if (csv()) {
      output_.line(fmt::format("{},,,,,,,,,{}", csv_field(printable(ip)), name_of(denial.code)));
      count(geo::row_of(denial.code).exit_status);
    } else {
      count(output_.refuse(denial, ip));
    }
  }

  void print_csv(const geo::Ip& ip, const geo::resolve::Located& located) {
    const geo::place::Location& at = *located.location;
    output_.line(fmt::format(
        "{},{},{},{},{},{},{},{},{},", ip.to_string(), csv_field(at.country_code), csv_field(at.region_iso),
        csv_field(at.region), csv_field(at.city), at.coordinates ? fmt::format("{}", at.coordinates->latitude) : "",
        at.coordinates ? fmt::format("{}", at.coordinates->longitude) : "", located.provider, located.cached()));
  }

  void print_json(const geo::Ip& ip, const geo::resolve::Located& located) {
    json_.clear();
    geo::resolve::append_json(json_, ip, located);
    output_.line(json_);
  }

  void print_row(const geo::Ip& ip, const geo::resolve::Located& located) {
    const geo::place::Location& at = *located.location;
    const auto shown = [](const std::string& text) { return text.empty() ? "-" : printable(text); };
    const std::vector<std::string> row{
        ip.to_string(),
        shown(at.country_code),
        shown(at.region_iso),
        shown(at.region),
        shown(at.city),
        at.coordinates ? fmt::format("{:.4f}, {:.4f}", at.coordinates->latitude, at.coordinates->longitude) : "-",
        std::string(located.provider) + (located.cached() ? " (cached)" : "")};
    if (!header_shown_) {
      table_.fit(row);
      output_.line(output_.out.bold(table_.header()));
      header_shown_ = true;
    }
    output_.line(table_.row(row));
  }

  void count(int exit_status) { exit_status_ = std::max(exit_status_, exit_status); }

  const Arguments& arguments_;
  Output& output_;
  const geo::compose::World& world_;
  Table table_{{{"IP"}, {"COUNTRY"}, {"ISO"}, {"REGION"}, {"CITY"}, {"COORDINATES"}, {"PROVIDER"}}};
  bool header_shown_ = false;
  std::string json_;
  int exit_status_ = geo::kExitOk;
};

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
  command->add_flag("--csv", arguments->csv, "CSV with a header line");
  command->footer(
      "Examples:\n"
      "  geoctl resolve 77.88.55.60 2a02:6b8::feed:ff\n"
      "  geoctl --json resolve 77.88.55.60\n"
      "  cut -d' ' -f1 access.log | geoctl resolve --csv - > places.csv\n\n"
      "Ends with the highest exit status among the addresses: 0, 2 (no address), 4 (nobody knows it), 5.");
  command->callback([&session, arguments] {
    session.run = [&session, arguments] {
      if (arguments->csv && session.output.json)
        return session.output.refuse(geo::Denial{geo::ErrorCode::bad_request, "--csv and --json exclude each other"});
      Wanted wanted;
      wanted.locating = true;
      wanted.topology = false;
      wanted.provider = arguments->provider;
      const Opened opened = open_world(session, wanted);
      if (opened.world == nullptr) return opened.exit_status;
      return Resolve(*arguments, session.output, *opened.world).run();
    };
  });
}

}  // namespace geoctl

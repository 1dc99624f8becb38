#include "traffic_arguments.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "geo/base/text.h"
#include "geo/io/mmdb.h"

namespace geoctl {
namespace {

using geo::deny;
using geo::ErrorCode;

constexpr std::uint64_t kGeodsMax = 1000;
constexpr double kRateMax = 1e6, kLengthMax = 1e6, kZipfMax = 10;

// Takes the value of an option that was given.
template <class Value>
geo::Result<void> take(const CLI::Option& option, const std::string& text, std::uint64_t low, std::uint64_t high,
                       Value& value) {
  if (option.count() == 0) return {};
  const auto number = geo::parse_digits(text);
  if (!number || *number < low || *number > high)
    return deny(ErrorCode::bad_request,
                fmt::format("{}: \"{}\" is no number of {} to {}", option.get_name().substr(2), text, low, high));
  value = static_cast<Value>(*number);
  return {};
}

geo::Result<void> take_real(const CLI::Option& option, const std::string& text, bool or_zero, double high,
                            double& value) {
  if (option.count() == 0) return {};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number) || number > high ||
      number < 0 || (number == 0 && !or_zero))
    return deny(ErrorCode::bad_request,
                fmt::format("{}: \"{}\" is no number {} 0, at most {:.0f}", option.get_name().substr(2), text,
                            or_zero ? "from" : "above", high));
  value = number;
  return {};
}

}  // namespace

void TrafficArguments::add_to(CLI::App& command) {
  file_ = command.add_option("--traffic", file, "An access log of geod's, or one address a line")->option_text("FILE");
  requests_ = command.add_option("--requests", requests, "Draw so many instead (100000)")->option_text("N");
  rate_ = command.add_option("--rate", rate, "Requests a second (100)")->option_text("R");
  cameras_ = command.add_option("--cameras", cameras, "Cameras they are for (10000)")->option_text("N");
  zipf_ = command.add_option("--zipf", zipf, "How popular the k-th is: k^-S (1.1)")->option_text("S");
  length_s_ = command.add_option("--length-s", length_s, "Seconds a stream runs, on average (60)")->option_text("S");
  seed_ = command.add_option("--seed", seed, "The same seed, the same result (1)")->option_text("N");
  geods_ =
      command.add_option("--geods", geods, "So many geods, each knows its own redirects alone (1)")->option_text("K");
  command.add_flag("--no-reports", no_reports, "Nodes report nothing; redirects alone count");
}

geo::Result<TrafficSettings> TrafficArguments::settings() const {
  TrafficSettings settings;
  if (file_->count() > 0 && requests_->count() > 0)
    return deny(ErrorCode::bad_request, "requests: give either --traffic or --requests");
  for (const auto& taken : {take(*requests_, requests, 1, kRequestsMax, settings.requests),
                            take_real(*rate_, rate, false, kRateMax, settings.rate),
                            take(*cameras_, cameras, 1, kCamerasMax, settings.cameras),
                            take_real(*zipf_, zipf, true, kZipfMax, settings.zipf),
                            take_real(*length_s_, length_s, false, kLengthMax, settings.length_s),
                            take(*seed_, seed, 0, INT64_MAX, settings.seed)})
    if (!taken) return tl::unexpected(taken.error());
  if (file_->count() == 0 && is_too_long(settings.requests, settings.rate))
    return deny(ErrorCode::bad_request, fmt::format("rate: {} requests at {} a second take more than {} days",
                                                    settings.requests, settings.rate, kSpanMax.count()));
  return settings;
}

geo::Result<SimulationSettings> TrafficArguments::simulation(const geo::compose::World& world) const {
  SimulationSettings settings;
  if (const auto taken = take(*geods_, geods, 1, kGeodsMax, settings.geods); !taken)
    return tl::unexpected(taken.error());
  settings.reports = !no_reports;
  settings.nearest = world.config.balance.nearest;
  return settings;
}

geo::Result<Traffic> TrafficArguments::traffic(const TrafficSettings& settings,
                                               const geo::compose::World& world) const {
  if (file_->count() > 0) return Traffic::read(file, settings);
  std::vector<std::filesystem::path> databases;
  for (const auto& provider : world.snapshot.resolver->providers())
    if (provider->name() == geo::io::kMaxMind)
      for (const std::string& each : world.config.resolver.maxmind.files) databases.push_back(world.config.path(each));
  auto clients = Clients::of(databases, world.snapshot.topology);
  if (!clients) return tl::unexpected(std::move(clients.error()));
  return Traffic(settings, std::move(*clients));
}

geo::redirect::Snapshot offline(Output& output, const geo::redirect::Snapshot& snapshot) {
  if (!snapshot.resolver->asks_upstreams()) return snapshot;
  std::vector<std::shared_ptr<const geo::resolve::Provider>> tables;
  for (const auto& provider : snapshot.resolver->providers())
    if (!provider->is_upstream())
      tables.push_back(provider);
    else
      output.err.write(
          fmt::format("note: {} is not asked; where clients are is known from tables alone\n", provider->name()));
  geo::redirect::Snapshot without = snapshot;
  without.resolver = std::make_shared<const geo::resolve::Resolver>(std::move(tables), snapshot.resolver->settings());
  return without;
}

}  // namespace geoctl

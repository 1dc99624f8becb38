#include "metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <vector>

#include "geo/io/mmdb.h"

namespace geod {
namespace {

using geo::compose::World;
using Label = prometheus::ClientMetric::Label;
using prometheus::MetricType;

class Families {
 public:
  // Later values go under it.
  void open(const char* name, const char* help, MetricType type) {
    families_.emplace_back();
    families_.back().name = name;
    families_.back().help = help;
    families_.back().type = type;
  }
  void value(double value, std::vector<Label> labels) {
    prometheus::ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    metric.counter.value = metric.gauge.value = value;  // the family's type says which
  }
  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

void add_providers(Families& families, const World& world, geo::MonotonicTime now) {
  std::vector<geo::UpstreamStatus> all;
  for (const auto& provider : world.snapshot.resolver->providers()) all.push_back(provider->status(now));
  families.open("geod_provider_requests_total", "Addresses asked of a provider, by what became of it",
                MetricType::Counter);
  for (const geo::UpstreamStatus& status : all)
    for (std::size_t i = 0; i < status.calls.size(); ++i)
      families.value(static_cast<double>(status.calls[i]),
                     {{"provider", std::string(status.name)}, {"result", std::string(geo::kOutcomeNames[i])}});
  families.open("geod_provider_state", "1 for the state that a provider's circuit breaker is in", MetricType::Gauge);
  for (const geo::UpstreamStatus& status : all)
    for (const auto state : {geo::Breaker::State::closed, geo::Breaker::State::open, geo::Breaker::State::half_open})
      families.value(status.state == state ? 1 : 0,
                     {{"provider", std::string(status.name)}, {"state", std::string(name_of(state))}});
}

void add_caches(Families& families, const World& world) {
  const auto places = world.places == nullptr ? geo::CacheStats{} : world.places->stats();
  const auto add = [&](const char* name, const char* help, MetricType type, double value) {
    families.open(name, help, type);
    families.value(value, {{"cache", "places"}});
  };
  add("geod_cache_hits_total", "Answers that a cache had", MetricType::Counter, static_cast<double>(places.hits));
  add("geod_cache_misses_total", "Answers that a cache did not have", MetricType::Counter,
      static_cast<double>(places.misses));
  add("geod_cache_entries", "Entries that a cache holds", MetricType::Gauge, static_cast<double>(places.entries));
}

void add_ages(Families& families, const World& world, const Moment& moment) {
  families.open("geod_database_age_seconds", "Since the database in service was built", MetricType::Gauge);
  for (const geo::compose::Database& database : world.databases) {
    const geo::io::MmdbInfo& info = database.index->info();
    families.value(static_cast<double>(moment.age_s(info.build_epoch_s)), {{"file", info.path}});
  }
  if (!world.has_topology) return;
  families.open("geod_snapshot_age_seconds", "Since the topology in service was read", MetricType::Gauge);
  families.value(static_cast<double>(moment.uptime_s()), {});
}

}  // namespace

void append_metrics(std::string& out, const World& world, const Moment& moment) {
  Families families;
  families.open("geod_build_info", "Always 1", MetricType::Gauge);
  families.value(1, {{"version", moment.process.version}});
  add_providers(families, world, moment.monotonic);
  add_caches(families, world);
  add_ages(families, world, moment);
  out += families.text();
}

}  // namespace geod

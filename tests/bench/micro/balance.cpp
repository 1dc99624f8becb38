// A choice among 10, 100, 1,000 and 10,000 nodes by each policy, with the bound on and off; what tables cost to build,
// and what follows from reports a few times a second.
//
//   build/release/bin/bench_balance --benchmark_min_time=0.3
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "allocations.h"
#include "geo/balance.h"

namespace {

using namespace geo;
using balance::Balancer;
using balance::Live;
using balance::Policy;

const WallTime kNow = *parse_time("2026-06-01T12:00:00Z");
constexpr int kSizes[] = {10, 100, 1000, 10000};
constexpr std::size_t kRequests = std::size_t{1} << 16;

place::Coordinates somewhere(std::mt19937_64& dice) {
  return {std::uniform_real_distribution(-60.0, 70.0)(dice), std::uniform_real_distribution(-180.0, 180.0)(dice)};
}

// Nodes in 1 : 2 : 4, each somewhere, evenly in those groups; each reports what is its share.
struct World {
  World(int nodes, int groups, int partners, balance::Settings settings) {
    std::mt19937_64 dice(1);
    place::Rows rows;
    for (int i = 0; i < groups; ++i) rows.groups.emplace_back().id = "g" + std::to_string(i);
    for (int i = 0; i < partners; ++i) rows.partners.emplace_back().id = "p" + std::to_string(i);
    std::vector<balance::Report> reports;
    for (int i = 0; i < nodes; ++i) {
      place::Node& node = rows.nodes.emplace_back();
      node.id = "node-" + std::to_string(i);
      node.host = node.id + ".example.com";
      node.group = "g" + std::to_string(i % groups);
      node.weight = 100 << i % 3;
      node.capacity = 100000;
      node.coordinates = somewhere(dice);
      if (partners > 0 && i % 4 == 0) node.partners = {"p" + std::to_string(i / 4 % partners)};
      reports.push_back({node.id, kNow, true, 100 << i % 3, {}});
    }
    topology = std::make_shared<place::Topology>(std::move(rows));
    const auto started = std::chrono::steady_clock::now();
    balancer = std::make_shared<const Balancer>(topology, settings);
    live = std::make_unique<Live>(balancer);
    build_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
    live->reported(reports);
    live->tick(kNow, MonotonicTime{});
    query.partner = topology->find_partner("default");
    query.group = 0;
    query.pattern = topology->find_pattern("streaming");
    query.format = balance::Format::flv;
  }

  std::shared_ptr<const place::Topology> topology;
  std::shared_ptr<const Balancer> balancer;
  std::unique_ptr<Live> live;
  balance::Query query;
  double build_ms = 0;
};

struct Request {
  std::uint64_t key, dice;
  place::Coordinates client;
};
std::vector<Request> requests() {
  std::mt19937_64 dice(2);
  std::vector<Request> out;
  for (std::size_t i = 0; i < kRequests; ++i) out.push_back({dice(), dice(), somewhere(dice)});
  return out;
}

void choose(benchmark::State& state, const World& world, const std::vector<Request>& requests) {
  balance::Query query = world.query;
  std::size_t at = 0;
  const std::size_t before = test::allocations();
  for ([[maybe_unused]] auto _ : state) {
    const Request& request = requests[at++ % kRequests];
    query.key = request.key;
    query.dice = request.dice;
    query.client = request.client;
    benchmark::DoNotOptimize(world.balancer->select(query, *world.live));
  }
  state.counters["allocations"] = static_cast<double>(test::allocations() - before);
}

// The medians, by policy, of CPU time: what else the machine does changes little.
class Table : public benchmark::ConsoleReporter {
 public:
  Table() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.aggregate_name != "median") continue;
      const std::string& name = run.run_name.function_name;
      const std::size_t slash = name.rfind('/');
      cpu_ns_[name.substr(0, slash)][std::stoi(name.substr(slash + 1))] = run.GetAdjustedCPUTime();
      allocations_ += run.counters.at("allocations");
    }
  }
  void print() const {
    std::printf("%-28s", "ns a choice, nodes:");
    for (const int size : kSizes) std::printf("%9d", size);
    std::printf("   most to least\n");
    for (const auto& [policy, by_size] : cpu_ns_) {
      std::printf("%-28s", policy.c_str());
      double least = HUGE_VAL, most = 0;
      for (const auto& [size, ns] : by_size) {
        std::printf("%9.0f", ns);
        least = std::min(least, ns), most = std::max(most, ns);
      }
      std::printf("   %.2f, %.0f ns more\n", most / least, most - least);
    }
    std::printf("allocations: %.0f\n", allocations_);
  }

 private:
  std::map<std::string, std::map<int, double>> cpu_ns_;
  double allocations_ = 0;
};

void print_tables() {
  std::printf("\n%-44s %10s %10s\n", "", "build, ms", "tick, ms");
  for (const auto& [nodes, groups, partners] :
       {std::array{10000, 1, 0}, {10000, 1000, 0}, {10000, 1000, 100}, {10000, 1, 100}})
    for (const Policy policy : {Policy::affinity, Policy::nearest}) {
      balance::Settings settings;
      settings.policy = policy;
      const World world(nodes, groups, partners, settings);
      // Redirects that are to fade everywhere.
      std::mt19937_64 dice(3);
      for (int i = 0; i < 1000000; ++i) {
        const auto node = static_cast<balance::Index>(dice() % static_cast<unsigned>(nodes));
        world.live->redirected({node, world.topology->group_of_node(node), 0, false}, 0, dice());
      }
      double tick_ms = HUGE_VAL;
      for (int i = 1; i <= 20; ++i) {
        const auto started = std::chrono::steady_clock::now();
        (void)world.live->tick(kNow + std::chrono::milliseconds(200 * i),
                               MonotonicTime{} + std::chrono::milliseconds(200 * i));
        tick_ms = std::min(
            tick_ms, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count());
      }
      std::printf("%6d nodes, %5d groups, %4d partners, %-8s %10.1f %10.2f\n", nodes, groups, partners,
                  std::string(name_of(policy)).c_str(), world.build_ms, tick_ms);
    }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const std::vector<Request> asked = requests();
  std::vector<std::unique_ptr<World>> worlds;
  for (const std::string_view name : balance::kPolicyNames)
    for (const double factor : {1.25, 0.0})
      for (const int size : kSizes) {
        balance::Settings settings;
        settings.policy = *balance::policy_of(name);
        settings.balance_factor = factor;
        const World& world = *worlds.emplace_back(std::make_unique<World>(size, 1, 0, settings));
        const std::string bound = factor > 0 ? ", bound" : "";
        benchmark::RegisterBenchmark((std::string(name) + bound + "/" + std::to_string(size)).c_str(),
                                     [&](benchmark::State& state) { choose(state, world, asked); })
            ->Repetitions(5)
            ->ReportAggregatesOnly();
      }
  Table table;
  benchmark::RunSpecifiedBenchmarks(&table);
  table.print();
  print_tables();
}

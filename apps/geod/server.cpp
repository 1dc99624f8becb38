#include "server.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <random>
#include <system_error>

#include "admin_handler.h"
#include "authorize_handler.h"
#include "descriptors.h"
#include "redirect_handler.h"
#include "resolve_handler.h"
#include "verify_handler.h"

namespace geod {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kWorkers = 32;  // threads that may wait for an upstream at once
constexpr milliseconds kDrainLook{20};
constexpr seconds kWarnEvery{1};
constexpr seconds kFailuresEvery{10};

}  // namespace

Server::Server(std::shared_ptr<const geo::compose::World> world, std::string version, AppLog& log,
               const ServiceManager& manager, PassedSockets sockets)
    : log_(log),
      manager_(manager),
      passed_(std::move(sockets)),
      config_(world->config),
      worlds_(world),
      told_world_(std::move(world)),
      cors_(config_.http.cors_origins),
      rate_limit_(std::uint64_t{std::random_device{}()} << 32 | std::random_device{}()),
      process_{std::move(version), clock_.monotonic()} {}

Server::~Server() {
  node_watch_.reset();
  store_watch_.reset();
  databases_.reset();
  // Workers resume connections of the loops, and the loops hand work to the workers until their end.
  if (workers_ != nullptr) workers_->stop(geo::MonotonicTime::max());
  listeners_.clear();
  workers_.reset();
  reloads_.reset();
}

tl::expected<void, std::string> Server::start() {
  try {
    return start_parts();
  } catch (const std::system_error& fault) {
    return tl::unexpected(fmt::format("a thread cannot be started: {}", fault.code().message()));
  }
}

tl::expected<void, std::string> Server::start_parts() {
  auto opened = AccessLog::open(config_.log.access, config_.path(config_.log.access));
  if (!opened) return tl::unexpected("log.access: " + opened.error());
  access_log_ = std::move(*opened);
  process_.access_log = access_log_.get();
  tell_first_states(log_, *worlds_.latest());
  reloads_ = std::make_unique<Reloads>(worlds_, clock_, log_, access_log_.get(), manager_);
  process_.reloads = reloads_.get();
  // A connection has one request at a time.
  workers_ = std::make_unique<geo::io::Workers>(kWorkers, static_cast<std::size_t>(config_.http.max_connections));

  const std::size_t loops = config_.http.threads > 0 ? static_cast<std::size_t>(config_.http.threads)
                                                     : std::max(1U, std::thread::hardware_concurrency());
  const auto redirect = [this] { return std::make_unique<RedirectHandler>(worlds_, clock_, cors_, &rate_limit_); };
  const auto resolver = [this] { return std::make_unique<ResolveHandler>(worlds_, clock_, &rate_limit_); };
  const auto auth = [this] { return std::make_unique<AuthorizeHandler>(worlds_, clock_); };
  const auto verify = [this] { return std::make_unique<VerifyHandler>(worlds_); };
  const auto admin = [this] {
    return std::make_unique<AdminHandler>(worlds_, clock_, process_, *reloads_, refusals_, log_);
  };
  if (auto added = add("listen.redirect", config_.listen.redirect, loops, redirect); !added) return added;
  if (auto added = add("listen.resolver", config_.listen.resolver, loops, resolver); !added) return added;
  if (auto added = add("tls.redirect", config_.tls.redirect, loops, redirect); !added) return added;
  if (auto added = add("tls.resolver", config_.tls.resolver, loops, resolver); !added) return added;
  if (auto added = add("listen.auth", config_.listen.auth, loops, auth); !added) return added;
  if (auto added = add("listen.verify", config_.listen.verify, loops, verify); !added) return added;
  if (auto added = add("listen.admin", config_.listen.admin, 1, admin); !added) return added;
  for (const auto& listener : listeners_)
    log_.info("listening on {} {}", listener->name(), listener->address().to_string());
  store_watch_ = std::make_unique<StoreWatch>(worlds_, clock_, log_);
  node_watch_ = std::make_unique<NodeWatch>(worlds_, clock_, log_, "geod/" + process_.version);
  for (const geo::compose::Database& each : worlds_.latest()->databases) log_.info("{}", in_service(*each.index));
  databases_ = std::make_unique<Databases>(worlds_, clock_, log_);
  return {};
}

tl::expected<void, std::string> Server::add(const std::string& key, const std::string& address, std::size_t loops,
                                            const Listener::MakeHandler& make_handler) {
  if (address.empty()) return {};
  const std::string kind = key.substr(key.find('.') + 1);
  const bool by_tls = key.starts_with("tls.");
  std::function<Identity()> identity;
  if (by_tls) identity = [this] { return worlds_.latest()->tls_identity; };
  AccessLog* access = nullptr;
  ListenerCounts* counts = nullptr;
  if (kind != "admin") {
    access = access_log_.get();
    counts = process_.counts.emplace_back(std::make_unique<ListenerCounts>(kind, loops)).get();
  }
  const std::size_t connections = share_out(config_).connections;
  Occupancy& occupancy = *process_.occupancies.emplace_back(std::make_unique<Occupancy>(
      by_tls ? key : kind, kind == "admin" ? std::min(connections, kAdminConnections) : connections));
  auto listener = std::make_unique<Listener>(Surroundings{kind, log_, access, *workers_, clock_, process_.draining,
                                                          config_.log.mask_client_ip, std::move(identity), counts,
                                                          occupancy, seconds(config_.http.idle_timeout_s)});
  auto done = open(*listener, address, loops);
  if (done) done = listener->start(make_handler);
  if (!done) return tl::unexpected(fmt::format("{}: {}", key, done.error()));
  listeners_.push_back(std::move(listener));
  return {};
}

tl::expected<void, std::string> Server::open(Listener& listener, const std::string& address, std::size_t loops) {
  if (auto passed = passed_.extract(listener.name()); !passed.empty())
    return listener.take(std::move(passed.mapped()), loops);
  const auto parsed = parse_address(address);
  if (!parsed) return tl::unexpected(parsed.error());
  return listener.bind(*parsed, loops);
}

void Server::tick() {
  sweep(clock_.monotonic(), false);
  if (clock_.monotonic() >= next_warning_) tell_dropped();
  refusals_.tell(clock_.monotonic(), log_);
  tell_upstreams();
  tell_loops();
}

void Server::tell_dropped() {
  if (access_log_ == nullptr) return;
  const AccessLog::Dropped dropped = access_log_->dropped();
  if (dropped.lines == told_dropped_) return;
  next_warning_ = clock_.monotonic() + kWarnEvery;
  log_.warn("access log: {} lines dropped: {}", dropped.lines - told_dropped_,
            dropped.error == 0 ? "they cannot be written fast enough" : std::strerror(dropped.error));
  told_dropped_ = dropped.lines;
}

// The first at once; one that fails now and then never opens its breaker.
void Server::tell_failed(const std::string& name, const geo::UpstreamStatus& status, Told& told) {
  const std::uint64_t failed = status.calls[static_cast<std::size_t>(geo::Outcome::failed)];
  if (failed < told.failed) told.failed = 0;  // a reload has begun a new count
  if (failed == told.failed || clock_.monotonic() < told.next) return;
  log_.warn("{}: failed requests: {}, the last one: {}", name, failed - told.failed, status.last_error);
  told.failed = failed;
  told.next = clock_.monotonic() + kFailuresEvery;
}

void Server::tell_upstreams() {
  const std::shared_ptr<const geo::compose::World> world = worlds_.latest();
  const geo::MonotonicTime now = clock_.monotonic();
  std::vector<std::pair<std::string, geo::UpstreamStatus>> all;
  for (const auto& status : upstreams_of(*world, now)) all.emplace_back(status.name, status);
  for (const auto& provider : world->snapshot.resolver->providers())
    all.emplace_back(fmt::format("provider {}", provider->name()), provider->status(now));
  for (const auto& [name, status] : all) {
    Told& told = upstreams_told_[name];
    tell_failed(name, status, told);
    if (told.state == status.state) continue;
    const bool good = status.state == geo::Breaker::State::closed;
    const std::string change = fmt::format("{}: {} -> {}", name, name_of(told.state), name_of(status.state));
    told.state = status.state;
    if (good)
      log_.info("{}", change);
    else
      log_.warn("{}: {}", change, status.last_error);
  }
}

void Server::tell_loops() {
  auto world = worlds_.latest();
  if (world == told_world_) return;
  told_world_ = std::move(world);
  for (const auto& listener : listeners_) listener->wake();
}

std::string Server::summary() const {
  std::string text = "listening on ";
  for (const auto& listener : listeners_)
    text += fmt::format("{}{} {}", listener == listeners_.front() ? "" : ", ", listener->name(),
                        listener->address().to_string());
  for (const std::string& reason : reasons_not_ready(*worlds_.latest(), process_)) text += "; " + reason;
  return text;
}

bool Server::is_awake() {
  for (const auto& listener : listeners_)
    if (!listener->is_awake()) return false;
  for (const auto& listener : listeners_) listener->wake();
  return true;
}

void Server::hang_up(uid_t by) { reloads_->begin(fmt::format("SIGHUP of uid {}", by)); }

bool Server::drain(const std::function<void()>& meanwhile) {
  const geo::MonotonicTime start = clock_.monotonic();
  // A tenth is kept for taking the parts down.
  const geo::MonotonicTime end = start + milliseconds(worlds_.latest()->config.http.drain_s * 900);
  const auto under_way = [this] {
    std::size_t count = 0;
    for (const auto& each : process_.occupancies) count += each->under_way();
    return count;
  };
  log_.info("stopping: accepting nothing new, connections open: {}", under_way());
  process_.draining.store(true);
  // Whoever looks how the others are getting on is let in until they are done, but by a socket that the next geod has.
  const auto stays = [](const Listener& each) { return each.name() == "admin" && !each.is_passed(); };
  for (const auto& listener : listeners_)
    if (!stays(*listener)) listener->quiesce();
  // What a loop has just accepted counts once it has been round.
  const auto is_over = [this] {
    return std::all_of(listeners_.begin(), listeners_.end(), [](const auto& each) {
      return !each->is_quiesced() || (each->is_awake() && each->occupancy().open.load() == 0);
    });
  };
  for (geo::MonotonicTime now = start; now < end; now = clock_.monotonic()) {
    if (is_over()) {
      const auto last =
          std::find_if_not(listeners_.begin(), listeners_.end(), [](const auto& each) { return each->is_quiesced(); });
      if (last == listeners_.end()) break;
      (*last)->quiesce();
    }
    sweep(now, now - start >= kIdleGrace);
    meanwhile();
    std::this_thread::sleep_for(kDrainLook);
  }
  if (const std::size_t left = under_way(); left > 0) log_.warn("connections still open at the end: {}", left);
  const bool waited_out = workers_->stop(end);
  if (waited_out) listeners_.clear();
  const bool written =
      access_log_ == nullptr || access_log_->stop(std::max(end, clock_.monotonic() + milliseconds(50)));
  tell_dropped();
  refusals_.tell(clock_.monotonic() + kWarnEvery, log_);
  if (!written) log_.warn("access log: {} lines could not be written in time", access_log_->waiting());
  if (!waited_out || !written) log_.warn("ending with work undone");
  // Nobody waits for what these read and keep: the next start does it again.
  const geo::MonotonicTime soon =
      std::clamp(end, clock_.monotonic() + milliseconds(50), clock_.monotonic() + milliseconds(300));
  const bool read_out =
      databases_->stop(soon) && store_watch_->stop(soon) && node_watch_->stop(soon) && reloads_->stop(soon);
  if (!read_out) log_.info("what was being read or kept is let go");
  return waited_out && read_out && written;
}

void Server::sweep(geo::MonotonicTime now, bool drop_idle) {
  const seconds header_timeout(worlds_.latest()->config.http.header_timeout_s);
  for (const auto& listener : listeners_) listener->sweep({now, header_timeout, drop_idle});
}

}  // namespace geod

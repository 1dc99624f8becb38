// The parts of a running geod, and their life: start, serve, drain, end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "access_log.h"
#include "admin_gate.h"
#include "app_log.h"
#include "cors.h"
#include "databases.h"
#include "geo/base/fault.h"
#include "geo/compose.h"
#include "geo/io/system.h"
#include "geo/io/threads.h"
#include "listener.h"
#include "node_watch.h"
#include "rate_limit.h"
#include "reloads.h"
#include "service_manager.h"
#include "status.h"
#include "store_watch.h"
#include "worlds.h"

namespace geod {

class Server {
 public:
  // sockets: what was passed, each in the place of one that would be bound.
  Server(std::shared_ptr<const geo::compose::World> world, std::string version, AppLog& log,
         const ServiceManager& manager, PassedSockets sockets = {});
  ~Server();

  // Binds and serves. The error names the listener and its address, or the log file.
  tl::expected<void, std::string> start();
  // About twice a second: who takes too long, what the log dropped, who was refused, which upstream's state changed.
  void tick();
  // SIGHUP of that user: begins a reload.
  void hang_up(uid_t by);
  // "listening on redirect 0.0.0.0:8080, admin 127.0.0.1:8081", and why nobody can be served where it is so.
  std::string summary() const;
  // Have all loops been round since this was asked the last time?
  bool is_awake();
  // SIGTERM: stops accepting, answers what has begun. False: something was still waiting when [http] drain_s ended, and
  // the process has to end without taking its parts down. meanwhile: called many times a second.
  bool drain(const std::function<void()>& meanwhile);

 private:
  // key: of the address, "listen.redirect" or "tls.redirect".
  tl::expected<void, std::string> add(const std::string& key, const std::string& address, std::size_t loops,
                                      const Listener::MakeHandler& make_handler);
  tl::expected<void, std::string> open(Listener& listener, const std::string& address, std::size_t loops);
  tl::expected<void, std::string> start_parts();
  void tell_dropped();
  void tell_upstreams();
  struct Told {
    geo::Breaker::State state = geo::Breaker::State::closed;
    std::uint64_t failed = 0;
    geo::MonotonicTime next = geo::MonotonicTime::min();  // failures before it are gathered
  };
  void tell_failed(const std::string& name, const geo::UpstreamStatus& status, Told& told);
  // Loops that nobody asks would hold the world before this one, and with it whole databases.
  void tell_loops();
  void sweep(geo::MonotonicTime now, bool drop_idle);

  AppLog& log_;
  const ServiceManager& manager_;
  PassedSockets passed_;              // and not yet served
  const geo::config::Config config_;  // that it was started with
  geo::io::SystemClock clock_;
  Worlds worlds_;
  std::shared_ptr<const geo::compose::World> told_world_;  // that the loops know of
  const Cors cors_;
  RateLimit rate_limit_;  // one for all: a client has one allowance
  Process process_;
  Refusals refusals_;  // of the admin listener
  std::map<std::string, Told, std::less<>> upstreams_told_;
  geo::MonotonicTime next_warning_ = geo::MonotonicTime::min();  // of lines that the access log dropped
  std::uint64_t told_dropped_ = 0;
  std::unique_ptr<AccessLog> access_log_;  // null: off
  std::unique_ptr<geo::io::Workers> workers_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unique_ptr<Databases> databases_;
  std::unique_ptr<StoreWatch> store_watch_;
  std::unique_ptr<NodeWatch> node_watch_;
  std::unique_ptr<Reloads> reloads_;
};

}  // namespace geod

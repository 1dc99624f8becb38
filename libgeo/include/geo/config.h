// geod.toml, as values: read by geod and geoctl alike.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/export.h"
#include "geo/base/fault.h"
#include "geo/io/system.h"

namespace geo::config {

// A member's name is its key; its section is the struct's. Units are last in the name.
struct Listen {
  std::string redirect = "0.0.0.0:8080", admin = "127.0.0.1:8081", resolver, auth, verify;
};
struct Tls {
  std::string redirect, resolver, certificate_file, key_file;
};
struct Store {
  std::string kind = "files", dir = "data", uri, uri_file, database = "geo", state_dir;
  std::int64_t refresh_s = 2;
};
struct MaxMind {
  std::vector<std::string> files;
};
struct IpApi {
  std::string url = "http://ip-api.com", key_file;
};
struct Remote {
  std::string url;
};
struct Resolver {
  std::vector<std::string> providers{"networks", "maxmind"};
  std::string language = "en", url;
  bool complete = false;
  MaxMind maxmind;
  IpApi ip_api;
  Remote remote;
};
struct Auth {
  std::string url;
};
struct Billing {
  std::int64_t lease_s = 30;
  std::string on_unknown = "known_only";
};
struct CacheLimits {
  std::int64_t entries, ttl_s, stale_s, negative_ttl_s;
};
struct Cache {
  CacheLimits places{1000000, 86400, 604800, 3600};
  CacheLimits tokens{1000000, 60, 3600, 10};
  CacheLimits billing{1000000, 60, 3600, 10};
  CacheLimits usage{1000000, 5, 60, 5};
  CacheLimits devices{1000000, 10, 3600, 5};
};
struct Deadline {
  std::int64_t request_ms = 3000, resolve_ms = 1500, auth_ms = 1000, store_ms = 1000;
};
struct SigningKey {
  std::string id, secret_file;
  bool operator==(const SigningKey&) const = default;
};
struct Signing {
  std::string active = "k1";
  std::int64_t ttl_s = 300, leeway_s = 0;
  bool bind_client_ip = false;
  std::vector<SigningKey> keys;
};
struct Redirect {
  std::string token = "pass";
  std::vector<std::string> pass_through;
  bool allow_plain = false;
};
struct Balance {
  std::string policy = "affinity";
  double balance_factor = 1.25;
  bool nearest = true;
  std::int64_t credit_half_life_s = 60;
};
struct Health {
  std::string path;
  std::int64_t interval_ms = 2000, timeout_ms = 1000, rise = 2, fall = 2, jitter_percent = 10, panic_percent = 50,
               slow_start_s = 30, report_max_age_s = 15;
};
struct Http {
  std::vector<std::string> trusted_proxies;
  std::vector<std::string> cors_origins{"*"};
  std::int64_t threads = 0, header_timeout_s = 10, idle_timeout_s = 60, max_connections = 20000, drain_s = 10;
};
struct Log {
  std::string access = "stdout", level = "info";
  bool mask_client_ip = false;
};
struct Limits {
  std::int64_t requests_per_s = 0;
};
struct Admin {
  std::string token_file;
};

struct Config {
  Listen listen;
  Tls tls;
  Store store;
  Resolver resolver;
  Auth auth;
  Billing billing;
  Cache cache;
  Deadline deadline;
  Signing signing;
  Redirect redirect;
  Balance balance;
  Health health;
  Http http;
  Log log;
  Limits limits;
  Admin admin;

  std::filesystem::path file;  // it was read from; empty: the defaults alone
  std::filesystem::path dir;   // of the file; relative paths start here

  // Where the file says what, for faults that show only when it is used: "signing.keys[0].secret_file" -> its value.
  struct Position {
    std::size_t line = 0, col = 0;
  };
  std::map<std::string, Position, std::less<>> positions;

  // Is it served, in plain or with TLS?
  bool serves_redirect() const { return !listen.redirect.empty() || !tls.redirect.empty(); }
  bool serves_resolver() const { return !listen.resolver.empty() || !tls.resolver.empty(); }
  bool has_tls() const { return !tls.redirect.empty() || !tls.resolver.empty(); }

  // An empty path stays empty.
  GEO_EXPORT std::filesystem::path path(std::string_view relative) const;
};

// GEO_SECTION_KEY and its value.
using Variable = io::EnvironmentVariable;

// Defaults, then the file, then the environment. Every fault of both is found in one run: unknown keys, wrong types,
// values out of range, what contradicts itself. The config is filled as far as it could be read.
struct Read {
  Config config;
  Faults faults;
};
// What counts of a file that is no TOML: nothing, or what stands above the line that its fault names.
enum class IfBroken : std::uint8_t { nothing, above };
GEO_EXPORT Read read_file(const std::filesystem::path& file, const std::vector<Variable>& environment,
                          IfBroken if_broken = IfBroken::nothing);
// The defaults and the environment alone.
GEO_EXPORT Read read_defaults(const std::vector<Variable>& environment);

// TOML with every key, a comment with each key's meaning; reads back to the same config. Passwords are hidden.
GEO_EXPORT std::string show(const Config& config);

// The keys whose values differ: "listen.resolver".
struct Differences {
  std::vector<std::string> keys;
  // Of these, those that a geod which runs cannot take up.
  std::vector<std::string> needing_restart;

  // No key of that section differs, nor of one in it: "resolver" has "resolver.maxmind" in it.
  GEO_EXPORT bool spare(std::string_view section) const;
};
GEO_EXPORT Differences differences(const Config& before, const Config& after);

// One row per key: what `config show`, geod.toml(5) and the environment are made from and held to.
struct KeyInfo {
  std::string section, key, type, default_value, meaning;
};
GEO_EXPORT std::vector<KeyInfo> keys();

}  // namespace geo::config

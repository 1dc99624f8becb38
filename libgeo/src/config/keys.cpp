#include "config/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "config/values.h"

namespace geo::config {
namespace {

using io::rules::one_of;

template <auto... Members>
Slot at(Config& config) {
  return &(config.*....*Members);
}

constexpr std::int64_t kHour = 3600, kDay = 86400, kYear = 31536000;

template <auto Limits>
void add_cache(std::vector<Key>& keys, std::string_view section) {
  keys.insert(keys.end(), {{section,
                            "entries",
                            at<&Config::cache, Limits, &CacheLimits::entries>,
                            "Entries kept at most.",
                            {},
                            1,
                            100000000},
                           {section,
                            "ttl_s",
                            at<&Config::cache, Limits, &CacheLimits::ttl_s>,
                            "Seconds for which an entry is fresh.",
                            {},
                            1,
                            kYear},
                           {section,
                            "stale_s",
                            at<&Config::cache, Limits, &CacheLimits::stale_s>,
                            "Seconds after that for which a stale entry may still serve.",
                            {},
                            0,
                            kYear},
                           {section,
                            "negative_ttl_s",
                            at<&Config::cache, Limits, &CacheLimits::negative_ttl_s>,
                            "Seconds for which 'there is none' is kept.",
                            {},
                            0,
                            kYear}});
}

void add_listeners_and_stores(std::vector<Key>& keys) {
  keys.insert(
      keys.end(),
      {{"listen", "redirect", at<&Config::listen, &Listen::redirect>,
        "Address of the redirect listener; \"\": not served.", address(false)},
       {"listen", "admin", at<&Config::listen, &Listen::admin>,
        "Address of the admin listener, for operators; \"\": not served.", address(true)},
       {"listen", "resolver", at<&Config::listen, &Listen::resolver>,
        "Address of the resolver listener; \"\": not served.", address(false)},
       {"listen", "auth", at<&Config::listen, &Listen::auth>, "Address of the auth listener; \"\": not served.",
        address(false)},
       {"listen", "verify", at<&Config::listen, &Listen::verify>,
        "Address of the verify listener, for the nodes' gates; \"\": not served.", address(false)},
       {"tls", "redirect", at<&Config::tls, &Tls::redirect>,
        "Address of the redirect listener with TLS (1.2 or newer), beside the plain one or alone; \"\": not served.",
        address(false)},
       {"tls", "resolver", at<&Config::tls, &Tls::resolver>, "Address of the resolver listener with TLS, likewise.",
        address(false)},
       {"tls", "certificate_file", at<&Config::tls, &Tls::certificate_file>,
        "Certificate chain, PEM, geod's own first. Read anew on reload.", path_or_empty()},
       {"tls", "key_file", at<&Config::tls, &Tls::key_file>,
        "The certificate's private key, PEM, or credential:NAME. Read anew on reload.", path_or_empty()},
       {"store", "kind", at<&Config::store, &Store::kind>,
        "Where the data is: files in a directory, mongodb, or none (verify alone, or a "
        "resolver without networks).",
        one_of({"files", "mongodb", "none"})},
       {"store", "dir", at<&Config::store, &Store::dir>,
        "Directory of topology.toml, accounts.toml, devices.toml and states.toml.", io::rules::path()},
       {"store", "uri", at<&Config::store, &Store::uri>,
        "MongoDB's connection string, with all that libmongoc knows: replica sets, TLS, SCRAM-SHA-256, srv.",
        mongodb_uri()},
       {"store", "uri_file", at<&Config::store, &Store::uri_file>,
        "File that holds the connection string, or credential:NAME.", path_or_empty()},
       {"store", "database", at<&Config::store, &Store::database>, "MongoDB's database.", database_name()},
       {"store", "state_dir", at<&Config::store, &Store::state_dir>,
        "Directory of what the next start needs; \"\": $STATE_DIRECTORY, else state beside this file.",
        path_or_empty()},
       {"store",
        "refresh_s",
        at<&Config::store, &Store::refresh_s>,
        "Seconds within which a new topology in MongoDB is taken up.",
        {},
        1,
        kDay}});
}

void add_steps(std::vector<Key>& keys) {
  keys.insert(
      keys.end(),
      {{"resolver", "providers", at<&Config::resolver, &Resolver::providers>,
        "Who locates an address, in this order; the first answer wins: networks, maxmind, ip-api, remote.",
        one_of({"networks", "maxmind", "ip-api", "remote"}), 0, 0, true},
       {"resolver", "language", at<&Config::resolver, &Resolver::language>,
        "Language of region and city names; English where a name has none in it.", language()},
       {"resolver", "url", at<&Config::resolver, &Resolver::url>,
        "Base URL of a geo-resolver that decides instead; only the own networks are asked before it.", url_or_empty()},
       {"resolver", "complete", at<&Config::resolver, &Resolver::complete>,
        "Let later providers that agree on the country fill in what the first one does not know."},
       {"resolver.maxmind", "files", at<&Config::resolver, &Resolver::maxmind, &MaxMind::files>,
        "MaxMind DB files with cities, asked in this order.", io::rules::path(), 0, 0, true},
       {"resolver.ip-api", "url", at<&Config::resolver, &Resolver::ip_api, &IpApi::url>,
        "Base URL of the ip-api service.", url_or_empty()},
       {"resolver.ip-api", "key_file", at<&Config::resolver, &Resolver::ip_api, &IpApi::key_file>,
        "File that holds the key of the paid ip-api service, or credential:NAME; \"\": the free one.", path_or_empty()},
       {"resolver.remote", "url", at<&Config::resolver, &Resolver::remote, &Remote::url>,
        "Base URL of another geo-resolver, for the provider remote.", url_or_empty()},
       {"auth", "url", at<&Config::auth, &Auth::url>,
        "Base URL of an auth-server to ask instead of the store; /authorize is appended.", url_or_empty()},
       {"billing",
        "lease_s",
        at<&Config::billing, &Billing::lease_s>,
        "Seconds for which a stream counts after its redirect, until a node reports it (MongoDB).",
        {},
        1,
        kDay},
       {"billing", "on_unknown", at<&Config::billing, &Billing::on_unknown>,
        "Who passes billing while the store is away: known_only (users who are cached), allow (all) or refuse (nobody "
        "whose "
        "data is past its life).",
        one_of({"known_only", "allow", "refuse"})}});
  add_cache<&Cache::places>(keys, "cache.places");
  add_cache<&Cache::tokens>(keys, "cache.tokens");
  add_cache<&Cache::billing>(keys, "cache.billing");
  add_cache<&Cache::usage>(keys, "cache.usage");
  add_cache<&Cache::devices>(keys, "cache.devices");
  keys.insert(keys.end(), {{"deadline",
                            "request_ms",
                            at<&Config::deadline, &Deadline::request_ms>,
                            "Milliseconds that one request may take.",
                            {},
                            1,
                            600000},
                           {"deadline",
                            "resolve_ms",
                            at<&Config::deadline, &Deadline::resolve_ms>,
                            "Milliseconds that all providers together may take.",
                            {},
                            1,
                            600000},
                           {"deadline",
                            "auth_ms",
                            at<&Config::deadline, &Deadline::auth_ms>,
                            "Milliseconds that the auth-server may take.",
                            {},
                            1,
                            600000},
                           {"deadline",
                            "store_ms",
                            at<&Config::deadline, &Deadline::store_ms>,
                            "Milliseconds that a look-up in the store may take.",
                            {},
                            1,
                            600000},
                           {"signing", "active", at<&Config::signing, &Signing::active>,
                            "The key that signs; all of them verify.", io::rules::id()},
                           {"signing",
                            "ttl_s",
                            at<&Config::signing, &Signing::ttl_s>,
                            "Seconds for which a signed URL is good.",
                            {},
                            1,
                            kYear},
                           {"signing",
                            "leeway_s",
                            at<&Config::signing, &Signing::leeway_s>,
                            "Seconds past its end for which verify still takes a URL.",
                            {},
                            0,
                            kDay},
                           {"signing", "bind_client_ip", at<&Config::signing, &Signing::bind_client_ip>,
                            "Bind the URL to the client's address (cip)."},
                           {"signing", "keys", at<&Config::signing, &Signing::keys>,
                            "Signing keys; secret_file holds 32 bytes or more in hex, or is credential:NAME."},
                           {"redirect", "token", at<&Config::redirect, &Redirect::token>,
                            "Pass the client's token on to the node, or drop it.", one_of({"pass", "drop"})},
                           {"redirect", "pass_through", at<&Config::redirect, &Redirect::pass_through>,
                            "Other query parameters that go on to the node, in this order.", parameter(), 0, 0, true},
                           {"redirect", "allow_plain", at<&Config::redirect, &Redirect::allow_plain>,
                            "Redirect to http and ws where a node offers nothing else."}});
}

void add_choice_and_service(std::vector<Key>& keys) {
  keys.insert(
      keys.end(),
      {{"balance", "policy", at<&Config::balance, &Balance::policy>,
        "How a node is chosen, where neither its partner nor its pattern says so.",
        one_of({"affinity", "weighted", "least_loaded", "nearest"})},
       {"balance",
        "balance_factor",
        at<&Config::balance, &Balance::balance_factor>,
        "No node gets more than this times its share; 0: no bound, else 1 or more.",
        {},
        0,
        100},
       {"balance", "nearest", at<&Config::balance, &Balance::nearest>,
        "A place that no row claims goes to the group nearest by coordinates."},
       {"balance",
        "credit_half_life_s",
        at<&Config::balance, &Balance::credit_half_life_s>,
        "Seconds in which half of a node's redirects stop to count.",
        {},
        1,
        kDay},
       {"health", "path", at<&Config::health, &Health::path>,
        "Path that is asked of every node as its health check; \"\": only of those that have one of their own.",
        url_path()},
       {"health",
        "interval_ms",
        at<&Config::health, &Health::interval_ms>,
        "Milliseconds between two checks of a node.",
        {},
        10,
        kHour * 1000},
       {"health",
        "timeout_ms",
        at<&Config::health, &Health::timeout_ms>,
        "Milliseconds that a check may take.",
        {},
        1,
        kHour * 1000},
       {"health",
        "rise",
        at<&Config::health, &Health::rise>,
        "Good checks in a row that bring a node up.",
        {},
        1,
        1000},
       {"health",
        "fall",
        at<&Config::health, &Health::fall>,
        "Bad checks in a row that take a node down.",
        {},
        1,
        1000},
       {"health",
        "jitter_percent",
        at<&Config::health, &Health::jitter_percent>,
        "Percent by which intervals vary, so that checks do not meet.",
        {},
        0,
        100},
       {"health",
        "panic_percent",
        at<&Config::health, &Health::panic_percent>,
        "Below this percent of healthy weight a group's fallbacks are tried first.",
        {},
        0,
        100},
       {"health",
        "slow_start_s",
        at<&Config::health, &Health::slow_start_s>,
        "Seconds in which a returned node comes to its full share.",
        {},
        0,
        kDay},
       {"health",
        "report_max_age_s",
        at<&Config::health, &Health::report_max_age_s>,
        "Seconds after which a node's report is too old.",
        {},
        1,
        kDay},
       {"http", "trusted_proxies", at<&Config::http, &Http::trusted_proxies>,
        "Networks whose Forwarded and X-Forwarded-For are believed.", io::rules::cidr(), 0, 0, true},
       {"http", "cors_origins", at<&Config::http, &Http::cors_origins>,
        "Origins whose scripts may read the redirect listener's answers.", origin(), 0, 0, true},
       {"http", "threads", at<&Config::http, &Http::threads>, "Event loops; 0: one per core.", {}, 0, 1024},
       {"http",
        "header_timeout_s",
        at<&Config::http, &Http::header_timeout_s>,
        "Seconds within which a request must be there, its body too, or a TLS handshake be finished.",
        {},
        1,
        kHour},
       {"http",
        "idle_timeout_s",
        at<&Config::http, &Http::idle_timeout_s>,
        "Seconds after which an idle connection is closed.",
        {},
        1,
        kDay},
       {"http",
        "max_connections",
        at<&Config::http, &Http::max_connections>,
        "Connections that a listener has open at once; fewer where the limit of descriptors leaves less, and admin 256 "
        "at most.",
        {},
        1,
        10000000},
       {"http",
        "drain_s",
        at<&Config::http, &Http::drain_s>,
        "Seconds after SIGTERM in which what is under way may finish.",
        {},
        0,
        kHour},
       {"log", "access", at<&Config::log, &Log::access>,
        "Where the access log goes, one JSON object a line: stdout, stderr, off or a file.", access_log()},
       {"log", "level", at<&Config::log, &Log::level>, "The application log's least severe level.",
        one_of({"trace", "debug", "info", "warn", "error"})},
       {"log", "mask_client_ip", at<&Config::log, &Log::mask_client_ip>,
        "Log clients' networks (/24, /48) and not their addresses."},
       {"limits",
        "requests_per_s",
        at<&Config::limits, &Limits::requests_per_s>,
        "Requests a second that the redirect and the resolver listener take from one client (IPv6: from one /64); "
        "0: no limit.",
        {},
        0,
        1000000},
       {"admin", "token_file", at<&Config::admin, &Admin::token_file>,
        "File that holds the admin listener's token; required where that is neither loopback nor a unix socket.",
        path_or_empty()}});
}

// What listeners and their loops are made with.
bool is_for_restart(const Key& key) {
  if (key.section == "listen") return true;
  constexpr std::string_view kNames[] = {"tls.redirect", "tls.resolver",        "http.cors_origins",
                                         "http.threads", "http.idle_timeout_s", "http.max_connections",
                                         "log.access",   "log.mask_client_ip"};
  return std::find(std::begin(kNames), std::end(kNames), key.full_name()) != std::end(kNames);
}

}  // namespace

const std::vector<Key>& key_table() {
  static const std::vector<Key> table = [] {
    std::vector<Key> keys;
    add_listeners_and_stores(keys);
    add_steps(keys);
    add_choice_and_service(keys);
    for (Key& key : keys)
      if (is_for_restart(key)) {
        key.takes_restart = true;
        key.meaning += " A change takes a restart.";
      }
    return keys;
  }();
  return table;
}

const Key* find_key(std::string_view full_name) {
  for (const Key& key : key_table())
    if (key.full_name() == full_name) return &key;
  return nullptr;
}

std::string Key::full_name() const { return fmt::format("{}.{}", section, name); }

std::string Key::variable() const {
  std::string variable = fmt::format("GEO_{}_{}", section, name);
  for (char& c : variable) {
    if (c == '.' || c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return variable;
}

}  // namespace geo::config

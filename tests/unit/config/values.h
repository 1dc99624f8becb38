// For each key of geod.toml a value that is not its default, as TOML. A key without one fails the tests.
#pragma once

#include <map>
#include <string>

namespace geo::test {

inline const std::map<std::string, std::string>& other_values() {
  static const std::map<std::string, std::string> values = [] {
    std::map<std::string, std::string> all{
        {"listen.redirect", "\"[::]:80\""},
        {"listen.admin", "\"unix:/run/geod/admin.sock\""},
        {"listen.resolver", "\"127.0.0.1:1\""},
        {"listen.auth", "\"127.0.0.1:2\""},
        {"listen.verify", "\"localhost:3\""},
        {"tls.redirect", "\"0.0.0.0:443\""},
        {"tls.resolver", "\"0.0.0.0:444\""},
        {"tls.certificate_file", "\"a.pem\""},
        {"tls.key_file", "\"credential:key\""},
        {"store.kind", "\"none\""},
        {"store.dir", "\"/var/lib/geod\""},
        {"store.uri", "\"mongodb://db.example.com/?tls=true\""},
        {"store.uri_file", "\"credential:uri\""},
        {"store.database", "\"geo_2\""},
        {"store.state_dir", "\"/var/lib/geod/state\""},
        {"store.refresh_s", "3"},
        {"resolver.providers", "[\"maxmind\"]"},
        {"resolver.language", "\"pt-BR\""},
        {"resolver.url", "\"http://resolver.example.com\""},
        {"resolver.complete", "true"},
        {"resolver.maxmind.files", "[\"v4.mmdb\", \"v6.mmdb\"]"},
        {"resolver.ip-api.url", "\"https://pro.ip-api.com\""},
        {"resolver.ip-api.key_file", "\"ip-api.key\""},
        {"resolver.remote.url", "\"http://[2001:db8::1]:8080/geo\""},
        {"auth.url", "\"https://auth.example.com/v1\""},
        {"billing.lease_s", "31"},
        {"billing.on_unknown", "\"refuse\""},
        {"deadline.request_ms", "3001"},
        {"deadline.resolve_ms", "1501"},
        {"deadline.auth_ms", "1001"},
        {"deadline.store_ms", "1002"},
        {"signing.active", "\"k2\""},
        {"signing.ttl_s", "301"},
        {"signing.leeway_s", "5"},
        {"signing.bind_client_ip", "true"},
        {"signing.keys",
         "[{ id = \"k2\", secret_file = \"k2.hex\" }, { id = \"k3\", secret_file = \"credential:k3\" }]"},
        {"redirect.token", "\"drop\""},
        {"redirect.pass_through", "[\"quality\", \"lang\"]"},
        {"redirect.allow_plain", "true"},
        {"balance.policy", "\"nearest\""},
        {"balance.balance_factor", "2.5"},
        {"balance.nearest", "false"},
        {"balance.credit_half_life_s", "61"},
        {"health.path", "\"/health\""},
        {"health.interval_ms", "2001"},
        {"health.timeout_ms", "1001"},
        {"health.rise", "3"},
        {"health.fall", "4"},
        {"health.jitter_percent", "0"},
        {"health.panic_percent", "100"},
        {"health.slow_start_s", "0"},
        {"health.report_max_age_s", "16"},
        {"http.trusted_proxies", "[\"10.0.0.0/8\", \"::1\"]"},
        {"http.cors_origins", "[\"https://app.example.com\", \"http://localhost:3000\"]"},
        {"http.threads", "2"},
        {"http.header_timeout_s", "11"},
        {"http.idle_timeout_s", "61"},
        {"http.max_connections", "20001"},
        {"http.drain_s", "0"},
        {"log.access", "\"/var/log/geod/access.log\""},
        {"log.level", "\"trace\""},
        {"log.mask_client_ip", "true"},
        {"limits.requests_per_s", "10"},
        {"admin.token_file", "\"admin.token\""},
    };
    for (const char* cache : {"places", "tokens", "billing", "usage", "devices"}) {
      const std::string section = std::string("cache.") + cache;
      all[section + ".entries"] = "1001";
      all[section + ".ttl_s"] = "77";
      all[section + ".stale_s"] = "0";
      all[section + ".negative_ttl_s"] = "0";
    }
    return all;
  }();
  return values;
}

}  // namespace geo::test

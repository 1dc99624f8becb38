#include "config/contradictions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/values.h"
#include "geo/base/ip.h"
#include "geo/base/text.h"

namespace geo::config {
namespace {

// "localhost:8081"; the port may lack.
bool is_loopback(std::string_view address) {
  std::string_view host = parse_address(address).host;
  if (host.empty()) host = address;
  if (iequals(host, "localhost")) return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto ip = Ip::parse(host);
  if (!ip) return false;
  return ip->is_v4() ? ip->v4_bits() >> 24U == 127 : ip->high() == 0 && ip->low() == 1;
}

bool is_open_to_others(std::string_view address) {
  return !address.empty() && !address.starts_with("unix:") && !is_loopback(address);
}

void check_listeners(const Config& config, Origins& origins) {
  const Listen& listen = config.listen;
  const std::pair<std::string_view, const std::string*> listeners[] = {
      {"listen.redirect", &listen.redirect}, {"listen.admin", &listen.admin},   {"listen.resolver", &listen.resolver},
      {"listen.auth", &listen.auth},         {"listen.verify", &listen.verify}, {"tls.redirect", &config.tls.redirect},
      {"tls.resolver", &config.tls.resolver}};
  for (std::size_t i = 1; i < std::size(listeners); ++i)
    for (std::size_t before = 0; before < i; ++before) {
      const std::string& address = *listeners[i].second;
      if (address.empty() || address != *listeners[before].second) continue;
      if (!address.starts_with("unix:") && parse_address(address).port == 0) continue;  // the system picks one each
      origins.fault(listeners[i].first, listeners[i].first,
                    fmt::format("{} is {}'s address already", io::in_quotes(address), listeners[before].first));
      break;
    }
  if (config.admin.token_file.empty() && is_open_to_others(listen.admin))
    origins.fault("admin.token_file", "listen.admin",
                  "missing; required where listen.admin is neither loopback nor a unix socket");
}

void check_tls(const Config& config, Origins& origins) {
  const Tls& tls = config.tls;
  const std::string_view served = tls.redirect.empty() ? "tls.resolver" : "tls.redirect";
  if (config.has_tls() && tls.certificate_file.empty())
    origins.fault("tls.certificate_file", served, fmt::format("missing; {} needs it", served));
  if (config.has_tls() && tls.key_file.empty())
    origins.fault("tls.key_file", served, fmt::format("missing; {} needs it", served));
}

void check_signing(const Config& config, Origins& origins) {
  const Signing& signing = config.signing;
  if (signing.keys.empty() || !config.serves_redirect()) return;
  if (std::none_of(signing.keys.begin(), signing.keys.end(),
                   [&](const SigningKey& key) { return key.id == signing.active; }))
    origins.fault("signing.active", "signing.keys",
                  fmt::format("no key {} in signing.keys", io::in_quotes(signing.active)));
}

void check_resolver(const Config& config, Origins& origins) {
  const Resolver& resolver = config.resolver;
  if (!resolver.url.empty()) return;  // the providers are not asked
  for (std::size_t i = 0; i < resolver.providers.size(); ++i) {
    const std::string& provider = resolver.providers[i];
    const auto item = static_cast<std::ptrdiff_t>(i);
    if (provider == "remote" && resolver.remote.url.empty())
      origins.fault("resolver.providers", "resolver.remote.url", "remote needs resolver.remote.url", item);
    if (provider != "ip-api") continue;
    const std::string_view url = resolver.ip_api.url;
    if (url.empty())
      origins.fault("resolver.providers", "resolver.ip-api.url", "ip-api needs resolver.ip-api.url", item);
    constexpr std::string_view kPlain = "http://";
    if (!resolver.ip_api.key_file.empty() && url.starts_with(kPlain) &&
        !is_loopback(url.substr(kPlain.size(), url.find('/', kPlain.size()) - kPlain.size())))
      origins.fault("resolver.ip-api.url", "resolver.ip-api.key_file",
                    "a key goes over https alone; the paid service is https://pro.ip-api.com");
  }
}

}  // namespace

bool Origins::told(std::string_view key) const {
  const auto end = faults_.begin() + static_cast<std::ptrdiff_t>(found_while_reading_);
  return std::any_of(faults_.begin(), end, [&](const Fault& fault) {
    return fault.key == key || (fault.key.starts_with(key) && fault.key[key.size()] == '.');
  });
}

void Origins::fault(std::string_view key, std::string_view other, std::string message, std::ptrdiff_t item) {
  if (told(key) || told(other)) return;
  for (const std::string_view name : {key, other}) {
    if (const auto variable = variables_.find(name); variable != variables_.end()) {
      // "missing" is said of the key, not of the variable that makes it necessary
      message = name == key ? fmt::format("{}: {}", variable->second, message)
                            : fmt::format("{} ({} is set by {})", message, name, variable->second);
      faults_.push_back({"environment", 0, 0, std::string(key), std::move(message)});
      return;
    }
    const toml::node* value = document_ == nullptr ? nullptr : document_->root().at_path(name).node();
    if (value == nullptr) continue;
    if (const toml::array* array = value->as_array(); array != nullptr && item >= 0)
      if (const toml::node* found = array->get(static_cast<std::size_t>(item))) value = found;
    if (name == key)
      document_->fault(*value, std::string(key), std::move(message));
    else
      document_->fault_missing(*value, std::string(key), std::move(message));
    return;
  }
  faults_.push_back(
      {document_ == nullptr ? "defaults" : document_->file(), 0, 0, std::string(key), std::move(message)});
}

void contradictions(const Config& config, Origins& origins) {
  check_listeners(config, origins);
  check_tls(config, origins);
  check_signing(config, origins);
  check_resolver(config, origins);
  const double factor = config.balance.balance_factor;
  if (factor > 0 && factor < 1)
    origins.fault("balance.balance_factor", "balance.balance_factor",
                  fmt::format("expected 0 (no bound) or a number from 1 to 100, found {}", factor));
}

}  // namespace geo::config

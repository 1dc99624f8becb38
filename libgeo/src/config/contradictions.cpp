#include "config/contradictions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/values.h"
#include "geo/base/ip.h"
#include "geo/base/text.h"

namespace geo::config {
namespace {

bool is_open_to_others(std::string_view address) {
  if (address.empty() || address.starts_with("unix:")) return false;
  std::string_view host = parse_address(address).host;
  if (iequals(host, "localhost")) return false;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  const auto ip = Ip::parse(host);
  if (!ip) return true;
  return ip->is_v4() ? ip->v4_bits() >> 24U != 127 : ip->high() != 0 || ip->low() != 1;
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

void check_signing(const Config& config, Origins& origins) {
  const Signing& signing = config.signing;
  if (signing.keys.empty() || config.listen.redirect.empty()) return;
  if (std::none_of(signing.keys.begin(), signing.keys.end(),
                   [&](const SigningKey& key) { return key.id == signing.active; }))
    origins.fault("signing.active", "signing.keys",
                  fmt::format("no key {} in signing.keys", io::in_quotes(signing.active)));
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
      faults_.push_back({"environment", 0, 0, std::string(key), variable->second + ": " + message});
      return;
    }
    const toml::node* value = document_ == nullptr ? nullptr : document_->root().at_path(name).node();
    if (value == nullptr) continue;
    if (const toml::array* array = value->as_array(); array != nullptr && item >= 0)
      if (const toml::node* found = array->get(static_cast<std::size_t>(item))) value = found;
    document_->fault(*value, std::string(key), std::move(message));
    return;
  }
  faults_.push_back(
      {document_ == nullptr ? "defaults" : document_->file(), 0, 0, std::string(key), std::move(message)});
}

void contradictions(const Config& config, Origins& origins) {
  check_listeners(config, origins);
  check_signing(config, origins);
  const double factor = config.balance.balance_factor;
  if (factor > 0 && factor < 1)
    origins.fault("balance.balance_factor", "balance.balance_factor",
                  fmt::format("expected 0 (no bound) or a number from 1 to 100, found {}", factor));
}

void not_built_yet(const Config& config, Origins& origins) {
  const auto refuse_if = [&](bool used, std::string_view key) {
    if (used) origins.fault(key, key, "is not part of this version");
  };
  const auto refuse_value_if = [&](bool used, std::string_view key, std::string_view value, std::ptrdiff_t item = -1) {
    if (used) origins.fault(key, key, fmt::format("{} is not part of this version", io::in_quotes(value)), item);
  };
  refuse_value_if(config.store.kind == "mongodb", "store.kind", "mongodb");
  refuse_if(!config.resolver.url.empty(), "resolver.url");
  refuse_if(!config.resolver.remote.url.empty(), "resolver.remote.url");
  for (std::size_t i = 0; i < config.resolver.providers.size(); ++i) {
    const std::string& provider = config.resolver.providers[i];
    refuse_value_if(provider == "ip-api" || provider == "remote", "resolver.providers", provider,
                    static_cast<std::ptrdiff_t>(i));
  }
  refuse_if(!config.auth.url.empty(), "auth.url");
  refuse_if(!config.listen.resolver.empty(), "listen.resolver");
  refuse_if(!config.listen.auth.empty(), "listen.auth");
  refuse_if(!config.tls.redirect.empty(), "tls.redirect");
  refuse_if(!config.tls.resolver.empty(), "tls.resolver");
  refuse_if(!config.tls.certificate_file.empty(), "tls.certificate_file");
  refuse_if(!config.tls.key_file.empty(), "tls.key_file");
  refuse_if(config.limits.requests_per_s > 0, "limits.requests_per_s");
  refuse_if(!config.health.path.empty(), "health.path");
}

}  // namespace geo::config

// Whom to believe: keys, tokens and certificates.
#include <fmt/format.h>

#include "compose/builder.h"
#include "geo/base/text.h"
#include "geo/io/system.h"
#include "geo/io/tls.h"

namespace geo::compose {
namespace {

constexpr std::size_t kGoodToken = 16;  // characters; shorter ones can be guessed

bool is_good_at(const io::TlsIdentity& identity, WallTime now) {
  return identity.not_before() <= now && now < identity.not_after();
}

}  // namespace

void Builder::read_proxies() {
  std::vector<Cidr> networks;
  for (const std::string& text : config_.http.trusted_proxies)
    if (const auto cidr = Cidr::parse(text)) networks.push_back(*cidr);
  world_->trusted_proxies = client::TrustedProxies(networks);
}

bool Builder::needs_keys() const {
  return !options_.serving || config_.serves_redirect() || !config_.listen.verify.empty();
}

void Builder::read_keys() {
  std::vector<sign::Key> keys;
  for (std::size_t i = 0; i < config_.signing.keys.size(); ++i) {
    const config::SigningKey& key = config_.signing.keys[i];
    if (set_aside("signing.keys", key.secret_file)) continue;
    const auto path = io::secret_path(key.secret_file, config_.dir);
    auto secret = path ? io::read_secret(*path) : tl::unexpected(path.error());
    if (path) note_if_open_to_all("signing.keys", *path);
    if (!secret) {
      fault(fmt::format("signing.keys[{}].secret_file", i), "signing.keys",
            fmt::format("key \"{}\": {}", key.id, secret.error()));
      continue;
    }
    keys.push_back({key.id, HmacKey(*secret)});
    wipe(*secret);
  }
  if (config_.signing.keys.empty() && needs_keys())
    fault("signing.keys", "signing.keys", "at least one key is needed");
  else if (!keys.empty())
    world_->snapshot.keys = std::make_shared<const sign::Keyring>(std::move(keys), config_.signing.active);
}

void Builder::read_admin_token() {
  const std::string& file = config_.admin.token_file;
  if (file.empty() || set_aside("admin.token_file", file)) return;
  const auto path = io::secret_path(file, config_.dir);
  auto token = path ? io::read_key(*path) : tl::unexpected(path.error());
  if (!token) return fault("admin.token_file", "admin.token_file", token.error());
  note_if_open_to_all("admin.token_file", *path);
  if (token->size() < kGoodToken)
    note(fmt::format("admin.token_file: {}: a token of fewer than {} characters can be guessed", path->string(),
                     kGoodToken));
  world_->admin_token = sha256(*token);
  wipe(*token);
}

void Builder::read_tls_identity() {
  const config::Tls& tls = config_.tls;
  if (!config_.has_tls()) {  // what was begun with TLS goes on until a restart
    if (before_ != nullptr) world_->tls_identity = before_->tls_identity;
    if (is_sound({"tls.redirect", "tls.resolver"})) return;
  }
  // What is missing or set aside is not looked at; the other one is.
  io::TlsIdentity::Files files;
  if (is_sound({"tls.certificate_file"})) files.certificate = config_.path(tls.certificate_file);
  if (!tls.key_file.empty() && is_sound({"tls.key_file"}) && !set_aside("tls.key_file", tls.key_file)) {
    const auto key = io::secret_path(tls.key_file, config_.dir);
    if (key)
      files.key = *key;
    else
      fault("tls.key_file", "tls.key_file", key.error());
  }
  auto identity = io::TlsIdentity::load(files);
  if (!identity) {
    for (const io::TlsIdentity::Trouble& each : identity.error()) {
      const std::string at = each.of_key ? "tls.key_file" : "tls.certificate_file";
      fault(at, at, each.why);
    }
    return;
  }
  if (!files.key.empty()) note_if_open_to_all("tls.key_file", files.key);
  world_->tls_identity = std::move(*identity);
  if (world_->tls_identity != nullptr) check_life(*world_->tls_identity, files.certificate);
}

void Builder::check_life(const io::TlsIdentity& identity, const std::filesystem::path& certificate) {
  const WallTime now = kClock.wall();
  if (is_good_at(identity, now)) return;
  const std::string why = now < identity.not_before() ? "not good before " + rfc3339(identity.not_before())
                                                      : "expired at " + rfc3339(identity.not_after());
  const bool is_outage =
      before_ != nullptr && (before_->tls_identity == nullptr || is_good_at(*before_->tls_identity, now));
  if (is_outage)
    fault("tls.certificate_file", "tls.certificate_file", fmt::format("{}: {}", certificate.string(), why));
  else
    note(fmt::format("tls.certificate_file: {}: {}", certificate.string(), why));
}

}  // namespace geo::compose

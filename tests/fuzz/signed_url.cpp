// Verify: nothing but what was signed is ever good.
#include "fuzz.h"

#include "geo/base/text.h"
#include "geo/sign.h"

void fuzz(std::string_view input) {
  static const geo::sign::Keyring keys = [] {
    std::vector<std::uint8_t> secret(32);
    for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(i);
    std::vector<geo::sign::Key> list;
    list.push_back({"k1", geo::HmacKey(secret)});
    return geo::sign::Keyring(std::move(list), "k1");
  }();
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string_view host = input.substr(0, line), target = input.substr(std::min(line + 1, input.size()));
  const geo::sign::Presented presented{target, host, {}, geo::WallTime(std::chrono::seconds(1800000000))};
  const auto reason = geo::sign::verify(presented, keys, {}, {});
  if (reason != geo::sign::Reason::ok) return;
  // good: then it is what the key makes of it, letter for letter
  const std::size_t at = target.rfind("&sig=");
  require(at != std::string_view::npos);
  std::vector<std::string> hosts{geo::lower(host)};
  for (const std::string_view port : {":443", ":80"})
    if (hosts[0].ends_with(port)) hosts.push_back(hosts[0].substr(0, hosts[0].size() - port.size()));
  bool same = false;
  for (const std::string& signed_for : hosts) {
    const geo::Digest digest = keys.active().hmac.sign(signed_for + std::string(target.substr(0, at)));
    std::string signature;
    geo::append_base64url(signature, digest.data(), digest.size());
    same = same || signature == target.substr(at + 5);
  }
  require(same);
}

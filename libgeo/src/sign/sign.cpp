#include "geo/sign.h"

#include <charconv>

#include "geo/base/text.h"

namespace geo::sign {

Keyring::Keyring(std::vector<Key> keys, std::string_view active) : keys_(std::move(keys)) {
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (keys_[i].id == active) active_ = i;
}

const Key* Keyring::find(std::string_view id) const {
  for (const Key& key : keys_)
    if (key.id == id) return &key;
  return nullptr;
}

std::pair<std::size_t, std::size_t> append_url(std::string& out, const Url& url, const Keyring& keys) {
  out += url.scheme;
  out += "://";
  const std::size_t begin = out.size();
  out += url.host;
  out += url.path;
  char separator = '?';
  const auto parameter = [&](std::string_view name, std::string_view value) {
    out += separator;
    separator = '&';
    out += name;
    out += '=';
    append_percent_encoded(out, value);
  };
  parameter("server", url.server);
  parameter("camera", url.camera);
  if (!url.token.empty()) parameter("token", url.token);
  for (const Parameter& passed : url.passed) parameter(passed.name, passed.value);
  char text[Ip::kTextMax];
  if (url.client_ip) parameter("cip", {text, url.client_ip->write(text)});
  char digits[24];
  parameter("exp", {digits, std::to_chars(digits, digits + sizeof digits, url.expires_at_s).ptr});
  const Key& key = keys.active();
  parameter("kid", key.id);
  const std::size_t end = out.size();
  const Digest signature = key.hmac.sign({out.data() + begin, end - begin});
  out += "&sig=";
  append_base64url(out, signature.data(), signature.size());
  return {begin, end};
}

}  // namespace geo::sign

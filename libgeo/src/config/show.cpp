#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/keys.h"
#include "geo/base/text.h"

namespace geo::config {
namespace {

std::string quoted_text(std::string_view text) {
  std::string out;
  Json(out).text(text);  // JSON's escapes are TOML's too
  return out;
}

std::string float_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string list_text(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) text += (text.size() > 1 ? ", " : "") + quoted_text(item);
  return text + "]";
}

std::string list_text(const std::vector<SigningKey>& keys) {
  std::string text = "[";
  for (const SigningKey& key : keys)
    text += fmt::format("{}{{ id = {}, secret_file = {} }}", text.size() > 1 ? ", " : "", quoted_text(key.id),
                        quoted_text(key.secret_file));
  return text + "]";
}

struct ToToml {
  bool secret;
  std::string operator()(const std::string* value) const {
    return quoted_text(secret ? without_password(*value) : *value);
  }
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::int64_t* value) const { return fmt::format("{}", *value); }
  std::string operator()(const double* value) const { return float_text(*value); }
  std::string operator()(const std::vector<std::string>* value) const { return list_text(*value); }
  std::string operator()(const std::vector<SigningKey>* value) const { return list_text(*value); }
};

Slot default_slot(const Key& key) {
  static Config defaults;
  return key.slot(defaults);
}

}  // namespace

std::string toml_text(const Key& key, Config& config) { return std::visit(ToToml{key.text.secret}, key.slot(config)); }

bool Key::is_scalar() const {
  const Slot held = default_slot(*this);
  return !std::holds_alternative<std::vector<std::string>*>(held) &&
         !std::holds_alternative<std::vector<SigningKey>*>(held);
}

std::string Key::type() const {
  struct Type {
    const Key& key;
    std::string operator()(const std::string*) const { return "string: " + key.text.expected; }
    std::string operator()(const bool*) const { return "true or false"; }
    std::string operator()(const std::int64_t*) const { return fmt::format("integer from {} to {}", key.min, key.max); }
    std::string operator()(const double*) const { return fmt::format("number from {} to {}", key.min, key.max); }
    std::string operator()(const std::vector<std::string>*) const { return "list, each: " + key.text.expected; }
    std::string operator()(const std::vector<SigningKey>*) const { return "list of { id, secret_file }"; }
  };
  return std::visit(Type{*this}, default_slot(*this));
}

// Those of a MongoDB URI whose values are no secrets, in lower case, sorted.
constexpr std::array<std::string_view, 37> kPlainOptions{"appname",
                                                         "authmechanism",
                                                         "authsource",
                                                         "canonicalizehostname",
                                                         "compressors",
                                                         "connecttimeoutms",
                                                         "directconnection",
                                                         "gssapiservicename",
                                                         "heartbeatfrequencyms",
                                                         "journal",
                                                         "loadbalanced",
                                                         "localthresholdms",
                                                         "maxidletimems",
                                                         "maxpoolsize",
                                                         "maxstalenessseconds",
                                                         "minpoolsize",
                                                         "readconcernlevel",
                                                         "readpreference",
                                                         "readpreferencetags",
                                                         "replicaset",
                                                         "retryreads",
                                                         "retrywrites",
                                                         "safe",
                                                         "serverselectiontimeoutms",
                                                         "serverselectiontryonce",
                                                         "sockettimeoutms",
                                                         "ssl",
                                                         "tls",
                                                         "tlsallowinvalidcertificates",
                                                         "tlsallowinvalidhostnames",
                                                         "tlscafile",
                                                         "tlscertificatekeyfile",
                                                         "tlsinsecure",
                                                         "w",
                                                         "waitqueuetimeoutms",
                                                         "wtimeoutms",
                                                         "zlibcompressionlevel"};

std::string without_password(std::string_view uri) {
  std::string out(uri);
  // A password that is not percent-encoded may hold '/' or '@': all up to the last '@' counts as user and password.
  const std::size_t scheme = out.find("://");
  const std::size_t start = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t end = out.rfind('@');
  if (end != std::string::npos && end > start)
    if (const std::size_t colon = out.find(':', start); colon < end) out.replace(colon + 1, end - colon - 1, "***");
  // Of others nobody knows what they hold; of these all do.
  const std::size_t question = out.find('?');
  if (question == std::string::npos) return out;
  std::string shown = out.substr(0, question);
  for (std::size_t from = question; from < out.size();) {
    const std::size_t to = std::min(out.find_first_of("&;", from + 1), out.size());
    const std::string_view option = std::string_view(out).substr(from, to - from);
    const std::size_t equals = option.find('=');
    const std::string name = lower(option.substr(1, std::min(equals, option.size()) - 1));
    if (std::binary_search(kPlainOptions.begin(), kPlainOptions.end(), name))
      shown += option;
    else
      shown.append(option.substr(0, equals == option.npos ? 1 : equals + 1)).append("***");
    from = to;
  }
  return shown;
}

std::string show(const Config& config) {
  Config copy = config;
  std::string out = "# geod.toml with every key. Paths are relative to the file; units are last in a key's name.\n";
  std::string_view section;
  for (const Key& key : key_table()) {
    if (key.section != section) out += fmt::format("\n[{}]\n", section = key.section);
    out +=
        fmt::format("# {}\n#   {}; default {}\n", key.meaning, key.type(), std::visit(ToToml{true}, default_slot(key)));
    out += fmt::format("{} = {}\n", key.name, toml_text(key, copy));
  }
  return out;
}

std::vector<KeyInfo> keys() {
  std::vector<KeyInfo> infos;
  for (const Key& key : key_table())
    infos.push_back({std::string(key.section), std::string(key.name), key.type(),
                     std::visit(ToToml{false}, default_slot(key)), key.meaning});
  return infos;
}

}  // namespace geo::config

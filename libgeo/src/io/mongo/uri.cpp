#include "io/mongo/uri.h"

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string_view>

#include "geo/base/text.h"

namespace geo::io::mongo {
namespace {

using Uri = std::unique_ptr<mongoc_uri_t, decltype(&mongoc_uri_destroy)>;

// Whether libmongoc said, while this thread parsed, that it passes over an option or its value: it tells its log alone.
struct Passed {
  bool option = false, value = false;
};
thread_local Passed passed;

void hear(mongoc_log_level_t, const char*, const char* text, void*) {
  const std::string_view message(text);
  passed.option = passed.option || message.starts_with("Unsupported URI option");
  passed.value = passed.value || (message.starts_with("Unsupported ") && message.find(" value ") != message.npos);
}

Uri parsed(const std::string& uri) { return {mongoc_uri_new_with_error(uri.c_str(), nullptr), &mongoc_uri_destroy}; }

// What is not percent-encoded may be a piece of a password.
std::string named(std::string_view option) {
  const std::string_view name = option.substr(0, option.find('='));
  return is_id(name) ? std::string(name) : "of a strange name";
}

// The first that is_wrong().
std::string first_option(std::string_view options, const std::function<bool(const std::string&)>& is_wrong) {
  for (std::size_t from = 1; from < options.size();) {
    const std::size_t to = std::min(options.find_first_of("&;", from), options.size());
    const std::string option(options.substr(from, to - from));
    if (is_wrong(option)) return option;
    from = to + 1;
  }
  return {};
}

bool is_mechanism(const char* name) {
  constexpr std::array<std::string_view, 7> kKnown{"scram-sha-1", "scram-sha-256", "mongodb-cr", "mongodb-x509",
                                                   "gssapi",      "plain",         "mongodb-aws"};
  return name == nullptr || std::find(kKnown.begin(), kKnown.end(), lower(name)) != kKnown.end();
}

}  // namespace

void start_libmongoc() {
  [[maybe_unused]] static const bool done = [] {
    mongoc_init();
    mongoc_log_set_handler(hear, nullptr);
    return true;
  }();
}

// libmongoc's own texts quote what they complain about, passwords too.
std::optional<std::string> fault_of(const std::string& uri) {
  start_libmongoc();
  const std::string_view all = uri;
  const std::size_t scheme = all.find("://");
  if (scheme == all.npos || (all.substr(0, scheme) != "mongodb" && all.substr(0, scheme) != "mongodb+srv"))
    return "not a MongoDB URI: it must begin with mongodb:// or mongodb+srv://";
  constexpr const char* kUser = "its user or password cannot be read: special characters in them are percent-encoded";
  std::string_view rest = all.substr(scheme + 3);
  const std::size_t at = rest.rfind('@');
  const bool has_user = at != rest.npos;
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::size_t options_at = std::min(rest.find('?', slash < rest.size() ? slash : has_user ? at : 0), rest.size());
  const std::string_view servers = rest.substr(0, slash), database = rest.substr(slash, options_at - slash);
  // libmongoc takes the first @ for the end of the password, and what is left of it for a host.
  if (std::count(servers.begin(), servers.end(), '@') > 1 || database.find('@') != database.npos) return kUser;
  passed = {};
  const Uri whole = parsed(uri);
  const std::string_view options = rest.substr(options_at);
  if (whole) {
    const std::string before(all.substr(0, all.size() - options.size()));
    if (passed.option || passed.value) {
      bool is_known = true;
      const std::string wrong = first_option(options, [&](const std::string& option) {
        passed = {};
        (void)parsed(before + "?" + option);
        is_known = !passed.option;
        return passed.option || passed.value;
      });
      return fmt::format("its option {} is {}", named(wrong), is_known ? "wrong" : "unknown");
    }
    if (!is_mechanism(mongoc_uri_get_auth_mechanism(whole.get()))) return "its option authMechanism is wrong";
    if (!mongoc_write_concern_is_acknowledged(mongoc_uri_get_write_concern(whole.get())))
      return "its option w is wrong: who got the lease is known by the acknowledgement";
    return std::nullopt;
  }
  if (has_user && rest.find_first_of("/?") < at) return kUser;  // perhaps; but what follows may be a password
  if (has_user) rest = rest.substr(at + 1);
  const std::string hosts =
      std::string(all.substr(0, scheme + 3)).append(rest.substr(0, rest.find_first_of("/?"))) + "/";
  if (!parsed(hosts)) return "its hosts cannot be read";
  const std::string wrong =
      first_option(options, [&](const std::string& option) { return !parsed(hosts + "?" + option); });
  if (!wrong.empty()) return fmt::format("its option {} is wrong", named(wrong));
  return has_user ? kUser : "its database cannot be read, or its options contradict each other";
}

}  // namespace geo::io::mongo

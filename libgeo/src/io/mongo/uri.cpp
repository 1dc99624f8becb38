#include "io/mongo/uri.h"

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include <algorithm>

namespace geo::io::mongo {
namespace {

bool parses(const std::string& uri) {
  mongoc_uri_t* const it = mongoc_uri_new_with_error(uri.c_str(), nullptr);
  mongoc_uri_destroy(it);
  return it != nullptr;
}

}  // namespace

// libmongoc's own texts quote what they complain about, passwords too.
std::string fault_of(std::string_view uri) {
  const std::size_t scheme = uri.find("://");
  if (scheme == std::string_view::npos ||
      (uri.substr(0, scheme) != "mongodb" && uri.substr(0, scheme) != "mongodb+srv"))
    return "not a MongoDB URI: it must begin with mongodb:// or mongodb+srv://";
  constexpr const char* kUser = "its user or password cannot be read: special characters in them are percent-encoded";
  std::string_view rest = uri.substr(scheme + 3);
  const std::size_t at = rest.rfind('@');
  if (at != std::string_view::npos && rest.find_first_of("/?") < at)
    return kUser;  // perhaps; but what follows may be a password
  if (at != std::string_view::npos) rest = rest.substr(at + 1);
  const std::string hosts =
      std::string(uri.substr(0, scheme + 3)).append(rest.substr(0, rest.find_first_of("/?"))) + "/";
  if (!parses(hosts)) return "its hosts cannot be read";
  const std::string_view options = rest.substr(std::min(rest.find('?'), rest.size()));
  for (std::size_t from = 1; from < options.size();) {
    const std::size_t to = std::min(options.find_first_of("&;", from), options.size());
    const std::string option(options.substr(from, to - from));
    if (!parses(hosts + "?" + option)) return fmt::format("its option {} is wrong", option.substr(0, option.find('=')));
    from = to + 1;
  }
  return at != std::string_view::npos ? kUser : "its database cannot be read, or its options contradict each other";
}

}  // namespace geo::io::mongo

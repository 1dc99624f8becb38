// A running geod, asked over its admin listener. Needs no more of the config than [listen] admin and [admin].
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "geo/io/http_admin.h"
#include "session.h"

namespace geoctl {

class Running {
 public:
  // Nothing: what is wrong was told, and `exit_status` is how to end.
  static std::optional<Running> find(Session& session, int& exit_status);

  // The body of its answer. Errors: upstream_unavailable where it does not answer, else what it says itself.
  // headers: beside the admin listener's own token.
  geo::Result<std::string> ask(const std::string& target,
                               std::vector<std::pair<std::string, std::string>> headers = {}) const;

  // What a POST came to. Errors: as of ask(), but for `invalid_config` that comes with its faults.
  struct Posted {
    std::string body;
    geo::Faults faults;  // some: refused
  };
  geo::Result<Posted> post(const std::string& target) const;
  const std::string& address() const { return address_; }

 private:
  geo::Result<geo::io::AdminAnswer> call(geo::io::AdminRequest request, std::chrono::milliseconds patience) const;

  std::string address_, token_;  // token: empty where none is configured
};

}  // namespace geoctl

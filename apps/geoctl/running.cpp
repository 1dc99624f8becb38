#include "running.h"

#include <Poco/JSON/Parser.h>
#include <fmt/format.h>

#include <chrono>

#include "geo/io/system.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::Denial;
using geo::ErrorCode;

constexpr std::chrono::seconds kPatience{10};

bool concerns_admin(const geo::Fault& fault) {
  return fault.key.empty() || fault.key == "listen.admin" || fault.key == "admin" || fault.key.starts_with("admin.");
}

Denial away(std::string_view address, std::string_view why) {
  return {ErrorCode::upstream_unavailable, fmt::format("geod at {} does not answer: {}", address, why)};
}

// What a refusal says, or that it says nothing one knows.
Denial denial_of(std::string_view address, const geo::io::AdminAnswer& answer) {
  try {
    const auto problem = Poco::JSON::Parser().parse(answer.body).extract<Poco::JSON::Object::Ptr>();
    const auto code = geo::error_code_of(problem->optValue<std::string>("code", ""));
    const auto detail = problem->optValue<std::string>("detail", "");
    if (code && geo::row_of(*code).exit_status >= 0) return {*code, detail};
    if (code) return {ErrorCode::upstream_unavailable, fmt::format("geod at {} does not do that: {}", address, detail)};
  } catch (const Poco::Exception&) {
  }
  return {ErrorCode::upstream_unavailable,
          fmt::format("what answers at {} is no geod: status {}", address, answer.status)};
}

}  // namespace

std::optional<Running> Running::find(Session& session, int& exit_status) {
  const geo::config::Read read = read_config(session);
  geo::Faults faults;
  for (const geo::Fault& fault : read.faults)
    if (concerns_admin(fault)) faults.push_back(fault);
  if (!faults.empty()) {
    exit_status = session.output.refuse(faults);
    return std::nullopt;
  }
  const auto refused = [&](std::string detail) {
    exit_status = session.output.refuse(Denial{ErrorCode::invalid_config, std::move(detail)});
    return std::nullopt;
  };
  Running running;
  running.address_ = read.config.listen.admin;
  if (running.address_.empty()) return refused("listen.admin: \"\", so that geod has no admin listener");
  if (running.address_.ends_with(":0")) return refused("listen.admin: port 0 tells nobody where geod listens");
  if (const std::string& file = read.config.admin.token_file; !file.empty()) {
    const auto path = geo::io::secret_path(file, read.config.dir);
    auto token = path ? geo::io::read_key(*path) : tl::unexpected(path.error());
    if (!token) return refused("admin.token_file: " + token.error());
    running.token_ = std::move(*token);
  }
  return running;
}

geo::Result<std::string> Running::ask(const std::string& target,
                                      std::vector<std::pair<std::string, std::string>> headers, bool post) const {
  if (!token_.empty()) headers.emplace_back("Authorization", "Bearer " + token_);
  auto answer = geo::io::ask_admin({address_, target, std::move(headers), post}, kPatience);
  if (!answer) return tl::unexpected<Denial>(away(address_, answer.error()));
  if (answer->status != 200) return tl::unexpected<Denial>(denial_of(address_, *answer));
  return std::move(answer->body);
}

}  // namespace geoctl

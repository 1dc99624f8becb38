#include "running.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "geo/io/system.h"
#include "read_json.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::Denial;
using geo::ErrorCode;

constexpr std::chrono::seconds kPatience{10}, kPostPatience{120};  // large databases may be read anew

bool is_no_toml(const geo::Fault& fault) { return fault.key.empty() && fault.line != 0; }

bool concerns_admin(const geo::Fault& fault) {
  return fault.key.empty() || fault.key == "listen.admin" || fault.key == "admin" || fault.key.starts_with("admin.");
}

Denial away(std::string_view address, std::string_view why) {
  return {ErrorCode::upstream_unavailable, fmt::format("geod at {} does not answer: {}", address, why)};
}

// What a refusal says, or that it says nothing one knows.
Denial denial_of(std::string_view address, const geo::io::AdminAnswer& answer) {
  try {
    const auto problem = read_json(answer.body);
    const auto code = geo::error_code_of(text_of(*problem, "code"));
    const std::string detail = text_of(*problem, "detail");
    if (code && geo::row_of(*code).exit_status >= 0) return {*code, detail};
    if (code) return {ErrorCode::upstream_unavailable, fmt::format("geod at {} does not do that: {}", address, detail)};
  } catch (const Poco::Exception&) {
  }
  return {ErrorCode::upstream_unavailable,
          fmt::format("what answers at {} is no geod: status {}", address, answer.status)};
}

// None: it is not refused for such.
geo::Faults faults_of(const geo::io::AdminAnswer& answer) {
  geo::Faults faults;
  const auto position = [](const Poco::JSON::Object& fault, const char* key) {
    return static_cast<std::size_t>(std::max<std::int64_t>(0, count_of(fault, key)));
  };
  try {
    for (const auto& fault : objects_of(*read_json(answer.body), "faults"))
      faults.push_back({text_of(*fault, "file"), position(*fault, "line"), position(*fault, "col"),
                        text_of(*fault, "key"), text_of(*fault, "message")});
  } catch (const Poco::Exception&) {
  }
  return faults;
}

}  // namespace

std::optional<Running> Running::find(Session& session, int& exit_status) {
  // That geod refuses such a file is geod's to say, and to count.
  const geo::config::Read read = read_config(session, geo::config::IfBroken::above);
  geo::Faults faults;
  for (const geo::Fault& fault : read.faults) {
    if (is_no_toml(fault))
      session.output.err.write(
          fmt::format("note: {}; what stands above counts here\n", printable(geo::to_string(fault))));
    else if (concerns_admin(fault))
      faults.push_back(fault);
  }
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

geo::Result<geo::io::AdminAnswer> Running::call(geo::io::AdminRequest request,
                                                std::chrono::milliseconds patience) const {
  request.address = address_;
  if (!token_.empty()) request.headers.emplace_back("Authorization", "Bearer " + token_);
  auto answer = geo::io::ask_admin(request, patience);
  if (!answer) return tl::unexpected<Denial>(away(address_, answer.error()));
  return std::move(*answer);
}

geo::Result<std::string> Running::ask(const std::string& target,
                                      std::vector<std::pair<std::string, std::string>> headers) const {
  auto answer = call({{}, target, std::move(headers), false}, kPatience);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  if (answer->status != 200) return tl::unexpected<Denial>(denial_of(address_, *answer));
  return std::move(answer->body);
}

geo::Result<Running::Posted> Running::post(const std::string& target) const {
  auto answer = call({{}, target, {}, true}, kPostPatience);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  if (answer->status == 200) return Posted{std::move(answer->body), {}};
  geo::Faults faults = faults_of(*answer);
  if (faults.empty()) return tl::unexpected<Denial>(denial_of(address_, *answer));
  return Posted{std::move(answer->body), std::move(faults)};
}

}  // namespace geoctl

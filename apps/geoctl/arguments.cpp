#include "arguments.h"

#include <fmt/format.h>

#include <cstdlib>

#include "geo/base/text.h"
#include "geo/io/system.h"

namespace geoctl {

using geo::deny;
using geo::ErrorCode;

CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                          const std::string& description) {
  return command.add_option(name, values, description)->allow_extra_args(false);
}

void CameraArguments::add_to(CLI::App& command) {
  server_option = command.add_option("--server", server, "The camera's server (UIN)")->option_text("UIN");
  camera_option = command.add_option("--camera", camera, "The camera's id on that server")->option_text("ID");
}

void CameraArguments::ask(Asked& asked) const {
  asked.add("server", server, *server_option);
  asked.add("camera", camera, *camera_option);
}

void TokenArguments::add_to(CLI::App& command) {
  option = command.add_option("--token", token, "The client's token")->option_text("TOKEN");
  file_option = command.add_option("--token-file", file, "A file with the token on its only line")->option_text("FILE");
}

geo::Result<std::optional<std::string>> TokenArguments::value() const {
  const auto is_given = [](const CLI::Option* source) { return source != nullptr && source->count() > 0; };
  if (is_given(positional) + is_given(option) + is_given(file_option) > 1)
    return deny(ErrorCode::bad_request,
                "access_token: given twice; TOKEN, --token and --token-file exclude each other");
  if (is_given(file_option)) {
    constexpr std::size_t kFileMax = 8192;
    auto text = geo::io::read_text(file, kFileMax);
    if (!text) return deny(ErrorCode::bad_request, "token-file: " + text.error());
    return std::string(geo::trim(*text));
  }
  if (is_given(positional) || is_given(option)) return token;
  if (const char* variable = std::getenv("GEOCTL_TOKEN"); variable != nullptr && *variable != '\0')
    return std::string(variable);
  return std::nullopt;
}

void Asked::add(std::string_view name, std::string_view value) {
  if (!query.empty()) query += '&';
  query.append(name).append("=");
  geo::append_percent_encoded(query, value);
}

void Asked::add(std::string_view name, std::string_view value, const CLI::Option& option) {
  if (option.count() > 0) add(name, value);
}

geo::Result<void> Asked::parse() {
  geo::redirect::RawRequest raw;
  raw.path = "/stream";
  raw.query = query;
  return geo::redirect::parse_request(raw, {}, request);
}

geo::Result<geo::Ip> ip_of(std::string_view text) {
  if (const auto ip = geo::Ip::parse(text)) return *ip;
  return deny(ErrorCode::bad_request, fmt::format("ip: \"{}\" is not an IP address", text));
}

geo::Result<geo::WallTime> time_of(std::string_view text) {
  if (const auto time = geo::parse_time(text)) return *time;
  return deny(ErrorCode::bad_request,
              fmt::format("at: \"{}\" is no time; as 2027-01-15T08:00:00Z or in Unix seconds", text));
}

geo::Result<void> check_partner(const geo::compose::World& world, std::string_view partner) {
  if (partner.empty() || world.snapshot.topology->find_partner(partner) != geo::place::kNone) return {};
  return deny(ErrorCode::bad_request, fmt::format("partner: there is no partner \"{}\"", partner));
}

}  // namespace geoctl

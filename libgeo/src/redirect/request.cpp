// One HTTP request -> a checked Request, or the refusal that names what is wrong.
#include <fmt/format.h>

#include <algorithm>

#include "geo/base/text.h"
#include "geo/redirect.h"

namespace geo::redirect {
namespace {

enum Known : std::size_t { kServer, kCamera, kToken, kFormat, kExclude, kRedirect, kKnownCount };
constexpr std::array<std::string_view, kKnownCount> kKnownNames{"server", "camera",  "access_token",
                                                                "format", "exclude", "redirect"};

tl::unexpected<Denial> bad(std::string_view name, std::string_view what) {
  return deny(ErrorCode::bad_request, fmt::format("{}: {}", name, what));
}

// The format that a path names; nothing for /stream, which names none.
std::optional<Format> format_of_path(std::string_view path) {
  return path.empty() ? std::nullopt : balance::format_of(path.substr(1));
}

// Decodes into `request` what has a %, else points into the raw text.
std::optional<std::string_view> decoded(std::string_view text, Request& request) {
  if (text.find('%') == std::string_view::npos) return text;
  auto plain = percent_decoded(text);
  if (!plain) return std::nullopt;
  return *request.decoded.emplace_back(std::make_unique<std::string>(std::move(*plain)));
}

// Does the Accept header name application/json with a weight above 0?
bool accepts_json(std::string_view accept) {
  if (accept.empty()) return false;
  for (const std::string_view range : split(accept, ',')) {
    const std::vector<std::string_view> parts = split(range, ';');
    if (!iequals(trim(parts.front()), "application/json")) continue;
    const bool refused = std::any_of(parts.begin() + 1, parts.end(), [](std::string_view parameter) {
      parameter = trim(parameter);
      return iequals(parameter.substr(0, 3), "q=0") && parameter.find_first_not_of("0.", 2) == std::string_view::npos;
    });
    if (!refused) return true;
  }
  return false;
}

Result<void> parse_exclude(std::string_view list, Request& request) {
  for (const std::string_view id : split(list, ',')) {
    if (!is_id(id)) return bad("exclude", fmt::format("a node id is {}", kIdForm));
    if (request.excluded == kExcludeMax) return bad("exclude", fmt::format("at most {} nodes", kExcludeMax));
    request.exclude_ids[request.excluded++] = id;
  }
  return {};
}

class Parser {
 public:
  Parser(const RawRequest& raw, std::span<const std::string> pass_through, Request& request)
      : raw_(raw), pass_through_(pass_through), request_(request), passed_(pass_through.size()) {}

  Result<void> run() {
    if (auto read = read_query(); !read) return read;
    if (auto ids = take_ids(); !ids) return ids;
    if (auto format = take_format(); !format) return format;
    if (values_[kExclude])
      if (auto exclude = parse_exclude(*values_[kExclude], request_); !exclude) return exclude;
    if (auto wants = take_redirect(); !wants) return wants;
    for (std::size_t i = 0; i < pass_through_.size(); ++i)
      if (passed_[i]) request_.passed.push_back({pass_through_[i], *passed_[i]});
    return take_token();
  }

 private:
  Result<void> read_query() {
    std::string_view rest = raw_.query;
    for (bool more = !rest.empty(); more;) {
      const std::size_t ampersand = rest.find('&');
      const std::string_view parameter = rest.substr(0, ampersand);
      more = ampersand != std::string_view::npos;
      if (more) rest.remove_prefix(ampersand + 1);
      if (parameter.empty()) continue;
      const std::size_t equals = parameter.find('=');
      const auto name = decoded(parameter.substr(0, equals), request_);
      std::optional<std::string_view>* slot = name ? slot_of(*name) : nullptr;
      if (slot == nullptr) continue;  // dropped
      if (*slot) return bad(*name, "given twice");
      const auto value =
          decoded(equals == std::string_view::npos ? std::string_view() : parameter.substr(equals + 1), request_);
      if (!value) return bad(*name, "% is not followed by two hex digits");
      if (value->empty()) return bad(*name, "empty");
      if (value->size() > 4096) return bad(*name, "longer than 4096 characters");
      if (std::any_of(value->begin() + static_cast<std::ptrdiff_t>(visible<' '>(*value)), value->end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        return bad(*name, "holds a control character");
      *slot = value;
    }
    return {};
  }

  std::optional<std::string_view>* slot_of(std::string_view name) {
    for (std::size_t i = 0; i < kKnownCount; ++i)
      if (kKnownNames[i] == name) return &values_[i];
    for (std::size_t i = 0; i < pass_through_.size(); ++i)
      if (pass_through_[i] == name) return &passed_[i];
    return nullptr;
  }

  Result<void> take_ids() {
    for (const Known which : {kServer, kCamera}) {
      if (!values_[which]) return bad(kKnownNames[which], "missing");
      if (!is_id(*values_[which])) return bad(kKnownNames[which], fmt::format("must be {}", kIdForm));
    }
    request_.server = *values_[kServer];
    request_.camera = *values_[kCamera];
    return {};
  }

  Result<void> take_format() {
    const std::optional<Format> by_path = format_of_path(raw_.path);
    std::optional<Format> by_name;
    if (values_[kFormat]) {
      by_name = balance::format_of(*values_[kFormat]);
      if (!by_name) return bad("format", "must be flv, hls or ws-fmp4");
      if (by_path && *by_path != *by_name)
        return bad("format", fmt::format("does not agree with the path {}", raw_.path));
    }
    if (!by_path && !by_name) return bad("format", "missing");
    request_.format = by_name ? *by_name : *by_path;
    return {};
  }

  Result<void> take_redirect() {
    const auto& value = values_[kRedirect];
    if (value && *value != "0" && *value != "1") return bad("redirect", "must be 0 or 1");
    request_.wants_json = value ? *value == "0" : accepts_json(raw_.accept);
    return {};
  }

  // Last: what is wrong with the other parameters is told first.
  Result<void> take_token() {
    std::optional<std::string_view> bearer;
    if (raw_.authorization) bearer = auth::bearer_token(*raw_.authorization);
    if (bearer && values_[kToken]) return bad("access_token", "given twice: as a parameter and in Authorization");
    if (!bearer && !values_[kToken])
      return deny(ErrorCode::missing_token, "access_token or Authorization: Bearer is needed");
    request_.token = bearer ? *bearer : *values_[kToken];
    if (!auth::is_well_formed(request_.token))
      return bad(bearer ? "Authorization" : "access_token", "a token is 1-4096 visible ASCII characters");
    return {};
  }

  const RawRequest& raw_;
  std::span<const std::string> pass_through_;
  Request& request_;
  std::array<std::optional<std::string_view>, kKnownCount> values_;
  std::vector<std::optional<std::string_view>> passed_;
};

}  // namespace

bool is_path(std::string_view path) {
  return path == "/stream" || (path.size() > 1 && path[0] == '/' && format_of_path(path));
}

Result<void> parse_request(const RawRequest& raw, std::span<const std::string> pass_through, Request& request) {
  return Parser(raw, pass_through, request).run();
}

}  // namespace geo::redirect

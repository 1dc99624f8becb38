#include "framing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "geo/base/text.h"

namespace geod {
namespace {

std::optional<geo::Denial> bad(std::string_view detail) {
  return geo::Denial{geo::ErrorCode::bad_request, std::string(detail)};
}

// RFC 9110 5.6.2.
bool is_token(std::string_view text) {
  constexpr auto kTable = [] {
    std::array<bool, 256> table{};
    for (const char c :
         std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
      table[static_cast<unsigned char>(c)] = true;
    return table;
  }();
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [&](char c) { return kTable[static_cast<unsigned char>(c)]; });
}

// RFC 3986 3.2.2 with a port: no blank, no comma, nothing that begins a path, no user.
bool is_authority(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > 0x20 && c < 0x7f && std::strchr("/?#@,\"<>\\^`{|}", c) == nullptr; });
}

// What tame() puts before the client's own fields.
constexpr std::string_view kNoLength = "Content-Length", kNoCookie = "Cookie";
bool is_ours(const char* name) { return name == kNoLength.data() || name == kNoCookie.data(); }

// Walks through the fields, in their order.
struct Walk {
  Headers& headers;
  const char* expected;  // where the field's name has to begin; one further where its line before ended in CR LF
  bool gap = false;
  const char* fault = nullptr;

  static MHD_Result visit(void* cls, MHD_ValueKind, const char* name, std::size_t name_size, const char* value,
                          std::size_t value_size) {
    Walk& walk = *static_cast<Walk*>(cls);
    walk.see({name, name_size}, value == nullptr ? std::string_view() : std::string_view(value, value_size));
    return MHD_YES;
  }

  void see(std::string_view name, std::string_view value) {
    if (is_ours(name.data())) return;
    if (!ends_line_before(name.data())) gap = true;
    expected = value.data() + value.size() + 1;
    if (!is_token(name)) fault = "a header field's name is malformed";
    if (value.find('\r') != std::string_view::npos) fault = "a header field holds a carriage return";
    headers.add(name, value);
  }
  bool ends_line_before(const char* next) const { return next == expected || next == expected + 1; }
};

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && geo::iequals(text.substr(0, prefix.size()), prefix);
}

// origin-form, absolute-form (RFC 9112 3.2.2: a server has to take it, and its host counts) and, for OPTIONS, "*".
std::optional<geo::Denial> split_target(Incoming& in) {
  std::string_view target = in.target;
  if (std::any_of(target.begin(), target.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }))
    return bad("the request target holds a blank or a control character");
  if (target == "*" && in.method == "OPTIONS") {
    in.path = target;
    return std::nullopt;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_ignoring_case(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::string_view authority = target.substr(0, target.find_first_of("/?"));
    if (authority.empty() || !is_authority(authority)) return bad("the request target's host is malformed");
    in.host = authority;
    target.remove_prefix(authority.size());
    if (target.empty() || target[0] == '?') {
      in.path = "/";
      in.query = target.substr(std::min<std::size_t>(target.size(), 1));
      return std::nullopt;
    }
    break;
  }
  if (target.empty() || target[0] != '/') return bad("the request target must begin with /");
  const std::size_t question = target.find('?');
  in.path = target.substr(0, question);
  if (question != std::string_view::npos) in.query = target.substr(question + 1);
  return std::nullopt;
}

// One length that is a number, or one coding that is "chunked" as the library compares it: then both believe in the
// same end. HTTP/1.0 knows no codings (RFC 9112 6.1).
std::optional<geo::Denial> read_lengths(MHD_Connection* connection, std::string_view version, Incoming& in) {
  const Headers& headers = in.headers;
  const unsigned lengths = headers.lines(Known::content_length), encodings = headers.lines(Known::transfer_encoding);
  if (lengths > 0 && encodings > 0) return bad("Content-Length and Transfer-Encoding exclude each other");
  if (lengths > 1) return bad("Content-Length is given twice");
  if (encodings > 1) return bad("Transfer-Encoding is given twice");
  if (encodings > 0) {
    const char* const coding = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding");
    if (coding == nullptr || !geo::iequals(coding, "chunked") || version != "HTTP/1.1")
      return bad("Transfer-Encoding is not chunked");
    in.chunked = true;
  }
  if (lengths > 0) {
    const auto length = geo::parse_digits(headers[Known::content_length]);
    if (!length) return bad("Content-Length is no number");
    in.content_length = *length;
  }
  return std::nullopt;
}

std::optional<geo::Denial> check_body(const Incoming& in, std::size_t body_max) {
  if (!in.has_body()) return std::nullopt;
  if (body_max == 0 || in.method == "GET" || in.head()) return bad("no body is taken here");
  if (in.content_length > body_max) return too_long(body_max);
  return std::nullopt;
}

}  // namespace

bool library_is_loose() {
  static const bool loose = [] {
    const std::string_view version = MHD_get_version();
    return version.starts_with("0.9.75") || version.starts_with("0.9.76");
  }();
  return loose;
}

geo::Denial too_long(std::size_t body_max) {
  return {geo::ErrorCode::bad_request, fmt::format("a body has {} bytes at most here", body_max)};
}

void tame(MHD_Connection* connection, const char* uri, bool takes_bodies) {
  if (uri == nullptr || !library_is_loose()) return;
  // The text is the connection's own buffer, about to be cut into pieces by the library itself.
  if (char* const question = std::strchr(const_cast<char*>(uri), '?')) question[1] = '\0';
  if (!takes_bodies)
    MHD_set_connection_value_n(connection, MHD_HEADER_KIND, kNoLength.data(), kNoLength.size(), "0", 1);
  MHD_set_connection_value_n(connection, MHD_HEADER_KIND, kNoCookie.data(), kNoCookie.size(), "", 0);
}

std::optional<geo::Denial> read_request(MHD_Connection* connection, const char* url, const char* method,
                                        const char* version, std::size_t body_max, Incoming& in) {
  in.method = method;
  const char* const version_end = version + std::strlen(version);
  Walk walk{in.headers, version_end + 1};
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, &Walk::visit, &walk);
  in.host = in.headers[Known::host];

  if (library_is_loose()) {
    if (method + in.method.size() + 1 != url) return bad("the request line is malformed");
    if (url + in.target.size() + 1 != version) return bad("the request target holds a NUL");
    const auto* const size = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char* const end = method + (size == nullptr ? 0 : size->header_size);
    // the empty line: CR LF or LF after the last field's own
    const bool ends = end == walk.expected + 1 || end == walk.expected + 2 || end == walk.expected + 3;
    if (walk.gap || !ends) return bad("a header field is folded or holds a NUL");
  }
  if (!is_token(in.method)) return bad("the method is malformed");
  if (walk.fault != nullptr) return bad(walk.fault);
  if (auto fault = read_lengths(connection, version, in)) return fault;
  if (in.headers.lines(Known::host) > 1) return bad("Host is given twice");
  if (in.headers.lines(Known::host) == 0 && std::string_view(version) != "HTTP/1.0") return bad("Host is missing");
  if (!is_authority(in.host)) return bad("Host is malformed");
  if (auto fault = split_target(in)) return fault;
  return check_body(in, body_max);
}

}  // namespace geod

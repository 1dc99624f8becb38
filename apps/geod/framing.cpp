#include "framing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "geo/base/text.h"

namespace geod {
namespace {

constexpr std::size_t kLineMax = 4096;  // of a chunk's size or a trailer

Refusal bad(std::string_view detail) { return {{geo::ErrorCode::bad_request, std::string(detail)}}; }

using Table = std::array<bool, 256>;
bool all_in(const Table& table, std::string_view text) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return table[static_cast<unsigned char>(c)]; });
}

// RFC 9110 5.6.2.
bool is_token(std::string_view text) {
  static constexpr Table kTable = [] {
    Table table{};
    for (const char c :
         std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
      table[static_cast<unsigned char>(c)] = true;
    return table;
  }();
  return !text.empty() && all_in(kTable, text);
}

// RFC 9110 5.5: no control character but a tab.
bool is_value(std::string_view text) {
  static constexpr Table kTable = [] {
    Table table{};
    for (std::size_t c = 0x20; c < table.size(); ++c) table[c] = c != 0x7f;
    table['\t'] = true;
    return table;
  }();
  return all_in(kTable, text.substr(geo::visible<' '>(text)));
}

bool is_target(std::string_view text) {
  static constexpr Table kTable = [] {
    Table table{};
    for (std::size_t c = 0x21; c < table.size(); ++c) table[c] = c != 0x7f;
    return table;
  }();
  return all_in(kTable, text.substr(geo::visible<'!'>(text)));
}

// RFC 3986 3.2.2 with a port: no blank, no comma, nothing that begins a path, no user; or nothing at all.
bool is_authority(std::string_view text) {
  static constexpr Table kTable = [] {
    Table table{};
    for (std::size_t c = 0x21; c < 0x7f; ++c) table[c] = true;
    for (const char c : std::string_view("/?#@,\"<>\\^`{|}")) table[static_cast<unsigned char>(c)] = false;
    return table;
  }();
  return all_in(kTable, text) && !text.starts_with(':');
}

// Its line, without what ends it, away from the front of `text`, which has one.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  text.remove_prefix(end + 1);
  return line;
}

// origin-form, absolute-form (RFC 9112 3.2.2: a server has to take it, and its host counts) and, for OPTIONS, "*".
std::optional<Refusal> split_target(Incoming& in) {
  std::string_view target = in.target;
  if (!is_target(target)) return bad("the request target holds a control character");
  if (target == "*" && in.method == "OPTIONS") {
    in.path = target;
    return std::nullopt;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.starts_with('/') || !geo::iequals(target.substr(0, scheme.size()), scheme)) continue;
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

// METHOD SP TARGET SP HTTP/1.x
std::optional<Refusal> read_request_line(Incoming& in, std::string_view line) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad("the request line is malformed");
  in.method = line.substr(0, first);
  in.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!is_token(in.method)) return bad("the method is malformed");
  if (in.target.find(' ') != std::string_view::npos) return bad("the request target holds a blank");
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) || version[6] != '.' ||
      !digit(version[7]))
    return bad("the request line is malformed");
  if (version[5] != '1') return Refusal{{geo::ErrorCode::bad_request, "the version is not HTTP/1.1"}, 505};
  in.is_old = version[7] == '0';
  return std::nullopt;
}

std::optional<Refusal> read_field(Headers& headers, std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return bad("a header field is folded");
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_token(name)) return bad("a header field's name is malformed");
  const std::string_view value = line.substr(colon + 1);
  if (!is_value(value)) return bad("a header field holds a control character");
  headers.add(name, value);
  return std::nullopt;
}

// One length that is a number, or one coding that is "chunked". HTTP/1.0 knows no codings (RFC 9112 6.1).
std::optional<Refusal> read_lengths(Incoming& in) {
  const Headers& headers = in.headers;
  const unsigned lengths = headers.lines(Known::content_length), encodings = headers.lines(Known::transfer_encoding);
  if (lengths > 0 && encodings > 0) return bad("Content-Length and Transfer-Encoding exclude each other");
  if (lengths > 1) return bad("Content-Length is given twice");
  if (encodings > 1) return bad("Transfer-Encoding is given twice");
  if (encodings > 0) {
    if (!geo::iequals(headers[Known::transfer_encoding], "chunked") || in.is_old)
      return bad("Transfer-Encoding is not chunked");
    in.next = Incoming::Body::chunk_size;
  }
  if (lengths > 0) {
    const auto length = geo::parse_digits(headers[Known::content_length]);
    if (!length) return bad("Content-Length is no number");
    in.left = *length;
    if (*length > 0) in.next = Incoming::Body::bytes;
  }
  return std::nullopt;
}

Refusal too_long(std::size_t body_max) { return bad(fmt::format("a body has {} bytes at most here", body_max)); }

std::optional<Refusal> check_body(const Incoming& in, std::size_t body_max) {
  if (in.next == Incoming::Body::whole) return std::nullopt;
  if (body_max == 0 || in.method == "GET" || in.is_head()) return bad("no body is taken here");
  if (in.left > body_max) return too_long(body_max);
  return std::nullopt;
}

// RFC 9112 9.3: to close counts more than to stay.
void read_connection(Incoming& in) {
  in.stays = !in.is_old;
  if (in.headers.lines(Known::connection) == 0) return;
  for (const std::string_view option : geo::split(in.headers[Known::connection], ',')) {
    if (in.is_old && geo::iequals(geo::trim(option), "keep-alive")) in.stays = true;
    if (geo::iequals(geo::trim(option), "close")) {
      in.stays = false;
      return;
    }
  }
}

// RFC 9112 7.1: its digits, and extensions that nobody here knows.
std::optional<std::uint64_t> chunk_size(std::string_view line) {
  std::uint64_t size = 0;
  const auto [end, fault] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  if (fault != std::errc()) return std::nullopt;
  std::string_view rest = line.substr(static_cast<std::size_t>(end - line.data()));
  if (!is_value(rest)) return std::nullopt;
  // Blanks are for extensions alone.
  if (rest.empty()) return size;
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  if (!rest.starts_with(';')) return std::nullopt;
  return size;
}

}  // namespace

std::size_t empty_lines(std::string_view text) {
  std::size_t size = 0;
  for (;;) {
    const std::string_view rest = text.substr(size);
    if (rest.starts_with("\r\n"))
      size += 2;
    else if (rest.starts_with('\n'))
      size += 1;
    else
      return size;
  }
}

std::optional<std::size_t> head_size(std::string_view text, std::size_t& scanned) {
  for (std::size_t feed; (feed = text.find('\n', scanned)) != std::string_view::npos; scanned = feed + 1) {
    const std::string_view rest = text.substr(feed + 1);
    if (rest.starts_with('\n')) return feed + 2;
    if (rest.starts_with("\r\n")) return feed + 3;
    if (rest.empty() || rest == "\r") return std::nullopt;  // looked at again once there is more
  }
  scanned = text.size();
  return std::nullopt;
}

Refusal too_large(std::string_view text) {
  if (text.find('\n') == std::string_view::npos)
    return {{geo::ErrorCode::bad_request, fmt::format("the request line has more than {} bytes", kHeadMax)}, 414};
  return {{geo::ErrorCode::bad_request, fmt::format("the header has more than {} bytes", kHeadMax)}, 431};
}

std::optional<Refusal> read_head(Incoming& in, std::size_t body_max) {
  std::string_view text = in.head;
  if (auto fault = read_request_line(in, take_line(text))) return fault;
  for (std::string_view line; !(line = take_line(text)).empty();)
    if (auto fault = read_field(in.headers, line)) return fault;
  read_connection(in);
  if (auto fault = read_lengths(in)) return fault;
  in.host = in.headers[Known::host];
  if (in.headers.lines(Known::host) > 1) return bad("Host is given twice");
  if (in.headers.lines(Known::host) == 0 && !in.is_old) return bad("Host is missing");
  if (!is_authority(in.host)) return bad("Host is malformed");
  if (auto fault = split_target(in)) return fault;
  in.continues = !in.is_old && geo::iequals(in.headers[Known::expect], "100-continue");
  return check_body(in, body_max);
}

std::optional<Refusal> read_body(Incoming& in, std::string_view& text, std::size_t body_max) {
  using Body = Incoming::Body;
  while (in.next != Body::whole && !text.empty()) {
    if (in.next == Body::bytes) {
      const std::string_view piece = text.substr(0, std::min<std::uint64_t>(text.size(), in.left));
      in.body.append(piece);
      text.remove_prefix(piece.size());
      in.left -= piece.size();
      // of a chunk, a line's end follows
      if (in.left == 0) in.next = in.headers.lines(Known::content_length) > 0 ? Body::whole : Body::chunk_end;
      continue;
    }
    // The rest are lines.
    const std::size_t feed = text.find('\n');
    in.line.append(text.substr(0, std::min(feed, kLineMax + 1)));
    text.remove_prefix(feed == std::string_view::npos ? text.size() : feed + 1);
    if (in.line.size() > kLineMax) return bad("a chunk's line is too long");
    if (feed == std::string_view::npos) break;
    if (!in.line.ends_with('\r')) return bad("a chunk's line does not end in CR LF");
    const std::string_view line = std::string_view(in.line).substr(0, in.line.size() - 1);
    if (in.next == Body::chunk_end) {
      if (!line.empty()) return bad("a chunk is longer than it says");
      in.next = Body::chunk_size;
    } else if (in.next == Body::chunk_size) {
      const auto size = chunk_size(line);
      if (!size) return bad("a chunk's size is malformed");
      if (*size > body_max - in.body.size()) return too_long(body_max);
      in.left = *size;
      in.next = *size > 0 ? Body::bytes : Body::trailer;
    } else if (line.empty()) {
      in.next = Body::whole;
    } else {
      Headers nobodys;
      if (auto fault = read_field(nobodys, line)) return fault;
      if ((in.left += line.size()) > kHeadMax) return bad("the trailer is too long");
    }
    in.line.clear();
  }
  return std::nullopt;
}

}  // namespace geod

#include "exchange.h"

#include <fmt/format.h>

#include "geo/base/text.h"

namespace geod {
namespace {

constexpr std::array<std::string_view, kKnownCount> kNames{
    "host",          "connection",     "content-length",  "transfer-encoding", "expect",
    "authorization", "accept",         "origin",          "forwarded",         "x-forwarded-for",
    "x-request-id",  "x-original-uri", "x-original-host", "x-real-ip",         "geo-hops",
    "x-client-token"};

// A method is any token that a client makes up; the log takes the usual ones.
std::string_view method_for_log(std::string_view method) {
  for (const std::string_view known : {"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})
    if (method == known) return method;
  return "other";
}

constexpr std::size_t kAskedKept = 16;

// Buffers are kept from request to request, but not those that a rare one made large.
void empty(std::string& buffer) {
  constexpr std::size_t kKept = 8192;
  if (buffer.capacity() > kKept)
    buffer = {};
  else
    buffer.clear();
}

}  // namespace

void Headers::clear() {
  for (Field& field : fields_) {
    if (field.lines > 1) empty(field.joined);
    field.lines = 0;
  }
}

void Headers::add(std::string_view name, std::string_view value) {
  for (std::size_t i = 0; i < kKnownCount; ++i) {
    if (name.size() != kNames[i].size() || !geo::iequals(name, kNames[i])) continue;
    Field& field = fields_[i];
    value = geo::trim(value);
    if (++field.lines == 1)
      field.first = value;
    else if (field.lines == 2)
      field.joined.assign(field.first).append(", ").append(value);
    else
      field.joined.append(", ").append(value);
    return;
  }
}

std::string_view Headers::operator[](Known known) const {
  const Field& field = fields_[static_cast<std::size_t>(known)];
  if (field.lines == 0) return {};
  return field.lines == 1 ? field.first : std::string_view(field.joined);
}

void Answer::clear() {
  status = 0;
  max_age.reset();
  empty(body);
  used_ = 0;
}

void Answer::header(const char* name, std::string_view value) {
  if (used_ == fields_.size()) fields_.emplace_back();
  fields_[used_].name = name;
  fields_[used_++].value.assign(value);
}

void Entry::located(std::string_view by, geo::From from) {
  using geo::From;
  provider = by;
  located_by = from == From::upstream ? by : from == From::cache ? "cache" : "stale";
  place_cached = from != From::upstream;
}

void Exchange::clear() {
  empty(in.head);
  in.method = in.target = in.path = in.query = in.host = {};
  in.headers.clear();
  in.request_id.clear();
  empty(in.body);
  in.next = Incoming::Body::whole;
  in.left = 0;
  empty(in.line);
  out.clear();
  entry = {};
  request.reset();
  step_times.reset();
  if (asked.capacity() > kAskedKept)
    asked = {};
  else
    asked.clear();
  hops = 0;
  authorize.reset();
  world.reset();
}

void refuse(Exchange& exchange, const geo::Denial& denial, std::string_view allow, int status) {
  const geo::ErrorRow& row = geo::row_of(denial.code);
  exchange.out.clear();
  exchange.out.status = status == 0 ? row.http_status : status;
  exchange.out.header("Content-Type", "application/problem+json");
  switch (row.header) {
    case geo::ErrorHeader::none:
      break;
    case geo::ErrorHeader::www_authenticate:
      exchange.out.header("WWW-Authenticate", "Bearer");
      break;
    case geo::ErrorHeader::retry_after:
      exchange.out.header("Retry-After", fmt::format_int(denial.retry_after.count()).c_str());
      break;
    case geo::ErrorHeader::allow:
      exchange.out.header("Allow", allow);
      break;
  }
  geo::append_problem(exchange.out.body, denial, exchange.in.request_id, {}, exchange.out.status);
  exchange.entry.code = code_of(denial.code);
}

bool is_get(Exchange& exchange) {
  if (exchange.in.method == "GET" || exchange.in.is_head()) return true;
  refuse(exchange, {geo::ErrorCode::method_not_allowed, "GET and HEAD are allowed"}, "GET, HEAD");
  return false;
}

void append_line(std::string& out, const Exchange& exchange, std::string_view listener, geo::MonotonicTime now,
                 bool mask) {
  const Incoming& in = exchange.in;
  const Entry& entry = exchange.entry;
  char address[geo::Ip::kTextMax], time[geo::kRfc3339MillisSize];
  const auto text_of = [&](const geo::Ip& ip) {
    return std::string_view(address, (mask ? ip.masked() : ip).write(address));
  };
  geo::Json json(out);
  json.open('{').field("ts", geo::write_rfc3339_millis(in.at, time)).field("request_id", in.request_id);
  json.field("client_ip", text_of(in.client)).field("peer_ip", text_of(in.peer));
  json.field("method", method_for_log(in.method)).field("path", entry.path);
  json.field_or_null("format", entry.format ? name_of(*entry.format) : std::string_view())
      .field_or_null("server", entry.server)
      .field_or_null("camera", entry.camera);
  json.field_or_null("partner", entry.partner).field("status", std::int64_t{exchange.out.status});
  json.field("code", name_of(entry.code));
  if (!entry.reason.empty()) json.field("reason", entry.reason);
  json.field_or_null("located_by", entry.located_by).field("degraded", entry.degraded);
  json.field_or_null("provider", entry.provider).field_or_null("group", entry.group);
  json.field_or_null("pattern", entry.pattern).field_or_null("node", entry.node).field_or_null("owner", entry.owner);
  json.field_or_null("lease", entry.lease).key("cached").open('[');
  if (entry.place_cached) json.text("places");
  if (entry.token_cached) json.text("tokens");
  if (entry.bill_cached) json.text("billing");
  if (entry.device_cached) json.text("devices");
  json.close(']').field("duration_us", std::chrono::duration_cast<std::chrono::microseconds>(now - in.started).count());
  json.field("listener", listener).close('}');
  out += '\n';
}

}  // namespace geod

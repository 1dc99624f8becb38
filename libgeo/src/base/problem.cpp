#include <fmt/format.h>

#include "geo/base/fault.h"
#include "geo/base/result.h"
#include "geo/base/text.h"

namespace geo {

void append_problem(std::string& out, const Denial& denial, std::string_view request_id, std::string_view ip,
                    int status) {
  const ErrorRow& row = row_of(denial.code);
  Json json(out);
  json.open('{');
  if (ip.data() != nullptr) json.field("ip", ip);
  json.field("title", row.title)
      .field("status", std::int64_t{status == 0 ? row.http_status : status})
      .field("code", row.name);
  json.field("detail", denial.detail).field_or_null("request_id", request_id).close('}');
}

void append_json(std::string& out, const Fault& fault) {
  Json json(out);
  const auto position = [&](std::string_view key, std::size_t number) {
    json.key_of(key);
    (number == 0 ? json.null() : json.number(static_cast<std::int64_t>(number)));
  };
  json.open('{').field("file", fault.file);
  position("line", fault.line);
  position("col", fault.col);
  json.field("key", fault.key).field("message", fault.message).close('}');
}

void append_problem(std::string& out, const Faults& faults, std::string_view request_id) {
  append_problem(out,
                 {ErrorCode::invalid_config, fmt::format("{} fault{}", faults.size(), faults.size() == 1 ? "" : "s")},
                 request_id);
  out.pop_back();
  out += R"(,"faults":[)";
  for (const Fault& fault : faults) {
    if (out.back() != '[') out += ',';
    append_json(out, fault);
  }
  out += "]}";
}

}  // namespace geo

#include "geo/base/result.h"
#include "geo/base/text.h"

namespace geo {

void append_problem(std::string& out, const Denial& denial, std::string_view request_id, std::string_view ip) {
  const ErrorRow& row = row_of(denial.code);
  Json json(out);
  json.open('{');
  if (ip.data() != nullptr) json.field("ip", ip);
  json.field("title", row.title).field("status", std::int64_t{row.http_status}).field("code", row.name);
  json.field("detail", denial.detail).field_or_null("request_id", request_id).close('}');
}

}  // namespace geo

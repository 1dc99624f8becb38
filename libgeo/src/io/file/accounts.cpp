#include <algorithm>

#include "geo/base/text.h"
#include "io/file/tables.h"

namespace geo::io {
namespace {

bool read_token(Row& row, auth::Token& token) {
  const auto digits = row.text("sha256", rules::sha256(), Need::required);
  if (digits) {
    const std::vector<std::uint8_t> bytes = *from_hex(*digits);
    std::copy(bytes.begin(), bytes.end(), token.sha256.begin());
  }
  assign(row.text("owner_type", rules::id(), Need::required), token.owner.type);
  assign(row.text("owner_id", rules::id(), Need::required), token.owner.id);
  token.expires_at = row.time("expires_at");
  return digits.has_value();
}

bool read_grant(Row& row, auth::Grant& grant) {
  static const TextRule object_type = rules::one_of({"camera", "server"});
  assign(row.text("owner_type", rules::id(), Need::required), grant.owner.type);
  assign(row.text("owner_id", rules::id(), Need::required), grant.owner.id);
  assign(row.text("object_type", object_type, Need::required), grant.object_type);
  assign(row.text("object_id", rules::id(), Need::required), grant.object_id);
  const bool of_camera = grant.object_type == "camera";
  assign(row.text("server", rules::id(), of_camera ? Need::required : Need::optional), grant.server);
  if (grant.object_type == "server" && !grant.server.empty() && !grant.object_id.empty() &&
      grant.server != grant.object_id)
    row.fault(*row.take("server"), "server",
              "expected the grant's object_id " + in_quotes(grant.object_id) + ", found " + in_quotes(grant.server));
  assign(row.texts("rights", rules::id()), grant.rights);
  return true;
}

bool read_user(Row& row, billing::User& user) {
  assign(row.text("id", rules::id(), Need::required), user.id);
  assign(row.text("tariff", rules::id(), Need::required), user.tariff);
  user.paid_until = row.time("paid_until");
  assign(row.boolean("blocked"), user.blocked);
  return !user.id.empty();
}

bool read_tariff(Row& row, billing::Tariff& tariff) {
  assign(row.text("id", rules::id(), Need::required), tariff.id);
  assign(row.texts("formats", rules::format(), Need::required), tariff.formats);
  tariff.max_streams = row.integer("max_streams", 0, INT64_MAX);
  return !tariff.id.empty();
}

bool read_usage(Row& row, billing::Usage& usage) {
  assign(row.text("user", rules::id(), Need::required), usage.user);
  assign(row.integer("streams", 0, INT64_MAX), usage.streams);
  usage.reported_at = row.time("reported_at");
  return !usage.user.empty();
}

}  // namespace

void read_accounts(Document& document, Data& data) {
  document.rows("tokens", data.tokens, read_token);
  document.rows("grants", data.grants, read_grant);
  document.rows("users", data.users, read_user);
  document.rows("tariffs", data.tariffs, read_tariff);
  document.rows("usage", data.usage, read_usage);
  document.finish();
}

}  // namespace geo::io

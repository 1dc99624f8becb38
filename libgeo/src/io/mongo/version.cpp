#include "io/mongo/version.h"

#include <Poco/MongoDB/Array.h>
#include <fmt/format.h>

#include <climits>
#include <utility>

#include "io/mongo/fields.h"

namespace geo::io::mongo {

Document::Ptr equals(const std::string& name, std::string_view value) {
  Document::Ptr filter = new Document;
  filter->add(name, std::string(value));
  return filter;
}

// '0' comes after '/'.
Document::Ptr in_version(std::string_view version) {
  Document::Ptr filter = new Document;
  filter->addNewDocument("_id").add("$gte", fmt::format("{}/", version)).add("$lt", fmt::format("{}0", version));
  return filter;
}

Document::Ptr in_other_versions(std::string_view version) {
  Document::Ptr before = new Document, after = new Document;
  before->addNewDocument("_id").add("$lt", fmt::format("{}/", version));
  after->addNewDocument("_id").add("$gte", fmt::format("{}0", version));
  Poco::MongoDB::Array::Ptr either = new Poco::MongoDB::Array;
  either->add("0", before).add("1", after);
  Document::Ptr filter = new Document;
  filter->add("$or", either);
  return filter;
}

tl::expected<std::optional<TopologyStamp>, NoVersion> read_version(Connection& connection, MonotonicTime deadline) {
  std::optional<Found> found;
  Query query{std::string(kVersions), equals("_id", "topology"), {"version", "stamp", "schema"}};
  query.limit = 1;
  const auto done = connection.find(query, deadline, [&](Found document) { found = std::move(document); });
  if (!done) return tl::unexpected(NoVersion{done.error(), false, done.error().why});
  if (!found) return std::nullopt;
  const auto wrong = [](bool newer, std::string_view why) {
    return tl::unexpected(NoVersion{std::nullopt, newer, fmt::format("versions topology: {}", why)});
  };
  if (!*found) return wrong(false, found->error().why);
  Fields fields(***found, {});
  const auto schema = fields.integer("schema", 0, INT64_MAX, Need::required);
  if (schema && *schema > kSchema)
    return tl::unexpected(
        NoVersion{std::nullopt, true, fmt::format("the store has schema {}, this version reads {}", *schema, kSchema)});
  TopologyStamp version;
  assign(fields.text("version", rules::id(), Need::required), version.version);
  assign(fields.text("stamp", rules::id(), Need::required), version.stamp);
  if (!fields.ok()) return wrong(false, fields.first_fault());
  return std::optional(std::move(version));
}

}  // namespace geo::io::mongo

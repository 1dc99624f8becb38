#include "io/mongo/topology.h"

#include <Poco/MongoDB/Document.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "io/mongo/rows.h"
#include "io/mongo/version.h"

namespace geo::io::mongo {
namespace {

constexpr int kTries = 3;
constexpr std::size_t kFaultsTold = 3;

tl::unexpected<NoTopology> away(Failure failure) {
  using Kind = Failure::Kind;
  return tl::unexpected(
      NoTopology{true, failure.kind == Kind::locked_out, failure.kind == Kind::unreachable, std::move(failure.why)});
}
tl::unexpected<NoTopology> none(std::string why) {
  return tl::unexpected(NoTopology{false, false, false, std::move(why)});
}

// ---- rows that name others ----

using Ids = std::unordered_set<std::string>;

template <class Row>
Ids ids_of(const std::vector<Row>& rows, std::string_view built_in = {}) {
  Ids ids;
  for (const Row& row : rows) ids.insert(row.id);
  if (!built_in.empty()) ids.emplace(built_in);
  return ids;
}

// Takes out what names rows that are not there.
class Dangling {
 public:
  Dangling(MongoTopology& topology, SkippedDocuments& skipped)
      : version_(topology.stamp.version), told_(topology.skipped), skipped_(skipped) {}

  void drop_from(place::Rows& rows) {
    const Ids groups = ids_of(rows.groups);
    const Ids patterns = ids_of(rows.patterns, place::kStreaming);
    const Ids partners = ids_of(rows.partners, place::kDefaultPartner);
    for (place::Pattern& row : rows.patterns) shorten(row, "fallback", "pattern", row.fallback, patterns);
    for (place::Group& row : rows.groups) shorten(row, "fallback", "group", row.fallback, groups);
    for (place::Partner& row : rows.partners)
      if (is_gone(row, "default_group", "group", row.default_group, groups)) row.default_group.clear();
    std::erase_if(rows.places, [&](const auto& row) { return is_gone(row, "group", "group", row.group, groups); });
    std::erase_if(rows.networks, [&](place::Network& row) {
      if (!is_gone(row, "group", "group", row.group, groups)) return false;
      row.group.clear();
      return row.location.empty();
    });
    // A list that has become empty would let everyone in.
    std::erase_if(rows.nodes, [&](place::Node& row) {
      return is_gone(row, "group", "group", row.group, groups) ||
             shorten(row, "patterns", "pattern", row.patterns, patterns) ||
             shorten(row, "partners", "partner", row.partners, partners);
    });
  }

 private:
  template <class Row>
  bool is_gone(const Row& row, std::string_view key, std::string_view kind, const std::string& id, const Ids& known) {
    if (id.empty() || known.contains(id)) return false;
    told_.push_back(skipped_.tell(Documents<Row>::collection().name, version_ + "/" + Documents<Row>::key_of(row),
                                  fmt::format("{}: no {} {}", key, kind, in_quotes(id))));
    return true;
  }
  // Is nothing left of what was something?
  template <class Row>
  bool shorten(const Row& row, std::string_view key, std::string_view kind, std::vector<std::string>& list,
               const Ids& known) {
    const std::size_t gone =
        std::erase_if(list, [&](const std::string& id) { return is_gone(row, key, kind, id, known); });
    return gone > 0 && list.empty();
  }

  const std::string& version_;
  std::vector<std::string>& told_;
  SkippedDocuments& skipped_;
};

// What place::check() found, in the words for a row of a collection.
std::string in_words(const place::Rows& rows, const std::string& version, const RowFault& fault) {
  const auto in = [&]<class Row>(const std::vector<Row>& all) {
    return told(fault.table, version + "/" + Documents<Row>::key_of(all[fault.row]), fault.key + ": " + fault.message);
  };
  if (fault.table == "patterns") return in(rows.patterns);
  if (fault.table == "partners") return in(rows.partners);
  if (fault.table == "groups") return in(rows.groups);
  if (fault.table == "places") return in(rows.places);
  if (fault.table == "networks") return in(rows.networks);
  return in(rows.nodes);
}

tl::expected<MongoTopology, NoTopology> checked(MongoTopology topology, SkippedDocuments& skipped) {
  Dangling(topology, skipped).drop_from(topology.rows);
  if (topology.rows.nodes.empty())
    return none(fmt::format("version {} of the topology has no node{}", topology.stamp.version,
                            topology.skipped.empty() ? "" : " that can be used: " + topology.skipped.front()));
  const std::vector<RowFault> faults = place::check(topology.rows);
  if (faults.empty()) return topology;
  std::string why;
  for (std::size_t i = 0; i < std::min(faults.size(), kFaultsTold); ++i)
    why += (i == 0 ? "" : "; ") + in_words(topology.rows, topology.stamp.version, faults[i]);
  if (faults.size() > kFaultsTold) why += fmt::format("; and {} more", faults.size() - kFaultsTold);
  return none(std::move(why));
}

// ---- reading ----

class Reader {
 public:
  Reader(Connection& connection, SkippedDocuments& skipped, MonotonicTime deadline)
      : connection_(connection), skipped_(skipped), deadline_(deadline) {}

  Done<MongoTopology> read(const TopologyStamp& stamp) {
    MongoTopology out{stamp, {}, {}};
    Done<void> done;
    each_of_topology(out.rows, [&](auto& table) {
      if (done) done = read(table, out);
    });
    if (!done) return tl::unexpected(std::move(done.error()));
    return out;
  }

 private:
  template <class Row>
  Done<void> read(std::vector<Row>& rows, MongoTopology& out) {
    const Collection& collection = Documents<Row>::collection();
    const auto skip = [&](const std::string& id, const std::string& why) {
      out.skipped.push_back(skipped_.tell(collection.name, id, why));
    };
    Document::Ptr by_id = new Document;
    by_id->add("_id", Poco::Int32{1});
    return connection_.find({.collection = collection.name,
                             .filter = in_version(out.stamp.version),
                             .fields = collection.fields,
                             .sort = by_id},
                            deadline_, [&](Found found) {
                              if (!found) return skip(found.error().id, found.error().why);
                              auto row = Documents<Row>::read(**found);
                              if (!row) return skip(id_of(**found), row.error());
                              rows.push_back(std::move(*row));
                            });
  }

  Connection& connection_;
  SkippedDocuments& skipped_;
  const MonotonicTime deadline_;
};

tl::expected<TopologyStamp, NoTopology> stamp_of(Connection& connection, MonotonicTime deadline) {
  auto version = read_version(connection, deadline);
  if (!version && version.error().failure) return away(std::move(*version.error().failure));
  if (!version) return none(std::move(version.error().why));
  if (!*version) return none("the store holds no topology yet: geoctl data import");
  return std::move(**version);
}

}  // namespace

tl::expected<std::optional<MongoTopology>, NoTopology> read_topology(Connection& connection, SkippedDocuments& skipped,
                                                                     const std::optional<TopologyStamp>& known,
                                                                     MonotonicTime deadline) {
  auto stamp = stamp_of(connection, deadline);
  for (int i = 0; i < kTries; ++i) {
    if (!stamp) return tl::unexpected(std::move(stamp.error()));
    if (known == *stamp) return std::nullopt;
    auto read = Reader(connection, skipped, deadline).read(*stamp);
    if (!read) return away(std::move(read.error()));
    // Half of it may have been removed meanwhile.
    stamp = stamp_of(connection, deadline);
    if (stamp && *stamp == read->stamp)
      return checked(std::move(*read), skipped).map([](MongoTopology topology) {
        return std::optional(std::move(topology));
      });
  }
  return away({Failure::Kind::timeout, "the topology changes faster than it can be read"});
}

}  // namespace geo::io::mongo

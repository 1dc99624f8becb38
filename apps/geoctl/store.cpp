#include "store.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "geo/compose.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::Denial;
using geo::ErrorCode;
using std::chrono::milliseconds;

}  // namespace

OpenedStore open_store(Session& session) {
  const geo::config::Read read = read_config(session);
  const auto refused = [&](std::string detail) {
    return OpenedStore{nullptr, {}, session.output.refuse(Denial{ErrorCode::invalid_config, std::move(detail)})};
  };
  if (!read.faults.empty()) return {nullptr, {}, session.output.refuse(read.faults)};
  const geo::config::Store& store = read.config.store;
  if (store.kind == "files") return {nullptr, read.config.path(store.dir), geo::kExitOk};
  if (store.kind != "mongodb") return refused(fmt::format("[store] kind is \"{}\": there is no store", store.kind));
  auto uri = geo::compose::store_uri(read.config);
  if (!uri) return refused(std::move(uri.error()));
  const geo::config::Deadline& deadline = read.config.deadline;
  auto mongo = geo::io::MongoAdmin::open(
      {std::move(*uri), store.database, milliseconds(deadline.store_ms), milliseconds(deadline.request_ms)});
  if (!mongo) return refused("store.uri: " + mongo.error());
  return {std::move(*mongo), {}, geo::kExitOk};
}

OpenedStore open_mongo(Session& session, const std::string& why_not_files) {
  OpenedStore opened = open_store(session);
  if (opened.dir.empty()) return opened;
  return {nullptr,
          {},
          session.output.refuse(Denial{ErrorCode::invalid_config, "[store] kind is \"files\": " + why_not_files})};
}

}  // namespace geoctl

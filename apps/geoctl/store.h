// The store of the config, for commands that change it or look at it whole.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "geo/io/mongo_admin.h"
#include "session.h"

namespace geoctl {

// Neither: what is wrong was told, and this is how to end.
struct OpenedStore {
  std::unique_ptr<geo::io::MongoAdmin> mongo;
  std::filesystem::path dir;  // of a store in files, where mongo is null
  int exit_status = geo::kExitOk;

  bool none() const { return mongo == nullptr && dir.empty(); }
};
OpenedStore open_store(Session& session);
// One in files is refused with this.
OpenedStore open_mongo(Session& session, const std::string& why_not_files);

}  // namespace geoctl

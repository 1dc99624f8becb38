// What a running geod says of itself, for people.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "output.h"

namespace geoctl {

// Of /status.json, as far as it is shown.
struct Status {
  struct Node {
    std::string id, group, state, reason, since;
    double weight = 0;
    double load = -1;  // below 0: not known
  };
  struct Group {
    std::string id;
    std::int64_t nodes = 0, up = 0, under_way = 0;
  };
  struct Upstream {
    std::string name, state, last_error;
    std::int64_t calls = 0;
  };
  struct Cache {
    std::string name;
    std::int64_t hits = 0, misses = 0, stale = 0, entries = 0;
  };
  std::string version;
  std::int64_t uptime_s = 0;
  std::string snapshot;  // "version 0b587b3cb41c of files, 12 s old"
  struct Reload {
    bool ok = true;
    std::string at;  // empty: there was none
  };
  Reload last_reload;
  std::vector<Node> nodes;
  std::vector<Group> groups;
  std::vector<Upstream> upstreams;  // providers first
  std::vector<Cache> caches;

  std::int64_t nodes_up() const;
};
// The error: that it is no such object.
tl::expected<Status, std::string> read_status(const std::string& json);

// One line: who, since when, how many are up.
std::string headline(const Stream& stream, const Status& status, const std::string& address);
// One line, of the last reload; empty: there was none.
std::string reload_line(const Stream& stream, const Status& status);
// Each a table with its header, and empty where there is nothing to tell. before: what was under way a look ago.
std::string groups_table(const Stream& stream, const Status& status, const std::map<std::string, std::int64_t>& before);
// At most `most` nodes: those that are not up first, then the most loaded.
std::string nodes_table(const Stream& stream, const Status& status, std::size_t most);
std::string upstreams_table(const Stream& stream, const Status& status);
std::string caches_table(const Stream& stream, const Status& status);

}  // namespace geoctl

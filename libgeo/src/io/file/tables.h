// The store's files, one reader each, and what is checked across them.
#pragma once

#include <vector>

#include "geo/io/file.h"
#include "io/file/document.h"

namespace geo::io {

void read_topology(Document& document, place::Rows& rows);
void read_accounts(Document& document, Data& data);
void read_devices(Document& document, Data& data);
void read_node_states(Document& document, std::vector<balance::Report>& reports);

// As TOML writes it, to the microsecond. Times outside the years 0 to 9999, which it cannot write, become the nearest
// it can.
std::string toml_time(WallTime time);

// Which tables are known in full; a reference into any other is not judged.
struct Whole {
  bool users = true, tariffs = true, servers = true, partners = true, nodes = true;
};

// Duplicates and dangling references of accounts, devices and node states. Rows are told by their index in `data`.
// Grants may name cameras and servers that do not exist.
std::vector<RowFault> check_references(const Data& data, const Whole& whole);
// The same for node states alone.
std::vector<RowFault> check_node_states(const std::vector<balance::Report>& reports,
                                        const std::vector<place::Node>& nodes, bool nodes_whole);

}  // namespace geo::io

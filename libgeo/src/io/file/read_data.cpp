#include "geo/io/file.h"
#include "io/file/tables.h"

namespace geo::io {
namespace {

bool topology_is_whole(const Document& topology) {
  for (const std::string_view table : {"patterns", "partners", "groups", "places", "networks", "nodes"})
    if (!topology.whole(table)) return false;
  return true;
}

}  // namespace

ReadData read_data(const std::filesystem::path& dir) {
  ReadData read;
  Document topology(dir / "topology.toml", Document::IfMissing::fault, read.faults);
  Document accounts(dir / "accounts.toml", Document::IfMissing::empty, read.faults);
  Document devices(dir / "devices.toml", Document::IfMissing::empty, read.faults);
  Document states(dir / "states.toml", Document::IfMissing::empty, read.faults);
  read_topology(topology, read.data.topology);
  read_accounts(accounts, read.data);
  read_devices(devices, read.data);
  read_node_states(states, read.data.node_states);

  if (topology_is_whole(topology))
    for (const RowFault& fault : place::check(read.data.topology)) topology.fault(fault);
  const Whole whole{.users = accounts.whole("users"),
                    .tariffs = accounts.whole("tariffs"),
                    .servers = devices.whole("servers"),
                    .partners = topology.whole("partners"),
                    .nodes = topology.whole("nodes")};
  for (const RowFault& fault : check_references(read.data, whole)) {
    if (fault.table == "node_states")
      states.fault(fault);
    else if (fault.table == "servers" || fault.table == "cameras")
      devices.fault(fault);
    else
      accounts.fault(fault);
  }
  sort(read.faults);
  read.states_readable = states.readable();
  return read;
}

}  // namespace geo::io

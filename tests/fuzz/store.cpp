// The TOML store: whatever stands in the files, faults with a place or rows that hold the topology's promises.
#include "fuzz.h"

#include "geo/config.h"
#include "geo/io/file.h"
#include "geo/place.h"
#include "scratch.h"

void fuzz(std::string_view input) {
  static const geo::test::Scratch dir;
  // the first byte says which file it is
  static const char* const kNames[] = {"topology.toml", "accounts.toml", "devices.toml", "states.toml", "geod.toml"};
  const std::size_t which = input.empty() ? 0 : static_cast<unsigned char>(input.front()) % std::size(kNames);
  if (!input.empty()) input.remove_prefix(1);
  for (const char* name : kNames) std::filesystem::remove(dir / name);
  dir.write("topology.toml", "[[groups]]\nid = \"g\"\n[[nodes]]\nid = \"n\"\nhost = \"n.example\"\ngroup = \"g\"\n");
  dir.overwrite(kNames[which], input);
  if (which == 4) {
    const auto read = geo::config::read_file(dir / kNames[which], {});
    for (const geo::Fault& fault : read.faults) require(!fault.message.empty());
    geo::config::show(read.config);
    return;
  }
  geo::io::ReadData read = geo::io::read_data(dir.path());
  for (const geo::Fault& fault : read.faults) require(!fault.message.empty() && !fault.file.empty());
  if (!read.faults.empty()) return;
  require(geo::place::check(read.data.topology).empty());
  const geo::place::Topology topology(read.data.topology);
  const geo::io::FileStore store(std::move(read.data));
}

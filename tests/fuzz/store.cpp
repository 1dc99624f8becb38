// The TOML store: whatever stands in the files, faults with a place or rows that hold the topology's promises; rows are
// written as they were read, and an edit changes the one thing it is asked for or nothing. The config and files of
// checks: faults with a place, or values in their bounds.
#include "fuzz.h"

#include <iterator>

#include "geo/config.h"
#include "geo/io/file.h"
#include "geo/io/file_trials.h"
#include "geo/place.h"
#include "scratch.h"

namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void edit(const std::filesystem::path& dir, const geo::io::Data& data) {
  using geo::place::Admin;
  for (const std::size_t i : {std::size_t{0}, data.topology.nodes.size() - 1}) {
    if (i >= data.topology.nodes.size()) return;
    const geo::place::Node& node = data.topology.nodes[i];
    const Admin admin = node.admin == Admin::drain ? Admin::online : Admin::drain;
    const std::string before = bytes_of(dir / "topology.toml");
    const auto changed = geo::io::set_admin(dir / "topology.toml", node.id, admin);
    if (!changed) {
      require(bytes_of(dir / "topology.toml") == before);
      continue;
    }
    require(*changed);
    geo::place::Rows expected = geo::io::read_data(dir).data.topology;
    require(expected.nodes[i].admin == admin);
    expected.nodes[i].admin = node.admin;
    require(expected == data.topology);
    require(geo::io::set_admin(dir / "topology.toml", node.id, node.admin) == true);
  }
  if (data.tokens.empty()) return;
  geo::io::Data expected = data;
  expected.tokens.erase(expected.tokens.begin());
  if (geo::io::remove_token(dir / "accounts.toml", data.tokens.front().sha256))
    require(geo::io::read_data(dir).data == expected);
}

}  // namespace

void fuzz(std::string_view input) {
  static const geo::test::Scratch dir;
  // the first byte says which file it is
  static const char* const kNames[] = {"topology.toml", "accounts.toml", "devices.toml",
                                       "states.toml",   "geod.toml",     "checks.toml"};
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
  if (which == 5) {
    const geo::io::ReadTrials read = geo::io::read_trials(dir / kNames[which]);
    for (const geo::Fault& fault : read.faults) require(!fault.message.empty() && fault.line > 0 && fault.col > 0);
    require(!read.faults.empty() || !read.cases.empty() || !read.shares.empty());
    if (!read.faults.empty()) return;
    for (const geo::io::Case& each : read.cases)
      require(!each.name.empty() && each.ip.has_value() != each.place.has_value() &&
              each.exclude.size() <= geo::io::kTrialExcludeMax);
    for (const geo::io::Share& each : read.shares) require(!each.percent.empty() && each.requests > 0);
    return;
  }
  geo::io::ReadData read = geo::io::read_data(dir.path());
  for (const geo::Fault& fault : read.faults) require(!fault.message.empty() && !fault.file.empty());
  if (!read.faults.empty()) return;
  require(geo::place::check(read.data.topology).empty());
  const geo::place::Topology topology(read.data.topology);
  edit(dir.path(), read.data);
  require(geo::io::write_data(read.data, dir.path()).has_value());
  dir.overwrite("states.toml", geo::io::states_text(read.data.node_states));
  const geo::io::ReadData back = geo::io::read_data(dir.path());
  geo::io::sort_by_key(read.data);
  require(back.faults.empty() && back.data == read.data);
  const geo::io::FileStore store(std::move(read.data));
}

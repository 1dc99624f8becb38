#include "io/file/rows.h"
#include "io/file/tables.h"

namespace geo::io {

void read_node_states(Document& document, std::vector<balance::Report>& reports) {
  // A row with a key that cannot be read is none: what stands there instead, a default, nobody has reported.
  document.rows("node_states", reports, [](Row& row, balance::Report& report) {
    const bool has_key = kReadRow(row, report);
    return has_key && row.ok();
  });
  document.finish();
}

ReadStates read_states(const std::filesystem::path& file, const std::vector<place::Node>& nodes) {
  ReadStates read;
  Document document(file, Document::IfMissing::empty, read.faults);
  read_node_states(document, read.reports);
  for (const RowFault& fault : check_node_states(read.reports, nodes, true)) document.fault(fault);
  sort(read.faults);
  read.readable = document.readable();
  return read;
}

}  // namespace geo::io

#include "io/file/tables.h"

namespace geo::io {
namespace {

bool read_report(Row& row, balance::Report& report) {
  assign(row.text("id", rules::id(), Need::required), report.id);
  assign(row.time("seen_at", Need::required), report.seen_at);
  assign(row.boolean("online"), report.online);
  report.sessions = row.integer("sessions", 0, INT64_MAX);
  report.load = row.number("load", 0, 1e6);
  return !report.id.empty() && report.seen_at != WallTime{};
}

}  // namespace

void read_node_states(Document& document, std::vector<balance::Report>& reports) {
  document.rows("node_states", reports, read_report);
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

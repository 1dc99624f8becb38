#include "io/file/rows.h"
#include "io/file/tables.h"

namespace geo::io {

void read_topology(Document& document, place::Rows& rows) {
  document.rows("patterns", rows.patterns, kReadRow);
  document.rows("partners", rows.partners, kReadRow);
  document.rows("groups", rows.groups, kReadRow);
  document.rows("places", rows.places, kReadRow);
  document.rows("networks", rows.networks, kReadRow);
  document.rows("nodes", rows.nodes, kReadRow);
  document.finish();
}

}  // namespace geo::io

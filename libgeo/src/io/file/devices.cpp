#include "io/file/rows.h"
#include "io/file/tables.h"

namespace geo::io {

void read_devices(Document& document, Data& data) {
  document.rows("servers", data.servers, kReadRow);
  document.rows("cameras", data.cameras, kReadRow);
  document.finish();
}

}  // namespace geo::io

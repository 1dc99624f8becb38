#include "io/file/rows.h"
#include "io/file/tables.h"

namespace geo::io {

void read_accounts(Document& document, Data& data) {
  document.rows("tokens", data.tokens, kReadRow);
  document.rows("grants", data.grants, kReadRow);
  document.rows("users", data.users, kReadRow);
  document.rows("tariffs", data.tariffs, kReadRow);
  document.rows("usage", data.usage, kReadRow);
  document.finish();
}

}  // namespace geo::io

#include "io/file/tables.h"

namespace geo::io {
namespace {

bool read_server(Row& row, devices::Server& server) {
  static const TextRule partner = rules::or_empty(rules::id());
  assign(row.text("id", rules::id(), Need::required), server.id);
  assign(row.text("dc", rules::free_text()), server.dc);
  assign(row.boolean("online", Need::required), server.online);
  assign(row.text("partner", partner), server.partner);
  assign(row.text("owner_type", rules::id(), Need::required), server.owner_type);
  assign(row.text("owner_id", rules::id(), Need::required), server.owner_id);
  return !server.id.empty();
}

bool read_camera(Row& row, devices::Camera& camera) {
  assign(row.text("server", rules::id(), Need::required), camera.server);
  assign(row.text("id", rules::id(), Need::required), camera.id);
  assign(row.boolean("online", Need::required), camera.online);
  assign(row.texts("streams", rules::format(), Need::required), camera.streams);
  return !camera.server.empty() && !camera.id.empty();
}

}  // namespace

void read_devices(Document& document, Data& data) {
  document.rows("servers", data.servers, read_server);
  document.rows("cameras", data.cameras, read_camera);
  document.finish();
}

}  // namespace geo::io

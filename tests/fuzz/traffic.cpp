// geoctl's traffic from a file: refused by name, or requests in the order of their times.
#include "traffic.h"

#include "fuzz.h"
#include "geo/base/text.h"
#include "scratch.h"

void fuzz(std::string_view input) {
  static const geo::test::Scratch dir;
  geoctl::TrafficSettings settings;
  settings.cameras = 10;
  auto traffic = geoctl::Traffic::read(dir.overwrite("traffic", input), settings);
  if (!traffic) {
    require(traffic.error().code == geo::ErrorCode::bad_request && traffic.error().detail.starts_with("traffic: "));
    return;
  }
  geoctl::Micros before{};
  std::uint64_t asked = 0;
  for (geoctl::Ask ask; traffic->next(ask); before = ask.at) {
    ++asked;
    require(ask.at >= before && geo::is_id(ask.server) && geo::is_id(ask.camera) && ask.length.count() >= 0);
  }
  require(asked == traffic->size() && asked > 0);
}

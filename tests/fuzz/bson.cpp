// Documents as servers send them: whatever they are, what is read of them can be written and read again.
#include <algorithm>

#include "fuzz.h"
#include "io/mongo/documents.h"

using namespace geo::io::mongo;

namespace {

int depth_of(const Document& document) {
  int inside = 0;
  for (const auto& each : elements_of(document)) {
    // Arrays are documents to Poco as well.
    if (each->type() != 0x03) continue;
    inside = std::max(inside, depth_of(*document.get<Document::Ptr>(each->name(), Document::Ptr(new Document))));
  }
  return inside + 1;
}

}  // namespace

void fuzz(std::string_view input) {
  const auto read = read_bson(input);
  if (!read) return require(!read.error().why.empty());
  require(depth_of(**read) <= kMaxDepth);
  require(id_of(**read).size() <= 200);
  const auto first = write_bson(**read);
  require(first.has_value());
  const auto again = read_bson(*first);
  if (!again) return require(first->size() > kMaxBytes);  // the names of types take more room than they did
  require(elements_of(**again).size() == elements_of(**read).size());
  const auto second = write_bson(**again);
  require(second.has_value());
  const auto last = read_bson(*second);  // where code that was read as code is the same again
  require(last.has_value() && write_bson(**last) == second);
}

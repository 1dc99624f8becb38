// Requests as bytes: however they are cut into pieces they are the same requests, and nothing is read beyond their end.
#include "framing.h"

#include "fuzz.h"

namespace {

constexpr std::size_t kBodyMax = 64;

// All that is in it, as text.
std::string read_in_pieces(std::string_view input, std::size_t piece) {
  std::string told, kept;
  geod::Exchange exchange;
  geod::Incoming& in = exchange.in;
  bool has_head = false;
  std::size_t scanned = 0;
  const auto refused = [&](const std::optional<geod::Refusal>& refusal) {
    if (refusal) told.append("refused: ").append(refusal->denial.detail);
    return refusal.has_value();
  };
  while (!input.empty()) {
    kept.append(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    std::string_view text = kept;
    for (;;) {
      if (!has_head) {
        if (const std::size_t empty = geod::empty_lines(text); empty > 0) {
          text.remove_prefix(empty);
          scanned = 0;
        }
        const auto size = geod::head_size(text, scanned);
        require(scanned <= text.size());
        if (!size) break;
        require(*size <= text.size() && text.substr(0, *size).ends_with('\n'));
        scanned = 0;
        in.head.assign(text.substr(0, *size));
        text.remove_prefix(*size);
        has_head = true;
        if (refused(geod::read_head(in, kBodyMax))) return told;
        require(in.target.empty() || in.head.find(in.target) != std::string::npos);
        for (const std::string_view part : {in.method, in.host, in.path, in.query})
          require(part.find_first_of(std::string_view("\0\r\n ", 4)) == std::string_view::npos);
      }
      const std::size_t before = text.size();
      if (refused(geod::read_body(in, text, kBodyMax))) return told;
      require(text.size() <= before && in.body.size() <= kBodyMax);
      if (in.next != geod::Incoming::Body::whole) break;
      told.append(in.method).append(" ").append(in.host).append(" ").append(in.path).append("?").append(in.query);
      told.append(in.stays ? " stays " : " ends ").append(in.body).append("\n");
      exchange.clear();
      has_head = false;
    }
    kept.erase(0, kept.size() - text.size());
  }
  return told;
}

}  // namespace

void fuzz(std::string_view input) {
  const std::string whole = read_in_pieces(input, input.size());
  for (const std::size_t piece : {1, 2, 3, 7}) require(read_in_pieces(input, piece) == whole);
}

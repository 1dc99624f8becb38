#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <functional>
#include <string_view>
#include <utility>

#include "geo/io/mmdb.h"
#include "io/mmdb/file.h"
#include "io/mmdb/kept.h"
#include "io/mmdb/record.h"

namespace geo::io {
namespace {

using mmdb::Table;
using place::Location;

// The places of a file, equal ones once, in the order of its records.
class Places {
 public:
  explicit Places(std::size_t records) : slots_(std::bit_ceil(records * 2 + 2), Table::kNothing) {
    places_.reserve(records);
  }

  std::uint32_t add(Location location) {
    std::size_t slot = hash(location) & (slots_.size() - 1);
    for (; slots_[slot] != Table::kNothing; slot = (slot + 1) & (slots_.size() - 1))
      if (places_[slots_[slot]] == location) return slots_[slot];
    slots_[slot] = static_cast<std::uint32_t>(places_.size());
    places_.push_back(std::move(location));
    return slots_[slot];
  }
  mmdb::HugeVector<Location> take() {
    places_.shrink_to_fit();
    return std::move(places_);
  }

 private:
  static std::size_t hash(const Location& at) {
    std::size_t hash = 0;
    const auto mix = [&](std::size_t more) {
      hash = (hash ^ more) * 0x9e3779b97f4a7c15U;
      hash ^= hash >> 32;
    };
    for (const std::string* const text : {&at.country_code, &at.region_iso, &at.region, &at.city})
      mix(std::hash<std::string_view>{}(*text));
    if (at.coordinates) {
      mix(std::hash<double>{}(at.coordinates->latitude));
      mix(std::hash<double>{}(at.coordinates->longitude));
    }
    return hash;
  }

  mmdb::HugeVector<Location> places_;
  mmdb::HugeVector<std::uint32_t> slots_;  // by hash, or the next free one: a place's number
};

// The error says what is wrong, without the file's name.
tl::expected<mmdb::Index, std::string> build_index(const std::filesystem::path& path, std::string_view language) {
  const auto bad = [](const char* why) { return tl::unexpected<std::string>(why); };
  tl::expected<mmdb::File, std::string> file = mmdb::open_file(path);
  if (!file) return tl::unexpected(std::move(file.error()));

  if (file->records.count() > Table::kNumberMax) return bad("it has more records than can be indexed");

  const std::string speaks(language);
  Places places(file->records.count());
  std::vector<std::uint32_t> ids;  // by the record's number
  ids.reserve(file->records.count());
  // records may share one long name by pointers; those of real files have less text than bytes
  std::uint64_t text_left = file->info.bytes * 4 + (1U << 20);
  file->records.each([&](std::uint32_t record) {
    if (text_left == 0) return;
    Location location = mmdb::location_of(*file->mmdb, record, speaks);
    text_left -= std::min<std::uint64_t>(text_left, mmdb::text_bytes(location));
    ids.push_back(location.empty() ? Table::kNothing : places.add(std::move(location)));
  });
  if (text_left == 0) return bad("its records share names so that they take many times its size");
  tl::expected<Table, std::string> table = Table::of(*file->mmdb, file->records, ids);
  if (!table) return tl::unexpected(std::move(table.error()));
  const std::string_view content(reinterpret_cast<const char*>(file->mmdb->file_content),
                                 static_cast<std::size_t>(file->mmdb->file_size));
  return mmdb::Index{mmdb::source_of(content, language), std::move(file->info), std::move(*table), places.take()};
}

}  // namespace

struct CityIndex::Tables : mmdb::Index {
  Tables(mmdb::Index index, bool is_kept) : Index(std::move(index)), kept(is_kept) {
    info.bytes = mmdb::memory_of(*this);
  }
  std::atomic<bool> kept;
};

CityIndex::CityIndex(std::unique_ptr<Tables> tables) : tables_(std::move(tables)) {}
CityIndex::~CityIndex() = default;

tl::expected<std::shared_ptr<const CityIndex>, std::string> CityIndex::build(const std::filesystem::path& file,
                                                                             std::string_view language) {
  auto index = build_index(file, language);
  malloc_trim(0);  // a quarter of the index' size in small pieces, which would stay with the process
  if (!index) return tl::unexpected<std::string>(file.string() + ": " + index.error());
  return std::shared_ptr<const CityIndex>(new CityIndex(std::make_unique<Tables>(std::move(*index), false)));
}

tl::expected<std::shared_ptr<const CityIndex>, std::string> CityIndex::read(const std::filesystem::path& kept,
                                                                            const std::filesystem::path& file,
                                                                            std::string_view language) {
  auto index = mmdb::read_kept(kept, file, language);
  if (!index) return tl::unexpected<std::string>(kept.string() + ": " + index.error());
  if (!*index) return nullptr;
  return std::shared_ptr<const CityIndex>(new CityIndex(std::make_unique<Tables>(std::move(**index), true)));
}

tl::expected<void, std::string> CityIndex::keep(const std::filesystem::path& kept) const {
  auto written = mmdb::write_kept(kept, *tables_);
  if (written) tables_->kept = true;
  return written;
}

bool CityIndex::is_kept() const { return tables_->kept; }

std::optional<CityIndex::PlaceId> CityIndex::find(const Ip& ip) const {
  const std::uint32_t found = tables_->table.find(ip);
  return found == Table::kNothing ? std::nullopt : std::optional<PlaceId>(found);
}

const Location& CityIndex::place(PlaceId id) const { return tables_->places[id]; }
std::size_t CityIndex::places() const { return tables_->places.size(); }
const MmdbInfo& CityIndex::info() const { return tables_->info; }

IndexedMaxMind::IndexedMaxMind(std::vector<std::shared_ptr<const CityIndex>> indexes,
                               std::shared_ptr<const place::Topology> topology, const IndexedMaxMind* before)
    : indexes_(std::move(indexes)),
      topology_(std::move(topology)),
      tally_(before == nullptr ? std::make_shared<Tally>() : before->tally_) {
  if (!topology_) return;
  const bool groups_stay = before != nullptr && before->topology_ && topology_->groups_as(*before->topology_);
  for (std::size_t i = 0; i < indexes_.size(); ++i) {
    if (groups_stay && i < before->indexes_.size() && before->indexes_[i] == indexes_[i]) {
      grouped_.push_back(before->grouped_[i]);
      continue;
    }
    const CityIndex& index = *indexes_[i];
    std::vector<place::Grouped> grouped;
    grouped.reserve(index.places());
    for (CityIndex::PlaceId id = 0; id < index.places(); ++id)
      grouped.push_back(topology_->group_of_location(index.place(id)));
    grouped_.push_back(std::make_shared<const std::vector<place::Grouped>>(std::move(grouped)));
  }
}

Polled<resolve::Located> IndexedMaxMind::locate(const resolve::Query& query) const {
  const bool has_groups = topology_ && query.topology == topology_.get();
  for (std::size_t i = 0; i < indexes_.size(); ++i) {
    const std::optional<CityIndex::PlaceId> id = indexes_[i]->find(query.ip);
    if (!id) continue;
    const Location& at = indexes_[i]->place(*id);
    const place::Grouped* const grouped = has_groups ? &(*grouped_[i])[*id] : nullptr;
    // on their way while the counter waits for its turn: whoever asks reads them next
    __builtin_prefetch(&at);
    __builtin_prefetch(&at.coordinates);
    __builtin_prefetch(grouped);
    if (query.counts) tally_->add(Outcome::found);
    // owns nothing: the index is held by whoever holds this provider
    return resolve::Located{{std::shared_ptr<void>(), &at}, kMaxMind, From::upstream, {}, grouped};
  }
  if (query.counts) tally_->add(Outcome::unknown);
  return deny(ErrorCode::unknown_address, {});
}

UpstreamStatus IndexedMaxMind::status(MonotonicTime) const {
  return {kMaxMind, Breaker::State::closed, {}, tally_->sums()};
}

}  // namespace geo::io

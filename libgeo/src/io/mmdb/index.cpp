#include <string_view>
#include <unordered_set>
#include <utility>

#include "geo/io/mmdb.h"
#include "io/mmdb/file.h"
#include "io/mmdb/table.h"

namespace geo::io {
namespace {

using mmdb::Table;
using place::Location;

// Memory of a text beside the object itself.
std::size_t heap_bytes(const std::string& text) {
  return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
}
std::size_t heap_bytes(const Location& at) {
  return heap_bytes(at.country_code) + heap_bytes(at.region_iso) + heap_bytes(at.region) + heap_bytes(at.city);
}

// The places of a file, equal ones once, in the order of its records.
class Places {
 public:
  explicit Places(std::size_t records) : known_(records, Hash{&places_}, Equal{&places_}) { places_.reserve(records); }

  std::uint32_t add(Location location) {
    places_.push_back(std::move(location));
    const auto [at, is_new] = known_.insert(static_cast<std::uint32_t>(places_.size() - 1));
    if (!is_new) places_.pop_back();
    return *at;
  }
  std::size_t count() const { return places_.size(); }
  std::vector<Location> take() { return std::move(places_); }

 private:
  struct Hash {
    const std::vector<Location>* places;
    std::size_t operator()(std::uint32_t id) const {
      const Location& at = (*places)[id];
      std::size_t hash = 0;
      const auto mix = [&](std::size_t more) { hash = (hash ^ more) * 0x9e3779b97f4a7c15U; };
      for (const std::string* const text : {&at.country_code, &at.region_iso, &at.region, &at.city})
        mix(std::hash<std::string_view>{}(*text));
      if (at.coordinates) {
        mix(std::hash<double>{}(at.coordinates->latitude));
        mix(std::hash<double>{}(at.coordinates->longitude));
      }
      return hash ^ hash >> 32;
    }
  };
  struct Equal {
    const std::vector<Location>* places;
    bool operator()(std::uint32_t a, std::uint32_t b) const { return (*places)[a] == (*places)[b]; }
  };

  std::vector<Location> places_;
  std::unordered_set<std::uint32_t, Hash, Equal> known_;
};

}  // namespace

struct CityIndex::Tables {
  MmdbInfo info;
  Table table;
  std::vector<Location> places;
};

CityIndex::CityIndex(std::unique_ptr<Tables> tables) : tables_(std::move(tables)) {}
CityIndex::~CityIndex() = default;

tl::expected<std::shared_ptr<const CityIndex>, std::string> CityIndex::build(const std::filesystem::path& path,
                                                                             std::string_view language) {
  const auto bad = [&](const std::string& why) { return tl::unexpected<std::string>(path.string() + ": " + why); };
  tl::expected<mmdb::File, std::string> file = mmdb::open_file(path);
  if (!file) return bad(file.error());

  const std::string speaks(language);
  Places places(file->records.count());
  std::vector<std::uint32_t> ids;  // by the record's number
  ids.reserve(file->records.count());
  file->records.each([&](std::uint32_t record) {
    Location location = mmdb::location_of(*file->mmdb, record, speaks);
    ids.push_back(location.empty() ? Table::kNothing : places.add(std::move(location)));
  });
  if (places.count() > Table::kNumberMax) return bad("it has more places than can be indexed");

  tl::expected<Table, std::string> table = Table::of(*file->mmdb, file->records, ids);
  if (!table) return bad(table.error());
  auto tables = std::make_unique<Tables>(Tables{std::move(file->info), std::move(*table), places.take()});
  tables->places.shrink_to_fit();
  tables->info.bytes = tables->table.bytes() + tables->places.capacity() * sizeof(Location);
  for (const Location& at : tables->places) tables->info.bytes += heap_bytes(at);
  return std::shared_ptr<const CityIndex>(new CityIndex(std::move(tables)));
}

std::optional<CityIndex::PlaceId> CityIndex::find(const Ip& ip) const {
  const std::uint32_t found = tables_->table.find(ip);
  return found == Table::kNothing ? std::nullopt : std::optional<PlaceId>(found);
}

const Location& CityIndex::place(PlaceId id) const { return tables_->places[id]; }
std::size_t CityIndex::places() const { return tables_->places.size(); }
const MmdbInfo& CityIndex::info() const { return tables_->info; }

IndexedMaxMind::IndexedMaxMind(std::vector<std::shared_ptr<const CityIndex>> indexes,
                               std::shared_ptr<const place::Topology> topology)
    : indexes_(std::move(indexes)), topology_(std::move(topology)) {
  if (!topology_) return;
  for (const std::shared_ptr<const CityIndex>& index : indexes_) {
    std::vector<place::Grouped>& grouped = grouped_.emplace_back();
    grouped.reserve(index->places());
    for (CityIndex::PlaceId id = 0; id < index->places(); ++id)
      grouped.push_back(topology_->group_of_location(index->place(id)));
  }
}

Polled<resolve::Located> IndexedMaxMind::locate(const resolve::Query& query) const {
  const bool grouped = topology_ && query.topology == topology_.get();
  for (std::size_t i = 0; i < indexes_.size(); ++i) {
    const std::optional<CityIndex::PlaceId> id = indexes_[i]->find(query.ip);
    if (!id) continue;
    found_.add();
    // owns nothing: the index is held by whoever holds this provider
    return resolve::Located{{std::shared_ptr<void>(), &indexes_[i]->place(*id)},
                            kMaxMind,
                            resolve::From::provider,
                            {},
                            grouped ? &grouped_[i][*id] : nullptr};
  }
  unknown_.add();
  return deny(ErrorCode::unknown_address, {});
}

resolve::ProviderStatus IndexedMaxMind::status(MonotonicTime) const {
  return {kMaxMind, Breaker::State::closed, {}, {found_.sum(), unknown_.sum(), 0}};
}

}  // namespace geo::io

#include <netinet/in.h>

#include <cstring>
#include <optional>
#include <utility>

#include "geo/io/mmdb.h"
#include "io/mmdb/file.h"
#include "io/mmdb/record.h"

namespace geo::io {
namespace {

// The offset of the address's record.
std::optional<std::uint32_t> find_record(const MMDB_s& file, const Ip& ip) {
  int error = MMDB_SUCCESS;
  MMDB_lookup_result_s result;
  if (ip.is_v4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(&address.sin_addr, ip.bytes().data() + 12, 4);
    result = MMDB_lookup_sockaddr(&file, reinterpret_cast<const sockaddr*>(&address), &error);
  } else {
    if (file.metadata.ip_version == 4) return std::nullopt;
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    std::memcpy(&address.sin6_addr, ip.bytes().data(), 16);
    result = MMDB_lookup_sockaddr(&file, reinterpret_cast<const sockaddr*>(&address), &error);
  }
  if (error != MMDB_SUCCESS || !result.found_entry) return std::nullopt;
  return result.entry.offset;
}

}  // namespace

struct MaxMind::Files {
  Tally tally;
  std::vector<std::unique_ptr<MMDB_s, mmdb::Close>> open;
  std::vector<MmdbInfo> infos;
  std::string language;
};

MaxMind::MaxMind(std::unique_ptr<Files> files) : files_(std::move(files)) {}
MaxMind::~MaxMind() = default;

tl::expected<std::unique_ptr<MaxMind>, std::string> MaxMind::open(const std::vector<std::filesystem::path>& files,
                                                                  std::string_view language) {
  auto opened = std::make_unique<Files>();
  opened->language = language;
  for (const std::filesystem::path& path : files) {
    tl::expected<mmdb::File, std::string> file = mmdb::open_file(path);
    if (!file) return tl::unexpected<std::string>(path.string() + ": " + file.error());
    opened->infos.push_back(std::move(file->info));
    opened->open.push_back(std::move(file->mmdb));
  }
  return std::unique_ptr<MaxMind>(new MaxMind(std::move(opened)));
}

Polled<resolve::Located> MaxMind::locate(const resolve::Query& query) const {
  for (const auto& file : files_->open) {
    const std::optional<std::uint32_t> record = find_record(*file, query.ip);
    if (!record) continue;
    place::Location location = mmdb::location_of(*file, *record, files_->language);
    if (location.empty()) continue;
    if (query.counts) files_->tally.add(Outcome::found);
    return resolve::Located{std::make_shared<const place::Location>(std::move(location)), kMaxMind};
  }
  if (query.counts) files_->tally.add(Outcome::unknown);
  return deny(ErrorCode::unknown_address, "no city database has this address");
}

UpstreamStatus MaxMind::status(MonotonicTime) const {
  return {kMaxMind, Breaker::State::closed, {}, files_->tally.sums()};
}

const std::vector<MmdbInfo>& MaxMind::files() const { return files_->infos; }

}  // namespace geo::io

// The content of a store in MongoDB, read whole.
#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "io/mongo/parts.h"

namespace geo::io {
namespace {

constexpr std::chrono::seconds kBulk{30};  // for a thousand rows
constexpr int kTries = 5;                  // while others switch versions

void to_milliseconds(std::optional<WallTime>& time) {
  if (time) time = std::chrono::floor<std::chrono::milliseconds>(*time);
}

bool same_object(const auth::Grant& a, const auth::Grant& b) {
  return std::tie(a.owner.type, a.owner.id, a.object_type, a.server, a.object_id) ==
         std::tie(b.owner.type, b.owner.id, b.object_type, b.server, b.object_id);
}

// Rows that are by key.
void join(std::vector<auth::Grant>& grants) {
  std::vector<auth::Grant> joined;
  joined.reserve(grants.size());
  for (auth::Grant& grant : grants) {
    if (joined.empty() || !same_object(joined.back(), grant))
      joined.push_back(std::move(grant));
    else
      joined.back().rights.insert(joined.back().rights.end(), grant.rights.begin(), grant.rights.end());
  }
  for (auth::Grant& grant : joined) {
    std::sort(grant.rights.begin(), grant.rights.end());
    grant.rights.erase(std::unique(grant.rights.begin(), grant.rights.end()), grant.rights.end());
  }
  grants = std::move(joined);
}

}  // namespace

std::string fresh() {
  std::random_device dice;
  std::array<std::uint32_t, 3> bits{};
  for (std::uint32_t& each : bits) each = dice();
  return hex(reinterpret_cast<const std::uint8_t*>(bits.data()), sizeof bits);
}

MongoAdmin::MongoAdmin(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
MongoAdmin::~MongoAdmin() = default;
const std::string& MongoAdmin::where() const { return parts_->quick->where(); }

tl::expected<std::unique_ptr<MongoAdmin>, std::string> MongoAdmin::open(const MongoAdminSettings& settings) {
  const auto connect = [&](std::chrono::milliseconds answer) {
    return mongo::Connection::open({settings.uri, settings.database, settings.timeout, 2, answer});
  };
  auto quick = connect(settings.timeout);
  if (!quick) return tl::unexpected(std::move(quick.error()));
  auto bulk = connect(std::max<std::chrono::milliseconds>(settings.timeout, kBulk));
  if (!bulk) return tl::unexpected(std::move(bulk.error()));
  return std::unique_ptr<MongoAdmin>(
      new MongoAdmin(std::make_unique<Parts>(Parts{std::move(*quick), std::move(*bulk), settings.budget})));
}

mongo::Done<void> MongoAdmin::Parts::read(std::string_view version, place::Rows& rows, Faults& faults) const {
  mongo::Done<void> done;
  mongo::each_of_topology(rows, [&](auto& table) {
    if (done) done = read(mongo::in_version(version), table, faults);
  });
  return done;
}

Data MongoAdmin::kept(Data data) {
  data.node_states.clear();
  for (auth::Token& token : data.tokens) to_milliseconds(token.expires_at);
  for (billing::User& user : data.users) to_milliseconds(user.paid_until);
  for (billing::Usage& usage : data.usage) to_milliseconds(usage.reported_at);
  sort_by_key(data);
  join(data.grants);
  return data;
}

Result<ReadData> MongoAdmin::read() const {
  for (int i = 0; i < kTries; ++i) {
    ReadData all;
    const auto version = mongo::read_version(*parts_->quick, soon());
    if (!version) return parts_->refuse(version.error());
    mongo::Done<void> done;
    if (*version) done = parts_->read((*version)->version, all.data.topology, all.faults);
    each_beside_topology(all.data, [&](auto& table) {
      if (done) done = parts_->read({}, table, all.faults);
    });
    if (!done) return parts_->refuse(done.error());
    const auto after = mongo::read_version(*parts_->quick, soon());
    if (!after) return parts_->refuse(after.error());
    if (*after != *version) continue;  // what was read may be of two versions
    all.data = kept(std::move(all.data));
    return all;
  }
  return deny(ErrorCode::upstream_unavailable, "the store " + where() + ": it changes all the time");
}

}  // namespace geo::io

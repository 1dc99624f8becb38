// Changes by hand.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "io/mongo/lease_state.h"
#include "io/mongo/parts.h"

namespace geo::io {

using mongo::Document;
using mongo::Effect;

Result<MongoAdmin::Nodes> MongoAdmin::nodes() const {
  Nodes all;
  const MonotonicTime end = parts_->end();
  const auto version = mongo::read_version(*parts_->quick, end);
  if (!version) return parts_->refuse(version.error());
  if (!*version) return deny(ErrorCode::invalid_config, "the store " + where() + " holds no topology");
  auto done = parts_->read(*parts_->quick, end, mongo::in_version((*version)->version), all.nodes, all.faults);
  if (done) done = parts_->read(*parts_->quick, end, {}, all.reports, all.faults);
  if (!done) return parts_->refuse(done.error());
  std::sort(all.nodes.begin(), all.nodes.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return all;
}

// The stamp comes last and always: who was ended before it is made good by doing it again.
Result<void> MongoAdmin::set_admin(std::string_view node, place::Admin admin) const {
  constexpr int kTries = 10;  // while others switch versions
  const MonotonicTime end = parts_->end();
  for (int i = 0; i < kTries; ++i) {
    const auto version = mongo::read_version(*parts_->quick, end);
    if (!version) return parts_->refuse(version.error());
    const auto none = [&] { return deny(ErrorCode::not_found, fmt::format("there is no node \"{}\"", node)); };
    if (!*version) return none();
    const std::string& holds = (*version)->version;

    Document::Ptr change = new Document;
    change->addNewDocument("$set").add("admin", std::string(place::name_of(admin)));
    const auto changed =
        parts_->quick->update("nodes", mongo::equals("_id", fmt::format("{}/{}", holds, node)), change, false, end);
    if (!changed) return parts_->refuse(changed.error());
    if (*changed != Effect::matched) {
      const auto now = mongo::read_version(*parts_->quick, end);
      if (!now) return parts_->refuse(now.error());
      if (*now && (*now)->version == holds) return none();
      continue;
    }

    Document::Ptr still = mongo::equals("_id", "topology"), stamped = new Document;
    still->add("version", holds);
    stamped->addNewDocument("$set").add("stamp", fresh());
    const auto told = parts_->quick->update(std::string(mongo::kVersions), still, stamped, false, end);
    if (!told) return parts_->refuse(told.error());
    if (*told == Effect::matched) return {};
  }
  return deny(ErrorCode::upstream_unavailable, "the store " + where() + ": it changes all the time");
}

Result<void> MongoAdmin::revoke(const Digest& sha256) const {
  const auto removed =
      parts_->quick->remove("tokens", mongo::equals("_id", hex(sha256.data(), sha256.size())), parts_->end());
  if (!removed) return parts_->refuse(removed.error());
  if (*removed == 0) return deny(ErrorCode::token_unknown, "no such token");
  return {};
}

Result<std::vector<MongoAdmin::Lease>> MongoAdmin::leases(const std::string& user) const {
  const WallTime now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  std::optional<Denial> wrong;
  std::vector<Lease> all;
  const auto done = parts_->quick->find(
      {mongo::leases().name, mongo::equals("_id", user), mongo::leases().fields}, parts_->end(),
      [&](const mongo::Found& found) {
        const auto read = found ? mongo::list_leases(**found, now) : tl::unexpected(found.error().why);
        if (!read) {
          wrong = Denial{ErrorCode::upstream_unavailable,
                         fmt::format("the store {}: leases {}: {}", where(), user, read.error())};
          return;
        }
        for (const mongo::ListedLease& lease : *read)
          all.push_back({lease.token, lease.server, lease.camera, lease.client_ip, lease.taken_at, lease.expires_at});
      });
  if (!done) return parts_->refuse(done.error());
  if (wrong) return tl::unexpected(*wrong);
  return all;
}

}  // namespace geo::io

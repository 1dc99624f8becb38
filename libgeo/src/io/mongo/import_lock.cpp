#include "io/mongo/import_lock.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "geo/base/text.h"
#include "io/mongo/fields.h"
#include "io/mongo/parts.h"
#include "io/mongo/version.h"

namespace geo::io::mongo {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kHeld = 10s, kRenewed = 3s, kStep = 2s;

MonotonicTime monotonic() { return std::chrono::steady_clock::now(); }
WallTime wall() { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); }
Poco::Timestamp date(WallTime time) {
  return Poco::Timestamp(std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count());
}

std::string our_name() {
  std::array<char, 65> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return fmt::format("{}/{}/{}", host.data(), getpid(), fresh());
}

// "host-1, process 4711, until .. unless it goes on", as far as the document says.
std::string who_has_it(Connection& connection) {
  std::string who;
  const auto done = connection.find(
      {std::string(kVersions), equals("_id", "import"), {"owner", "until"}}, soon(), [&](const Found& found) {
        if (!found) return;
        Fields owner(**found, {}), until(**found, {});
        if (const auto name = owner.text("owner", rules::free_text())) {
          const auto parts = split(*name, '/');
          who += parts.size() == 3 ? fmt::format(", host {}, process {}", parts[0], parts[1]) : ", " + in_quotes(*name);
        }
        const auto end = until.time("until", Need::required);
        who += end ? fmt::format(", until {} unless it goes on", rfc3339(*end))
                   : ", without an end: remove the document \"import\" of versions";
      });
  return done ? who : "";
}

}  // namespace

Result<std::unique_ptr<ImportLock>> ImportLock::take(Connection& connection) {
  std::unique_ptr<ImportLock> lock(new ImportLock(connection, our_name()));
  const auto taken = lock->try_to_take();
  if (!taken) return tl::unexpected(taken.error());
  if (!*taken)
    return deny(ErrorCode::upstream_unavailable,
                fmt::format("the store {}: another import is under way{}", connection.where(), who_has_it(connection)));
  lock->keeper_ = std::thread(&ImportLock::keep, lock.get());
  return lock;
}

Result<bool> ImportLock::try_to_take() {
  const MonotonicTime since = monotonic();
  Document::Ptr filter = equals("_id", "import"), change = new Document;
  filter->addNewDocument("until").add("$lt", date(wall()));
  change->addNewDocument("$set").add("owner", owner_).add("until", date(wall() + kHeld));
  const auto effect = connection_.update(std::string(kVersions), filter, change, true, soon());
  if (!effect)
    return deny(ErrorCode::upstream_unavailable,
                fmt::format("the store {}: {}", connection_.where(), effect.error().why));
  until_ns_ = (since + kHeld).time_since_epoch().count();
  return *effect == Effect::matched || *effect == Effect::upserted;
}

Result<void> ImportLock::check() const {
  if (!lost_ && monotonic().time_since_epoch() + kStep < std::chrono::nanoseconds(until_ns_)) return {};
  return deny(ErrorCode::upstream_unavailable,
              fmt::format("the store {}: {}; run the import again", connection_.where(),
                          lost_ ? "another import has taken over" : "it did not answer for too long"));
}

Result<void> ImportLock::renew() {
  const MonotonicTime since = monotonic();
  Document::Ptr filter = equals("_id", "import"), change = new Document;
  filter->add("owner", owner_);
  change->addNewDocument("$set").add("until", date(wall() + kHeld));
  const auto effect = connection_.update(std::string(kVersions), filter, change, false, soon());
  if (effect && *effect == Effect::matched)
    until_ns_ = (since + kHeld).time_since_epoch().count();
  else if (effect)
    lost_ = true;
  else
    return deny(ErrorCode::upstream_unavailable,
                fmt::format("the store {}: {}", connection_.where(), effect.error().why));
  return check();
}

void ImportLock::keep() {
  std::unique_lock lock(mutex_);
  while (!ending_.wait_for(lock, kRenewed, [this] { return ends_; })) {
    lock.unlock();
    static_cast<void>(renew());  // check() tells
    lock.lock();
  }
}

ImportLock::~ImportLock() {
  if (!keeper_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  ending_.notify_one();
  keeper_.join();
  Document::Ptr ours = equals("_id", "import");
  ours->add("owner", owner_);
  static_cast<void>(connection_.remove(std::string(kVersions), ours, soon()));  // else it lapses
}

}  // namespace geo::io::mongo

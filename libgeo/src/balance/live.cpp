#include "geo/balance/live.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "balance/table.h"

namespace geo::balance {
namespace {

using std::chrono::duration;
using std::chrono::seconds;

constexpr seconds kDamping{60};
constexpr std::size_t kPastMax = 64;  // how finely the time is known that reports were made at
constexpr std::size_t kRows = 2;

// What is left after a while of what fades by half in each half-life.
double faded(MonotonicTime::duration elapsed, seconds half_life) {
  return std::exp2(-duration<double>(elapsed) / duration<double>(half_life));
}

}  // namespace

Live::Live(std::shared_ptr<const Balancer> balancer)
    : balancer_(std::move(balancer)),
      nodes_(new Node[balancer_->topology().rows().nodes.size()]),
      groups_(new Group[balancer_->topology().rows().groups.size()]),
      spills_(new std::atomic<std::int64_t>[balancer_->flows_.back()]()),
      sums_(new Sums[balancer_->tables_.size()]),
      realms_(new Realm[balancer_->realms_]),
      heard_width_(std::bit_ceil(std::max<std::size_t>(4096, 16 * balancer_->topology().rows().nodes.size()))),
      books_(balancer_->topology().rows().nodes.size()) {
  const place::Rows& rows = balancer_->topology().rows();
  const auto limited = static_cast<std::size_t>(
      std::count_if(balancer_->limited_.begin(), balancer_->limited_.end(), [](Index each) { return each != kNone; }));
  quotas_.reset(new std::atomic<std::int64_t>[limited * rows.groups.size()]());
  heard_.reset(new std::atomic<std::uint32_t>[kRows * heard_width_]());
  for (std::size_t i = 0; i < rows.nodes.size(); ++i) {
    nodes_[i].capacity = rows.nodes[i].capacity.value_or(kNoLimit);
    nodes_[i].online = rows.nodes[i].admin == place::Admin::online;
    if (nodes_[i].online) continue;
    books_[i].state = rows.nodes[i].admin == place::Admin::drain ? State::drain : State::offline;
    books_[i].because = Because::admin;
  }
  sum_up();
}

Live::Live(std::shared_ptr<const Balancer> balancer, const Live& before) : Live(std::move(balancer)) {
  const std::lock_guard lock(before.mutex_);
  const place::Topology &now = balancer_->topology(), &then = before.balancer_->topology();
  std::vector<Index> was(now.rows().nodes.size());
  for (Index node = 0; node < was.size(); ++node) {
    was[node] = then.find_node(now.node(node).id);
    if (was[node] == kNone) continue;
    const Node& from = before.nodes_[was[node]];
    Node& to = nodes_[node];
    to.redirects = from.redirects.load();
    to.faded = from.faded.load();
    to.offset = from.offset.load();
    to.health = from.health.load();
    to.row = from.row.load();
    to.full = from.full.load();
    to.ramp = from.ramp.load();
    books_[node] = before.books_[was[node]];
  }
  for (const Past& past : before.past_) {
    Past mine{past.at, std::vector<std::int64_t>(was.size())};
    for (std::size_t i = 0; i < was.size(); ++i)
      if (was[i] != kNone) mine.redirects[i] = past.redirects[was[i]];
    past_.push_back(std::move(mine));
  }
  if (heard_width_ == before.heard_width_)
    for (std::size_t i = 0; i < kRows * heard_width_; ++i) heard_[i] = before.heard_[i].load();
  const std::size_t groups = now.rows().groups.size();
  for (Index partner = 0; partner < now.rows().partners.size(); ++partner) {
    const Index old_partner = then.find_partner(now.partner(partner).id);
    if (balancer_->limited_[partner] == kNone || old_partner == kNone ||
        before.balancer_->limited_[old_partner] == kNone)
      continue;
    for (Index group = 0; group < groups; ++group)
      if (const Index old_group = then.find_group(now.group(group).id); old_group != kNone)
        quota_of(partner, group)->store(before.quota_of(old_partner, old_group)->load());
  }
  carry_flows(before);
  ticked_ = before.ticked_;
  now_ = before.now_;
  sum_up();
}

Live::~Live() = default;

// The newer one. What the node itself once said counts only while it is young: checks that say no more, or are no
// longer made, do not make it stale.
const Report* Live::Book::report(const Balancer& balancer, WallTime now) const {
  if (own && (!stored || own->seen_at > stored->seen_at) && !balancer.is_stale(*own, now)) return &*own;
  return stored ? &*stored : nullptr;
}

std::atomic<std::int64_t>* Live::quota_of(Index partner, Index group) const {
  return &quotas_[std::size_t{balancer_->limited_[partner]} * balancer_->topology().rows().groups.size() + group];
}

std::uint32_t Live::heard_of(std::uint64_t key) const {
  const std::size_t mask = heard_width_ - 1;
  const std::uint32_t one = heard_[key & mask].load(std::memory_order_relaxed);
  const std::uint32_t other = heard_[heard_width_ + (key >> 32 & mask)].load(std::memory_order_relaxed);
  return std::min(one, other) / kHeard;
}

void Live::redirected(const Choice& choice, Index partner, std::uint64_t key) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  nodes_[choice.node].redirects.fetch_add(1, kRelaxed);
  nodes_[choice.node].faded.fetch_add(kOne, kRelaxed);
  groups_[choice.group].redirects.fetch_add(1, kRelaxed);
  if (choice.spill != 0) spills_[choice.spill].fetch_add(1, kRelaxed);
  if (partner != kNone && balancer_->limited_[partner] != kNone)
    quota_of(partner, choice.group)->fetch_add(kOne, kRelaxed);
  if (balancer_->settings().balance_factor == 0) return;
  const std::size_t mask = heard_width_ - 1;
  hear(heard_[key & mask]);
  hear(heard_[heard_width_ + (key >> 32 & mask)]);
}

// To half of what there is room for: that is popular enough.
void Live::hear(std::atomic<std::uint32_t>& count) {
  if (count.load(std::memory_order_relaxed) < UINT32_MAX / 2) count.fetch_add(kHeard, std::memory_order_relaxed);
}

void Live::reported(const std::vector<Report>& reports) {
  const place::Topology& topology = balancer_->topology();
  const std::lock_guard lock(mutex_);
  for (Book& book : books_) book.stored.reset();
  for (const Report& report : reports)
    if (const Index node = topology.find_node(report.id); node != kNone) books_[node].stored = report;
}

bool Live::checked(Index node, bool passed, const std::optional<Report>& report) {
  const std::lock_guard lock(mutex_);
  Book& book = books_[node];
  if (report) book.own = report;
  book.run = passed == book.passes ? 0 : book.run + 1;
  const Settings& settings = balancer_->settings();
  if (book.run < (passed ? settings.rise : settings.fall)) return false;
  book.passes = passed;
  book.run = 0;
  return true;
}

void Live::not_checked(Index node) {
  const std::lock_guard lock(mutex_);
  Book& book = books_[node];
  book.own.reset();
  book.passes = true;
  book.run = 0;
}

// Nothing: they are not known.
std::optional<std::int64_t> Live::sessions_of(Index node, const Report& report) const {
  constexpr std::int64_t kMost = std::int64_t{1} << 48;  // so that sums stay whole
  if (report.sessions) return std::clamp(*report.sessions, std::int64_t{0}, kMost);
  const std::optional<std::int64_t>& capacity = balancer_->topology().node(node).capacity;
  if (!report.load || !capacity) return std::nullopt;
  const double sessions = *report.load * static_cast<double>(*capacity);
  return sessions > 0 ? std::llround(std::min(sessions, static_cast<double>(kMost))) : 0;
}

// Between two looks it is taken to have grown evenly.
std::int64_t Live::redirects_by(Index node, WallTime then) const {
  const auto after = std::find_if(past_.begin(), past_.end(), [&](const Past& past) { return past.at > then; });
  if (past_.empty() || (after == past_.begin() && after != past_.end()))
    return past_.empty() ? 0 : after->redirects[node];
  const Past& low = *std::prev(after);
  if (after == past_.end() || after->at == low.at) return low.redirects[node];
  const double part = duration<double>(then - low.at) / duration<double>(after->at - low.at);
  return low.redirects[node] + std::llround(part * static_cast<double>(after->redirects[node] - low.redirects[node]));
}

std::vector<StateChange> Live::tick(WallTime now, MonotonicTime monotonic) {
  const place::Topology& topology = balancer_->topology();
  std::vector<StateChange> changes;
  const std::lock_guard lock(mutex_);
  now_ = now;
  fade(monotonic);
  remember(now);
  remember_flows(monotonic);
  for (Index group = 0; group < topology.rows().groups.size(); ++group) {
    bool any = false, all_old = true;
    for (const Index node : topology.nodes_of(group)) {
      const Report* const report = books_[node].report(*balancer_, now);
      if (report == nullptr || topology.node(node).admin != place::Admin::online) continue;
      any = true;
      all_old = all_old && balancer_->is_stale(*report, now);
    }
    for (const Index node : topology.nodes_of(group)) judge(node, now, monotonic, any && all_old, changes);
  }
  sum_up();
  return changes;
}

void Live::fade(MonotonicTime monotonic) {
  if (ticked_ && monotonic > *ticked_) {
    const double left = faded(monotonic - *ticked_, balancer_->settings().credit_half_life);
    const auto fade_one = [left](auto& count) {
      const auto was = count.load(std::memory_order_relaxed);
      using Count = decltype(was);
      if (was > 0)
        count.fetch_sub(was - static_cast<Count>(static_cast<double>(was) * left), std::memory_order_relaxed);
    };
    const place::Rows& rows = balancer_->topology().rows();
    for (std::size_t i = 0; i < rows.nodes.size(); ++i) fade_one(nodes_[i].faded);
    for (Index partner = 0; partner < rows.partners.size(); ++partner)
      if (balancer_->limited_[partner] != kNone)
        for (Index group = 0; group < rows.groups.size(); ++group) fade_one(*quota_of(partner, group));
    for (std::size_t i = 0; i < kRows * heard_width_; ++i) fade_one(heard_[i]);
  }
  ticked_ = std::max(monotonic, ticked_.value_or(monotonic));
}

// Who is up, and why not.
void Live::judge(Index node, WallTime now, MonotonicTime monotonic, bool reports_failed,
                 std::vector<StateChange>& changes) {
  const place::Node& row = balancer_->topology().node(node);
  Book& book = books_[node];
  Node& live = nodes_[node];
  const Report* const report = book.report(*balancer_, now);
  const bool is_old = report != nullptr && balancer_->is_stale(*report, now);

  State state = State::up;
  Because because = report == nullptr ? Because::nothing : Because::report;
  if (!book.passes) {
    state = State::unhealthy, because = Because::check;
  } else if (is_old) {
    state = State::stale;
  } else if (report != nullptr && !report->online) {
    state = State::unhealthy;
  }
  const bool unknown = state == State::stale && reports_failed;
  const bool down = state != State::up && !unknown;

  // Damping delays only the way up.
  if (unknown && !book.damped) {
    book.down = false;  // that is no return
  } else if (down) {
    if (!book.down && book.returned && monotonic - *book.returned < kDamping) book.damped = true;
    book.down = true;
    book.good_since.reset();
  } else if (book.down) {
    if (!book.good_since) book.good_since = monotonic;
    if (book.damped && monotonic - *book.good_since < kDamping) {
      state = live.health.load(std::memory_order_relaxed), because = Because::damping;
    } else {
      book.down = book.damped = false;
      book.returned = monotonic;
    }
  }
  ramp(node, monotonic);

  live.health.store(state, std::memory_order_relaxed);
  live.row.store(report == nullptr ? Row::none : is_old ? Row::old : Row::young, std::memory_order_relaxed);
  const bool known = report != nullptr && !is_old;
  const std::optional<std::int64_t> sessions = known ? sessions_of(node, *report) : std::nullopt;
  live.full.store(known && report->load && *report->load >= 1, std::memory_order_relaxed);
  book.sessions = sessions.value_or(0);
  live.offset.store(sessions ? *sessions - redirects_by(node, report->seen_at) : kUnknown, std::memory_order_relaxed);

  if (row.admin != place::Admin::online) {
    state = row.admin == place::Admin::drain ? State::drain : State::offline;
    because = Because::admin;
  }
  if (state != book.state) {
    changes.push_back({node, book.state, state, state == State::up ? book.because : because});
    book.since = now;
    ++book.became[static_cast<std::size_t>(state)];
  }
  book.state = state;
  book.because = because;
}

// From nothing to all cameras, since its return.
void Live::ramp(Index node, MonotonicTime monotonic) {
  const Book& book = books_[node];
  const seconds whole = balancer_->settings().slow_start;
  double part = 1;
  if (book.returned && whole.count() > 0)
    part = std::min(1.0, duration<double>(monotonic - *book.returned) / duration<double>(whole));
  nodes_[node].ramp.store(static_cast<std::uint16_t>(part * kRampEnd), std::memory_order_relaxed);
}

void Live::sum_up() {
  for (std::size_t i = 0; i < balancer_->tables_.size(); ++i) sum_up(balancer_->tables_[i], sums_[i]);
}

void Live::sum_up(const Table& table, Sums& sums) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  struct Part {
    double healthy = 0, weight = 0;
    std::int64_t under_way = 0;
    void operator+=(const Part& other) {
      healthy += other.healthy, weight += other.weight, under_way += other.under_way;
    }
    void store(Sum& sum) const {
      sum.healthy.store(healthy, kRelaxed);
      sum.weight.store(weight, kRelaxed);
      sum.under_way.store(under_way, kRelaxed);
    }
  };
  struct Parts {
    Part up, stale;
    bool young = false, old = false;
  };
  Parts all;
  std::vector<Parts> realms(table.realms.size());
  const std::int64_t redirects = groups_[table.group].redirects.load(kRelaxed);
  for (std::size_t i = 0; i < table.candidates.size(); ++i) {
    const Candidate& candidate = table.candidates[i];
    const Node& node = nodes_[candidate.node];
    if (!node.online) continue;
    Parts& parts = realms.empty() ? all : realms[table.realm_of[i]];
    const Row row = node.row.load(kRelaxed);
    parts.young = parts.young || row == Row::young;
    parts.old = parts.old || row == Row::old;
    const State health = node.health.load(kRelaxed);
    if (health != State::up && health != State::stale) continue;
    Part part{candidate.weight};
    if (!node.is_full()) {
      part.weight = candidate.weight * node.ramp.load(kRelaxed) / kRampEnd;
      part.under_way = node.under_way();
    }
    (health == State::up ? parts.up : parts.stale) += part;
  }
  for (std::size_t i = 0; i < realms.size(); ++i) {
    Realm& realm = realms_[table.first_realm + i];
    realms[i].up.store(realm.up);
    realms[i].stale.store(realm.stale);
    realm.young.store(realms[i].young, kRelaxed);
    realm.old.store(realms[i].old, kRelaxed);
    all.up += realms[i].up;
    all.stale += realms[i].stale;
    all.young = all.young || realms[i].young;
    all.old = all.old || realms[i].old;
  }
  const bool failed = all.old && !all.young;
  if (failed) all.up += all.stale;
  all.up.store(sums.all);
  sums.redirects_by.store(redirects, kRelaxed);
  sums.panic.store(is_panic(all.up.healthy, table.weight, balancer_->settings()), kRelaxed);
  sums.reports_failed.store(failed, kRelaxed);
}

bool Live::is_panic(double healthy, double all, const Settings& settings) {
  return healthy * 100 < settings.panic_percent * all;
}

void Live::remember(WallTime now) {
  const WallTime::duration reach = balancer_->settings().report_max_age + seconds(1);
  if (!past_.empty() && now < past_.back().at) past_.clear();  // the clock was put back
  while (past_.size() > 1 && now - past_[1].at >= reach) past_.pop_front();
  // as often as kPastMax of them reach back far enough
  if (past_.size() > 1 && now - past_[past_.size() - 2].at < reach / kPastMax) past_.pop_back();
  Past past{now, std::vector<std::int64_t>(books_.size())};
  for (std::size_t i = 0; i < books_.size(); ++i) past.redirects[i] = nodes_[i].redirects.load();
  past_.push_back(std::move(past));
}

NodeStatus Live::status(Index node) const {
  const std::lock_guard lock(mutex_);
  const Book& book = books_[node];
  NodeStatus status{book.state, book.because, book.since, {}, under_way(node), 0, book.became};
  status.credits = status.under_way - book.sessions;
  const Report* const report = book.report(*balancer_, now_.value_or(WallTime{}));
  const std::optional<std::int64_t>& capacity = balancer_->topology().node(node).capacity;
  if (report != nullptr) {
    if (report->load)
      status.load = report->load;
    else if (report->sessions && capacity && *capacity > 0)
      status.load = static_cast<double>(*report->sessions) / static_cast<double>(*capacity);
  }
  return status;
}

bool Live::anyone_eligible() const {
  const bool health_may_be_ignored = balancer_->settings().panic_percent > 0;
  for (std::size_t i = 0; i < balancer_->tables_.size(); ++i)
    if (sums_[i].all.healthy.load() > 0 || (health_may_be_ignored && balancer_->tables_[i].weight > 0)) return true;
  return false;
}

std::optional<Report> Live::report_of(Index node) const {
  const std::lock_guard lock(mutex_);
  const Report* const report = books_[node].report(*balancer_, now_.value_or(WallTime{}));
  return report == nullptr ? std::nullopt : std::optional(*report);
}

}  // namespace geo::balance

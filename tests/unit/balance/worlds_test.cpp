// Random small worlds against an oracle that is written from the contract alone: who may serve, and why the others may
// not. GEO_LONG=1 tries a million of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "world.h"

namespace geo::balance {
namespace {

using Dice = std::mt19937_64;

struct Event {
  std::string node, partner;
  int times;
};
struct Ask {
  std::string partner, group, pattern, client_country;
  std::optional<Format> format;
  std::optional<place::Coordinates> client;
  std::uint64_t key, dice;
  std::vector<std::string> exclude;
};
// All that a world is made of.
struct Facts {
  place::Rows rows;
  Settings settings;
  std::vector<Report> stored;
  std::map<std::string, Report> bodies;  // of checks' answers
  std::set<std::string> failing;         // their checks
  std::vector<Event> redirects;
  std::vector<Ask> asks;
};

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : dice_(seed) {}

  Facts make() {
    Facts facts;
    const std::size_t groups = 1 + roll(4), patterns = 1 + roll(3), partners = 1 + roll(3);
    for (std::size_t i = 0; i < patterns; ++i) {
      place::Pattern& row = facts.rows.patterns.emplace_back();
      row.id = i == 0 ? "streaming" : "p" + std::to_string(i);
      if (one_in(3)) row.policy = policy();
    }
    for (std::size_t i = 0; i < partners; ++i) {
      place::Partner& row = facts.rows.partners.emplace_back();
      row.id = i == 0 ? "default" : "a" + std::to_string(i);
      if (one_in(4)) row.policy = policy();
      if (one_in(2)) row.max_share = static_cast<double>(roll(10)) / 10;
    }
    for (std::size_t i = 0; i < groups; ++i) {
      place::Group& row = facts.rows.groups.emplace_back(group("g" + std::to_string(i)));
      if (one_in(2)) row.country = country();
      if (one_in(2)) row.coordinates = coordinates();
      if (one_in(5)) row.forbid = forbid();
    }
    for (std::size_t i = 0; i < groups; ++i) facts.rows.groups[i].fallback = others("g", groups, i);
    for (std::size_t i = 0; i < patterns; ++i)
      for (const std::string& id : others("p", patterns, i))
        facts.rows.patterns[i].fallback.push_back(id == "p0" ? "streaming" : id);
    const std::size_t nodes = one_in(20) ? 40 + roll(20) : 1 + roll(9);
    for (std::size_t i = 0; i < nodes; ++i) add_node(facts, "n" + std::to_string(i), groups, patterns, partners);

    Settings& settings = facts.settings;
    settings.policy = static_cast<Policy>(roll(4));
    settings.balance_factor = one_in(2) ? 0 : 1.25;
    settings.panic_percent = one_in(3) ? 0 : one_in(2) ? 50 : 100;
    settings.rise = settings.fall = 1;
    settings.allow_plain = one_in(2);
    for (unsigned i = static_cast<unsigned>(roll(4)); i > 0; --i)
      facts.redirects.push_back({"n" + std::to_string(roll(nodes)), partner(partners), static_cast<int>(1 + roll(12))});
    for (int i = 0; i < 3; ++i) add_ask(facts, groups, patterns, partners, nodes);
    return facts;
  }

  void shuffle(place::Rows& rows) {
    std::shuffle(rows.patterns.begin(), rows.patterns.end(), dice_);
    std::shuffle(rows.partners.begin(), rows.partners.end(), dice_);
    std::shuffle(rows.groups.begin(), rows.groups.end(), dice_);
    std::shuffle(rows.nodes.begin(), rows.nodes.end(), dice_);
  }

 private:
  std::uint64_t roll(std::uint64_t sides) { return dice_() % sides; }
  bool one_in(std::uint64_t n) { return roll(n) == 0; }
  std::string country() { return std::vector<std::string>{"RU", "US", "DE"}[roll(3)]; }
  std::string policy() { return std::string(kPolicyNames[roll(4)]); }
  std::string partner(std::size_t partners) {
    const std::size_t i = roll(partners);
    return i == 0 ? "default" : "a" + std::to_string(i);
  }
  std::string pattern(std::size_t patterns) {
    const std::size_t i = roll(patterns);
    return i == 0 ? "streaming" : "p" + std::to_string(i);
  }
  place::Coordinates coordinates() {
    return {static_cast<double>(roll(5)) * 30 - 60, static_cast<double>(roll(10)) * 36 - 180};
  }
  std::vector<place::Forbid> forbid() { return {{one_in(3) ? "*" : country(), one_in(3) ? "*" : country()}}; }
  // Some of the others, in any order.
  std::vector<std::string> others(const std::string& prefix, std::size_t count, std::size_t self) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < count; ++i)
      if (i != self && !one_in(3)) out.push_back(prefix + std::to_string(i));
    std::shuffle(out.begin(), out.end(), dice_);
    return out;
  }
  Report report(const std::string& id) {
    Report report{id, kNow - seconds(static_cast<int>(roll(24)) - 3), !one_in(4), {}, {}};
    if (one_in(2)) report.sessions = static_cast<std::int64_t>(roll(30));
    if (one_in(3)) report.load = static_cast<double>(roll(12)) / 10;
    return report;
  }

  void add_node(Facts& facts, const std::string& id, std::size_t groups, std::size_t patterns, std::size_t partners) {
    place::Node row = node(id, "g" + std::to_string(roll(groups)), one_in(8) ? 0 : static_cast<double>(1 + roll(9)));
    if (one_in(6)) row.admin = one_in(2) ? place::Admin::drain : place::Admin::offline;
    if (one_in(5)) row.partners = {partner(partners)};
    if (one_in(4)) row.patterns = {pattern(patterns), pattern(patterns)};
    if (one_in(5)) row.formats = {std::string(kFormatNames[roll(3)]), std::string(kFormatNames[roll(3)])};
    if (one_in(8)) row.ports = {0, 0, 80, static_cast<std::uint16_t>(one_in(2) ? 80 : 0)};
    if (one_in(2)) row.country = country();
    if (one_in(2)) row.coordinates = coordinates();
    if (one_in(8)) row.forbid = forbid();
    if (one_in(2)) row.capacity = static_cast<std::int64_t>(roll(40));
    if (one_in(2)) facts.stored.push_back(report(id));
    if (one_in(6)) facts.bodies[id] = report(id);
    if (one_in(6)) facts.failing.insert(id);
    facts.rows.nodes.push_back(std::move(row));
  }

  void add_ask(Facts& facts, std::size_t groups, std::size_t patterns, std::size_t partners, std::size_t nodes) {
    Ask ask{partner(partners),
            "g" + std::to_string(roll(groups)),
            pattern(patterns),
            one_in(3) ? "" : country(),
            {},
            {},
            dice_(),
            dice_(),
            {}};
    if (!one_in(4)) ask.format = static_cast<Format>(roll(3));
    if (one_in(2)) ask.client = coordinates();
    if (one_in(3))
      for (unsigned i = 0; i < 1 + roll(4); ++i) ask.exclude.push_back("n" + std::to_string(roll(nodes)));
    facts.asks.push_back(std::move(ask));
  }

  Dice dice_;
};

// ---- the oracle: section 3 of the contract, one sentence a function ----

class Oracle {
 public:
  explicit Oracle(const Facts& facts) : facts_(facts) {}

  struct Answer {
    std::string group, pattern;   // empty: no node
    std::set<std::string> nodes;  // any of them
    bool exclude_ignored = false, any_health = false;
    std::map<std::string, Refused> refused;  // none: it may serve
  };

  Answer answer(const Ask& ask) const {
    Answer out;
    walk(ask, true, out);
    if (out.nodes.empty() && !ask.exclude.empty()) {
      walk(ask, false, out);
      out.exclude_ignored = !out.nodes.empty();
    }
    return out;
  }

  bool breaks_hard_rule(const Ask& ask, const std::string& pattern, const std::string& id) const {
    const place::Node& node = node_of(id);
    return node.admin != place::Admin::online || !serves(node.partners, ask.partner) ||
           !serves(node.patterns, pattern) || !has_format(node, ask.format) || forbidden(ask, node);
  }

 private:
  template <class Row>
  static const Row& row_of(const std::vector<Row>& rows, const std::string& id) {
    return *std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.id == id; });
  }
  const place::Node& node_of(const std::string& id) const { return row_of(facts_.rows.nodes, id); }
  const place::Group& group_of(const std::string& id) const { return row_of(facts_.rows.groups, id); }

  static bool serves(const std::vector<std::string>& those, const std::string& one) {
    return those.empty() || std::find(those.begin(), those.end(), one) != those.end();
  }
  bool has_format(const place::Node& node, std::optional<Format> format) const {
    const auto offers = [&](Format each) {
      if (!serves(node.formats, std::string(name_of(each)))) return false;
      const bool socket = each == Format::ws_fmp4;
      if (node.ports.https != 0 || node.ports.wss != 0) return (socket ? node.ports.wss : node.ports.https) != 0;
      return facts_.settings.allow_plain && (socket ? node.ports.ws : node.ports.http) != 0;
    };
    if (format) return offers(*format);
    return offers(Format::flv) || offers(Format::hls) || offers(Format::ws_fmp4);
  }
  bool forbidden(const Ask& ask, const place::Node& node) const {
    const place::Group& group = group_of(node.group);
    const std::string& country = node.country.empty() ? group.country : node.country;
    for (const auto* rules : {&node.forbid, &group.forbid, &group_of(ask.group).forbid})
      for (const place::Forbid& rule : *rules) {
        const bool client = rule.client == "*" || (!ask.client_country.empty() && rule.client == ask.client_country);
        const bool there = rule.node == "*" || (!country.empty() && rule.node == country);
        if (client && there) return true;
      }
    return false;
  }

  static bool is_old(const Report& report) {
    return report.seen_at < kNow - seconds(15) || report.seen_at > kNow + seconds(15);
  }
  // Of the store's and a check's body the newer one; a body is no row that grows old.
  std::optional<Report> report_of(const std::string& id) const {
    std::optional<Report> out;
    for (const Report& each : facts_.stored)
      if (each.id == id) out = each;
    const auto body = facts_.bodies.find(id);
    if (body != facts_.bodies.end() && !is_old(body->second) && (!out || body->second.seen_at > out->seen_at))
      out = body->second;
    return out;
  }
  int redirects_to(const std::string& id) const {
    int out = 0;
    for (const Event& each : facts_.redirects) out += each.node == id ? each.times : 0;
    return out;
  }
  bool is_full(const place::Node& node) const {
    const auto report = report_of(node.id);
    if (!report || is_old(*report)) return false;
    if (report->load && *report->load >= 1) return true;
    if (!node.capacity) return false;
    std::optional<double> sessions;
    if (report->load) sessions = std::round(*report->load * static_cast<double>(*node.capacity));
    if (report->sessions) sessions = static_cast<double>(*report->sessions);
    return sessions && *sessions + redirects_to(node.id) >= static_cast<double>(*node.capacity);
  }
  bool over_quota(const Ask& ask, const std::string& group) const {
    const double max_share = row_of(facts_.rows.partners, ask.partner).max_share;
    double capacity = 0;
    for (const place::Node& node : facts_.rows.nodes)
      if (node.group == group) capacity += static_cast<double>(node.capacity.value_or(0));
    if (max_share >= 1 || capacity == 0) return false;
    int sent = 0;
    for (const Event& each : facts_.redirects)
      if (each.partner == ask.partner && node_of(each.node).group == group) sent += each.times;
    return sent >= max_share * capacity;
  }

  std::vector<const place::Node*> admissible(const Ask& ask, const std::string& group,
                                             const std::string& pattern) const {
    std::vector<const place::Node*> out;
    for (const place::Node& node : facts_.rows.nodes)
      if (node.group == group && node.weight > 0 && !breaks_hard_rule(ask, pattern, node.id)) out.push_back(&node);
    return out;
  }
  bool reports_failed(const Ask& ask, const std::string& group, const std::string& pattern) const {
    bool any = false;
    for (const place::Node* node : admissible(ask, group, pattern))
      if (const auto report = report_of(node->id)) {
        if (!is_old(*report)) return false;
        any = true;
      }
    return any;
  }
  Refused by_health(const place::Node& node, bool failed) const {
    if (facts_.failing.count(node.id) > 0) return Refused::unhealthy;
    const auto report = report_of(node.id);
    if (!report) return Refused::none;
    if (is_old(*report)) return failed ? Refused::none : Refused::stale;
    return report->online ? Refused::none : Refused::unhealthy;
  }
  bool in_panic(const Ask& ask, const std::string& group, const std::string& pattern) const {
    double all = 0, healthy = 0;
    const bool failed = reports_failed(ask, group, pattern);
    for (const place::Node* node : admissible(ask, group, pattern)) {
      all += node->weight;
      if (by_health(*node, failed) == Refused::none) healthy += node->weight;
    }
    return healthy < facts_.settings.panic_percent / 100 * all;
  }

  Refused refused(const Ask& ask, const place::Node& node, const std::string& pattern, bool any_health,
                  bool honour_exclude) const {
    if (node.admin == place::Admin::drain) return Refused::drained;
    if (node.admin == place::Admin::offline) return Refused::offline;
    if (!any_health)
      if (const Refused by = by_health(node, reports_failed(ask, node.group, pattern)); by != Refused::none) return by;
    if (is_full(node)) return Refused::full;
    if (over_quota(ask, node.group)) return Refused::quota;
    if (forbidden(ask, node)) return Refused::forbidden;
    if (!serves(node.partners, ask.partner)) return Refused::partner;
    if (!serves(node.patterns, pattern)) return Refused::pattern;
    if (!has_format(node, ask.format)) return Refused::format;
    if (honour_exclude && !ask.exclude.empty() && serves(ask.exclude, node.id)) return Refused::excluded;
    if (node.weight <= 0) return Refused::weight;
    return Refused::none;
  }

  // For each pattern in turn all groups in turn; a group in panic after those that are not, and where there is none of
  // these, the first one whatever its health.
  void walk(const Ask& ask, bool honour_exclude, Answer& out) const {
    std::vector<std::string> patterns{ask.pattern}, groups{ask.group};
    for (const std::string& id : row_of(facts_.rows.patterns, ask.pattern).fallback) patterns.push_back(id);
    for (const std::string& id : group_of(ask.group).fallback) groups.push_back(id);
    for (const std::string& pattern : patterns) {
      const auto is_calm = [&](const std::string& group) {
        return !this->in_panic(ask, group, pattern) && !admissible(ask, group, pattern).empty();
      };
      const bool any_calm = std::any_of(groups.begin(), groups.end(), is_calm);
      const auto first_in_panic = std::find_if(
          groups.begin(), groups.end(), [&](const std::string& group) { return this->in_panic(ask, group, pattern); });
      for (const bool in_panic : {false, true})
        for (const std::string& group : groups) {
          const bool panics = this->in_panic(ask, group, pattern);
          if (in_panic && !panics) continue;
          const bool any_health = in_panic && !any_calm && group == *first_in_panic;
          std::set<std::string> nodes;
          for (const place::Node& node : facts_.rows.nodes) {
            if (node.group != group) continue;
            out.refused[node.id] = refused(ask, node, pattern, any_health, honour_exclude);
            if (out.refused[node.id] == Refused::none) nodes.insert(node.id);
          }
          if (nodes.empty() || panics != in_panic) continue;
          out.group = group, out.pattern = pattern;
          out.nodes = std::move(nodes);
          out.any_health = any_health;
          return;
        }
    }
  }

  const Facts& facts_;
};

// ---- the worlds ----

struct Built {
  explicit Built(const Facts& facts, place::Rows rows) : world(std::move(rows), facts.settings, facts.stored) {
    for (const std::string& id : facts.failing) world.check(id, false);
    for (const auto& [id, body] : facts.bodies) world.check(id, facts.failing.count(id) == 0, body);
    world.tick();
    for (const Event& each : facts.redirects) world.redirect(each.node, each.times, each.partner);
  }
  Query query(const Ask& ask, const std::vector<std::string_view>& exclude) const {
    Query q;
    q.partner = world.topology->find_partner(ask.partner);
    q.group = world.topology->find_group(ask.group);
    q.pattern = world.topology->find_pattern(ask.pattern);
    q.format = ask.format;
    q.client_country = ask.client_country;
    q.client = ask.client;
    q.key = ask.key;
    q.dice = ask.dice;
    q.exclude = exclude;
    return q;
  }
  World world;
};

void expect_as_told(const Facts& facts, const Built& built, const Ask& ask) {
  const Oracle oracle(facts);
  const Oracle::Answer expected = oracle.answer(ask);
  const place::Topology& topology = *built.world.topology;
  const std::vector<std::string_view> exclude(ask.exclude.begin(), ask.exclude.end());
  const Query q = built.query(ask, exclude);
  Account account;
  const auto choice = built.world.balancer.select(q, built.world.live, &account);
  ASSERT_EQ(choice.has_value(), !expected.nodes.empty());
  const std::string chosen = choice ? topology.node(choice->node).id : "";
  if (choice) {
    ASSERT_EQ(expected.nodes.count(chosen), 1U) << chosen;
    ASSERT_EQ(topology.group(choice->group).id, expected.group);
    ASSERT_EQ(topology.pattern(choice->pattern).id, expected.pattern);
    ASSERT_EQ(choice->exclude_ignored, expected.exclude_ignored);
    ASSERT_FALSE(oracle.breaks_hard_rule(ask, expected.pattern, chosen));
    const auto quick = built.world.balancer.select(q, built.world.live);
    ASSERT_EQ(quick->node, choice->node);
    Choice next[2];
    const std::size_t found = built.world.balancer.alternates(q, built.world.live, *choice, next);
    ASSERT_TRUE(found < 2 || next[0].node != next[1].node);
    for (std::size_t i = 0; i < found; ++i) {
      ASSERT_NE(next[i].node, choice->node);
      ASSERT_FALSE(oracle.breaks_hard_rule(ask, topology.pattern(next[i].pattern).id, topology.node(next[i].node).id));
    }
    ASSERT_GE(found, std::min<std::size_t>(2, expected.nodes.size() - 1));
  }
  ASSERT_EQ(account.verdicts.size(), expected.refused.size());
  std::set<std::string> seen;
  for (const Verdict& verdict : account.verdicts) {
    const std::string& id = topology.node(verdict.node).id;
    ASSERT_TRUE(seen.insert(id).second) << id << " twice";
    ASSERT_EQ(topology.group(verdict.group).id, topology.node(verdict.node).group);
    const auto told = expected.refused.find(id);
    ASSERT_NE(told, expected.refused.end()) << id;
    if (told->second != Refused::none) {
      ASSERT_EQ(verdict.refused, told->second) << id << " " << name_of(verdict.refused);
    } else if (id == chosen) {
      ASSERT_EQ(verdict.refused, Refused::none);
    } else if (verdict.refused != Refused::not_first) {
      ASSERT_EQ(verdict.refused, Refused::overloaded) << id;
      ASSERT_GT(facts.settings.balance_factor, 0);
      ASSERT_FALSE(expected.any_health && topology.node(verdict.node).group == expected.group) << id;
      ASSERT_GE(built.world.live.under_way(verdict.node), 4);
    }
  }
}

std::string answer_of(const Built& built, const Ask& ask) {
  const std::vector<std::string_view> exclude(ask.exclude.begin(), ask.exclude.end());
  const Query q = built.query(ask, exclude);
  const place::Topology& topology = *built.world.topology;
  const auto choice = built.world.balancer.select(q, built.world.live);
  if (!choice) return "-";
  std::string out = topology.node(choice->node).id;
  Choice next[2];
  const std::size_t found = built.world.balancer.alternates(q, built.world.live, *choice, next);
  for (std::size_t i = 0; i < found; ++i) out += " " + topology.node(next[i].node).id;
  return out;
}

// In ten parts, so that each is done soon.
class Worlds : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Part, Worlds, testing::Range(std::uint64_t{0}, std::uint64_t{10}));

TEST_P(Worlds, AnswerAsTheContractSaysAndTheSameWhateverTheOrderOfRows) {
  const bool is_long = std::getenv("GEO_LONG") != nullptr && *std::getenv("GEO_LONG") != '\0';
  const std::uint64_t worlds = is_long ? 100000 : 2000;
  int served = 0, refused = 0;
  for (std::uint64_t seed = GetParam() * worlds; seed < (GetParam() + 1) * worlds; ++seed) {
    SCOPED_TRACE("world " + std::to_string(seed));
    Maker maker(seed);
    const Facts facts = maker.make();
    const Built one(facts, facts.rows);
    place::Rows shuffled = facts.rows;
    maker.shuffle(shuffled);
    const Built other(facts, shuffled);
    for (const Ask& ask : facts.asks) {
      expect_as_told(facts, one, ask);
      if (testing::Test::HasFatalFailure()) return;
      const std::string answer = answer_of(one, ask);
      ASSERT_EQ(answer, answer_of(other, ask));
      ++(answer == "-" ? refused : served);
    }
  }
  // of both there are many: the worlds are neither all alike nor all hopeless
  EXPECT_GT(served, static_cast<int>(worlds));
  EXPECT_GT(refused, static_cast<int>(worlds) / 10);
}

}  // namespace
}  // namespace geo::balance

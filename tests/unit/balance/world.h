// A balancer over rows, asked by names; time stands where it is put.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "geo/balance.h"
#include "scene.h"

namespace geo::balance {

using scene::group;
using scene::kNow;
using scene::node;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Reasons = std::map<std::string, std::string>;

struct World {
  explicit World(place::Rows rows, Settings settings = {}, std::vector<Report> heard = {})
      : topology(std::make_shared<place::Topology>(std::move(rows))),
        shared(std::make_shared<const Balancer>(topology, settings)),
        balancer(*shared),
        live(shared) {
    for (const Report& each : heard) reports[each.id] = each;
    live.reported(heard);
    tick();
  }
  // The world goes on with another topology.
  World(place::Rows rows, const World& before)
      : topology(std::make_shared<place::Topology>(std::move(rows))),
        shared(std::make_shared<const Balancer>(topology, before.balancer.settings())),
        balancer(*shared),
        live(shared, before.live),
        now(before.now),
        reports(before.reports) {}

  // ---- time, and what is heard ----

  std::vector<StateChange> tick(WallTime::duration later = {}) {
    now += later;
    return live.tick(kNow + now, MonotonicTime{} + now);
  }
  // "n0 up > stale (report)" for each change
  std::vector<std::string> tick_told(WallTime::duration later = {}) {
    std::vector<std::string> told;
    for (const StateChange& change : tick(later))
      told.push_back(topology->node(change.node).id + " " + std::string(name_of(change.from)) + " > " +
                     std::string(name_of(change.to)) + " (" + std::string(name_of(change.because)) + ")");
    return told;
  }
  // A report made now; the other nodes' stay as they are.
  void report(const std::string& id, std::optional<std::int64_t> sessions = {}, std::optional<double> load = {},
              bool online = true) {
    report_at(id, now, sessions, load, online);
  }
  void report_at(const std::string& id, WallTime::duration at, std::optional<std::int64_t> sessions = {},
                 std::optional<double> load = {}, bool online = true) {
    reports[id] = Report{id, kNow + at, online, sessions, load};
    std::vector<Report> all;
    for (const auto& [each, report] : reports) all.push_back(report);
    live.reported(all);
  }
  void check(std::string_view id, bool passed, std::optional<Report> body = {}) {
    live.checked(index(id), passed, body);
  }
  void redirect(std::string_view id, int times = 1, std::string_view partner = "default") {
    const Index to = index(id);
    for (int i = 0; i < times; ++i)
      live.redirected({to, topology->group_of_node(to), topology->find_pattern("streaming"), false},
                      topology->find_partner(partner), static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15ULL);
  }

  // ---- what is asked ----

  Index index(std::string_view id) const { return topology->find_node(id); }
  std::int64_t under_way(std::string_view id) const { return live.under_way(index(id)); }
  State state(std::string_view id) const { return live.status(index(id)).state; }

  Query query(std::string_view group, std::string_view camera = "0") const {
    Query q;
    q.partner = topology->find_partner("default");
    q.group = topology->find_group(group);
    q.pattern = topology->find_pattern("streaming");
    q.format = Format::flv;
    q.key = camera_key("100-abcdef", camera);
    return q;
  }
  std::string ask(const Query& q, Account* account = nullptr) const {
    const auto choice = balancer.select(q, live, account);
    return choice ? topology->node(choice->node).id : "-";
  }
  // node=reason for every node that was looked at
  Reasons reasons(const Query& q) const {
    Account account;
    ask(q, &account);
    Reasons out;
    for (const Verdict& v : account.verdicts)
      out[topology->node(v.node).id] = v.refused == Refused::none ? "chosen" : name_of(v.refused);
    return out;
  }
  // The nodes of cameras 0, 1, 2 ..; `send`: they are redirected there.
  std::vector<Index> choices(int cameras, bool send = false) {
    Query q = query("g");
    std::vector<Index> out;
    for (int i = 0; i < cameras; ++i) {
      q.key = camera_key("100-abcdef", std::to_string(i));
      q.dice = q.key * 0x9e3779b97f4a7c15ULL;
      const auto choice = balancer.select(q, live);
      out.push_back(choice ? choice->node : kNone);
      if (send && choice) live.redirected(*choice, q.partner, q.key);
    }
    return out;
  }

  std::shared_ptr<const place::Topology> topology;
  std::shared_ptr<const Balancer> shared;
  const Balancer& balancer;
  Live live;
  WallTime::duration now{};
  std::map<std::string, Report> reports;
};

// Group "g" with nodes "n0", "n1" ..
inline place::Rows weighted(const std::vector<double>& weights) {
  place::Rows rows;
  rows.groups = {group("g")};
  for (std::size_t i = 0; i < weights.size(); ++i) rows.nodes.push_back(node("n" + std::to_string(i), "g", weights[i]));
  return rows;
}
inline place::Rows alike(std::size_t nodes) { return weighted(std::vector<double>(nodes, 100)); }

inline Settings unbound() {
  Settings settings;
  settings.balance_factor = 0;
  return settings;
}

}  // namespace geo::balance

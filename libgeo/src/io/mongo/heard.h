// What each server said last when it was looked at.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "geo/base/clock.h"
#include "geo/base/guarded.h"

namespace geo::io::mongo {

// By host: libmongoc's own error does not say whether a server refuses or is silent.
// Threads: any.
class Heard {
 public:
  struct Last {
    enum class Kind : std::uint8_t { answer, no, silence };
    Kind kind;
    std::string why = {};  // of a no
    MonotonicTime at = std::chrono::steady_clock::now();
  };

  void set(const std::string& host, Last last) {
    by_host_.with([&](auto& by_host) { by_host.insert_or_assign(host, std::move(last)); });
  }
  void forget(const std::string& host) {
    by_host_.with([&](auto& by_host) { by_host.erase(host); });
  }
  // Where one member of a set answers, it is known that there is no primary, however silent the others are.
  bool is_silent() {
    return by_host_.with([](const auto& by_host) {
      return !has(by_host, Last::Kind::answer) && (by_host.empty() || has(by_host, Last::Kind::silence));
    });
  }
  // Did all say no, and each after `since`?
  bool is_no(MonotonicTime since) {
    return by_host_.with([&](const auto& by_host) {
      return !by_host.empty() && std::all_of(by_host.begin(), by_host.end(), [&](const auto& each) {
        return each.second.kind == Last::Kind::no && each.second.at > since;
      });
    });
  }
  // Each once; empty: nobody said no.
  std::string why() {
    return by_host_.with([](const auto& by_host) {
      std::set<std::string_view> all;
      for (const auto& [host, last] : by_host)
        if (last.kind == Last::Kind::no) all.insert(last.why);
      if (has(by_host, Last::Kind::answer)) all.insert("who answers is not the primary");
      return fmt::format("{}", fmt::join(all, "; "));
    });
  }

 private:
  using ByHost = std::map<std::string, Last>;
  static bool has(const ByHost& by_host, Last::Kind kind) {
    return std::any_of(by_host.begin(), by_host.end(), [&](const auto& each) { return each.second.kind == kind; });
  }
  Guarded<ByHost> by_host_;
};

}  // namespace geo::io::mongo

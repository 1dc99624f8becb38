// Places, and the topology: who serves where. An immutable snapshot; place -> group is worked out when it is built.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "geo/base/export.h"
#include "geo/base/fault.h"
#include "geo/base/ip.h"
#include "geo/base/text.h"

namespace geo::place {

struct Coordinates {
  double latitude = 0;   // degrees, -90..90
  double longitude = 0;  // degrees, -180..180
  bool operator==(const Coordinates&) const = default;
};

// A place on a sphere of radius 1: whose chord is shorter is nearer, and no sine is worked out to know it.
struct UnitVector {
  UnitVector() = default;
  GEO_EXPORT explicit UnitVector(const Coordinates& at);
  double chord2(const UnitVector& to) const {
    const double x = axis[0] - to.axis[0], y = axis[1] - to.axis[1], z = axis[2] - to.axis[2];
    return x * x + y * y + z * z;
  }
  std::array<double, 3> axis{};
};

// Great-circle distance on a sphere of R = 6371 km.
GEO_EXPORT double distance_km(const Coordinates& a, const Coordinates& b);

// Where an address is. An empty text is unknown.
struct Location {
  std::string country_code;  // ISO 3166-1 alpha-2, "RU"
  std::string region_iso;    // the part of ISO 3166-2 after the country, "MOW"
  std::string region;        // "Moscow"
  std::string city;          // "Москва"
  std::optional<Coordinates> coordinates;

  bool empty() const {
    return country_code.empty() && region_iso.empty() && region.empty() && city.empty() && !coordinates;
  }
  bool operator==(const Location&) const = default;
};

// Appends the fields "country_code", "region_iso", "region", "city", "coordinates" to an open object.
GEO_EXPORT void append_fields(Json& json, const Location& location);

// Two of A-Z.
GEO_EXPORT bool is_country_code(std::string_view text);
// 1-3 of A-Z 0-9, as the part of an ISO 3166-2 code after the country: "MOW". Any other text is a region's name.
GEO_EXPORT bool is_region_iso(std::string_view text);
// "RU/MOW/Москва"; parts from the right may be missing, "RU//Москва" has no region. A region is an ISO code by its form
// or else a name, as in the rows of `networks`. Nothing: no place in that form.
GEO_EXPORT std::optional<Location> parse_place(std::string_view text);

// ---- the rows, as the store has them ----

// Of `forbid = ["RU>US"]`: a client in `client` never gets a node in `node`. "*": any country. On a node it binds that
// node; on a group its nodes, and whatever node a client of that group would get by its fallbacks.
struct Forbid {
  std::string client, node;
  bool operator==(const Forbid&) const = default;
};
// "RU>US"; nothing for any other form.
GEO_EXPORT std::optional<Forbid> parse_forbid(std::string_view text);

struct Pattern {
  std::string id;
  std::vector<std::string> fallback;
  std::string policy;  // empty: the partner's or [balance]'s
  bool operator==(const Pattern&) const = default;
};
struct Partner {
  std::string id;
  std::vector<std::string> hosts;
  std::string default_group;
  double max_share = 1.0;
  std::string policy;
  bool operator==(const Partner&) const = default;
};
struct Group {
  std::string id;
  std::optional<Coordinates> coordinates;
  std::string country;
  std::vector<std::string> fallback;
  std::vector<Forbid> forbid;
  bool operator==(const Group&) const = default;
};
struct Place {
  std::string country, region, city, group;  // region: ISO code or name
  bool operator==(const Place&) const = default;
};
struct Network {
  Cidr cidr;
  std::string group;  // may be empty where `location` says the place
  Location location;  // may be empty where `group` is given
  bool operator==(const Network&) const = default;
};

enum class Admin : std::uint8_t { online, drain, offline };
GEO_EXPORT std::string_view name_of(Admin admin);
GEO_EXPORT std::optional<Admin> admin_of(std::string_view name);

// Ports by scheme; 0: not offered. https and wss (http and ws) stand for each other where only one is given.
struct Ports {
  std::uint16_t https = 443, wss = 443, http = 0, ws = 0;
  bool operator==(const Ports&) const = default;
};

struct Node {
  std::string id, host, group, dc;
  double weight = 100;
  std::optional<std::int64_t> capacity;                  // streams; nothing: no limit
  std::vector<std::string> patterns, partners, formats;  // empty: all
  Admin admin = Admin::online;
  std::string country;                     // empty: its group's
  std::optional<Coordinates> coordinates;  // nothing: its group's
  std::vector<Forbid> forbid;
  std::string check;
  Ports ports;
  bool operator==(const Node&) const = default;
};
inline constexpr double kWeightMax = 1e6;

struct Rows {
  std::vector<Pattern> patterns;
  std::vector<Partner> partners;
  std::vector<Group> groups;
  std::vector<Place> places;
  std::vector<Network> networks;
  std::vector<Node> nodes;
  bool operator==(const Rows&) const = default;
};

// What contradicts itself across rows: duplicates, dangling references, overlapping claims. Rows whose id is empty
// could not be read; they are passed over here, their fault was told already.
GEO_EXPORT std::vector<RowFault> check(const Rows& rows);

// ---- the snapshot ----

using Index = std::uint32_t;  // of a row
inline constexpr Index kNone = UINT32_MAX;

// How a group was found.
enum class GroupedBy : std::uint8_t { network, city, region, country, nearest, partner_default, nowhere };
GEO_EXPORT std::string_view name_of(GroupedBy by);

struct Grouped {
  Index group = kNone;
  GroupedBy by = GroupedBy::nowhere;
};

// The built-in partner and pattern: they are there even where the store has no row for them.
inline constexpr std::string_view kDefaultPartner = "default";
inline constexpr std::string_view kStreaming = "streaming";

// Threads: immutable once built; any number read it.
class GEO_EXPORT Topology {
 public:
  // `rows` have passed check(). nearest: fall back on the group nearest by coordinates.
  explicit Topology(Rows rows, bool nearest = true);

  const Rows& rows() const { return rows_; }
  const Pattern& pattern(Index i) const { return rows_.patterns[i]; }
  const Partner& partner(Index i) const { return rows_.partners[i]; }
  const Group& group(Index i) const { return rows_.groups[i]; }
  const Node& node(Index i) const { return rows_.nodes[i]; }

  // kNone where there is none.
  Index find_pattern(std::string_view id) const;
  Index find_partner(std::string_view id) const;
  Index find_group(std::string_view id) const;
  Index find_node(std::string_view id) const;
  // The partner of a request's Host header (port, letter case and the form of an IPv6 address do not matter), else
  // "default".
  Index partner_of_host(std::string_view host) const;
  // Is that "host" or "host:port", in lower case, a node's as it stands in signed URLs?
  bool is_node_host(std::string_view host) const;

  // The network row with the longest prefix that has the address.
  const Network* network_of(const Ip& ip) const;
  // Contract section 3: network (of the address, where there is one), city, region, country, nearest, partner's
  // default.
  // `by_location`: what group_of_location() said of that location, where it was worked out ahead.
  Grouped group_of(const Ip* ip, const Location& location, Index partner, const Grouped* by_location = nullptr) const;
  // City, region, country, nearest alone.
  Grouped group_of_location(const Location& location) const;
  // Does group_of_location() say the same there, whatever it is asked?
  bool groups_as(const Topology& other) const;

  // By node id.
  const std::vector<Index>& nodes_of(Index group) const { return nodes_of_[group]; }
  const std::vector<Index>& fallback_groups(Index group) const { return group_fallback_[group]; }
  const std::vector<Index>& fallback_patterns(Index pattern) const { return pattern_fallback_[pattern]; }
  Index group_of_node(Index node) const { return group_of_node_[node]; }
  // With the group's defaults filled in.
  const std::string& country_of(Index node) const;
  const std::optional<Coordinates>& coordinates_of(Index node) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Ids = std::unordered_map<std::string, Index, Hash, std::equal_to<>>;
  struct Site {
    UnitVector at;
    Index group;
  };
  static Index find(const Ids& ids, std::string_view id);
  Index nearest_group(const Coordinates& at) const;

  Rows rows_;
  bool nearest_;
  Ids patterns_, partners_, groups_, nodes_, partner_hosts_, node_hosts_;
  Ids places_;  // "RU\nMOW\nМосква" -> group
  Index default_partner_ = kNone;
  PrefixMap networks_;
  std::vector<Index> group_of_node_;
  std::vector<std::vector<Index>> nodes_of_, group_fallback_, pattern_fallback_;
  std::vector<Site> sites_;  // groups with coordinates, by id
};

}  // namespace geo::place

// The map: land, where clients are, which groups serve them.
#include <algorithm>
#include <cmath>
#include <map>

#include "../land.h"
#include "svg_paint.h"

namespace geoctl {
namespace {

using geo::place::Coordinates;
using geo::place::Index;
using geo::place::kNone;

struct Point {
  double x, y;
};

// Degrees -> the picture, equirectangular: as much of the world as has anything on it.
class Projection {
 public:
  Projection(const Box& box, const std::vector<Coordinates>& shown) : box_(box) {
    double west = 180, east = -180, south = 85, north = -60;
    for (const Coordinates& at : shown) {
      west = std::min(west, at.longitude), east = std::max(east, at.longitude);
      south = std::min(south, at.latitude), north = std::max(north, at.latitude);
    }
    if (shown.empty()) west = -180, east = 180, south = -60, north = 85;
    constexpr double kAround = 10, kWidthMin = 60;
    const double ratio = box.width / box.height;
    double width = std::max({east - west + 2 * kAround, (north - south + 2 * kAround) * ratio, kWidthMin});
    width = std::min(width, 360.0);
    scale_ = box.width / width;
    const double height = width / ratio;
    west_ = std::clamp((west + east - width) / 2, -180.0, 180 - width);
    north_ = std::min((south + north + height) / 2, std::max(84.0, height - 90));
  }

  Point at(const Coordinates& place) const {
    return {box_.left + (place.longitude - west_) * scale_, box_.top + (north_ - place.latitude) * scale_};
  }
  double scale() const { return scale_; }
  double west() const { return west_; }
  double east() const { return west_ + box_.width / scale_; }
  double north() const { return north_; }
  double south() const { return north_ - box_.height / scale_; }

 private:
  Box box_;
  double scale_ = 1, west_ = 0, north_ = 0;
};

// Nodes of a group at one place.
struct Site {
  Index group;
  Coordinates place;
  std::vector<std::pair<Index, std::uint64_t>> nodes;  // and their requests
  std::uint64_t requests = 0;
  Point at{};
  double radius = 0;
};

class Map {
 public:
  Map(std::string& out, const Scene& scene, const Box& box)
      : out_(out), scene_(scene), topology_(*scene.topology), box_(box), flows_(scene.flows.all()) {
    find_sites();
    std::vector<Coordinates> shown;
    for (const Site& site : sites_) shown.push_back(site.place);
    for (const Flows::Flow& flow : flows_)
      if (const auto from = origin(flow)) shown.push_back(*from);
    projection_.emplace(box, shown);
    for (Site& site : sites_) {
      site.at = projection_->at(site.place);
      constexpr double kRadiusMin = 4, kRadiusMax = 26;
      site.radius = kRadiusMin + (kRadiusMax - kRadiusMin) * std::sqrt(part(site.requests));
    }
  }

  void paint() {
    put(out_,
        "<clipPath id=\"map\"><rect x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2:.1f}\" height=\"{3:.1f}\" "
        "rx=\"4\"/></clipPath>\n"
        "<g clip-path=\"url(#map)\">\n"
        "<rect x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2:.1f}\" height=\"{3:.1f}\" fill=\"#eef3f7\"/>\n",
        box_.left, box_.top, box_.width, box_.height);
    paint_land();
    paint_flows();
    paint_clients();
    for (const Site& site : sites_) paint_site(site);
    paint_labels();
    out_ += "</g>\n";
    paint_key();
  }

 private:
  double part(std::uint64_t requests) const {
    return static_cast<double>(requests) / static_cast<double>(std::max<std::uint64_t>(1, scene_.figures.requests()));
  }
  // Clients whose place nobody knows stand at their group's.
  std::optional<Coordinates> origin(const Flows::Flow& flow) const {
    if (flow.from) return flow.from;
    return flow.own_group == kNone ? std::nullopt : topology_.group(flow.own_group).coordinates;
  }

  void find_sites() {
    std::map<std::tuple<Index, double, double>, Site> found;
    for (const Figures::NodeRow& row : scene_.figures.nodes(scene_.simulation)) {
      const auto& place = topology_.coordinates_of(row.node);
      if (!place) continue;
      const Index group = topology_.group_of_node(row.node);
      Site& site =
          found.try_emplace({group, place->latitude, place->longitude}, Site{group, *place, {}, 0}).first->second;
      site.nodes.emplace_back(row.node, row.requests);
      site.requests += row.requests;
    }
    for (auto& [key, site] : found) sites_.push_back(std::move(site));
    std::stable_sort(sites_.begin(), sites_.end(),
                     [](const Site& a, const Site& b) { return a.requests > b.requests; });
  }

  void paint_land() {
    const Projection& on = *projection_;
    const Point origin_at = on.at({0, 0});
    put(out_, "<path transform=\"translate({:.2f} {:.2f}) scale({:.4f})\" fill=\"#dcdfd6\" d=\"{}\"/>\n", origin_at.x,
        origin_at.y, on.scale() / 2, apps::kLand);
    const int step = on.east() - on.west() > 180 ? 30 : 10;
    const auto first = [step](double from) { return static_cast<int>(std::ceil(from / step)) * step; };
    out_ += "<g stroke=\"#b9c4cc\" stroke-width=\"0.5\" stroke-opacity=\"0.6\">\n";
    for (int degree = first(on.west()); degree <= on.east(); degree += step)
      put(out_, "<path d=\"M{:.1f} {:.1f}v{:.1f}\"/>\n", on.at({0, double(degree)}).x, box_.top, box_.height);
    for (int degree = first(on.south()); degree <= on.north(); degree += step)
      put(out_, "<path d=\"M{:.1f} {:.1f}h{:.1f}\"/>\n", box_.left, on.at({double(degree), 0}).y, box_.width);
    out_ += "</g>\n<g font-size=\"10\" fill=\"#7b8a94\">\n";
    const auto name = [](int degree, const char* positive, const char* negative) {
      return fmt::format("{}\u00b0{}", std::abs(degree), degree > 0 ? positive : degree < 0 ? negative : "");
    };
    for (int degree = first(on.west() + 8); degree < on.east() - 8; degree += step)
      put_text(out_, on.at({0, double(degree)}).x + 2, box_.bottom() - 4, name(degree, "E", "W"));
    for (int degree = first(on.south() + 4); degree < on.north() - 4; degree += step)
      put_text(out_, box_.left + 3, on.at({double(degree), 0}).y - 2, name(degree, "N", "S"));
    out_ += "</g>\n";
  }

  const Site* site_of(const Flows::Flow& flow) const {
    const auto found = std::find_if(sites_.begin(), sites_.end(), [&](const Site& each) {
      return each.group == flow.group && flow.to && each.place.latitude == flow.to->latitude &&
             each.place.longitude == flow.to->longitude;
    });
    return found == sites_.end() ? nullptr : &*found;
  }

  // The small ones first, so that the large ones are seen.
  void paint_flows() {
    constexpr std::size_t kShownMax = 300;
    out_ += "<g fill=\"none\" stroke-linecap=\"round\" stroke-opacity=\"0.55\">\n";
    for (std::size_t i = std::min(flows_.size(), kShownMax); i-- > 0;) {
      const Flows::Flow& flow = flows_[i];
      const auto from_place = origin(flow);
      const Site* const site = site_of(flow);
      if (!from_place || site == nullptr) continue;
      const Point from = projection_->at(*from_place), to = site->at;
      // The short way: over the date line it leaves the map at one edge, and comes in again at the other.
      const double turn = 360 * projection_->scale();
      const double around = to.x - from.x > turn / 2 ? -turn : from.x - to.x > turn / 2 ? turn : 0;
      paint_flow(flow, from, {to.x + around, to.y});
      if (around != 0) paint_flow(flow, {from.x - around, from.y}, to);
    }
    out_ += "</g>\n";
  }

  void paint_flow(const Flows::Flow& flow, Point from, Point to) {
    constexpr double kWidthMin = 0.7, kWidthMax = 9;
    const double dx = to.x - from.x, dy = to.y - from.y;
    if (std::hypot(dx, dy) < 3) return;
    const double bend = 0.16 * (dx > 0 ? 1 : -1);  // to its left, always upwards
    put(out_, "<path stroke=\"{}\" stroke-width=\"{:.1f}\"{} d=\"M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}\"/>\n",
        colour_of(flow.group), kWidthMin + (kWidthMax - kWidthMin) * std::sqrt(part(flow.requests)),
        flow.group == flow.own_group ? "" : " stroke-dasharray=\"7 4\" stroke-linecap=\"butt\"", from.x, from.y,
        from.x + dx / 2 + dy * bend, from.y + dy / 2 - dx * bend, to.x, to.y);
  }

  void paint_clients() {
    constexpr std::size_t kShownMax = 1500;
    constexpr double kRadiusMin = 1.3, kRadiusMax = 15;
    out_ += "<g fill-opacity=\"0.75\" stroke=\"#fff\" stroke-width=\"0.6\">\n";
    for (std::size_t i = 0; i < std::min(flows_.size(), kShownMax); ++i) {
      const Flows::Flow& flow = flows_[i];
      const auto from = origin(flow);
      if (!from) continue;
      const Point at = projection_->at(*from);
      put(out_, "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\"/>\n", at.x, at.y,
          kRadiusMin + (kRadiusMax - kRadiusMin) * std::sqrt(part(flow.requests)),
          flow.group == kNone ? "#d00000" : colour_of(flow.group));
    }
    out_ += "</g>\n";
  }

  // A ring, each node its part of it.
  void paint_site(const Site& site) {
    constexpr std::size_t kNodesMax = 40;
    const double r = site.radius, hole = r * 0.42;
    put(out_, "<g stroke=\"#fff\" stroke-width=\"1\"><title>{}</title>\n", escaped(topology_.group(site.group).id));
    put(out_, "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\"/>\n", site.at.x, site.at.y, r,
        site.requests == 0 ? "#9aa3a8" : colour_of(site.group));
    double from = 0;
    bool dark = false;
    if (site.requests > 0 && site.nodes.size() > 1 && site.nodes.size() <= kNodesMax)
      for (const auto& [node, requests] : site.nodes) {
        const double to = from + 2 * M_PI * static_cast<double>(requests) / static_cast<double>(site.requests);
        const auto x = [&](double angle) { return site.at.x + r * std::sin(angle); };
        const auto y = [&](double angle) { return site.at.y - r * std::cos(angle); };
        if (requests > 0 && requests < site.requests)
          put(out_,
              "<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}A{:.1f} {:.1f} 0 {} 1 {:.1f} {:.1f}Z\" fill-opacity=\"{}\"/>\n",
              site.at.x, site.at.y, x(from), y(from), r, r, to - from > M_PI ? 1 : 0, x(to), y(to), dark ? 0.25 : 0.0);
        dark = !dark;
        from = to;
      }
    put(out_, "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"#fff\"/></g>\n", site.at.x, site.at.y, hole);
  }

  // Beside its site, where no other stands.
  void paint_labels() {
    constexpr std::size_t kShownMax = 40;
    constexpr double kHeight = 15, kOfCharacter = 7.3;
    std::vector<Box> taken;
    for (const Site& site : sites_)
      taken.push_back({site.at.x - site.radius, site.at.y - site.radius, 2 * site.radius, 2 * site.radius});
    out_ +=
        "<g font-weight=\"bold\" stroke=\"#fff\" stroke-width=\"3\" stroke-linejoin=\"round\" "
        "paint-order=\"stroke\">\n";
    for (std::size_t i = 0; i < std::min(sites_.size(), kShownMax); ++i) {
      const Site& site = sites_[i];
      const std::string& group = topology_.group(site.group).id;
      const double width = kOfCharacter * static_cast<double>(group.size());
      const double x = site.at.x, y = site.at.y, r = site.radius + 4;
      const std::array<Box, 6> tries{Box{x + r, y - 7, width, kHeight},
                                     Box{x - r - width, y - 7, width, kHeight},
                                     Box{x - width / 2, y - r - kHeight, width, kHeight},
                                     Box{x - width / 2, y + r, width, kHeight},
                                     Box{x + r * 0.7, y - r - 8, width, kHeight},
                                     Box{x + r * 0.7, y + r - 6, width, kHeight}};
      const auto is_free = [&](const Box& box) {
        const bool inside =
            box.left > box_.left && box.right() < box_.right() && box.top > box_.top && box.bottom() < box_.bottom();
        return inside && std::none_of(taken.begin(), taken.end(), [&](const Box& other) {
                 return box.left < other.right() && other.left < box.right() && box.top < other.bottom() &&
                        other.top < box.bottom();
               });
      };
      const auto found = std::find_if(tries.begin(), tries.end(), is_free);
      if (found == tries.end()) continue;
      const Box& box = *found;
      taken.push_back(box);
      put_text(out_, box.left, box.top + 12, group);
    }
    out_ += "</g>\n";
  }

  void paint_key() {
    const double y = box_.bottom() + 18;
    std::string key =
        "dots: clients, in the colour of the group that serves them; rings: nodes, by requests; dashed: outside their "
        "own "
        "group";
    if (scene_.figures.served() < scene_.figures.requests()) key += "; red: refused";
    put_text(out_, box_.left, y, key, "start", "font-size=\"12\" fill=\"#555\"");
  }

  std::string& out_;
  const Scene& scene_;
  const geo::place::Topology& topology_;
  const Box box_;
  const std::vector<Flows::Flow> flows_;
  std::vector<Site> sites_;
  std::optional<Projection> projection_;
};

}  // namespace

void paint_map(std::string& out, const Scene& scene, const Box& box) { Map(out, scene, box).paint(); }

}  // namespace geoctl

// The load: running streams of each node over time.
#include <algorithm>
#include <cmath>

#include "svg_paint.h"

namespace geoctl {
namespace {

using geo::place::Index;

// 1, 2 or 5 times a power of ten, so that about `count` of them make `whole`.
double nice_step(double whole, double count) {
  const double rough = std::max(whole / count, 1e-9), power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough) return factor * power;
  return 10 * power;
}

struct Unit {
  const char* name;
  double seconds;
};
Unit unit_of(double seconds) {
  if (seconds > 3 * 3600) return {"hours", 3600};
  if (seconds > 5 * 60) return {"minutes", 60};
  return {"seconds", 1};
}

double seconds_of(Micros time) { return std::chrono::duration<double>(time).count(); }

class Load {
 public:
  Load(std::string& out, const Scene& scene, const Box& box)
      : out_(out), scene_(scene), samples_(scene.simulation.samples()), rows_(scene.figures.nodes(scene.simulation)) {
    std::erase_if(rows_, [](const Figures::NodeRow& row) { return row.requests == 0; });
    plot_ = {box.left + 46, box.top + 60, box.width - 46 - 170, box.height - 98};
    end_s_ = samples_.empty() ? 1 : std::max(1.0, seconds_of(samples_.back().at));
    for (const Simulation::Sample& sample : samples_)
      for (const Figures::NodeRow& row : rows_) top_ = std::max<double>(top_, sample.running[row.node]);
    top_ *= 1.06;
    top_edge_ = box.top;
  }

  void paint() {
    put_text(out_, plot_.left - 46, top_edge_ + 12, "Running streams of each node", "start", "font-weight=\"bold\"");
    paint_axes();
    paint_events();
    for (const Figures::NodeRow& row : rows_) paint_line(row);
    paint_names();
  }

 private:
  static constexpr std::size_t kNamedMax = 18;  // those with the most streams
  static constexpr std::size_t kEventRows = 3;

  double x(double seconds) const { return plot_.left + plot_.width * seconds / end_s_; }
  double y(double streams) const { return plot_.bottom() - plot_.height * streams / top_; }
  std::string_view colour(const Figures::NodeRow& row) const {
    return colour_of(scene_.topology->group_of_node(row.node));
  }
  // The nodes of a group share its colour: whole lines, dashes, dots.
  std::string_view dashes(const Figures::NodeRow& row) const {
    const auto& nodes = scene_.topology->nodes_of(scene_.topology->group_of_node(row.node));
    const auto number = std::find(nodes.begin(), nodes.end(), row.node) - nodes.begin();
    constexpr std::array<std::string_view, 3> kDashes{"", " stroke-dasharray=\"6 3\"", " stroke-dasharray=\"2 2\""};
    return kDashes[static_cast<std::size_t>(number) % kDashes.size()];
  }

  void paint_axes() {
    const double warm = std::min(scene_.settings.length_s, end_s_);
    put(out_, "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"#f1f1ee\"/>\n", plot_.left,
        plot_.top, x(warm) - plot_.left, plot_.height);
    if (x(warm) - plot_.left > 56)
      put_text(out_, (plot_.left + x(warm)) / 2, plot_.top + 14, "warm-up", "middle", "font-size=\"11\" fill=\"#777\"");
    out_ += "<g stroke=\"#d5d9dc\" stroke-width=\"0.7\">\n";
    const double step = std::max(1.0, nice_step(top_, 4));
    for (double streams = 0; streams <= top_; streams += step)
      put(out_, "<path d=\"M{:.1f} {:.1f}h{:.1f}\"/>\n", plot_.left, y(streams), plot_.width);
    out_ += "</g>\n<g font-size=\"11\" fill=\"#555\">\n";
    for (double streams = 0; streams <= top_; streams += step)
      put_text(out_, plot_.left - 5, y(streams) + 4, grouped(static_cast<std::uint64_t>(streams)), "end");
    const Unit unit = unit_of(end_s_);
    const double time_step = nice_step(end_s_ / unit.seconds, 9);
    for (double time = 0; time * unit.seconds <= end_s_ * 1.0001; time += time_step)
      put_text(out_, x(time * unit.seconds), plot_.bottom() + 15, fmt::format("{:g}", time), "middle");
    put_text(out_, plot_.left + plot_.width / 2, plot_.bottom() + 31, unit.name, "middle");
    out_ += "</g>\n";
  }

  // Their names in rows above the plot, no two over each other; for those that find no room the line is there.
  void paint_events() {
    constexpr double kOfCharacter = 6.4, kLine = 12;
    std::array<double, kEventRows> free_from{};
    free_from.fill(plot_.left - 46);
    out_ += "<g font-size=\"11\" fill=\"#333\">\n";
    for (const Event& event : scene_.simulation.events()) {
      const double at = x(seconds_of(event.at));
      if (seconds_of(event.at) > end_s_) continue;
      const char* const what = event.admin == geo::place::Admin::offline ? "down"
                               : event.admin == geo::place::Admin::drain ? "drain"
                                                                         : "up";
      const std::string name = fmt::format("{} {}", shortened(scene_.topology->node(event.node).id, 22), what);
      const double width = kOfCharacter * static_cast<double>(name.size());
      const double left = std::min(at + 3, plot_.right() + 160 - width);
      double rise = 4;
      for (std::size_t row = 0; row < free_from.size(); ++row) {
        if (left < free_from[row]) continue;
        rise = 6 + kLine * static_cast<double>(row);
        put_text(out_, left, plot_.top - rise, name);
        free_from[row] = left + width + 8;
        rise += 8;
        break;
      }
      put(out_, "<path d=\"M{:.1f} {:.1f}v{:.1f}\" stroke=\"#333\" stroke-width=\"1\" stroke-dasharray=\"3 3\"/>\n", at,
          plot_.top - rise, plot_.height + rise);
    }
    out_ += "</g>\n";
  }

  void paint_line(const Figures::NodeRow& row) {
    put(out_, "<path fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{} stroke-linejoin=\"round\" d=\"", colour(row),
        rows_.size() <= kNamedMax ? 1.6 : 0.9, rows_.size() <= kNamedMax ? dashes(row) : std::string_view());
    char command = 'M';
    for (const Simulation::Sample& sample : samples_) {
      put(out_, "{}{:.1f} {:.1f}", command, x(seconds_of(sample.at)), y(sample.running[row.node]));
      command = 'L';
    }
    out_ += "\"/>\n";
  }

  // At the end of the lines, in their order, moved apart; a short line leads there.
  void paint_names() {
    if (samples_.empty()) return;
    constexpr double kLine = 12;
    std::vector<const Figures::NodeRow*> order;
    for (const Figures::NodeRow& row : rows_) order.push_back(&row);
    const auto& most = scene_.simulation.running_max();
    std::stable_sort(order.begin(), order.end(),
                     [&](const auto* a, const auto* b) { return most[a->node] > most[b->node]; });
    order.resize(std::min(order.size(), kNamedMax));
    const auto last = [&](const Figures::NodeRow* row) { return y(samples_.back().running[row->node]); };
    std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) { return last(a) < last(b); });
    std::vector<double> at;
    for (const Figures::NodeRow* row : order) at.push_back(std::max(last(row), at.empty() ? -1e9 : at.back() + kLine));
    for (std::size_t i = at.size(); i-- > 0;)
      at[i] = std::min(at[i], i + 1 == at.size() ? plot_.bottom() : at[i + 1] - kLine);
    out_ += "<g font-size=\"11\">\n";
    for (std::size_t i = 0; i < order.size(); ++i) {
      put(out_, "<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}h16\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.3\"{}/>\n",
          plot_.right(), last(order[i]), plot_.right() + 9, at[i], colour(*order[i]), dashes(*order[i]));
      put_text(out_, plot_.right() + 29, at[i] + 4, shortened(order[i]->id, 22));
    }
    out_ += "</g>\n";
  }

  std::string& out_;
  const Scene& scene_;
  const std::vector<Simulation::Sample>& samples_;
  std::vector<Figures::NodeRow> rows_;
  Box plot_{};
  double end_s_ = 1, top_ = 1, top_edge_ = 0;
};

}  // namespace

void paint_load(std::string& out, const Scene& scene, const Box& box) { Load(out, scene, box).paint(); }

}  // namespace geoctl

#include "svg.h"

#include <algorithm>
#include <array>
#include <vector>

#include "output.h"
#include "svg_paint.h"

namespace geoctl {
namespace {

constexpr std::size_t kCommandMax = 120;  // characters in a line

std::array<std::string, 2> facts_of(const Scene& scene) {
  const Figures& figures = scene.figures;
  const double requests = static_cast<double>(std::max<std::uint64_t>(1, figures.requests()));
  std::array<std::string, 2> facts;
  facts[0] = fmt::format("{} requests, seed {}: {:.4g} % served, {:.3g} % of them outside their own group",
                         grouped(figures.requests()), scene.settings.seed,
                         100 * static_cast<double>(figures.served()) / requests, figures.spill_percent());
  facts[1] = fmt::format("{:.2f} nodes per camera", figures.nodes_per_camera());
  if (const auto peak = scene.simulation.peak_over_mean()) facts[1] += fmt::format(", peak over mean {:.2f}", *peak);
  if (const auto km = figures.distances())
    facts[1] += fmt::format(", distance to the node: median {:.0f} km, p90 {:.0f} km, p99 {:.0f} km", km->median,
                            km->p90, km->p99);
  return facts;
}

// A command in lines, at blanks where there are any; three at most.
std::vector<std::string> wrapped(std::string_view command) {
  constexpr std::size_t kLinesMax = 3;
  std::vector<std::string> lines;
  while (command.size() > kCommandMax && lines.size() + 1 < kLinesMax) {
    const std::size_t blank = command.rfind(' ', kCommandMax);
    if (blank == std::string_view::npos || blank == 0) break;
    lines.emplace_back(command.substr(0, blank));
    command.remove_prefix(blank + 1);
  }
  lines.push_back(shortened(command, kCommandMax));
  return lines;
}

// Which colour is which group, and its part of what was served.
double paint_groups(std::string& out, const Scene& scene, double top) {
  const auto& groups = scene.topology->rows().groups;
  std::vector<std::uint64_t> requests(groups.size());
  for (const Figures::NodeRow& row : scene.figures.nodes(scene.simulation))
    requests[scene.topology->group_of_node(row.node)] += row.requests;
  constexpr std::size_t kShownMax = 24;
  constexpr double kColumns = 4, kLine = 18;
  const double width = (kPictureWidth - 2 * kMargin) / kColumns;
  std::size_t shown = 0;
  for (geo::place::Index group = 0; group < groups.size() && shown < kShownMax; ++group) {
    if (requests[group] == 0) continue;
    const double x = kMargin + width * static_cast<double>(shown % 4), y = top + kLine * static_cast<double>(shown / 4);
    put(out, "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"11\" height=\"11\" rx=\"2\" fill=\"{}\"/>\n", x, y,
        colour_of(group));
    const double share = 100 * static_cast<double>(requests[group]) / static_cast<double>(scene.figures.served());
    put_text(out, x + 16, y + 10, fmt::format("{}  {:.1f} %", shortened(groups[group].id, 22), share));
    ++shown;
  }
  return top + kLine * static_cast<double>((shown + 3) / 4);
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

std::string shortened(std::string_view text, std::size_t size_max) {
  if (text.size() <= size_max) return std::string(text);
  const auto is_inside = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  std::size_t head = (size_max - 2) / 2, tail = text.size() - (size_max - 2 - head);
  while (head > 0 && is_inside(head)) --head;  // whole characters of UTF-8
  while (tail < text.size() && is_inside(tail)) ++tail;
  return std::string(text.substr(0, head)) + ".." + std::string(text.substr(tail));
}

std::string grouped(std::uint64_t number) {
  std::string text = fmt::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

void put_text(std::string& out, double x, double y, std::string_view text, std::string_view anchor,
              std::string_view more) {
  put(out, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}{}>{}</text>\n", x, y, anchor, more.empty() ? "" : " ",
      more, escaped(text));
}

std::string picture(const Scene& scene) {
  std::string body;
  put_text(body, kMargin, 32, "What geod would do under this traffic", "start",
           "font-size=\"20\" font-weight=\"bold\"");
  double y = 54;
  for (const std::string& line : wrapped(scene.command)) {
    put_text(body, kMargin, y, line, "start", "font-family=\"monospace\" font-size=\"12\" fill=\"#444\"");
    y += 16;
  }
  y += 4;
  for (const std::string& line : facts_of(scene)) {
    put_text(body, kMargin, y, line);
    y += 18;
  }
  constexpr double kMapHeight = 390, kLoadHeight = 290;
  constexpr double kWidth = kPictureWidth - 2 * kMargin;
  paint_map(body, scene, {kMargin, y, kWidth, kMapHeight});
  const double below = paint_groups(body, scene, y + kMapHeight + 36);
  paint_load(body, scene, {kMargin, below + 16, kWidth, kLoadHeight});
  const double height = below + 16 + kLoadHeight + kMargin;
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"#222\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{2}</svg>\n",
      kPictureWidth, height, body);
}

}  // namespace geoctl

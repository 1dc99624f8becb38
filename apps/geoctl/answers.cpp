#include "answers.h"

#include <fmt/format.h>

#include <algorithm>

#include "geo/base/text.h"

namespace geoctl {
namespace {

using geo::From;
using geo::Result;
using geo::place::Location;
using geo::resolve::Located;

// RFC 4180: quoted where it holds a comma, a quote or a line end.
std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

// Country, ISO code, region, city, coordinates; "-" is unknown.
std::vector<std::string> cells(const Location& at) {
  const auto shown = [](const std::string& text) { return text.empty() ? "-" : printable(text); };
  return {shown(at.country_code), shown(at.region_iso), shown(at.region), shown(at.city),
          at.coordinates ? fmt::format("{:.4f}, {:.4f}", at.coordinates->latitude, at.coordinates->longitude) : "-"};
}

double microseconds(const Say& say) { return static_cast<double>(say.duration.count()) / 1000; }

std::string provider_cell(const Located& located) {
  std::string out(located.provider);
  if (located.cached()) out += located.from == From::stale ? " (stale)" : " (cached)";
  return out;
}

}  // namespace

Answers::Answers(Output& output, Progress& progress, Form form)
    : output_(output),
      progress_(progress),
      form_(form),
      table_({{"IP"}, {"COUNTRY"}, {"ISO"}, {"REGION"}, {"CITY"}, {"COORDINATES"}, {"PROVIDER"}}) {
  if (form_ == Form::csv)
    output_.line("ip,country_code,region_iso,region,city,latitude,longitude,provider,cached,code");
}

void Answers::line(std::string_view text) {
  if (output_.out.terminal()) progress_.clear();
  output_.line(text);
}

void Answers::refuse(const geo::Denial& denial, std::string_view ip) {
  if (form_ == Form::csv && !ip.empty()) {
    line(fmt::format("{},,,,,,,,,{}", csv_field(printable(ip)), name_of(denial.code)));
    return count(denial);
  }
  if (!output_.json || output_.out.terminal()) progress_.clear();
  output_.refuse(denial, ip);
  count(denial);
}

void Answers::count(const geo::Denial& denial) {
  exit_status_ = std::max(exit_status_, geo::row_of(denial.code).exit_status);
}

void Answers::tell(const geo::Ip& ip, const Located& located) {
  const Location& at = *located.location;
  if (form_ == Form::csv)
    return line(fmt::format(
        "{},{},{},{},{},{},{},{},{},", ip.to_string(), csv_field(at.country_code), csv_field(at.region_iso),
        csv_field(at.region), csv_field(at.city), at.coordinates ? fmt::format("{}", at.coordinates->latitude) : "",
        at.coordinates ? fmt::format("{}", at.coordinates->longitude) : "", located.provider, located.cached()));
  if (form_ == Form::json) {
    json_.clear();
    geo::resolve::append_json(json_, ip, located);
    return line(json_);
  }
  std::vector<std::string> row = cells(at);
  row.insert(row.begin(), ip.to_string());
  row.push_back(provider_cell(located));
  if (!header_shown_) {
    table_.fit(row);
    line(output_.out.bold(table_.header()));
    header_shown_ = true;
  }
  line(table_.row(row));
}

void Answers::trace(std::string_view ip, const Result<Located>& answer, const std::vector<Say>& says) {
  if (form_ != Form::json) {
    if (!says.empty()) tell_says(ip, says, answer ? answer->provider : std::string_view());
    if (!answer) refuse(answer.error(), ip);
    return;
  }
  std::string object;
  if (answer)
    geo::resolve::append_json(object, *geo::Ip::parse(ip), *answer);
  else
    geo::append_problem(object, answer.error(), {}, ip);
  json_.clear();
  geo::Json json(json_);
  json.open('{').field("ip", ip).key("answer").raw(object).key("providers").open('[');
  for (const Say& say : says) {
    json.open('{').field("provider", say.provider);
    json.field("result", say.located ? "found" : name_of(say.located.error().code)).key("location");
    if (say.located) {
      json.open('{');
      geo::place::append_fields(json, *say.located->location);
      json.close('}');
    } else {
      json.null();
    }
    json.field_or_null("detail", say.located ? std::string_view() : say.located.error().detail);
    json.field("cached", say.located && say.located->cached());
    json.key("duration_us").number(microseconds(say), 1).close('}');
  }
  json.close(']').close('}');
  line(json_);
  if (!answer) count(answer.error());
}

void Answers::tell_says(std::string_view ip, const std::vector<Say>& says, std::string_view answered_by) {
  Table table({{" "},
               {"PROVIDER"},
               {"COUNTRY"},
               {"ISO"},
               {"REGION"},
               {"CITY"},
               {"COORDINATES"},
               {"TIME", Align::right},
               {"RESULT"}});
  std::vector<std::vector<std::string>> rows;
  for (const Say& say : says) {
    std::vector<std::string> row = cells(say.located ? *say.located->location : Location{});
    row.insert(row.begin(), {say.provider == answered_by ? ">" : " ",
                             say.located ? provider_cell(*say.located) : std::string(say.provider)});
    row.push_back(fmt::format("{:.1f} us", microseconds(say)));
    if (say.located) {
      row.emplace_back("found");
    } else {
      const geo::Denial& denial = say.located.error();
      row.push_back(std::string(name_of(denial.code)) + (denial.detail.empty() ? "" : ": " + printable(denial.detail)));
    }
    table.fit(rows.emplace_back(std::move(row)));
  }
  if (header_shown_) line("");
  header_shown_ = true;
  line(output_.out.bold(ip));
  line(table.header());
  for (const auto& row : rows) {
    const std::string text = table.row(row);
    line(row.front() == ">" ? output_.out.green(text) : text);
  }
}

}  // namespace geoctl

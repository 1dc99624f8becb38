// Makes a MaxMind DB file from lines, for tests from end to end.
//
//   make_mmdb [options] OUT.mmdb < LINES
//
// A line is a network, its fields separated by tabs; fields that are empty or missing at the end are left out:
//
//   CIDR  COUNTRY  REGION_ISO  REGION  CITY  LATITUDE  LONGITUDE  REGISTERED_COUNTRY
//   77.88.0.0/18  RU  MOW  Moscow|Москва  Moscow|Москва  55.75  37.61
//
// REGION and CITY hold a name for each of --language-names, separated by "|"; an empty one is left out. Of overlapping
// networks the more exact one holds. Empty lines and those that begin with # are passed over.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <string>

#include "geo/base/text.h"
#include "mmdb_writer.h"

namespace {

using geo::test::MmdbPlace;
using geo::test::MmdbWriter;

std::vector<std::pair<std::string, std::string>> names(const std::vector<std::string>& languages,
                                                       std::string_view field) {
  std::vector<std::pair<std::string, std::string>> out;
  if (field.empty()) return out;
  const std::vector<std::string_view> parts = geo::split(field, '|');
  if (parts.size() > languages.size()) throw std::invalid_argument("more names than --language-names");
  for (std::size_t i = 0; i < parts.size(); ++i) out.emplace_back(languages[i], parts[i]);
  return out;
}

MmdbPlace place_of(const std::vector<std::string_view>& fields, const std::vector<std::string>& languages) {
  const auto field = [&](std::size_t i) { return i < fields.size() ? std::string(fields[i]) : std::string(); };
  if (fields.size() > 8) throw std::invalid_argument("more than 8 fields");
  MmdbPlace place;
  place.country = field(1);
  place.region_iso = field(2);
  place.region = names(languages, field(3));
  place.city = names(languages, field(4));
  place.latitude = field(5);
  place.longitude = field(6);
  place.registered_country = field(7);
  return place;
}

}  // namespace

int main(int argc, char** argv) {
  MmdbWriter::Options options;
  std::string schema = "geoip2", out;
  CLI::App app("Makes a MaxMind DB file from lines on stdin: CIDR country region_iso region city lat lon, by tabs");
  app.add_option("out", out, "the file to write")->required();
  app.add_option("--schema", schema)->check(CLI::IsMember({"geoip2", "flat"}))->capture_default_str();
  app.add_option("--type", options.database_type, "database_type")->capture_default_str();
  app.add_option("--ip-version", options.ip_version)->check(CLI::IsMember({4, 6}))->capture_default_str();
  app.add_option("--record-size", options.record_size)->check(CLI::IsMember({24, 28, 32}))->capture_default_str();
  app.add_option("--language-names", options.languages, "languages of the names, as en,ru")->delimiter(',');
  app.add_option("--build-epoch", options.build_epoch_s, "Unix seconds")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  MmdbWriter writer(options);
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    try {
      const std::vector<std::string_view> fields = geo::split(line, '\t');
      const MmdbPlace place = place_of(fields, options.languages);
      writer.insert(std::string(fields.front()).c_str(), schema == "flat" ? flat_record(place) : geoip2_record(place));
    } catch (const std::exception& e) {
      std::cerr << "make_mmdb: line " << number << ": " << e.what() << "\n";
      return 2;
    }
  }
  std::ofstream file(out, std::ios::binary);
  file << writer.bytes() << std::flush;
  if (!file) std::cerr << "make_mmdb: " << out << " cannot be written\n";
  return file ? 0 : 1;
}

// The table of keys: every one can be set, from the file and from the environment, and is shown.
#include <algorithm>

#include "../io_file/temp_dir.h"
#include "geo/config.h"
#include "values.h"

namespace geo::config {
namespace {

std::string full_name(const KeyInfo& key) { return key.section + "." + key.key; }

std::string variable_of(const KeyInfo& key) {
  std::string name = "GEO_" + full_name(key);
  for (char& c : name) c = c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

// What `show` prints for a key.
std::string shown(const std::string& text, const KeyInfo& key) {
  const std::size_t section = text.find("\n[" + key.section + "]\n");
  if (section == std::string::npos) return "no such section";
  const std::size_t line = text.find("\n" + key.key + " = ", section);
  const std::size_t next = text.find("\n[", section + 1);
  if (line == std::string::npos || line > next) return "no such key";
  const std::size_t value = line + key.key.size() + 4;
  return text.substr(value, text.find('\n', value) - value);
}

// A TLS address alone lacks its certificate and key.
bool only_missing_tls(const Faults& faults) {
  return std::all_of(faults.begin(), faults.end(), [](const Fault& fault) {
    return fault.key.starts_with("tls.") && fault.message.find("missing; ") != std::string::npos;
  });
}

TEST(ConfigKeys, EachIsThereOnceWithMeaningTypeAndDefault) {
  std::map<std::string, int> seen;
  for (const KeyInfo& key : keys()) {
    EXPECT_EQ(++seen[full_name(key)], 1) << full_name(key);
    EXPECT_FALSE(key.meaning.empty() || key.type.empty() || key.default_value.empty()) << full_name(key);
    EXPECT_TRUE(key.meaning.ends_with('.')) << full_name(key);
  }
  for (const auto& [name, value] : test::other_values()) EXPECT_EQ(seen.count(name), 1U) << name;
}

TEST(ConfigKeys, DefaultsAreThoseOfTheStructs) {
  const std::string text = show(Config{});
  for (const KeyInfo& key : keys()) EXPECT_EQ(shown(text, key), key.default_value) << full_name(key);
}

TEST(ConfigKeys, EachCanBeSetInTheFile) {
  for (const KeyInfo& key : keys()) {
    const auto other = test::other_values().find(full_name(key));
    ASSERT_NE(other, test::other_values().end()) << full_name(key);
    EXPECT_NE(other->second, key.default_value) << full_name(key);
    const test::TempDir dir;
    const Read read = read_file(
        dir.write("geod.toml", "[" + key.section + "]\n" + key.key + " = " + other->second + "\n" +
                                   (key.section == "signing" && key.key == "keys" ? "active = \"k2\"\n" : "")),
        {});
    EXPECT_TRUE(only_missing_tls(read.faults)) << to_string(read.faults.front());
    EXPECT_EQ(shown(show(read.config), key), other->second) << full_name(key);
  }
}

TEST(ConfigKeys, EachScalarCanBeSetInTheEnvironmentWhichWins) {
  for (const KeyInfo& key : keys()) {
    const std::string& other = test::other_values().at(full_name(key));
    std::string value = other;
    if (value.front() == '"') value = value.substr(1, value.size() - 2);
    const test::TempDir dir;
    const auto file = dir.write("geod.toml", "[" + key.section + "]\n" + key.key + " = " + key.default_value + "\n");
    const Read read = read_file(file, {{variable_of(key), value}});
    if (other.front() == '[') {
      EXPECT_EQ(to_string(read.faults.at(0)),
                "environment: " + full_name(key) + ": " + variable_of(key) + ": is a list; set it in the file");
      continue;
    }
    EXPECT_TRUE(only_missing_tls(read.faults)) << to_string(read.faults.front());
    EXPECT_EQ(shown(show(read.config), key), other) << full_name(key);
  }
}

TEST(ConfigKeys, NamesOfVariablesAreTheContracts) {
  std::vector<std::string> names;
  for (const KeyInfo& key : keys()) names.push_back(variable_of(key));
  for (const char* name : {"GEO_STORE_URI", "GEO_RESOLVER_IP_API_URL", "GEO_CACHE_PLACES_TTL_S"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  const Read read = read_defaults({{"GEO_RESOLVER_IP_API_URL", "http://a"}, {"GEO_CACHE_PLACES_TTL_S", "9"}});
  EXPECT_EQ(read.config.resolver.ip_api.url, "http://a");
  EXPECT_EQ(read.config.cache.places.ttl_s, 9);
}

}  // namespace
}  // namespace geo::config

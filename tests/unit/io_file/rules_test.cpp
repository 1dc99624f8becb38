// Each rule of the store's values: one line that breaks it, and the fault that a user reads.
#include "geo/io/file.h"
#include "temp_dir.h"

namespace geo::io {
namespace {

constexpr std::string_view kNode =
    "[[nodes]]\nid = \"n1\"\nhost = \"n1.example.com\"\ngroup = \"eu\"\n[[groups]]\nid = \"eu\"\n";
constexpr std::string_view kUser =
    "[[tariffs]]\nid = \"home\"\nformats = [\"flv\"]\n[[users]]\nid = \"u1\"\ntariff = \"home\"\n";
constexpr std::string_view kServer =
    "[[servers]]\nid = \"s1\"\nonline = true\nowner_type = \"user\"\nowner_id = \"u1\"\n";

struct Files {
  std::string topology{kNode}, accounts{kUser}, devices{kServer}, states;
};

std::vector<std::string> faults_of(const Files& files) {
  const test::TempDir dir;
  dir.write("topology.toml", files.topology);
  dir.write("accounts.toml", files.accounts);
  dir.write("devices.toml", files.devices);
  dir.write("states.toml", files.states);
  return test::lines_of(read_data(dir.path()).faults, dir);
}

struct Case {
  const char* row;    // comes first in its file
  const char* fault;  // empty: it is good
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.row; }

std::vector<std::string> expected(const Case& c) {
  return *c.fault == '\0' ? std::vector<std::string>{} : std::vector<std::string>{c.fault};
}

#define NODE(line) "[[nodes]]\nid = \"a\"\nhost = \"a.example.com\"\ngroup = \"eu\"\n" line "\n"
#define NODE_HOST(host) "[[nodes]]\nid = \"a\"\nhost = " host "\ngroup = \"eu\"\n"

class TopologyRule : public testing::TestWithParam<Case> {};
TEST_P(TopologyRule, IsHeld) {
  Files files;
  files.topology = std::string(GetParam().row) + std::string(kNode);
  EXPECT_EQ(faults_of(files), expected(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(
    Ids, TopologyRule,
    testing::Values(Case{"[[groups]]\nid = \"ru msk\"\n",
                         "topology.toml:2:6: groups.id: expected 1-64 of A-Z a-z 0-9 . _ : -, found \"ru msk\""},
                    Case{"[[groups]]\nid = \"\"\n",
                         "topology.toml:2:6: groups.id: expected 1-64 of A-Z a-z 0-9 . _ : -, found \"\""},
                    Case{"[[groups]]\nid = \"a\\nb\"\n",
                         "topology.toml:2:6: groups.id: expected 1-64 of A-Z a-z 0-9 . _ : -, found \"a\\nb\""},
                    Case{"[[groups]]\nid = 7\n", "topology.toml:2:6: groups.id: expected a string, found an integer"},
                    Case{"[[groups]]\nid = \"A.z_9:-\"\n", ""},
                    Case{"[[patterns]]\nfallback = [\"streaming\"]\n",
                         "topology.toml:1:1: patterns.id: missing; expected 1-64 of A-Z a-z 0-9 . _ : -"}));
INSTANTIATE_TEST_SUITE_P(
    Hosts, TopologyRule,
    testing::Values(
        Case{NODE_HOST("\"https://a.example.com\""),
             "topology.toml:3:8: nodes.host: expected a host name, an IPv4 address or an IPv6 address in brackets, "
             "without scheme and port, found \"https://a.example.com\""},
        Case{NODE_HOST("\"a.example.com:443\""),
             "topology.toml:3:8: nodes.host: expected a host name, an IPv4 address or an IPv6 address in brackets, "
             "without scheme and port, found \"a.example.com:443\""},
        Case{NODE_HOST("\"2001:db8::1\""),
             "topology.toml:3:8: nodes.host: expected a host name, an IPv4 address or an IPv6 address in brackets, "
             "without scheme and port, found \"2001:db8::1\""},
        Case{NODE_HOST("\"192.0.2.256\""),
             "topology.toml:3:8: nodes.host: expected a host name, an IPv4 address or an IPv6 address in brackets, "
             "without scheme and port, found \"192.0.2.256\""},
        Case{NODE_HOST("\"a..example.com\""),
             "topology.toml:3:8: nodes.host: expected a host name, an IPv4 address or an IPv6 address in brackets, "
             "without scheme and port, found \"a..example.com\""},
        Case{NODE_HOST("\"[192.0.2.1]\""),
             "topology.toml:3:8: nodes.host: expected a host name, an IPv4 address or an IPv6 address in brackets, "
             "without scheme and port, found \"[192.0.2.1]\""},
        Case{NODE_HOST("\"[2001:DB8::1]\""), ""}, Case{NODE_HOST("\"192.0.2.1\""), ""},
        Case{"[[partners]]\nid = \"p\"\nhosts = [\"ok.example.com\", \"not ok\"]\n",
             "topology.toml:3:28: partners.hosts: expected a host name, an IPv4 address or an IPv6 address in "
             "brackets, without scheme and port, found \"not ok\""}));
INSTANTIATE_TEST_SUITE_P(
    Numbers, TopologyRule,
    testing::Values(
        Case{NODE("weight = -1"), "topology.toml:5:10: nodes.weight: expected a number from 0 to 1000000, found -1"},
        Case{NODE("weight = 1000001"),
             "topology.toml:5:10: nodes.weight: expected a number from 0 to 1000000, found 1000001"},
        Case{NODE("weight = nan"), "topology.toml:5:10: nodes.weight: expected a number from 0 to 1000000, found nan"},
        Case{NODE("weight = inf"), "topology.toml:5:10: nodes.weight: expected a number from 0 to 1000000, found inf"},
        Case{NODE("weight = \"5\""), "topology.toml:5:10: nodes.weight: expected a number, found a string"},
        Case{NODE("weight = 0"), ""}, Case{NODE("weight = 2.5"), ""},
        Case{NODE("capacity = -1"), "topology.toml:5:12: nodes.capacity: expected an integer of 0 or more, found -1"},
        Case{NODE("capacity = 1.0"), "topology.toml:5:12: nodes.capacity: expected an integer, found a float"},
        Case{"[[partners]]\nid = \"p\"\nmax_share = 1.5\n",
             "topology.toml:3:13: partners.max_share: expected a number from 0 to 1, found 1.5"},
        Case{"[[partners]]\nid = \"p\"\nmax_share = 1\n", ""}));
INSTANTIATE_TEST_SUITE_P(
    Places, TopologyRule,
    testing::Values(
        Case{NODE("coordinates = [90.5, 0]"),
             "topology.toml:5:16: nodes.coordinates: expected a number from -90 to 90, found 90.5"},
        Case{NODE("coordinates = [0, -180.1]"),
             "topology.toml:5:19: nodes.coordinates: expected a number from -180 to 180, found -180.1"},
        Case{NODE("coordinates = [1.0]"),
             "topology.toml:5:15: nodes.coordinates: expected [latitude, longitude] in degrees, found 1 items"},
        Case{NODE("coordinates = \"1,2\""),
             "topology.toml:5:15: nodes.coordinates: expected [latitude, longitude] in degrees, found a string"},
        Case{NODE("country = \"ru\""),
             "topology.toml:5:11: nodes.country: expected two capital letters such as RU or \"\", found \"ru\""},
        Case{NODE("forbid = [\"RU>US\", \"RU-US\"]"),
             "topology.toml:5:20: nodes.forbid: expected CLIENT>NODE, each two capital letters or *, such as RU>US, "
             "found \"RU-US\""},
        Case{"[[places]]\ngroup = \"eu\"\n",
             "topology.toml:1:1: places.country: missing; expected two capital letters such as RU"},
        Case{"[[places]]\ncountry = \"RU\"\n",
             "topology.toml:1:1: places.group: missing; expected 1-64 of A-Z a-z 0-9 . _ : -"},
        Case{"[[places]]\ncountry = \"RU\"\ngroup = \"eu\"\ncity = \"a\\u0000b\"\n",
             "topology.toml:4:8: places.city: expected at most 256 bytes of text without control characters, found "
             "\"a\\u0000b\""},
        Case{"[[places]]\ncountry = \"RU\"\ngroup = \"eu\"\ncity = \"\\u009b31m\\u007f\"\n",
             "topology.toml:4:8: places.city: expected at most 256 bytes of text without control characters, found "
             "\"\\u009b31m\\u007f\""},
        Case{"[[networks]]\ncidr = \"10.0.0.1/8\"\ngroup = \"eu\"\n",
             "topology.toml:2:8: networks.cidr: expected a network such as 10.1.0.0/16 or 2001:db8::/32, found "
             "\"10.0.0.1/8\" (host bits are set: the network is 10.0.0.0/8)"},
        Case{"[[networks]]\ngroup = \"eu\"\n",
             "topology.toml:1:1: networks.cidr: missing; expected a network such as 10.1.0.0/16 or 2001:db8::/32"},
        Case{"[[networks]]\ncidr = \"10.0.0.0/8\"\n",
             "topology.toml:1:1: networks.group: missing; expected a group, or a place: country, region, city or "
             "coordinates"},
        Case{"[[networks]]\ncidr = \"10.0.0.0/8\"\ncity = \"Москва\"\n", ""}));
constexpr const char* kNoUrl =
    "topology.toml:5:9: nodes.check: expected a URL that begins with http:// or https:// or \"\"";
INSTANTIATE_TEST_SUITE_P(
    Choices, TopologyRule,
    testing::Values(
        Case{NODE("admin = \"drained\""),
             "topology.toml:5:9: nodes.admin: expected one of online, drain, offline, found \"drained\""},
        Case{NODE("formats = [\"flv\", \"rtsp\"]"),
             "topology.toml:5:19: nodes.formats: expected one of flv, hls, ws-fmp4, found \"rtsp\""},
        Case{NODE("formats = \"flv\""),
             "topology.toml:5:11: nodes.formats: expected an array of strings, found a string"},
        Case{NODE("formats = [\"flv\", 5]"), "topology.toml:5:19: nodes.formats: expected a string, found an integer"},
        Case{"[[patterns]]\nid = \"p\"\npolicy = \"dice\"\n",
             "topology.toml:3:10: patterns.policy: expected one of affinity, weighted, least_loaded, nearest or \"\", "
             "found \"dice\""},
        Case{"[[partners]]\nid = \"p\"\npolicy = \"nearest\"\n", ""},
        // it may hold a password, so it is not shown
        Case{NODE("check = \"htp://me:pass@n1/health\""), kNoUrl},
        Case{NODE("check = \"http://10.0.0.1:9000/health\""), ""}, Case{NODE("check = \"http://h:99999/\""), kNoUrl},
        Case{NODE("check = \"http://h:0/\""), kNoUrl}, Case{NODE("check = \"http://h:/\""), kNoUrl},
        Case{NODE("check = \"http://h:80x/\""), kNoUrl}, Case{NODE("check = \"http://:80/\""), kNoUrl},
        Case{NODE("check = \"https://[::1/\""), kNoUrl}, Case{NODE("check = \"https://[::g]/\""), kNoUrl},
        Case{NODE("check = \"http://a b/\""), kNoUrl}, Case{NODE("check = \"http://\""), kNoUrl},
        Case{NODE("check = \"http:/h/\""), kNoUrl}, Case{NODE("check = \"https://[2001:db8::1]:8443/h?a=b:c\""), ""},
        Case{NODE("check = \"http://me:pa:ss@n1.example:80\""), ""}, Case{NODE("check = \"http://n1?x=/@y:1\""), ""},
        Case{NODE("ports = { https = 70000 }"),
             "topology.toml:5:19: nodes.ports.https: expected an integer from 1 to 65535, found 70000"},
        Case{NODE("ports = { https = 443, rtmp = 1935 }"),
             "topology.toml:5:24: nodes.ports.rtmp: unknown key; known here: https, wss, http, ws"},
        Case{NODE("ports = {}"),
             "topology.toml:5:9: nodes.ports: expected at least one of https, wss, http, ws, found none"},
        Case{NODE("ports = 443"),
             "topology.toml:5:9: nodes.ports: expected a table such as { https = 443 }, found an integer"}));
INSTANTIATE_TEST_SUITE_P(
    Across, TopologyRule,
    testing::Values(Case{NODE("patterns = [\"streaming\", \"nope\"]"),
                         "topology.toml:5:26: nodes.patterns: no pattern \"nope\""},
                    Case{NODE("partners = [\"default\"]"), ""},
                    Case{"[[patterns]]\nid = \"p\"\nfallback = [\"p\"]\n",
                         "topology.toml:3:13: patterns.fallback: pattern \"p\" falls back on itself"},
                    Case{"[[partners]]\nid = \"p\"\ndefault_group = \"nope\"\n",
                         "topology.toml:3:17: partners.default_group: no group \"nope\""},
                    Case{"[[partners]]\nid = \"p\"\ndefault_group = \"\"\n", ""}));

#define TOKEN(line)                                                                                          \
  "[[tokens]]\nsha256 = \"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\"\nowner_type = " \
  "\"user\"\n" line "\n"
#define GRANT(lines) "[[grants]]\nowner_type = \"user\"\nowner_id = \"u1\"\n" lines "\n"

class AccountsRule : public testing::TestWithParam<Case> {};
TEST_P(AccountsRule, IsHeld) {
  Files files;
  files.accounts = std::string(GetParam().row) + std::string(kUser);
  EXPECT_EQ(faults_of(files), expected(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(
    Tokens, AccountsRule,
    testing::Values(
        Case{TOKEN("owner_id = \"u1\"\nexpires_at = 2030-01-01T00:00:00+03:00"), ""},
        Case{TOKEN("owner_id = \"nope\""), "accounts.toml:4:12: tokens.owner_id: no user \"nope\""},
        Case{"[[tokens]]\nsha256 = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"\nowner_type = "
             "\"city\"\nowner_id = \"nope\"\n",
             ""},
        Case{TOKEN(""), "accounts.toml:1:1: tokens.owner_id: missing; expected 1-64 of A-Z a-z 0-9 . _ : -"},
        Case{
            TOKEN("owner_id = \"u1\"\nexpires_at = 2030-01-01T00:00:00"),
            "accounts.toml:5:14: tokens.expires_at: expected a date-time with its offset such as 2030-01-01T00:00:00Z, "
            "found a local one; add Z for UTC"},
        Case{
            TOKEN("owner_id = \"u1\"\nexpires_at = 2030-01-01"),
            "accounts.toml:5:14: tokens.expires_at: expected a date-time with its offset such as 2030-01-01T00:00:00Z, "
            "found a date"},
        Case{"[[tokens]]\nsha256 = \"my-secret-token\"\nowner_type = \"user\"\nowner_id = \"u1\"\n",
             "accounts.toml:2:10: tokens.sha256: expected 64 hex digits, the SHA-256 of the token"}));
INSTANTIATE_TEST_SUITE_P(
    Grants, AccountsRule,
    testing::Values(
        Case{GRANT("object_type = \"camera\"\nserver = \"none\"\nobject_id = \"0\"\nrights = [\"view\"]"), ""},
        Case{GRANT("object_type = \"camera\"\nobject_id = \"0\""),
             "accounts.toml:1:1: grants.server: missing; expected 1-64 of A-Z a-z 0-9 . _ : -"},
        Case{GRANT("object_type = \"server\"\nobject_id = \"s1\""), ""},
        Case{GRANT("object_type = \"server\"\nserver = \"s2\"\nobject_id = \"s1\""),
             "accounts.toml:5:10: grants.server: expected the grant's object_id \"s1\", found \"s2\""},
        Case{GRANT("object_type = \"planet\"\nobject_id = \"s1\""),
             "accounts.toml:4:15: grants.object_type: expected one of camera, server, found \"planet\""},
        Case{"[[grants]]\nowner_type = \"user\"\nowner_id = \"u2\"\nobject_type = \"server\"\nobject_id = \"s1\"\n",
             "accounts.toml:3:12: grants.owner_id: no user \"u2\""},
        Case{"[[grants]]\nowner_type = \"city\"\nowner_id = \"u2\"\nobject_type = \"server\"\nobject_id = \"s1\"\n",
             ""}));
INSTANTIATE_TEST_SUITE_P(
    Billing, AccountsRule,
    testing::Values(
        Case{"[[users]]\nid = \"u2\"\ntariff = \"nope\"\n", "accounts.toml:3:10: users.tariff: no tariff \"nope\""},
        Case{"[[users]]\nid = \"u2\"\n",
             "accounts.toml:1:1: users.tariff: missing; expected 1-64 of A-Z a-z 0-9 . _ : -"},
        Case{"[[users]]\nid = \"u2\"\ntariff = \"home\"\nblocked = 1\n",
             "accounts.toml:4:11: users.blocked: expected true or false, found an integer"},
        Case{"[[tariffs]]\nid = \"t\"\n", "accounts.toml:1:1: tariffs.formats: missing; expected an array of strings"},
        Case{"[[tariffs]]\nid = \"t\"\nformats = []\nmax_streams = -1\n",
             "accounts.toml:4:15: tariffs.max_streams: expected an integer of 0 or more, found -1"},
        Case{"[[usage]]\nuser = \"nope\"\n", "accounts.toml:2:8: usage.user: no user \"nope\""},
        Case{"[[usage]]\nuser = \"u1\"\nstreams = -1\n",
             "accounts.toml:3:11: usage.streams: expected an integer of 0 or more, found -1"},
        Case{"[[usage]]\nuser = \"u1\"\n[[usage]]\nuser = \"u1\"\n",
             "accounts.toml:4:8: usage.user: \"u1\" is there already"}));

#define SERVER(line) "[[servers]]\nid = \"s2\"\nonline = true\nowner_id = \"u1\"\n" line "\n"
#define CAMERA(lines) "[[cameras]]\nserver = \"s1\"\nid = \"0\"\n" lines "\n"

class DevicesRule : public testing::TestWithParam<Case> {};
TEST_P(DevicesRule, IsHeld) {
  Files files;
  files.devices = std::string(GetParam().row) + std::string(kServer);
  EXPECT_EQ(faults_of(files), expected(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(
    All, DevicesRule,
    testing::Values(
        Case{SERVER("owner_type = \"user\"\npartner = \"nope\""),
             "devices.toml:6:11: servers.partner: no partner \"nope\""},
        Case{SERVER("owner_type = \"user\"\npartner = \"default\""), ""},
        Case{"[[servers]]\nid = \"s2\"\nonline = true\nowner_type = \"user\"\nowner_id = \"nope\"\n",
             "devices.toml:5:12: servers.owner_id: no user \"nope\""},
        Case{"[[servers]]\nid = \"s2\"\nonline = true\nowner_type = \"city\"\nowner_id = \"nope\"\n", ""},
        Case{"[[servers]]\nid = \"s2\"\nowner_type = \"user\"\nowner_id = \"u1\"\n",
             "devices.toml:1:1: servers.online: missing; expected true or false"},
        Case{CAMERA("online = true\nstreams = [\"hls\"]"), ""},
        Case{CAMERA("streams = [\"hls\"]"), "devices.toml:1:1: cameras.online: missing; expected true or false"},
        Case{CAMERA("online = true"), "devices.toml:1:1: cameras.streams: missing; expected an array of strings"},
        Case{CAMERA("online = true\nstreams = [\"mp4\"]"),
             "devices.toml:5:12: cameras.streams: expected one of flv, hls, ws-fmp4, found \"mp4\""},
        Case{"[[cameras]]\nserver = \"nope\"\nid = \"0\"\nonline = true\nstreams = []\n",
             "devices.toml:2:10: cameras.server: no server \"nope\""}));

class StatesRule : public testing::TestWithParam<Case> {};
TEST_P(StatesRule, IsHeld) {
  Files files;
  files.states = GetParam().row;
  EXPECT_EQ(faults_of(files), expected(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(
    All, StatesRule,
    testing::Values(Case{"[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\nsessions = 3\nload = 1.1\n",
                         ""},
                    Case{"[[node_states]]\nid = \"nope\"\nseen_at = 2026-01-01T00:00:00Z\n",
                         "states.toml:2:6: node_states.id: no node \"nope\""},
                    Case{"[[node_states]]\nid = \"n1\"\n",
                         "states.toml:1:1: node_states.seen_at: missing; expected a date-time with its offset such as "
                         "2030-01-01T00:00:00Z"},
                    Case{"[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\nsessions = -1\n",
                         "states.toml:4:12: node_states.sessions: expected an integer of 0 or more, found -1"},
                    Case{"[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\nload = -0.1\n",
                         "states.toml:4:8: node_states.load: expected a number from 0 to 1000000, found -0.1"},
                    Case{"[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\nonline = \"yes\"\n",
                         "states.toml:4:10: node_states.online: expected true or false, found a string"}));

TEST(StoreRules, BadValuesCauseNoSecondFaultElsewhere) {
  Files files;
  // The group's bad coordinates do not make it unknown, nor do two bad hosts make a duplicate.
  files.topology =
      "[[groups]]\nid = \"eu\"\ncoordinates = [100, 0]\n[[nodes]]\nid = \"n1\"\nhost = \"n1\"\ngroup = \"e u\"\n"
      "[[partners]]\nid = \"p\"\nhosts = [\"-\", \"/\"]\n";
  std::vector<std::string> keys;
  for (const std::string& line : faults_of(files)) keys.push_back(line.substr(0, line.find(": expected")));
  EXPECT_EQ(keys,
            (std::vector<std::string>{"topology.toml:3:16: groups.coordinates", "topology.toml:7:9: nodes.group",
                                      "topology.toml:10:10: partners.hosts", "topology.toml:10:15: partners.hosts"}));
}

TEST(StoreRules, LongValuesAreCutBetweenCharacters) {
  Files files;
  std::string id(79, 'a');
  for (int i = 0; i < 50; ++i) id += "ж";
  files.topology = "[[groups]]\nid = \"" + id + "\"\n" + std::string(kNode);
  EXPECT_EQ(faults_of(files),
            std::vector<std::string>{"topology.toml:2:6: groups.id: expected 1-64 of A-Z a-z 0-9 . _ : -, found \"" +
                                     std::string(79, 'a') + "...\""});
}

}  // namespace
}  // namespace geo::io

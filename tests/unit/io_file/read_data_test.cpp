// The store's files as a whole: what is read, what faults of several files do to each other, where they are.
#include "geo/base/text.h"
#include "geo/io/file.h"
#include "temp_dir.h"

namespace geo::io {
namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view kTopology = R"([[patterns]]
id = "streaming"
fallback = ["any"]
policy = "weighted"
[[patterns]]
id = "any"
[[partners]]
id = "acme"
hosts = ["GEO.Example.com", "[2001:DB8::1]"]
default_group = "ru-msk"
max_share = 0.5
[[groups]]
id = "ru-msk"
coordinates = [55.75, 37.61]
country = "RU"
forbid = ["RU>US", "*>RU"]
[[places]]
country = "RU"
region = "MOW"
city = "Москва"
group = "ru-msk"
[[networks]]
cidr = "10.1.0.0/16"
group = "ru-msk"
[[networks]]
cidr = "2001:db8::/32"
country = "RU"
region = "MOW"
coordinates = [55, 37]
[[networks]]
cidr = "192.0.2.7"
region = "Moscow"
[[nodes]]
id = "node-moscow-1"
host = "Node-Moscow-1.Example.com"
group = "ru-msk"
dc = "msk-1"
weight = 50
capacity = 2000
patterns = ["streaming"]
partners = ["acme"]
formats = ["flv", "ws-fmp4"]
admin = "drain"
country = "RU"
coordinates = [55.7, 37.6]
forbid = ["US>RU"]
check = "http://10.0.0.1/health"
[[nodes]]
id = "plain"
host = "plain"
group = "ru-msk"
)";

WallTime at(std::string_view text) { return *parse_time(text); }

TEST(ReadData, ReadsEveryKeyOfTheTopology) {
  const test::TempDir dir;
  dir.write("topology.toml", kTopology);
  const ReadData read = read_data(dir.path());
  ASSERT_EQ(test::lines_of(read.faults, dir), Lines{});
  const place::Rows& rows = read.data.topology;

  EXPECT_EQ(rows.patterns, (std::vector<place::Pattern>{{"streaming", {"any"}, "weighted"}, {"any", {}, ""}}));
  EXPECT_EQ(rows.partners,
            (std::vector<place::Partner>{{"acme", {"geo.example.com", "[2001:db8::1]"}, "ru-msk", 0.5, ""}}));
  EXPECT_EQ(
      rows.groups,
      (std::vector<place::Group>{{"ru-msk", place::Coordinates{55.75, 37.61}, "RU", {}, {{"RU", "US"}, {"*", "RU"}}}}));
  EXPECT_EQ(rows.places, (std::vector<place::Place>{{"RU", "MOW", "Москва", "ru-msk"}}));

  ASSERT_EQ(rows.networks.size(), 3U);
  EXPECT_EQ(rows.networks[0], (place::Network{*Cidr::parse("10.1.0.0/16"), "ru-msk", {}}));
  EXPECT_EQ(rows.networks[1].location, (place::Location{"RU", "MOW", "", "", place::Coordinates{55, 37}}));
  EXPECT_EQ(rows.networks[2], (place::Network{*Cidr::parse("192.0.2.7/32"), "", {"", "", "Moscow", "", {}}}));

  ASSERT_EQ(rows.nodes.size(), 2U);
  place::Node node;
  node.id = "node-moscow-1";
  node.host = "node-moscow-1.example.com";
  node.group = "ru-msk";
  node.dc = "msk-1";
  node.weight = 50;
  node.capacity = 2000;
  node.patterns = {"streaming"};
  node.partners = {"acme"};
  node.formats = {"flv", "ws-fmp4"};
  node.admin = place::Admin::drain;
  node.country = "RU";
  node.coordinates = place::Coordinates{55.7, 37.6};
  node.forbid = {{"US", "RU"}};
  node.check = "http://10.0.0.1/health";
  EXPECT_EQ(rows.nodes[0], node);
  place::Node plain;
  plain.id = plain.host = "plain";
  plain.group = "ru-msk";
  EXPECT_EQ(rows.nodes[1], plain);
}

struct PortsCase {
  const char* line;
  place::Ports ports;
};
class ReadPorts : public testing::TestWithParam<PortsCase> {};
TEST_P(ReadPorts, ListsWhatIsOffered) {
  const test::TempDir dir;
  dir.write(
      "topology.toml",
      std::string("[[groups]]\nid = \"g\"\n[[nodes]]\nid = \"n\"\nhost = \"n\"\ngroup = \"g\"\n") + GetParam().line);
  const ReadData read = read_data(dir.path());
  ASSERT_EQ(test::lines_of(read.faults, dir), Lines{});
  EXPECT_EQ(read.data.topology.nodes[0].ports, GetParam().ports);
}
INSTANTIATE_TEST_SUITE_P(All, ReadPorts,
                         testing::Values(PortsCase{"", {443, 443, 0, 0}},
                                         PortsCase{"ports = { https = 8443 }", {8443, 8443, 0, 0}},
                                         PortsCase{"ports = { wss = 8443 }", {8443, 8443, 0, 0}},
                                         PortsCase{"ports = { https = 443, wss = 8443 }", {443, 8443, 0, 0}},
                                         PortsCase{"ports = { http = 8080 }", {0, 0, 8080, 8080}},
                                         PortsCase{"[nodes.ports]\nws = 80\nhttps = 1\n", {1, 1, 80, 80}}));

// Signed URLs hold the host of the row; what a browser sends back must be the same.
TEST(ReadData, HostsAreAsBrowsersSendThem) {
  const std::pair<const char*, const char*> cases[] = {{"[2001:0db8::0001]", "[2001:db8::1]"},
                                                       {"[2001:DB8:0:0:1:0:0:1]", "[2001:db8::1:0:0:1]"},
                                                       {"[2001:db8:0:1:1:1:1:1]", "[2001:db8:0:1:1:1:1:1]"},
                                                       {"[::]", "[::]"},
                                                       {"[::FFFF:192.0.2.1]", "[::ffff:c000:201]"},
                                                       {"[::192.0.2.1]", "[::c000:201]"},
                                                       {"192.0.2.1", "192.0.2.1"},
                                                       {"N1.Example.com", "n1.example.com"}};
  for (const auto& [written, sent] : cases) {
    const test::TempDir dir;
    const std::string host = written;
    dir.write("topology.toml", "[[groups]]\nid = \"eu\"\n[[nodes]]\nid = \"n1\"\ngroup = \"eu\"\nhost = \"" + host +
                                   "\"\n[[partners]]\nid = \"p\"\nhosts = [\"" + host + "\"]\n");
    const ReadData read = read_data(dir.path());
    ASSERT_EQ(test::lines_of(read.faults, dir), Lines{});
    EXPECT_EQ(read.data.topology.nodes[0].host, sent) << written;
    EXPECT_EQ(read.data.topology.partners[0].hosts, std::vector<std::string>{sent}) << written;
  }
}

TEST(ReadData, ReadsAccountsDevicesAndStates) {
  const test::TempDir dir;
  dir.write("topology.toml", kTopology);
  dir.write("accounts.toml",
            "[[tokens]]\nsha256 = \"" + std::string(62, '0') +
                "Ff\"\nowner_type = \"user\"\nowner_id = \"u1\"\n"
                "expires_at = 2030-01-01T03:00:00.25+03:00\n"
                "[[grants]]\nowner_type = \"user\"\nowner_id = \"u1\"\nobject_type = \"camera\"\nserver = \"s1\"\n"
                "object_id = \"0\"\nrights = [\"view\", \"control\"]\n"
                "[[users]]\nid = \"u1\"\ntariff = \"home\"\npaid_until = 2030-01-01T00:00:00Z\nblocked = true\n"
                "[[tariffs]]\nid = \"home\"\nformats = [\"flv\"]\nmax_streams = 0\n"
                "[[usage]]\nuser = \"u1\"\nstreams = 2\nreported_at = 1969-12-31T23:59:59Z\n");
  dir.write(
      "devices.toml",
      "[[servers]]\nid = \"s1\"\ndc = \"msk\"\nonline = true\npartner = \"acme\"\nowner_type = \"user\"\nowner_id = "
      "\"u1\"\n[[cameras]]\nserver = \"s1\"\nid = \"0\"\nonline = false\nstreams = [\"flv\", \"hls\"]\n");
  dir.write("states.toml", "[[node_states]]\nid = \"plain\"\nseen_at = 2026-01-01T00:00:00Z\n");
  const ReadData read = read_data(dir.path());
  ASSERT_EQ(test::lines_of(read.faults, dir), Lines{});

  Digest digest{};
  digest[31] = 0xff;
  EXPECT_EQ(read.data.tokens, (std::vector<auth::Token>{{digest, {"user", "u1"}, at("2030-01-01T00:00:00.25Z")}}));
  EXPECT_EQ(read.data.grants, (std::vector<auth::Grant>{{{"user", "u1"}, "camera", "s1", "0", {"view", "control"}}}));
  EXPECT_EQ(read.data.users, (std::vector<billing::User>{{"u1", "home", at("2030-01-01T00:00:00Z"), true}}));
  EXPECT_EQ(read.data.tariffs, (std::vector<billing::Tariff>{{"home", {"flv"}, 0}}));
  EXPECT_EQ(read.data.usage, (std::vector<billing::Usage>{{"u1", 2, WallTime(std::chrono::seconds(-1))}}));
  EXPECT_EQ(read.data.servers, (std::vector<devices::Server>{{"s1", "msk", true, "acme", "user", "u1"}}));
  EXPECT_EQ(read.data.cameras, (std::vector<devices::Camera>{{"s1", "0", false, {"flv", "hls"}}}));
  EXPECT_EQ(read.data.node_states, (std::vector<balance::Report>{{"plain", at("2026-01-01T00:00:00Z"), true, {}, {}}}));
}

Lines faults_of(const std::map<std::string, std::string>& files) {
  const test::TempDir dir;
  for (const auto& [name, text] : files) dir.write(name, text);
  return test::lines_of(read_data(dir.path()).faults, dir);
}

const std::string kSmall = "[[groups]]\nid = \"eu\"\n[[nodes]]\nid = \"n1\"\nhost = \"n1\"\ngroup = \"eu\"\n";

TEST(ReadData, MissingTopologyIsAFaultMissingOthersAreEmpty) {
  EXPECT_EQ(faults_of({}), Lines{"topology.toml: no such file"});
  EXPECT_EQ(faults_of({{"topology.toml", kSmall}}), Lines{});
}

TEST(ReadData, ThreeFaultsInOneFileAreThreeLines) {
  EXPECT_EQ(faults_of({{"topology.toml", kSmall + "wieght = 5\nweight = -1\ndc = 5\n"}}),
            (Lines{"topology.toml:7:1: nodes.wieght: unknown key; known here: id, host, group, dc, weight, capacity, "
                   "patterns, partners, formats, admin, country, coordinates, forbid, check, ports",
                   "topology.toml:8:10: nodes.weight: expected a number from 0 to 1000000, found -1",
                   "topology.toml:9:6: nodes.dc: expected a string, found an integer"}));
}

TEST(ReadData, BrokenFilesHideNothingOfTheOthers) {
  EXPECT_EQ(
      faults_of({{"topology.toml", "[[nodes]]\nid = = 5\n"},
                 {"accounts.toml", "[[tariffs]]\nid = \"t\"\nformats = [\"mp4\"]\n"},
                 {"devices.toml", "[[servers]]\nid = \"s\"\nonline = 1\nowner_type = \"user\"\nowner_id = \"u\"\n"},
                 {"states.toml", "[[node_states]\n"}})
          .size(),
      5U);  // one each, and the owner that accounts.toml, which can be read, does not have
}

TEST(ReadData, BrokenFileMakesNoReferenceDangle) {
  const Lines lines = faults_of(
      {{"topology.toml", kSmall},
       {"accounts.toml", "[[users]]\nid = \"u\n"},
       {"devices.toml", "[[servers]]\nid = \"s\"\nonline = true\nowner_type = \"user\"\nowner_id = \"u\"\n"}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with("accounts.toml:2:")) << lines[0];
}

TEST(ReadData, TableOfTheWrongShapeMakesNoReferenceDangle) {
  EXPECT_EQ(faults_of({{"topology.toml", "groups = 5\n[[nodes]]\nid = \"n1\"\nhost = \"n1\"\ngroup = \"eu\"\n"}}),
            Lines{"topology.toml:1:10: groups: expected an array of tables, [[groups]], found an integer"});
  EXPECT_EQ(faults_of({{"topology.toml",
                        "[groups]\nid = \"eu\"\ncountry = 5\n[[nodes]]\nid = \"n\"\nhost = \"n\"\ngroup = \"eu\"\n"}}),
            (Lines{"topology.toml:1:1: groups: expected an array of tables, [[groups]], found a table",
                   "topology.toml:3:11: groups.country: expected a string, found an integer"}));
  EXPECT_EQ(faults_of({{"topology.toml", "groups = [{ id = \"eu\" }, 5]\n"}}),
            Lines{"topology.toml:1:26: groups: expected a table, found an integer"});
}

TEST(ReadData, UnknownTableIsAFaultAtItsKey) {
  EXPECT_EQ(faults_of({{"topology.toml", kSmall}, {"states.toml", "\n[[nodes]]\nid = \"n1\"\n"}}),
            Lines{"states.toml:2:3: nodes: unknown table; known here: node_states"});
}

TEST(ReadData, KeysThatAreNotBareStayOnOneLine) {
  EXPECT_EQ(faults_of({{"topology.toml", kSmall}, {"states.toml", "\"a\\nb\" = 1\n"}}),
            Lines{"states.toml:1:1: \"a\\nb\": unknown table; known here: node_states"});
}

TEST(ReadData, DuplicatesAreReportedAtTheLaterRow) {
  const std::string user = "[[users]]\nid = \"u\"\ntariff = \"t\"\n";
  const std::string token =
      "[[tokens]]\nsha256 = \"" + std::string(64, 'a') + "\"\nowner_type = \"user\"\nowner_id = \"u\"\n";
  const std::string tariff = "[[tariffs]]\nid = \"t\"\nformats = []\n";
  EXPECT_EQ(
      faults_of({{"topology.toml", kSmall + kSmall}, {"accounts.toml", user + tariff + user + token + token + tariff}}),
      (Lines{"accounts.toml:8:6: users.id: \"u\" is there already",
             "accounts.toml:15:10: tokens.sha256: this token is there already",
             "accounts.toml:19:6: tariffs.id: \"t\" is there already",
             "topology.toml:8:6: groups.id: \"eu\" is there already",
             "topology.toml:10:6: nodes.id: \"n1\" is there already"}));
  const std::string camera = "[[cameras]]\nserver = \"s\"\nid = \"0\"\nonline = true\nstreams = []\n";
  const std::string server = "[[servers]]\nid = \"s\"\nonline = true\nowner_type = \"x\"\nowner_id = \"u\"\n";
  const std::string state = "[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\n";
  EXPECT_EQ(faults_of({{"topology.toml", kSmall},
                       {"devices.toml", camera + server + camera + server},
                       {"states.toml", state + state}}),
            (Lines{"devices.toml:13:6: cameras.id: \"0\" of server \"s\" is there already",
                   "devices.toml:17:6: servers.id: \"s\" is there already",
                   "states.toml:5:6: node_states.id: \"n1\" is there already"}));
}

TEST(ReadData, OneHostInTwoFormsIsThereTwice) {
  const Lines lines = faults_of({{"topology.toml",
                                  "[[partners]]\nid = \"a\"\nhosts = [\"[2001:db8::1]\"]\n"
                                  "[[partners]]\nid = \"b\"\nhosts = [\"[2001:DB8:0::1]\"]\n"}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with("topology.toml:6:10: partners.hosts: ")) << lines[0];
}

TEST(ReadData, UnreadableFilesAreNamed) {
  const test::TempDir dir;
  dir.write("topology.toml", kSmall);
  std::filesystem::create_directory(dir.path() / "accounts.toml");
  EXPECT_EQ(test::lines_of(read_data(dir.path()).faults, dir),
            Lines{"accounts.toml: is a directory, expected a TOML file"});
}

class HostileToml : public testing::TestWithParam<std::string> {};
TEST_P(HostileToml, IsOneFaultWithItsLine) {
  const test::TempDir dir;
  dir.write("topology.toml", GetParam());
  const Faults faults = read_data(dir.path()).faults;
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].line, 1U);
  EXPECT_EQ(faults[0].message.find('\n'), std::string::npos);
}
std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, HostileToml,
                         testing::Values("a = " + std::string(100000, '['), std::string(100000, '['),
                                         "a = " + repeated("{a=", 100000), repeated("a.", 500000) + "a = 1",
                                         "[" + repeated("'a,b' . ", 500000) + "a]", "\xff\xfe", std::string(100, '\0'),
                                         "a = \"unterminated", "a = \"\xc3\x28\"", "a = " + std::string(5000, '9'),
                                         "a = 1979-99-99T99:99:99Z"));

TEST(ReadData, DotsInTextsAndCommentsAreNoKeys) {
  EXPECT_EQ(
      faults_of({{"topology.toml", "# " + std::string(300, '.') + "\n" + kSmall + "dc = '''" + std::string(100, '.') +
                                       "'''\ncheck = \"http://a/" + std::string(300, '.') + "\"\n"}}),
      Lines{});
}

TEST(ReadData, ReadsTwoHundredThousandCameras) {
  constexpr int kServers = 200, kCamerasEach = 1000;
  std::string text;
  for (int server = 0; server < kServers; ++server)
    text +=
        "[[servers]]\nid = \"s" + std::to_string(server) + "\"\nonline = true\nowner_type = \"x\"\nowner_id = \"x\"\n";
  for (int server = 0; server < kServers; ++server)
    for (int camera = 0; camera < kCamerasEach; ++camera)
      text += "[[cameras]]\nserver = \"s" + std::to_string(server) + "\"\nid = \"" + std::to_string(camera) +
              "\"\nonline = true\nstreams = [\"flv\", \"hls\"]\n";
  const test::TempDir dir;
  dir.write("topology.toml", kSmall);
  dir.write("devices.toml", text);
  ReadData read = read_data(dir.path());
  EXPECT_EQ(test::lines_of(read.faults, dir), Lines{});
  ASSERT_EQ(read.data.cameras.size(), 200000U);
  EXPECT_EQ(read.data.cameras.back(), (devices::Camera{"s199", "999", true, {"flv", "hls"}}));
}

TEST(ReadStates, ReadsOneFileAgainstTheNodes) {
  const test::TempDir dir;
  const std::vector<place::Node> nodes(1, [] {
    place::Node node;
    node.id = "n1";
    return node;
  }());
  EXPECT_TRUE(read_states(dir.path() / "none.toml", nodes).faults.empty());
  const auto file =
      dir.write("states.toml",
                "[[node_states]]\nid = \"n1\"\nseen_at = 2026-01-01T00:00:00Z\nonline = false\nsessions = 7\n"
                "load = 0.5\n[[node_states]]\nid = \"n2\"\nseen_at = 2026-01-01T00:00:00Z\n");
  const ReadStates read = read_states(file, nodes);
  EXPECT_EQ(test::lines_of(read.faults, dir), Lines{"states.toml:8:6: node_states.id: no node \"n2\""});
  EXPECT_EQ(read.reports.at(0), (balance::Report{"n1", at("2026-01-01T00:00:00Z"), false, 7, 0.5}));
}

}  // namespace
}  // namespace geo::io

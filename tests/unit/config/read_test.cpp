// geod.toml: what is wrong in it, where, and in which words.
#include "../io_file/temp_dir.h"
#include "geo/config.h"

namespace geo::config {
namespace {

using Lines = std::vector<std::string>;

Lines faults_of(std::string_view text, const std::vector<Variable>& environment = {}) {
  const test::TempDir dir;
  return test::lines_of(read_file(dir.write("geod.toml", text), environment).faults, dir);
}

constexpr std::string_view kKeys = "[signing]\nkeys = [ { id = \"k1\", secret_file = \"k1.hex\" } ]\n";

TEST(ReadConfig, DefaultsHaveNoFault) {
  EXPECT_EQ(faults_of(""), Lines{});
  EXPECT_EQ(faults_of(kKeys), Lines{});
  EXPECT_TRUE(read_defaults({}).faults.empty());
}

TEST(ReadConfig, MissingFileIsNamed) {
  const test::TempDir dir;
  EXPECT_EQ(test::lines_of(read_file(dir.path() / "none.toml", {}).faults, dir), Lines{"none.toml: no such file"});
}

TEST(ReadConfig, ThreeFaultsAreThreeLines) {
  EXPECT_EQ(faults_of("[listen]\nredirct = \"\"\n[http]\nthreads = -1\n[signing]\nkeys = [ { id = \"k1\" } ]\n"),
            (Lines{"geod.toml:2:1: listen.redirct: unknown key; known here: redirect, admin, resolver, auth, verify",
                   "geod.toml:4:11: http.threads: expected an integer from 0 to 1024, found -1",
                   "geod.toml:6:10: signing.keys.secret_file: missing; expected a path or credential:NAME, not the "
                   "secret itself"}));
}

TEST(ReadConfig, BrokenTomlIsOneFaultAndHidesNothingOfTheEnvironment) {
  const Lines lines =
      faults_of("[listen]\nadmin = = 1\n", {{"GEO_LISTEN_ADMIN", "0.0.0.0:1"}, {"GEO_HTTP_THREADS", "x"}});
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1], "environment: http.threads: GEO_HTTP_THREADS: expected an integer from 0 to 1024, found \"x\"");
  EXPECT_TRUE(lines[0].starts_with("geod.toml:2:9: ")) << lines[0];
}

TEST(ReadConfig, OfBrokenTomlWhatStandsAboveCountsWhereThatIsAskedFor) {
  const test::TempDir dir;
  const auto admin_of = [&](const std::string& text) {
    const Read read = read_file(dir.write("geod.toml", text), {}, IfBroken::above);
    EXPECT_EQ(read.faults.size(), 1U) << text;
    return read.config.listen.admin;
  };
  const std::string known = "[listen]\nadmin = \"127.0.0.1:1\"\n", none = Config().listen.admin;
  EXPECT_EQ(admin_of(known + "[billing"), "127.0.0.1:1");
  EXPECT_EQ(admin_of(known + "resolver = = 1\nauth = \"127.0.0.1:2\"\n"), "127.0.0.1:1");
  EXPECT_EQ(admin_of(known + "[resolver]\nproviders = [\n\"maxmind\",\n\"ip-api\"\n\n[billing]\nlease_s = 1\n"),
            "127.0.0.1:1")
      << "an array that does not end";
  EXPECT_EQ(admin_of(known + "[store]\ndir = \"\"\"\n\n[billing]\nlease_s = 1\n"), "127.0.0.1:1")
      << "a string that does not end";
  std::string endless = "a";
  for (int i = 0; i < 100; ++i) endless += ".a";
  EXPECT_EQ(admin_of(known + endless + " = 1\n"), "127.0.0.1:1");
  EXPECT_EQ(admin_of("= 1\n" + known), none);
  EXPECT_EQ(admin_of("\xff\xfe\n" + known), none);
  EXPECT_EQ(read_file(dir.write("geod.toml", known + "="), {}).config.listen.admin, none);
}

TEST(ReadConfig, UnknownSectionsAreFaults) {
  EXPECT_EQ(faults_of("[cache.places]\n[cache.plces]\nttl_s = 1\n"),
            Lines{"geod.toml:2:8: cache.plces: unknown key; known here: billing, devices, places, tokens, usage"});
  const Lines lines = faults_of("[lsten]\nredirect = \"\"\n");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with("geod.toml:1:2: lsten: unknown key; known here: admin, auth, ")) << lines[0];
}

TEST(ReadConfig, EachKeyThatAValueNeedsIsToldThere) {
  EXPECT_EQ(faults_of("[tls]\nredirect = \"127.0.0.1:1\"\n"),
            (Lines{"geod.toml:2:12: tls.certificate_file: missing; tls.redirect needs it",
                   "geod.toml:2:12: tls.key_file: missing; tls.redirect needs it"}));
}

TEST(ReadConfig, LimitOfAUnixSocketsPathIsTold) {
  const Lines lines = faults_of("[listen]\nadmin = \"unix:/" + std::string(107, 'x') + "\"\n");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].ends_with(" (a unix socket's path has at most 107 bytes)")) << lines[0];
  EXPECT_EQ(faults_of("[listen]\nadmin = \"unix:/" + std::string(106, 'x') + "\"\n"), Lines{});
}

TEST(ReadConfig, SectionThatIsNoneIsAFault) {
  EXPECT_EQ(faults_of("listen = 5\n"), Lines{"geod.toml:1:10: listen: expected a section, [listen], found an integer"});
  EXPECT_EQ(faults_of("[resolver]\nmaxmind = \"a.mmdb\"\n"),
            Lines{"geod.toml:2:11: resolver.maxmind: expected a section, [resolver.maxmind], found a string"});
}

TEST(ReadConfig, DottedKeysAreSectionsToo) {
  const test::TempDir dir;
  const Read read = read_file(dir.write("geod.toml", "http.threads = 3\nresolver.maxmind.files = [\"a\"]\n"), {});
  EXPECT_EQ(test::lines_of(read.faults, dir), Lines{});
  EXPECT_EQ(read.config.http.threads, 3);
  EXPECT_EQ(read.config.resolver.maxmind.files, Lines{"a"});
}

struct Case {
  const char* text;
  const char* fault;  // empty: it is good
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.text; }

class ConfigRule : public testing::TestWithParam<Case> {};
TEST_P(ConfigRule, IsHeld) {
  const std::string fault = GetParam().fault;
  EXPECT_EQ(faults_of(GetParam().text), fault.empty() ? Lines{} : Lines{"geod.toml:" + fault});
}
#define ADDRESS "expected \"HOST:PORT\", \"[IPV6]:PORT\" or \"\", found "
INSTANTIATE_TEST_SUITE_P(
    Addresses, ConfigRule,
    testing::Values(Case{"[listen]\nredirect = \"8080\"\n", "2:12: listen.redirect: " ADDRESS "\"8080\""},
                    Case{"[listen]\nredirect = \":8080\"\n", "2:12: listen.redirect: " ADDRESS "\":8080\""},
                    Case{"[listen]\nredirect = \"::1:8080\"\n", "2:12: listen.redirect: " ADDRESS "\"::1:8080\""},
                    Case{"[listen]\nredirect = \"127.0.0.1:65536\"\n",
                         "2:12: listen.redirect: " ADDRESS "\"127.0.0.1:65536\""},
                    Case{"[listen]\nredirect = \"unix:/run/a\"\n", "2:12: listen.redirect: " ADDRESS "\"unix:/run/a\""},
                    Case{"[listen]\nadmin = \"unix:a\"\n",
                         "2:9: listen.admin: expected \"HOST:PORT\", \"[IPV6]:PORT\", \"unix:/PATH\" or \"\", found "
                         "\"unix:a\""},
                    Case{"[listen]\nredirect = \"[::]:8080\"\nadmin = \"[::1]:0\"\nverify = \"127.0.0.1:0\"\n", ""},
                    Case{"[listen]\nredirect = 8080\n", "2:12: listen.redirect: expected a string, found an integer"}));
INSTANTIATE_TEST_SUITE_P(
    Enumerations, ConfigRule,
    testing::Values(
        Case{"[store]\nkind = \"file\"\n", "2:8: store.kind: expected one of files, mongodb, none, found \"file\""},
        Case{"[redirect]\ntoken = \"keep\"\n", "2:9: redirect.token: expected one of pass, drop, found \"keep\""},
        Case{"[balance]\npolicy = \"\"\n",
             "2:10: balance.policy: expected one of affinity, weighted, least_loaded, nearest, found \"\""},
        Case{"[billing]\non_unknown = \"maybe\"\n",
             "2:14: billing.on_unknown: expected one of known_only, allow, refuse, found \"maybe\""},
        Case{"[log]\nlevel = \"loud\"\n",
             "2:9: log.level: expected one of trace, debug, info, warn, error, found \"loud\""},
        Case{"[log]\naccess = \"\"\n",
             "2:10: log.access: expected stdout, stderr, off or the path of a file, found \"\""},
        Case{"[log]\nmask_client_ip = 1\n", "2:18: log.mask_client_ip: expected true or false, found an integer"}));
INSTANTIATE_TEST_SUITE_P(
    Lists, ConfigRule,
    testing::Values(
        Case{"[resolver]\nproviders = [\"maxmind\", \"geoip\"]\n",
             "2:25: resolver.providers: expected one of networks, maxmind, ip-api, remote, found \"geoip\""},
        Case{"[resolver]\nproviders = [\"maxmind\", \"maxmind\"]\n",
             "2:25: resolver.providers: \"maxmind\" is in the list already"},
        Case{"[resolver]\nproviders = \"maxmind\"\n",
             "2:13: resolver.providers: expected an array of strings, found a string"},
        Case{"[resolver]\nproviders = []\n", ""},
        Case{"[http]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/33\"]\n",
             "2:33: http.trusted_proxies: expected a network such as 10.1.0.0/16 or 2001:db8::/32, found "
             "\"10.0.0.0/33\" (the prefix length is 0..32)"},
        Case{"[http]\ncors_origins = [\"https://a.example.com/\"]\n",
             "2:17: http.cors_origins: expected \"*\" or an origin such as https://app.example.com, found "
             "\"https://a.example.com/\""},
        Case{"[redirect]\npass_through = [\"quality\", \"sig\"]\n",
             "2:28: redirect.pass_through: expected the name of a query parameter that is not one of the redirect's "
             "own, found \"sig\""},
        Case{"[redirect]\npass_through = [\"q\", \"q\"]\n",
             "2:22: redirect.pass_through: \"q\" is in the list already"},
        Case{"[redirect]\npass_through = [\"a b\"]\n",
             "2:17: redirect.pass_through: expected the name of a query parameter that is not one of the redirect's "
             "own, found \"a b\""},
        Case{"[resolver.maxmind]\nfiles = [\"\"]\n", "2:10: resolver.maxmind.files: expected a path, found \"\""}));
INSTANTIATE_TEST_SUITE_P(
    Numbers, ConfigRule,
    testing::Values(Case{"[health]\njitter_percent = 101\n",
                         "2:18: health.jitter_percent: expected an integer from 0 to 100, found 101"},
                    Case{"[signing]\nttl_s = 0\n",
                         "2:9: signing.ttl_s: expected an integer from 1 to 31536000, found 0"},
                    Case{"[signing]\nttl_s = 1.5\n", "2:9: signing.ttl_s: expected an integer, found a float"},
                    Case{"[cache.tokens]\nentries = 0\n",
                         "2:11: cache.tokens.entries: expected an integer from 1 to 100000000, found 0"},
                    Case{"[balance]\nbalance_factor = 0\n", ""}, Case{"[balance]\nbalance_factor = 1\n", ""},
                    Case{"[balance]\nbalance_factor = 0.5\n",
                         "2:18: balance.balance_factor: expected 0 (no bound) or a number from 1 to 100, found 0.5"},
                    Case{"[balance]\nbalance_factor = nan\n",
                         "2:18: balance.balance_factor: expected a number from 0 to 100, found nan"}));
INSTANTIATE_TEST_SUITE_P(
    Signing, ConfigRule,
    testing::Values(
        Case{"[signing]\nkeys = [ { id = \"k1\", secret_file = \"a\", secret = \"b\" } ]\n",
             "2:42: signing.keys.secret: unknown key; known here: id, secret_file"},
        Case{"[signing]\nkeys = [ { id = \"k1\", secret_file = \"a\" }, { id = \"k1\", secret_file = \"b\" } ]\n",
             "2:51: signing.keys.id: \"k1\" is there already"},
        Case{"[[signing.keys]]\nid = \"k1\"\nsecret_file = \"a\"\n", ""},
        Case{"[signing]\nkeys = \"k1\"\n", "2:8: signing.keys: expected a list of { id, secret_file }, found a string"},
        Case{"[signing]\nkeys = [ \"k1\" ]\n", "2:10: signing.keys: expected { id, secret_file }, found a string"},
        Case{"[signing]\nkeys = [ { id = \"k 1\", secret_file = \"a\" } ]\n",
             "2:17: signing.keys.id: expected 1-64 of A-Z a-z 0-9 . _ : -, found \"k 1\""},
        Case{"[signing]\nkeys = [ { id = \"k2\", secret_file = \"a\" } ]\n",
             "2:8: signing.active: no key \"k1\" in signing.keys"},
        Case{"[signing]\nactive = \"k3\"\nkeys = [ { id = \"k2\", secret_file = \"a\" } ]\n",
             "2:10: signing.active: no key \"k3\" in signing.keys"},
        Case{"[listen]\nredirect = \"\"\n[signing]\nkeys = [ { id = \"k2\", secret_file = \"a\" } ]\n", ""}));
INSTANTIATE_TEST_SUITE_P(
    Listeners, ConfigRule,
    testing::Values(
        Case{"[listen]\nadmin = \"0.0.0.0:8081\"\n",
             "2:9: admin.token_file: missing; required where listen.admin is neither loopback nor a unix socket"},
        Case{"[listen]\nadmin = \"[::]:8081\"\n",
             "2:9: admin.token_file: missing; required where listen.admin is neither loopback nor a unix socket"},
        Case{"[listen]\nadmin = \"0.0.0.0:8081\"\n[admin]\ntoken_file = \"t\"\n", ""},
        Case{"[listen]\nadmin = \"[::1]:8081\"\n", ""}, Case{"[listen]\nadmin = \"127.9.9.9:8081\"\n", ""},
        Case{"[listen]\nadmin = \"localhost:8081\"\n", ""}, Case{"[listen]\nadmin = \"unix:/run/geod.sock\"\n", ""},
        Case{"[listen]\nadmin = \"\"\n", ""},
        Case{"[listen]\nverify = \"127.0.0.1:8081\"\n",
             "2:10: listen.verify: \"127.0.0.1:8081\" is listen.admin's address already"}));
INSTANTIATE_TEST_SUITE_P(
    TlsAddresses, ConfigRule,
    testing::Values(Case{"[tls]\nredirect = \"0.0.0.0:443\"\nkey_file = \"k\"\n",
                         "2:12: tls.certificate_file: missing; tls.redirect needs it"},
                    Case{"[tls]\nresolver = \"0.0.0.0:443\"\ncertificate_file = \"c\"\n",
                         "2:12: tls.key_file: missing; tls.resolver needs it"},
                    Case{"[tls]\nresolver = \"0.0.0.0:443\"\ncertificate_file = \"c\"\nkey_file = \"credential:k\"\n",
                         ""},
                    Case{"[tls]\ncertificate_file = \"c\"\n", ""},
                    Case{"[tls]\nredirect = \"0.0.0.0:8080\"\ncertificate_file = \"c\"\nkey_file = \"k\"\n",
                         "2:12: tls.redirect: \"0.0.0.0:8080\" is listen.redirect's address already"}));

INSTANTIATE_TEST_SUITE_P(
    Resolver, ConfigRule,
    testing::Values(
        Case{"[resolver]\nproviders = [\"remote\", \"ip-api\"]\n",
             "2:14: resolver.providers: remote needs resolver.remote.url"},
        Case{"[resolver]\nproviders = [\"remote\"]\n[resolver.remote]\nurl = \"http://a\"\n", ""},
        Case{"[resolver]\nproviders = [\"remote\"]\nurl = \"http://a\"\n", ""},
        Case{"[resolver]\nproviders = [\"networks\", \"maxmind\", \"networks\"]\n",
             "2:37: resolver.providers: \"networks\" is in the list already"},
        Case{"[resolver]\nproviders = [\"ip-api\"]\n[resolver.ip-api]\nurl = \"\"\n",
             "2:14: resolver.providers: ip-api needs resolver.ip-api.url"},
        Case{"[resolver]\nproviders = [\"ip-api\"]\n[resolver.ip-api]\nkey_file = \"k\"\n",
             "4:12: resolver.ip-api.url: a key goes over https alone; the paid service is https://pro.ip-api.com"},
        Case{"[resolver]\nproviders = [\"ip-api\"]\n[resolver.ip-api]\nkey_file = \"k\"\nurl = "
             "\"http://127.0.0.1.example\"\n",
             "5:7: resolver.ip-api.url: a key goes over https alone; the paid service is https://pro.ip-api.com"},
        Case{"[resolver]\nproviders = [\"ip-api\"]\n[resolver.ip-api]\nkey_file = \"k\"\nurl = "
             "\"https://pro.ip-api.com\"\n",
             ""},
        Case{"[resolver]\nproviders = [\"ip-api\"]\n[resolver.ip-api]\nkey_file = \"k\"\nurl = "
             "\"http://127.0.0.1:80/\"\n",
             ""},
        Case{"[resolver]\nproviders = [\"ip-api\"]\n[resolver.ip-api]\nkey_file = \"k\"\nurl = \"http://[::1]\"\n",
             ""}));

TEST(ReadConfig, BadKeyIsNotToldAgainAsOneThatIsMissing) {
  EXPECT_EQ(faults_of("[signing]\nkeys = [ { id = \"k1\", secret_file = 5 }, { id = \"k2\", secret_file = \"a\" } ]\n"),
            Lines{"geod.toml:2:37: signing.keys.secret_file: expected a string, found an integer"});
}

TEST(ReadConfig, SecretsNeverAppearInMessages) {
  const std::string secret(64, 'a');
  for (const std::string& line : faults_of(
           "[store]\nuri = \"mongo://u:hunter2@h\"\n[auth]\nurl = \"ftp://u:hunter2@h\"\n[signing]\nkeys = [ { id = "
           "\"k1\", secret_file = \"" +
               secret + "\" } ]\n",
           {{"GEO_STORE_URI", "http://u:hunter2@h"}})) {
    EXPECT_EQ(line.find("hunter2"), std::string::npos) << line;
    EXPECT_EQ(line.find(secret), std::string::npos) << line;
  }
}

TEST(ReadConfigEnvironment, FaultsNameTheVariable) {
  EXPECT_EQ(faults_of("", {{"GEO_HTTP_THREADS", "1025"},
                           {"GEO_LOG_LEVEL", "loud\n"},
                           {"GEO_BALANCE_NEAREST", "yes"},
                           {"GEO_BALANCE_BALANCE_FACTOR", "1.5x"},
                           {"GEO_STORE_URI", "http://a"}}),
            (Lines{"environment: http.threads: GEO_HTTP_THREADS: expected an integer from 0 to 1024, found \"1025\"",
                   "environment: log.level: GEO_LOG_LEVEL: expected one of trace, debug, info, warn, error, found "
                   "\"loud\\n\"",
                   "environment: balance.nearest: GEO_BALANCE_NEAREST: expected true or false, found \"yes\"",
                   "environment: balance.balance_factor: GEO_BALANCE_BALANCE_FACTOR: expected a number from 0 to 100, "
                   "found \"1.5x\"",
                   "environment: store.uri: GEO_STORE_URI: expected a URI that begins with mongodb:// or "
                   "mongodb+srv://, or \"\""}));
}

TEST(ReadConfigEnvironment, ContradictionsNameTheVariable) {
  EXPECT_EQ(
      faults_of("", {{"GEO_LISTEN_ADMIN", "0.0.0.0:1"}, {"GEO_TLS_RESOLVER", "0.0.0.0:2"}, {"GEO_TLS_KEY_FILE", "k"}}),
      (Lines{"environment: admin.token_file: missing; required where listen.admin is neither "
             "loopback nor a unix socket (listen.admin is set by GEO_LISTEN_ADMIN)",
             "environment: tls.certificate_file: missing; tls.resolver needs it (tls.resolver is set by "
             "GEO_TLS_RESOLVER)"}));
}

TEST(ReadConfigEnvironment, MistypedKeyOfASectionIsAFaultOtherNamesAreNot) {
  EXPECT_EQ(
      faults_of(
          "", {{"GEO_LISTEN_REDIRCT", "x"}, {"GEO_CACHE_PLACES_TTL", "1"}, {"GEO_SOMETHING_ELSE", "x"}, {"GEO_", ""}}),
      (Lines{"environment: \"GEO_LISTEN_REDIRCT\": no key of geod.toml has this name",
             "environment: \"GEO_CACHE_PLACES_TTL\": no key of geod.toml has this name"}));
}

TEST(ConfigPath, StartsAtTheFile) {
  const test::TempDir dir;
  const Config config = read_file(dir.write("geod.toml", ""), {}).config;
  EXPECT_EQ(config.path("data"), dir.path() / "data");
  EXPECT_EQ(config.path("/var/lib/geod"), "/var/lib/geod");
  EXPECT_EQ(config.path(""), "");
}

}  // namespace
}  // namespace geo::config

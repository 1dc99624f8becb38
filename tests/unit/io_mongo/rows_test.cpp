// Rows <-> documents: what is written is read back the same; values, keys, collections.
#include "io/mongo/rows.h"

#include <limits>
#include <random>

#include "geo/io/file.h"
#include "samples.h"

namespace geo::io::mongo {
namespace {

template <class Row>
class RoundTrip : public testing::Test {};
TYPED_TEST_SUITE(RoundTrip, EveryKind);

TYPED_TEST(RoundTrip, IsReadBackAsItWasWritten) {
  const auto row = Documents<TypeParam>::read(good<TypeParam>());
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(*row, full<TypeParam>());
}

TYPED_TEST(RoundTrip, IsReadFromItsKeyAndTheProjectedFields) {
  const Document whole = good<TypeParam>();
  const auto& fields = Documents<TypeParam>::collection().fields;
  Document projected;
  for (const Element& field : elements_of(whole))
    if (field->name() == "_id" || std::find(fields.begin(), fields.end(), field->name()) != fields.end())
      projected.addElement(field);
  EXPECT_EQ(projected.size(), fields.size() + 1) << "full() leaves a field out";
  const auto row = Documents<TypeParam>::read(projected);
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(*row, full<TypeParam>());
}

// ---- any rows ----

template <class Row>
void expect_kept(const std::vector<Row>& rows) {
  std::set<std::string> keys;
  for (const Row& row : rows) {
    const auto back = Documents<Row>::read(stored(written(row)));
    ASSERT_TRUE(back) << back.error();
    EXPECT_EQ(*back, row);
    EXPECT_TRUE(keys.insert(Documents<Row>::key_of(row)).second) << Documents<Row>::key_of(row);
  }
}

TEST(RoundTrip, KeepsTheDemo) {
  const ReadData demo = read_data(GEO_DEMO);
  ASSERT_TRUE(demo.faults.empty());
  const Data& data = demo.data;
  ASSERT_FALSE(data.topology.nodes.empty());
  expect_kept(data.topology.patterns);
  expect_kept(data.topology.partners);
  expect_kept(data.topology.groups);
  expect_kept(data.topology.places);
  expect_kept(data.topology.networks);
  expect_kept(data.topology.nodes);
  expect_kept(data.tokens);
  expect_kept(data.grants);
  expect_kept(data.users);
  expect_kept(data.tariffs);
  expect_kept(data.usage);
  expect_kept(data.servers);
  expect_kept(data.cameras);
  expect_kept(data.node_states);
}

// Rows as the rules allow them.
class Random {
 public:
  std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(dice_); }
  bool coin() { return below(2) == 1; }
  double between(double low, double high) { return std::uniform_real_distribution<double>(low, high)(dice_); }
  std::string id() {
    constexpr std::string_view kAlphabet = "ABCXYZabcxyz0189._:-";
    std::string id(1 + below(64), ' ');
    for (char& c : id) c = kAlphabet[below(kAlphabet.size())];
    return id;
  }
  std::string id_or_empty() { return coin() ? id() : ""; }
  std::string words() {
    std::string words;
    for (std::size_t i = below(8); i > 0; --i)
      words += std::array{"Мо", "/", "%", "%2F", " ", "é", "日本", "\"", "\\", "a"}[below(10)];
    return words;
  }
  std::string country() { return {static_cast<char>('A' + below(26)), static_cast<char>('A' + below(26))}; }
  std::string format() { return std::array{"flv", "hls", "ws-fmp4"}[below(3)]; }
  std::string policy() { return std::array{"", "affinity", "weighted", "least_loaded", "nearest"}[below(5)]; }
  WallTime time() {
    const auto first = at("0000-01-01T00:00:00Z"), last = at("9999-12-31T23:59:59Z");
    const auto ms = std::uniform_int_distribution<std::int64_t>(first.time_since_epoch().count() / 1000,
                                                                last.time_since_epoch().count() / 1000)(dice_);
    return WallTime(std::chrono::milliseconds(ms));
  }
  std::int64_t count() {
    return std::uniform_int_distribution<std::int64_t>(0, coin() ? INT64_MAX : std::int64_t{100})(dice_);
  }
  place::Coordinates coordinates() { return {between(-90, 90), between(-180, 180)}; }
  place::Forbid forbid() { return {coin() ? "*" : country(), coin() ? "*" : country()}; }
  place::Ports ports() {
    const auto port = [&] { return static_cast<std::uint16_t>(1 + below(65535)); };
    place::Ports ports{port(), port(), port(), port()};
    const std::size_t offered = below(3);
    if (offered == 0) ports.https = ports.wss = 0;
    if (offered == 1) ports.http = ports.ws = 0;
    return ports;
  }
  Cidr cidr() {
    std::array<std::uint8_t, 16> bytes{};
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(below(256));
    const bool v4 = coin();
    const std::size_t prefix = below(v4 ? 33 : 129);
    for (std::size_t bit = prefix; bit < 128; ++bit)
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> bit % 8));
    return {v4 ? Ip::v4(bytes.data()) : Ip::v6(bytes.data()), static_cast<std::uint8_t>(prefix)};
  }
  template <class Make>
  auto maybe(Make make) {
    return coin() ? std::optional(make()) : std::nullopt;
  }
  template <class Make>
  auto list(Make make) {
    std::vector<decltype(make())> items(below(12));
    for (auto& item : items) item = make();
    return items;
  }

 private:
  std::mt19937_64 dice_{20260101};
};

TEST(RoundTrip, KeepsAnyRows) {
  Random any;
  const auto id = [&] { return any.id(); };
  const auto time = [&] { return any.time(); };
  const auto format = [&] { return any.format(); };
  const auto count = [&] { return any.count(); };
  const auto forbid = [&] { return any.forbid(); };
  const auto coordinates = [&] { return any.coordinates(); };
  for (int i = 0; i < 500; ++i) {
    auth::Token token{{}, {any.id(), any.id()}, any.maybe(time)};
    for (std::uint8_t& byte : token.sha256) byte = static_cast<std::uint8_t>(any.below(256));
    expect_kept<auth::Token>({token});
    auth::Grant grant{{any.id(), any.id()}, any.coin() ? "camera" : "server", any.id(), any.id(), any.list(id)};
    if (grant.object_type == "server") grant.server = any.coin() ? grant.object_id : "";
    expect_kept<auth::Grant>({grant});
    expect_kept<billing::User>({{any.id(), any.id(), any.maybe(time), any.coin()}});
    expect_kept<billing::Tariff>({{any.id(), any.list(format), any.maybe(count)}});
    expect_kept<billing::Usage>({{any.id(), any.count(), any.maybe(time)}});
    expect_kept<devices::Server>({{any.id(), any.words(), any.coin(), any.id_or_empty(), any.id(), any.id()}});
    expect_kept<devices::Camera>({{any.id(), any.id(), any.coin(), any.list(format)}});
    expect_kept<balance::Report>(
        {{any.id(), any.time(), any.coin(), any.maybe(count), any.maybe([&] { return any.between(0, 1e6); })}});

    expect_kept<place::Pattern>({{any.id(), any.list(id), any.policy()}});
    expect_kept<place::Partner>(
        {{any.id(), any.list([&] { return lower("h-" + std::to_string(any.below(1000)) + ".Example"); }),
          any.id_or_empty(), any.between(0, 1), any.policy()}});
    expect_kept<place::Group>(
        {{any.id(), any.maybe(coordinates), any.coin() ? any.country() : "", any.list(id), any.list(forbid)}});
    expect_kept<place::Place>({{any.country(), any.words(), any.words(), any.id()}});
    place::Network network{any.cidr(), any.id(), {any.coin() ? any.country() : "", "", "", any.words(), {}}};
    (any.coin() ? network.location.region_iso : network.location.region) = "MOW";
    if (network.location.region_iso.empty()) network.location.region = "Region " + any.words();
    network.location.coordinates = any.maybe(coordinates);
    expect_kept<place::Network>({network});
    place::Node node;
    node.id = any.id();
    node.host = "n" + std::to_string(any.below(1000));
    node.group = any.id();
    node.dc = any.words();
    node.weight = any.between(0, place::kWeightMax);
    node.capacity = any.maybe(count);
    node.patterns = any.list(id);
    node.partners = any.list(id);
    node.formats = any.list(format);
    node.admin = std::array{place::Admin::online, place::Admin::drain, place::Admin::offline}[any.below(3)];
    node.country = any.coin() ? any.country() : "";
    node.coordinates = any.maybe(coordinates);
    node.forbid = any.list(forbid);
    node.check = any.coin() ? "https://[::1]:8080/health?a=b" : "";
    node.ports = any.ports();
    expect_kept<place::Node>({node});
  }
}

// ---- values ----

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ReadUsage, StreamsAreAnIntegerFromZero) {
  const Document usage = made({text("_id", "u1")});
  ASSERT_TRUE(Documents<billing::Usage>::read(usage));
  EXPECT_EQ(*Documents<billing::Usage>::read(usage), (billing::Usage{"u1", 0, {}}));
  const std::pair<Element, std::int64_t> good[] = {{element("streams", static_cast<Poco::Int32>(7)), 7},
                                                   {int64("streams", INT64_MAX), INT64_MAX},
                                                   {element("streams", 3.0), 3},
                                                   {element("streams", -0.0), 0},
                                                   {element("streams", 0x1p62), INT64_C(1) << 62}};
  for (const auto& [streams, value] : good) {
    const auto row = Documents<billing::Usage>::read(with(usage, {streams}));
    ASSERT_TRUE(row) << row.error();
    EXPECT_EQ(row->streams, value);
  }
  const std::pair<Element, std::string> bad[] = {
      {int64("streams", -1), "streams: expected an integer of 0 or more, found -1"},
      {element("streams", -1.0), "streams: expected an integer of 0 or more, found -1"},
      {int64("streams", INT64_MIN), "streams: expected an integer of 0 or more, found -9223372036854775808"},
      {element("streams", -0x1p63), "streams: expected an integer of 0 or more, found -9223372036854775808"},
      {element("streams", 1.5), "streams: expected an integer, found 1.5"},
      {element("streams", 0x1p63), "streams: expected an integer, found 9.223372036854776e+18"},
      {element("streams", 1e300), "streams: expected an integer, found 1e+300"},
      {element("streams", kNan), "streams: expected an integer, found nan"},
      {element("streams", kInfinity), "streams: expected an integer, found inf"},
      {element("streams", -kInfinity), "streams: expected an integer, found -inf"}};
  for (const auto& [streams, told] : bad) EXPECT_EQ(fault<billing::Usage>(with(usage, {streams})), told);
}

TEST(ReadReport, LoadIsANumber) {
  const Document report = good<balance::Report>();
  const auto row = Documents<balance::Report>::read(with(report, {int64("load", 1)}));
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(row->load, 1.0);
  EXPECT_EQ(fault<balance::Report>(with(report, {element("load", kNan)})),
            "load: expected a number from 0 to 1000000, found nan");
  EXPECT_EQ(fault<balance::Report>(with(report, {int64("load", -1)})),
            "load: expected a number from 0 to 1000000, found -1");
}

TEST(ReadToken, TimesAreOfTheYearsZeroToTenThousand) {
  const Document token = good<auth::Token>();
  for (const char* const time : {"0000-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"}) {
    const auto row = Documents<auth::Token>::read(with(token, {date("expires_at", time)}));
    ASSERT_TRUE(row) << row.error();
    EXPECT_EQ(row->expires_at, at(time));
  }
  const std::int64_t end = at("9999-12-31T23:59:59Z").time_since_epoch().count() + 1'000'000;
  const std::int64_t start = at("0000-01-01T00:00:00Z").time_since_epoch().count() - 1;
  for (const std::int64_t us : {end, start, INT64_MAX, INT64_MIN})
    EXPECT_EQ(fault<auth::Token>(with(token, {element("expires_at", Poco::Timestamp(us))})),
              "expires_at: expected a date of the years 0 to 9999, found one beyond them");
}

TEST(WriteToken, CutsTimesToTheMillisecond) {
  auth::Token token = full<auth::Token>();
  for (const auto& [given, kept] : {std::pair{1'999, 1'000}, std::pair{-1, -1'000}, std::pair{-1'000, -1'000}}) {
    token.expires_at = WallTime(std::chrono::microseconds(given));
    const auto row = Documents<auth::Token>::read(stored(Documents<auth::Token>::write(token)));
    ASSERT_TRUE(row) << row.error();
    EXPECT_EQ(row->expires_at, WallTime(std::chrono::microseconds(kept)));
  }
}

TEST(WriteToken, KeyIsTheDigestInLowerCase) {
  const auth::Token token = full<auth::Token>();
  std::string digits;
  for (int i = 0; i < 32; ++i) digits += "ab";
  EXPECT_EQ(Documents<auth::Token>::key_of(token), digits);
  const auto row = Documents<auth::Token>::read(with(good<auth::Token>(), {text("_id", [] {
                                                       std::string upper;
                                                       for (int i = 0; i < 32; ++i) upper += "AB";
                                                       return upper;
                                                     }())}));
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(row->sha256, token.sha256);
}

// Whoever puts the token itself there must not find it in a log.
TEST(ReadToken, FaultDoesNotShowTheKey) {
  EXPECT_EQ(fault<auth::Token>(with(good<auth::Token>(), {text("_id", "T-1")})),
            "_id: expected 64 hex digits, the SHA-256 of the token");
}
TEST(ReadNode, FaultDoesNotShowThePasswordOfACheck) {
  EXPECT_EQ(fault<place::Node>(with(good<place::Node>(), {text("check", "ftp://user:secret@10.0.0.1/")})),
            "check: expected a URL that begins with http:// or https:// or \"\"");
}

TEST(Keys, DecideOverFieldsOfTheSameName) {
  const auto camera = Documents<devices::Camera>::read(
      with(good<devices::Camera>(), {text("_id", "s/c"), int64("id", 1), text("server", "not an id")}));
  ASSERT_TRUE(camera) << camera.error();
  EXPECT_EQ(camera->server, "s");
  EXPECT_EQ(camera->id, "c");
  const auto usage = Documents<billing::Usage>::read(made({text("_id", "u2"), text("user", "u1")}));
  ASSERT_TRUE(usage) << usage.error();
  EXPECT_EQ(usage->user, "u2");
  const auto network =
      Documents<place::Network>::read(with(good<place::Network>(), {text("_id", "v1/10.2.0.0/16"), null("cidr")}));
  ASSERT_TRUE(network) << network.error();
  EXPECT_EQ(network->cidr.to_string(), "10.2.0.0/16");
}

TEST(Keys, HaveTheirForm) {
  EXPECT_EQ(fault<devices::Camera>(with(good<devices::Camera>(), {text("_id", "0")})),
            "_id: expected SERVER/CAMERA, found \"0\"");
  EXPECT_EQ(fault<devices::Camera>(with(good<devices::Camera>(), {text("_id", "s/")})),
            "_id: expected 1-64 of A-Z a-z 0-9 . _ : -, found \"\"");
  EXPECT_EQ(fault<devices::Camera>(with(good<devices::Camera>(), {text("_id", "s/a/b")})),
            "_id: expected 1-64 of A-Z a-z 0-9 . _ : -, found \"a/b\"");
  EXPECT_EQ(fault<place::Group>(with(good<place::Group>(), {text("_id", "eu")})),
            "_id: expected VERSION/id, found \"eu\"");
  EXPECT_EQ(fault<place::Network>(with(good<place::Network>(), {text("_id", "10.1.0.0")})),
            "_id: expected VERSION/cidr, found \"10.1.0.0\"");
  EXPECT_EQ(fault<place::Network>(with(good<place::Network>(), {text("_id", "v1/10.0.0.1/8")})),
            "_id: expected a network such as 10.1.0.0/16 or 2001:db8::/32, found \"10.0.0.1/8\" (host bits are set: "
            "the network is 10.0.0.0/8)");
  EXPECT_EQ(fault<billing::User>(with(good<billing::User>(), {text("_id", "u 1")})),
            "_id: expected 1-64 of A-Z a-z 0-9 . _ : -, found \"u 1\"");
}

TEST(Keys, AreWrittenByKind) {
  EXPECT_EQ(Documents<auth::Grant>::key_of(full<auth::Grant>()), "user/u1/camera/100-abcdef/0");
  EXPECT_EQ(Documents<billing::Usage>::key_of(full<billing::Usage>()), "u1");
  EXPECT_EQ(Documents<devices::Camera>::key_of(full<devices::Camera>()), "100-abcdef/0");
  EXPECT_EQ(Documents<place::Network>::key_of(full<place::Network>()), "10.1.0.0/16");
  EXPECT_EQ(id_of(good<place::Node>()), "v7/node-1");
  // Two places never share a key.
  EXPECT_EQ(Documents<place::Place>::key_of({"RU", "a/b", "c", "g"}), "RU/a%2Fb/c");
  EXPECT_EQ(Documents<place::Place>::key_of({"RU", "a", "b/c", "g"}), "RU/a/b%2Fc");
  EXPECT_EQ(Documents<place::Place>::key_of({"RU", "a%2Fb", "c", "g"}), "RU/a%252Fb/c");
}

TEST(ReadNode, PortsAreNamedInFaults) {
  const Document node = good<place::Node>();
  EXPECT_EQ(fault<place::Node>(with(node, {document("ports", {int64("https", 0)})})),
            "ports.https: expected an integer from 1 to 65535, found 0");
  EXPECT_EQ(fault<place::Node>(with(node, {document("ports", {text("ws", "80")})})),
            "ports.ws: expected an integer, found a string");
  for (const auto& ports :
       {document("ports", {}), document("ports", {null("https")}), document("ports", {int64("rtmp", 1935)})})
    EXPECT_EQ(fault<place::Node>(with(node, {ports})),
              "ports: expected at least one of https, wss, http, ws, found none");
  const auto row = Documents<place::Node>::read(with(node, {document("ports", {element("wss", 8443.0)})}));
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(row->ports, (place::Ports{8443, 8443, 0, 0}));
}

TEST(ReadGroup, CoordinatesAreTwoNumbers) {
  const Document group = good<place::Group>();
  const auto told = [&](const std::vector<Element>& items) {
    return fault<place::Group>(with(group, {array("coordinates", items)}));
  };
  EXPECT_EQ(told({int64("0", 55), element("1", 37.5)}), "");
  EXPECT_EQ(told({}), "coordinates: expected [latitude, longitude] in degrees, found 0 items");
  EXPECT_EQ(told({int64("0", 1), int64("1", 1), int64("2", 1)}),
            "coordinates: expected [latitude, longitude] in degrees, found 3 items");
  EXPECT_EQ(told({int64("0", 91), int64("1", 0)}), "coordinates: expected a number from -90 to 90, found 91");
  EXPECT_EQ(told({int64("0", 0), element("1", kNan)}), "coordinates: expected a number from -180 to 180, found nan");
  EXPECT_EQ(told({text("0", "55"), int64("1", 0)}), "coordinates: expected a number, found a string");
}

TEST(ReadGrant, HasTheRulesOfTheFiles) {
  const Document grant = good<auth::Grant>();
  EXPECT_EQ(fault<auth::Grant>(with(grant, {text("object_type", "planet")})),
            "object_type: expected one of camera, server, found \"planet\"");
  const Document of_server = with(grant, {text("object_type", "server"), text("object_id", "s1")});
  EXPECT_EQ(fault<auth::Grant>(with(of_server, {text("server", "s2")})),
            "server: expected the grant's object_id \"s1\", found \"s2\"");
  EXPECT_EQ(fault<auth::Grant>(with(of_server, {null("server")})), "");
}

TEST(ReadNetwork, SaysAPlaceOrAGroup) {
  EXPECT_EQ(fault<place::Network>(made({text("_id", "v1/10.0.0.0/8")})),
            "group: missing; expected a group, or a place: country, region, city or coordinates");
}

// A list of any length is walked once.
TEST(ReadTariff, LongListsAreRead) {
  const std::vector<std::string> many(100'000, "flv");
  const auto row = Documents<billing::Tariff>::read(with(good<billing::Tariff>(), {texts("formats", many)}));
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(row->formats, many);
}

TEST(Write, LeavesDefaultsOut) {
  const auto names = [](const Document::Ptr& document) {
    std::vector<std::string> found;
    document->elementNames(found);
    return found;
  };
  using Names = std::vector<std::string>;
  place::Node node;
  node.id = node.host = "n";
  node.group = "g";
  EXPECT_EQ(names(Documents<place::Node>::write(node, "v1")), (Names{"_id", "id", "host", "group"}));
  EXPECT_EQ(names(Documents<billing::User>::write({"u", "t", {}, false})), (Names{"_id", "id", "tariff"}));
  EXPECT_EQ(names(Documents<billing::Usage>::write({"u", 0, {}})), (Names{"_id", "user"}));
  EXPECT_EQ(names(Documents<devices::Camera>::write({"s", "0", false, {}})),
            (Names{"_id", "server", "id", "online", "streams"}));
  EXPECT_EQ(names(Documents<billing::Tariff>::write({"t", {}, {}})), (Names{"_id", "id", "formats"}));
}

TEST(Collections, AreKnownWithTheirIndexes) {
  std::set<std::string> names;
  for (const Collection* collection : collections()) {
    EXPECT_TRUE(names.insert(collection->name).second);
    if (collection->name == "grants") {
      ASSERT_EQ(collection->indexes.size(), 1U);
      EXPECT_EQ(collection->indexes[0].fields,
                (std::vector<std::string>{"owner_type", "owner_id", "object_type", "object_id"}));
      EXPECT_FALSE(collection->indexes[0].expire_after);
    } else if (collection == &leases()) {
      ASSERT_EQ(collection->indexes.size(), 1U);
      EXPECT_EQ(collection->indexes[0].fields, std::vector<std::string>{"expires_at"});
      EXPECT_TRUE(collection->indexes[0].expire_after);
    } else {
      EXPECT_TRUE(collection->indexes.empty()) << collection->name;
    }
  }
  EXPECT_EQ(names,
            (std::set<std::string>{"tokens", "grants", "users", "tariffs", "usage", "servers", "cameras", "node_states",
                                   "patterns", "partners", "groups", "places", "networks", "nodes", "leases"}));
}

}  // namespace
}  // namespace geo::io::mongo

// What documents may get wrong: types, missing fields, fields that are there twice, hostile text.
#include <map>

#include "samples.h"

namespace geo::io::mongo {
namespace {

template <class Row>
class EveryRow : public testing::Test {};
TYPED_TEST_SUITE(EveryRow, EveryKind);

TYPED_TEST(EveryRow, IgnoresWhatItDoesNotKnow) {
  const auto row =
      Documents<TypeParam>::read(with(good<TypeParam>(), {code("note", "decimal128"), document("nested", {null("x")}),
                                                          null("other"), text("twice", "a"), int64("twice", 1)}));
  // with() keeps both of "twice".
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(*row, full<TypeParam>());
}

TYPED_TEST(EveryRow, FieldThatIsThereTwiceIsAFault) {
  const Document whole = good<TypeParam>();
  for (const std::string& field : Documents<TypeParam>::collection().fields) {
    Document twice = whole;
    twice.addElement(whole.get(field));
    EXPECT_EQ(fault<TypeParam>(twice), field + ": is there twice");
    twice = with(whole, {whole.get(field), null(field)});
    EXPECT_EQ(fault<TypeParam>(twice), field + ": is there twice");
  }
}

// ---- wrong types ----

enum class Kind { text, flag, integer, number, time, texts, coordinates, table };

const std::map<std::string, std::map<std::string, Kind>> kKinds{
    {"tokens", {{"owner_type", Kind::text}, {"owner_id", Kind::text}, {"expires_at", Kind::time}}},
    {"grants",
     {{"owner_type", Kind::text},
      {"owner_id", Kind::text},
      {"object_type", Kind::text},
      {"object_id", Kind::text},
      {"server", Kind::text},
      {"rights", Kind::texts}}},
    {"users", {{"tariff", Kind::text}, {"paid_until", Kind::time}, {"blocked", Kind::flag}}},
    {"tariffs", {{"formats", Kind::texts}, {"max_streams", Kind::integer}}},
    {"usage", {{"streams", Kind::integer}, {"reported_at", Kind::time}}},
    {"servers",
     {{"dc", Kind::text},
      {"online", Kind::flag},
      {"partner", Kind::text},
      {"owner_type", Kind::text},
      {"owner_id", Kind::text}}},
    {"cameras", {{"online", Kind::flag}, {"streams", Kind::texts}}},
    {"node_states",
     {{"seen_at", Kind::time}, {"online", Kind::flag}, {"sessions", Kind::integer}, {"load", Kind::number}}},
    {"patterns", {{"fallback", Kind::texts}, {"policy", Kind::text}}},
    {"partners",
     {{"hosts", Kind::texts}, {"default_group", Kind::text}, {"max_share", Kind::number}, {"policy", Kind::text}}},
    {"groups",
     {{"coordinates", Kind::coordinates}, {"country", Kind::text}, {"fallback", Kind::texts}, {"forbid", Kind::texts}}},
    {"places", {{"country", Kind::text}, {"region", Kind::text}, {"city", Kind::text}, {"group", Kind::text}}},
    {"networks",
     {{"group", Kind::text},
      {"country", Kind::text},
      {"region", Kind::text},
      {"city", Kind::text},
      {"coordinates", Kind::coordinates}}},
    {"nodes",
     {{"host", Kind::text},
      {"group", Kind::text},
      {"dc", Kind::text},
      {"weight", Kind::number},
      {"capacity", Kind::integer},
      {"patterns", Kind::texts},
      {"partners", Kind::texts},
      {"formats", Kind::texts},
      {"admin", Kind::text},
      {"country", Kind::text},
      {"coordinates", Kind::coordinates},
      {"forbid", Kind::texts},
      {"check", Kind::text},
      {"ports", Kind::table}}},
};
const std::map<Kind, std::string> kExpected{{Kind::text, "a string"},
                                            {Kind::flag, "true or false"},
                                            {Kind::integer, "an integer"},
                                            {Kind::number, "a number"},
                                            {Kind::time, "a date"},
                                            {Kind::texts, "an array of strings"},
                                            {Kind::coordinates, "[latitude, longitude] in degrees"},
                                            {Kind::table, "a table such as { https = 443 }"}};
// Every type that a field can have, as faults call it, and the kinds that it is no wrong type of.
struct Type {
  Element element;
  std::string found;
  std::set<Kind> fits;
};
std::vector<Type> types_of(const std::string& field) {
  return {{text(field, "x"), "a string", {Kind::text}},
          {element(field, true), "a boolean", {Kind::flag}},
          {element(field, static_cast<Poco::Int32>(1)), "an integer", {Kind::integer, Kind::number}},
          {int64(field, 1), "an integer", {Kind::integer, Kind::number}},
          {element(field, 0.5), "a double", {Kind::number, Kind::integer}},
          {date(field, "2026-01-01T00:00:00Z"), "a date", {Kind::time}},
          {array(field, {}), "an array", {Kind::texts, Kind::coordinates}},
          {document(field, {}), "a document", {Kind::table}},
          {element(field, bson::ObjectId::Ptr(new bson::ObjectId("0123456789abcdef01234567"))), "an ObjectId", {}},
          {element(field, bson::Binary::Ptr(new bson::Binary(std::string("x")))), "binary data", {}},
          {code(field, "decimal128"), "a value that cannot be read: \"decimal128\"", {}}};
}

TYPED_TEST(EveryRow, TellsEachWrongTypeOfEachField) {
  const Collection& collection = Documents<TypeParam>::collection();
  const auto& kinds = kKinds.at(collection.name);
  const Document whole = good<TypeParam>();
  for (const std::string& field : collection.fields) {
    ASSERT_TRUE(kinds.contains(field)) << collection.name << "." << field;
    const Kind kind = kinds.at(field);
    for (const Type& type : types_of(field)) {
      if (type.fits.contains(kind)) continue;
      EXPECT_EQ(fault<TypeParam>(with(whole, {type.element})),
                field + ": expected " + kExpected.at(kind) + ", found " + type.found);
    }
  }
  EXPECT_EQ(kinds.size(), collection.fields.size());
}

TYPED_TEST(EveryRow, ItemsOfListsAreStrings) {
  const Document whole = good<TypeParam>();
  for (const auto& [field, kind] : kKinds.at(Documents<TypeParam>::collection().name)) {
    if (kind != Kind::texts) continue;
    for (const Type& type : types_of("0")) {
      if (type.fits.contains(Kind::text)) continue;
      EXPECT_EQ(fault<TypeParam>(with(whole, {array(field, {type.element})})),
                field + ": expected a string, found " + type.found);
    }
    EXPECT_EQ(fault<TypeParam>(with(whole, {array(field, {null("0")})})), field + ": expected a string, found null");
  }
}

// Nothing and null are the same: told where the field is required, the default elsewhere.
TYPED_TEST(EveryRow, NullIsMissing) {
  static const std::map<std::string, std::set<std::string>> kRequired{
      {"tokens", {"owner_type", "owner_id"}},
      {"grants", {"owner_type", "owner_id", "object_type", "object_id", "server"}},
      {"users", {"tariff"}},
      {"tariffs", {"formats"}},
      {"usage", {}},
      {"servers", {"online", "owner_type", "owner_id"}},
      {"cameras", {"online", "streams"}},
      {"node_states", {"seen_at"}},
      {"patterns", {}},
      {"partners", {}},
      {"groups", {}},
      {"places", {"country", "group"}},
      {"networks", {}},
      {"nodes", {"host", "group"}}};
  const Collection& collection = Documents<TypeParam>::collection();
  const Document whole = good<TypeParam>();
  for (const std::string& field : collection.fields) {
    Document without;
    for (const Element& element : elements_of(whole))
      if (element->name() != field) without.addElement(element);
    const std::string missing = fault<TypeParam>(without);
    if (kRequired.at(collection.name).contains(field))
      EXPECT_EQ(missing.find(field + ": missing; expected "), 0U) << missing;
    else
      EXPECT_EQ(missing, "");
    EXPECT_EQ(fault<TypeParam>(with(whole, {null(field)})), missing);
  }
}

TYPED_TEST(EveryRow, KeyIsAString) {
  const std::string name = Documents<TypeParam>::collection().name;
  const bool by_fields = name == "grants" || name == "places";
  for (const Type& type : types_of("_id")) {
    if (type.fits.contains(Kind::text)) continue;
    EXPECT_EQ(fault<TypeParam>(with(good<TypeParam>(), {type.element})),
              by_fields ? "" : "_id: expected a string, found " + type.found);
  }
  EXPECT_EQ(fault<TypeParam>(with(good<TypeParam>(), {null("_id")})),
            by_fields ? "" : "_id: missing; expected a string");
}

// Whatever stands in a field, there is a row or a fault of one printable line.
TYPED_TEST(EveryRow, OutlivesHostileText) {
  const Document whole = good<TypeParam>();
  std::vector<std::string> fields = Documents<TypeParam>::collection().fields;
  fields.emplace_back("_id");
  for (const std::string& hostile :
       {std::string(1U << 20U, 'x'), std::string(1U << 20U, '/'), std::string("a\0b", 3), std::string("\xff\xfe"),
        std::string("\xc3"), std::string("v7/\x1b[31m\n"), std::string("v7/\0", 4), std::string("../../x"),
        std::string("\xc2\x9b"), std::string()}) {
    for (const std::string& field : fields)
      for (const Element& value : {text(field, hostile), texts(field, {hostile})}) {
        const std::string told = fault<TypeParam>(with(whole, {value}));
        EXPECT_LT(told.size(), 600U);
        EXPECT_TRUE(is_plain_text(told)) << told;
      }
  }
}

}  // namespace
}  // namespace geo::io::mongo

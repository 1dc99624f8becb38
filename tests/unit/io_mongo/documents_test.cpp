#include "io/mongo/documents.h"

#include <Poco/MongoDB/Array.h>
#include <Poco/MongoDB/Binary.h>
#include <Poco/MongoDB/JavaScriptCode.h>
#include <Poco/MongoDB/ObjectId.h>
#include <gtest/gtest.h>

#include <limits>

#include "mongo_wire.h"

using namespace geo;
using namespace geo::io::mongo;
using test::document;
using test::element;
using test::int32_bytes;
using test::text;

namespace {

using Poco::MongoDB::Array;
using Poco::MongoDB::JavaScriptCode;

std::string eight(std::int64_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

// What stands for a field that cannot be carried; "" where it is carried.
std::string instead(const Document& in, const std::string& name) {
  return in.isType<JavaScriptCode::Ptr>(name) ? in.get<JavaScriptCode::Ptr>(name)->getCode() : "";
}

// {name: {name: .. {name: 1}}}: that many documents.
std::string nested(int depth, char type = 0x03) {
  std::string out = document(element(0x10, "leaf", int32_bytes(1)));
  for (int i = 1; i < depth; ++i) out = document(element(type, "0", out));
  return out;
}

}  // namespace

TEST(Documents, WhatIsWrittenIsReadAgain) {
  Document::Ptr inner = new Document;
  inner->add("streams", Poco::Int32(4));
  Array::Ptr list = new Array;
  list->add("0", std::string("flv")).add("1", std::string("hls"));
  Document out;
  out.add("_id", std::string("100-abcdef/0"))
      .add("weight", 0.5)
      .add("online", true)
      .add("rev", std::numeric_limits<Poco::Int64>::max())
      .add("seen_at", Poco::Timestamp(1'800'000'000'123'000))
      .add("none", Poco::MongoDB::NullValue())
      .add("bytes", Poco::MongoDB::Binary::Ptr(new Poco::MongoDB::Binary("\0\1\2", 3)))
      .add("oid", Poco::MongoDB::ObjectId::Ptr(new Poco::MongoDB::ObjectId("0123456789abcdef01234567")))
      .add("inner", inner)
      .add("formats", list);
  const auto bytes = write_bson(out);
  ASSERT_TRUE(bytes) << bytes.error();
  const auto read = read_bson(*bytes);
  ASSERT_TRUE(read) << read.error().why;
  const Document& in = **read;
  EXPECT_EQ(in.size(), out.size());
  EXPECT_EQ(in.get<std::string>("_id"), "100-abcdef/0");
  EXPECT_EQ(in.get<double>("weight"), 0.5);
  EXPECT_TRUE(in.get<bool>("online"));
  EXPECT_EQ(in.get<Poco::Int64>("rev"), std::numeric_limits<Poco::Int64>::max());
  EXPECT_EQ(in.get<Poco::Timestamp>("seen_at").epochMicroseconds(), 1'800'000'000'123'000);
  EXPECT_TRUE(in.isType<Poco::MongoDB::NullValue>("none"));
  EXPECT_EQ(in.get<Poco::MongoDB::Binary::Ptr>("bytes")->toRawString(), std::string("\0\1\2", 3));
  EXPECT_EQ(in.get<Poco::MongoDB::ObjectId::Ptr>("oid")->toString(), "0123456789abcdef01234567");
  EXPECT_EQ(in.get<Document::Ptr>("inner")->get<Poco::Int32>("streams"), 4);
  EXPECT_EQ(in.get<Array::Ptr>("formats")->get<std::string>(1), "hls");
  EXPECT_EQ(*write_bson(**read), *bytes);
}

TEST(Documents, ReadsDatesBeforeTheEpoch) {
  const auto read = read_bson(document(element(0x09, "at", eight(-1))));
  EXPECT_EQ((*read)->get<Poco::Timestamp>("at").epochMicroseconds(), -1000);
}

TEST(Documents, NamesTypesThatItCannotCarry) {
  const std::string code = int32_bytes(2) + std::string("x\0", 2);
  const auto read =
      read_bson(document(element(0x13, "decimal", std::string(16, '\1')) + element(0x11, "timestamp", eight(1)) +
                         element('\xff', "min", "") + element(0x7f, "max", "") + element(0x0d, "code", code) +
                         element(0x0f, "scoped", int32_bytes(15) + code + document("")) +
                         element(0x0b, "regex", std::string("a\0b\0", 4)) + element(0x0e, "symbol", code) +
                         element(0x06, "undefined", "") + element(0x0c, "pointer", code + std::string(12, 'p')) +
                         element(0x09, "far", eight(std::numeric_limits<std::int64_t>::max())) +
                         element(0x09, "old", eight(std::numeric_limits<std::int64_t>::min())) +
                         text("bad", "\xff\xfe") + text("good", "\xd0\x9a")));
  ASSERT_TRUE(read) << read.error().why;
  const Document& in = **read;
  EXPECT_EQ(instead(in, "decimal"), "decimal128");
  EXPECT_EQ(instead(in, "timestamp"), "timestamp");
  EXPECT_EQ(instead(in, "min"), "min or max key");
  EXPECT_EQ(instead(in, "max"), "min or max key");
  EXPECT_EQ(instead(in, "code"), "JavaScript");
  EXPECT_EQ(instead(in, "scoped"), "JavaScript");
  EXPECT_EQ(instead(in, "regex"), "regular expression");
  for (const char* name : {"symbol", "undefined", "pointer"})
    EXPECT_EQ(instead(in, name), "type that is not supported");
  EXPECT_EQ(instead(in, "far"), "date out of range");
  EXPECT_EQ(instead(in, "old"), "date out of range");
  EXPECT_EQ(instead(in, "bad"), "text that is not UTF-8");
  EXPECT_EQ(in.get<std::string>("good"), "\xd0\x9a");
}

TEST(Documents, GoesAsDeepAsItSaysAndNoDeeper) {
  for (const char type : {'\x03', '\x04'}) {
    for (const int depth : {kMaxDepth, kMaxDepth + 1, 200, 5'000}) {
      const auto read = read_bson(nested(depth, type));
      ASSERT_TRUE(read) << read.error().why;
      const Document* at = read->get();
      int levels = 1;
      for (; instead(*at, "0").empty() && !at->get("0").isNull(); ++levels)
        at = type == 0x03 ? at->get<Document::Ptr>("0").get() : at->get<Array::Ptr>("0").get();
      EXPECT_EQ(levels, kMaxDepth);
      EXPECT_EQ(instead(*at, "0"), depth == kMaxDepth ? "" : "too deeply nested");
    }
  }
}

TEST(Documents, SaysWhichDocumentCannotBeRead) {
  const std::string id = text("_id", "u1");
  const auto why = [&](const std::string& bytes) {
    const auto read = read_bson(bytes);
    EXPECT_FALSE(read);
    return read ? "" : read.error().id + ": " + read.error().why;
  };
  EXPECT_EQ(why(document(id + element(0x42, "x", "junk"))).substr(0, 19), "u1: broken at byte ");
  EXPECT_EQ(why(document(id + element(0x02, "x", int32_bytes(1000) + "no"))).substr(0, 19), "u1: broken at byte ");
  EXPECT_EQ(why(document(id + element(0x02, "x", int32_bytes(-1) + "no"))).substr(0, 19), "u1: broken at byte ");
  EXPECT_EQ(why(document(id + element(0x03, "x", int32_bytes(4)))), "u1: a nested document's length is wrong");
  EXPECT_EQ(why(document(id + element(0x10, "\xff", int32_bytes(1)))), "u1: a field's name is not UTF-8");
  EXPECT_EQ(why(document(text("pad", std::string(kMaxBytes, 'x')) + id)).substr(0, 4), "u1: ");
  EXPECT_EQ(why(""), "?: its length is wrong");
  EXPECT_EQ(why(int32_bytes(100) + "short"), "?: its length is wrong");
}

TEST(Documents, EveryTruncationIsRefusedOrRead) {
  const std::string whole =
      document(text("_id", "u1") + element(0x04, "formats", document(text("0", "flv"))) +
               element(0x05, "bytes", int32_bytes(3) + std::string("\0abc", 4)) + element(0x09, "at", eight(1)));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(read_bson(std::string(whole, 0, size))) << size;
    if (size < 5) continue;
    // And where the length says that this is all.
    std::string cut = int32_bytes(static_cast<std::int32_t>(size)) + whole.substr(4, size - 5) + '\0';
    const auto read = read_bson(cut);
    EXPECT_LE(read ? (*read)->size() : 0, 4u) << size;
  }
}

TEST(Documents, TellsIdsApart) {
  const auto id = [](const std::string& elements) { return id_of(**read_bson(document(elements))); };
  EXPECT_EQ(id(text("_id", "u1")), "u1");
  EXPECT_EQ(id(element(0x10, "_id", int32_bytes(-7))), "-7");
  EXPECT_EQ(id(element(0x12, "_id", eight(1LL << 40))), "1099511627776");
  EXPECT_EQ(id(element(0x07, "_id", std::string(12, '\xab'))), "abababababababababababab");
  EXPECT_EQ(id(element(0x0a, "_id", "")), "?");
  EXPECT_EQ(id(text("id", "u1")), "?");
  EXPECT_EQ(id(text("_id", std::string(199, 'x') + "\xd0\x9a")), std::string(199, 'x'));
}

TEST(Documents, ElementsComeInTheirOrder) {
  const auto read = read_bson(document(text("b", "1") + text("a", "2") + text("b", "3")));
  std::string names;
  for (const auto& each : elements_of(**read)) names += each->name();
  EXPECT_EQ(names, "bab");
}

TEST(Documents, RefusesToWriteWhatIsNoUtf8) {
  Document out;
  out.add("_id", std::string("\xff"));
  EXPECT_FALSE(write_bson(out));
}

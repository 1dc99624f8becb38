#include "geo/base/text.h"

#include <gtest/gtest.h>

#include <random>

namespace geo {
namespace {

TEST(Id, HasTheContractsAlphabet) {
  EXPECT_TRUE(is_id("100-abcdef"));
  EXPECT_TRUE(is_id("a.b_c:D-9"));
  EXPECT_TRUE(is_id(std::string(64, 'a')));
  for (const std::string& bad : {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a/b"),
                                 std::string("a,b"), std::string("\0", 1), std::string("к")})
    EXPECT_FALSE(is_id(bad)) << bad;
}

TEST(PercentEncoding, KeepsUnreservedOnly) {
  std::string out;
  append_percent_encoded(out, "aZ09-._~:/?&=+ К");
  EXPECT_EQ(out, "aZ09-._~%3A%2F%3F%26%3D%2B%20%D0%9A");
  EXPECT_EQ(percent_decoded(out), "aZ09-._~:/?&=+ К");
  EXPECT_EQ(percent_decoded("a+b"), "a+b");
  EXPECT_EQ(percent_decoded("%00"), std::string("\0", 1));
  for (const char* bad : {"%", "%4", "a%zz", "%4g", "%%41"}) EXPECT_FALSE(percent_decoded(bad)) << bad;
}

TEST(Base64Url, RefusesWhatIsNotCanonical) {
  std::mt19937_64 dice(3);
  for (std::size_t size = 0; size < 40; ++size) {
    std::vector<std::uint8_t> bytes(size), back(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(dice());
    std::string text;
    append_base64url(text, bytes.data(), size);
    ASSERT_TRUE(base64url_decoded(text, back.data(), size));
    ASSERT_EQ(bytes, back);
    ASSERT_FALSE(base64url_decoded(text + "=", back.data(), size));
    ASSERT_FALSE(base64url_decoded(text + "A", back.data(), size));
    if (size > 0) {
      ASSERT_FALSE(base64url_decoded(text.substr(1), back.data(), size));
    }
  }
  std::uint8_t one[1];
  EXPECT_TRUE(base64url_decoded("AA", one, 1));
  EXPECT_FALSE(base64url_decoded("AB", one, 1));  // left-over bits set
  EXPECT_FALSE(base64url_decoded("A+", one, 1));
}

TEST(Time, ReadsRfc3339AndUnixSeconds) {
  EXPECT_EQ(rfc3339(*parse_time("1800000000")), "2027-01-15T08:00:00Z");
  EXPECT_EQ(*parse_time("2027-01-15T08:00:00Z"), *parse_time("1800000000"));
  EXPECT_EQ(*parse_time("2027-01-15T11:00:00+03:00"), *parse_time("1800000000"));
  EXPECT_EQ(*parse_time("2027-01-15T03:30:00-04:30"), *parse_time("1800000000"));
  char millis[kRfc3339MillisSize];
  EXPECT_EQ(write_rfc3339_millis(*parse_time("2027-01-15T08:00:00.5Z"), millis), "2027-01-15T08:00:00.500Z");
  EXPECT_EQ(rfc3339(*parse_time("2028-02-29T00:00:00Z")), "2028-02-29T00:00:00Z");
  for (const char* bad : {"", "-1", "2027-01-15", "2027-01-15T08:00:00", "2027-02-29T00:00:00Z", "2027-13-01T00:00:00Z",
                          "2027-01-15T24:00:00Z", "2027-01-15T08:00:00.Z", "2027-01-15T08:00:00+3", "99999999999999",
                          "2027-01-15T08:00:00Zx"})
    EXPECT_FALSE(parse_time(bad)) << bad;
}

TEST(Digits, TakesNothingElse) {
  EXPECT_EQ(parse_digits("0"), 0U);
  EXPECT_EQ(parse_digits("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "18446744073709551616"})
    EXPECT_FALSE(parse_digits(bad)) << bad;
}

TEST(Hex, ReadsBothCases) {
  EXPECT_EQ(from_hex("00fFA0"), (std::vector<std::uint8_t>{0x00, 0xff, 0xa0}));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Utf8At, ReadsEveryLengthToItsBounds) {
  const std::pair<std::string_view, char32_t> good[] = {{std::string_view("\0", 1), 0},
                                                        {"\x7f", 0x7F},
                                                        {"\xC2\x80", 0x80},
                                                        {"\xDF\xBF", 0x7FF},
                                                        {"\xE0\xA0\x80", 0x800},
                                                        {"\xED\x9F\xBF", 0xD7FF},
                                                        {"\xEE\x80\x80", 0xE000},
                                                        {"\xEF\xBF\xBF", 0xFFFF},
                                                        {"\xF0\x90\x80\x80", 0x10000},
                                                        {"\xF4\x8F\xBF\xBF", 0x10FFFF}};
  for (const auto& [bytes, code] : good) {
    const std::string within = "a" + std::string(bytes) + "b";
    EXPECT_EQ(utf8_at(within, 1).code, code);
    EXPECT_EQ(utf8_at(within, 1).size, bytes.size())
        << hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  for (const std::string_view bad : {"\x80", "\xBF", "\xC1\xBF", "\xC2", "\xC2\xC0", "\xE0\x9F\xBF", "\xED\xA0\x80",
                                     "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"})
    EXPECT_EQ(utf8_at(bad, 0).size, 0U) << hex(reinterpret_cast<const std::uint8_t*>(bad.data()), bad.size());
}

TEST(Visible, EndsAtTheFirstOther) {
  for (int c = 0; c < 256; ++c)
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text(20, 'a');
      text[at] = static_cast<char>(c);
      SCOPED_TRACE(testing::Message() << c << " at " << at);
      const bool graphic = c > ' ' && c < 0x7f;
      EXPECT_EQ(visible<'!'>(text), graphic ? text.size() : at);
      EXPECT_EQ(visible<' '>(text), graphic || c == ' ' ? text.size() : at);
      EXPECT_EQ((visible<' ', '"', '\\'>(text)), c >= ' ' && c < 0x7f && c != '"' && c != '\\' ? text.size() : at);
    }
  EXPECT_EQ(visible<' '>(""), 0U);
}

TEST(JsonText, IsAlwaysValid) {
  const auto quoted = [](std::string_view text) {
    std::string out;
    Json(out).text(text);
    return out;
  };
  EXPECT_EQ(quoted("a\"b\\c\n\t\x01\x7f"), R"("a\"b\\c\n\t\u0001\u007f")");
  EXPECT_EQ(quoted("Москва"), "\"Москва\"");
  EXPECT_EQ(quoted("\xff\xfe"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(quoted("\xc0\xaf"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                  // overlong
  EXPECT_EQ(quoted("\xed\xa0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // surrogate
  EXPECT_EQ(quoted("\xf0\x9f\x98"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // cut short
}

TEST(Json, NestsWithCommas) {
  std::string out;
  Json json(out);
  json.open('{').field("a", std::int64_t{1}).key("b").open('[').number(1.5).null().boolean(true).close(']');
  json.field("c", "x").field_or_null("d", "").key("e").open('{').close('}').close('}');
  EXPECT_EQ(out, R"({"a":1,"b":[1.5,null,true],"c":"x","d":null,"e":{}})");
  out.clear();
  Json(out).open('{').field("a", "x").key_of("\"b\"\n").text("y").close('}');
  EXPECT_EQ(out, R"({"a":"x","\"b\"\n":"y"})");
}

}  // namespace
}  // namespace geo

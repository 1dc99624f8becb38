#include <gtest/gtest.h>

#include "geo/base/text.h"
#include "geo/redirect.h"

namespace geo::redirect {
namespace {

const std::vector<std::string> kPassThrough{"lang", "quality"};

// "ok", or "code: detail".
std::string parse(Request& request, std::string_view target, std::optional<std::string_view> authorization = {},
                  std::string_view accept = {}) {
  const std::size_t question = target.find('?');
  RawRequest raw;
  raw.path = target.substr(0, question);
  raw.query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  raw.authorization = authorization;
  raw.accept = accept;
  const Result<void> result = parse_request(raw, kPassThrough, request);
  return result ? "ok" : std::string(name_of(result.error().code)) + ": " + result.error().detail;
}
std::string parse(std::string_view target, std::optional<std::string_view> authorization = {}) {
  Request request;
  return parse(request, target, authorization);
}

TEST(Request, ReadsTheFourPaths) {
  for (const auto& [path, format] : std::vector<std::pair<std::string, Format>>{
           {"/flv", Format::flv}, {"/hls", Format::hls}, {"/ws-fmp4", Format::ws_fmp4}}) {
    Request request;
    EXPECT_EQ(parse(request, path + "?server=100-abcdef&camera=0&access_token=T"), "ok");
    EXPECT_EQ(request.format, format);
  }
  Request request;
  EXPECT_EQ(parse(request, "/stream?format=hls&server=s&camera=c&access_token=T"), "ok");
  EXPECT_EQ(request.format, Format::hls);
  EXPECT_TRUE(is_path("/stream"));
  for (const char* bad : {"", "/", "flv", "/FLV", "/flv/", "/ws_fmp4", "/stream/x"}) EXPECT_FALSE(is_path(bad)) << bad;
}

TEST(Request, DecodesBeforeItCompares) {
  Request request;
  EXPECT_EQ(parse(request, "/flv?s%65rver=100%2Dabc&camera=%30&access_token=a%2Fb%2B+"), "ok");
  EXPECT_EQ(request.server, "100-abc");
  EXPECT_EQ(request.camera, "0");
  EXPECT_EQ(request.token, "a/b++");  // a plus is a plus
}

TEST(Request, NamesTheBadParameter) {
  const std::string good = "&access_token=T";
  for (const auto& [query, detail] : std::vector<std::pair<std::string, std::string>>{
           {"camera=0", "server: missing"},
           {"server=s", "camera: missing"},
           {"server=&camera=0", "server: empty"},
           {"server&camera=0", "server: empty"},
           {"server=s&server=s&camera=0", "server: given twice"},
           {"server=s&camera=0&c%61mera=0", "camera: given twice"},
           {"server=a/b&camera=0", "server: must be 1-64 of A-Z a-z 0-9 . _ : -"},
           {"server=s&camera=%00", "camera: holds a control character"},
           {"server=s&camera=%zz", "camera: % is not followed by two hex digits"},
           {"server=" + std::string(65, 'a') + "&camera=0", "server: must be 1-64 of A-Z a-z 0-9 . _ : -"},
           {"server=s&camera=0&format=mp4", "format: must be flv, hls or ws-fmp4"},
           {"server=s&camera=0&format=hls", "format: does not agree with the path /flv"},
           {"server=s&camera=0&exclude=a,,b", "exclude: a node id is 1-64 of A-Z a-z 0-9 . _ : -"},
           {"server=s&camera=0&exclude=a,b,c,d,e", "exclude: at most 4 nodes"},
           {"server=s&camera=0&redirect=2", "redirect: must be 0 or 1"},
           {"server=s&camera=0&lang=a&lang=b", "lang: given twice"},
           {"server=s&camera=0&quality=%0a", "quality: holds a control character"}})
    EXPECT_EQ(parse("/flv?" + query + good), "bad_request: " + detail) << query;
  EXPECT_EQ(parse("/stream?server=s&camera=0&access_token=T"), "bad_request: format: missing");
}

TEST(Request, ParametersAreCheckedBeforeTheToken) {
  EXPECT_EQ(parse("/flv?camera=0"), "bad_request: server: missing");
  EXPECT_EQ(parse("/flv?server=s&camera=0"), "missing_token: access_token or Authorization: Bearer is needed");
}

TEST(Request, TakesTheTokenFromOnePlaceOnly) {
  Request request;
  EXPECT_EQ(parse(request, "/flv?server=s&camera=0", "bearer  T-1"), "ok");
  EXPECT_EQ(request.token, "T-1");
  EXPECT_EQ(parse("/flv?server=s&camera=0&access_token=T", "Bearer T"),
            "bad_request: access_token: given twice: as a parameter and in Authorization");
  EXPECT_EQ(parse("/flv?server=s&camera=0", "Basic dTpw"),
            "missing_token: access_token or Authorization: Bearer is needed");
  EXPECT_EQ(parse("/flv?server=s&camera=0", "Bearer"),
            "bad_request: Authorization: a token is 1-4096 visible ASCII characters");
  EXPECT_EQ(parse("/flv?server=s&camera=0", "Bearer a b"),
            "bad_request: Authorization: a token is 1-4096 visible ASCII characters");
  EXPECT_EQ(parse("/flv?server=s&camera=0&access_token=%20"),
            "bad_request: access_token: a token is 1-4096 visible ASCII characters");
  EXPECT_EQ(parse("/flv?server=s&camera=0&access_token=" + std::string(4096, 'a')), "ok");
  EXPECT_EQ(parse("/flv?server=s&camera=0&access_token=" + std::string(4097, 'a')),
            "bad_request: access_token: longer than 4096 characters");
}

TEST(Request, DropsWhatItDoesNotKnowAndPassesOnWhatIsListed) {
  Request request;
  EXPECT_EQ(parse(request, "/flv?quality=hi%20gh&x=1&x=2&&exp=9&server=s&camera=0&access_token=T&lang=ru&%zz=1"), "ok");
  ASSERT_EQ(request.passed.size(), 2U);
  EXPECT_EQ(request.passed[0].name, "lang");  // in the configured order
  EXPECT_EQ(request.passed[1].value, "hi gh");
}

TEST(Request, WantsJsonByParameterOrAccept) {
  const auto wants = [](std::string_view extra, std::string_view accept) {
    Request request;
    EXPECT_EQ(parse(request, "/flv?server=s&camera=0&access_token=T" + std::string(extra), {}, accept), "ok");
    return request.wants_json;
  };
  EXPECT_FALSE(wants("", ""));
  EXPECT_FALSE(wants("", "*/*"));
  EXPECT_TRUE(wants("&redirect=0", ""));
  EXPECT_TRUE(wants("", "text/html, application/json;q=0.5"));
  EXPECT_TRUE(wants("", "Application/JSON"));
  EXPECT_TRUE(wants("", "Application/Json"));
  EXPECT_FALSE(wants("", "application/json;Q=0"));
  EXPECT_FALSE(wants("", "application/json;q=0"));
  EXPECT_FALSE(wants("", "application/json; q=0.000"));
  EXPECT_FALSE(wants("", "application/jsonp"));
  EXPECT_FALSE(wants("&redirect=1", "application/json"));
}

TEST(Request, ReadsFourExcludes) {
  Request request;
  EXPECT_EQ(parse(request, "/flv?server=s&camera=0&access_token=T&exclude=a%2Cb,c,d"), "ok");
  EXPECT_EQ(std::vector<std::string_view>(request.exclude().begin(), request.exclude().end()),
            (std::vector<std::string_view>{"a", "b", "c", "d"}));
}

}  // namespace
}  // namespace geo::redirect

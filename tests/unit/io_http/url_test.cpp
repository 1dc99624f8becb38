#include "io/http/url.h"

#include <gtest/gtest.h>

#include "geo/io/http.h"

namespace geo::io::http {
namespace {

TEST(Url, InItsParts) {
  const auto plain = parse_url("http://IP-api.com");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "ip-api.com");
  EXPECT_EQ(plain->port, 80);
  EXPECT_EQ(plain->base, "");
  EXPECT_EQ(plain->authority(), "ip-api.com");
  const auto tls = parse_url("HTTPS://[2001:DB8::1]:8443/geo/v1/");
  ASSERT_TRUE(tls);
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(tls->host, "2001:db8::1");
  EXPECT_EQ(tls->base, "/geo/v1");
  EXPECT_EQ(tls->authority(), "[2001:db8::1]:8443");
  EXPECT_EQ(parse_url("https://geo.example.com:443/")->authority(), "geo.example.com");
}

TEST(Url, RefusesWhatIsNone) {
  for (const char* each : {"",
                           "geo.example.com",
                           "ftp://x",
                           "http://",
                           "http:///x",
                           "http://:80",
                           "http://x:",
                           "http://x:0",
                           "http://x:65536",
                           "http://x:80a",
                           "http://u@x",
                           "http://u:p@x",
                           "http://x?a=b",
                           "http://x/#f",
                           "http://x y",
                           "http://x/\r\nEvil: 1",
                           "http://[::1",
                           "http://[::1]80",
                           "http://[1.2.3.4]",
                           "http://[]",
                           "http://::1",
                           "http://1.2.3",
                           "http://1.2.3.256",
                           "http://a..b",
                           "http://\xd0\xbc",
                           "https:/x"})
    EXPECT_FALSE(check_http_url(each)) << each;
  EXPECT_FALSE(check_http_url("http://x/" + std::string(3000, 'a')));
}

}  // namespace
}  // namespace geo::io::http

#include "geo/sign.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "geo/base/text.h"
#include "scene.h"

namespace geo::sign {
namespace {

Keyring keyring(std::string_view active = "k1") {
  std::vector<Key> keys;
  keys.push_back(scene::key("k1"));
  keys.push_back(scene::key("k2", 100));
  return {std::move(keys), active};
}

const WallTime kExp = *parse_time("1800000000");

Url first_vector() {
  Url url;
  url.scheme = "https", url.host = "node-moscow-1.example.com", url.path = "/flv";
  url.server = "100-abcdef", url.camera = "0", url.expires_at_s = 1800000000;
  return url;
}

std::string signed_url(const Url& url, const Keyring& keys) {
  std::string out;
  append_url(out, url, keys);
  return out;
}

// "https://host/target" -> host, target
std::pair<std::string, std::string> parts(const std::string& url) {
  const std::size_t host = url.find("://") + 3, target = url.find('/', host);
  return {url.substr(host, target - host), url.substr(target)};
}

Reason check(std::string_view host, std::string_view target, WallTime now = kExp, std::optional<Ip> client = {},
             std::chrono::seconds leeway = {}) {
  static const Keyring keys = keyring();
  const auto known = [](std::string_view h) {
    return h == "node-moscow-1.example.com" || h == "node-moscow-1.example.com:8443" ||
           h == "node-moscow-2.example.com";
  };
  return verify({target, host, client, now}, keys, leeway, known);
}

TEST(SignedUrl, IsTheContractsFirstVector) {
  EXPECT_EQ(signed_url(first_vector(), keyring()),
            "https://node-moscow-1.example.com/flv?server=100-abcdef&camera=0&exp=1800000000&kid=k1"
            "&sig=mw1s1hEWGnL4J0Atu3-9EhdGLdInG54uDMFBjE3ldKs");
}

TEST(SignedUrl, IsTheContractsSecondVector) {
  Url url = first_vector();
  url.scheme = "wss", url.host = "node-moscow-1.example.com:8443", url.path = "/ws-fmp4";
  url.camera = "к1", url.token = "T-1", url.client_ip = *Ip::parse("203.0.113.7");
  EXPECT_EQ(signed_url(url, keyring()),
            "wss://node-moscow-1.example.com:8443/ws-fmp4?server=100-abcdef&camera=%D0%BA1&token=T-1&cip=203.0.113.7"
            "&exp=1800000000&kid=k1&sig=98kfAcrdZDVsmp0qmBwy-ddctnGlU07_6g64Ox8GpDo");
}

TEST(SignedUrl, KeepsTheOrderOfTheQuery) {
  Url url = first_vector();
  url.token = "a b";
  const Parameter passed[] = {{"lang", "ru"}, {"q", "1&2"}};
  url.passed = passed;
  url.client_ip = *Ip::parse("2001:db8::1");
  const std::string text = signed_url(url, keyring());
  EXPECT_NE(text.find("/flv?server=100-abcdef&camera=0&token=a%20b&lang=ru&q=1%262&cip=2001%3Adb8%3A%3A1&exp="
                      "1800000000&kid=k1&sig="),
            std::string::npos);
}

TEST(Verify, TakesItsOwnUrlsUntilTheirLastSecond) {
  const auto [host, target] = parts(signed_url(first_vector(), keyring()));
  EXPECT_EQ(check(host, target, kExp), Reason::ok);
  EXPECT_EQ(check(host, target, kExp + std::chrono::milliseconds(999)), Reason::ok);  // "now" counts in whole seconds
  EXPECT_EQ(check(host, target, kExp + std::chrono::seconds(1)), Reason::expired);
  EXPECT_EQ(check(host, target, kExp + std::chrono::seconds(5), {}, std::chrono::seconds(5)), Reason::ok);
  EXPECT_EQ(check(host, target, kExp + std::chrono::seconds(6), {}, std::chrono::seconds(5)), Reason::expired);
}

TEST(Verify, TriesADefaultPortWithAndWithout) {
  const auto [host, target] = parts(signed_url(first_vector(), keyring()));
  EXPECT_EQ(check(host + ":443", target), Reason::ok);
  EXPECT_EQ(check(host + ":80", target), Reason::ok);
  EXPECT_EQ(check("NODE-Moscow-1.example.COM", target), Reason::ok);
  EXPECT_EQ(check(host + ":8443", target), Reason::bad_signature);
  EXPECT_EQ(check(host + ":8080", target), Reason::wrong_host);
  EXPECT_EQ(check("", target), Reason::wrong_host);
}

TEST(Verify, AUrlOfAnotherNodeIsABadSignature) {
  const auto [host, target] = parts(signed_url(first_vector(), keyring()));
  EXPECT_EQ(check("node-moscow-2.example.com", target), Reason::bad_signature);
  EXPECT_EQ(check("elsewhere.example.com", target), Reason::wrong_host);
}

TEST(Verify, WithoutATopologyAnyHostWillDo) {
  Url url = first_vector();
  url.host = "anything.example";
  const auto [host, target] = parts(signed_url(url, keyring()));
  EXPECT_EQ(verify({target, host, {}, kExp}, keyring(), {}, {}), Reason::ok);
}

TEST(Verify, SeveralKeysVerifyWhileOneSigns) {
  const auto [host, target] = parts(signed_url(first_vector(), keyring("k2")));
  EXPECT_NE(target.find("kid=k2"), std::string::npos);
  EXPECT_EQ(check(host, target), Reason::ok);
  std::string foreign = target;
  foreign.replace(foreign.find("kid=k2"), 6, "kid=k3");
  EXPECT_EQ(check(host, foreign), Reason::unknown_key);
  foreign.replace(foreign.find("kid=k3"), 6, "kid=k1");
  EXPECT_EQ(check(host, foreign), Reason::bad_signature);
}

TEST(Verify, AKeyMayHaveAnyIdThatAKeyMayHave) {
  std::vector<Key> list;
  list.push_back(scene::key("2027:01"));
  const Keyring keys(std::move(list), "2027:01");
  const auto [host, target] = parts(signed_url(first_vector(), keys));
  EXPECT_NE(target.find("kid=2027%3A01&sig="), std::string::npos);
  EXPECT_EQ(verify({target, host, {}, kExp}, keys, {}, {}), Reason::ok);
}

TEST(Verify, TheLastSecondOfTimeIsNotOverflowed) {
  Url url = first_vector();
  url.expires_at_s = 253402300799;
  const auto [host, target] = parts(signed_url(url, keyring()));
  EXPECT_EQ(check(host, target, kExp, {}, std::chrono::seconds(3600)), Reason::ok);
  url.expires_at_s = 253402300800;
  const auto [other_host, beyond] = parts(signed_url(url, keyring()));
  EXPECT_EQ(check(other_host, beyond), Reason::malformed);
}

TEST(Verify, BindsTheClientsAddress) {
  Url url = first_vector();
  url.client_ip = *Ip::parse("2001:db8::7");
  const auto [host, target] = parts(signed_url(url, keyring()));
  EXPECT_EQ(check(host, target, kExp, Ip::parse("2001:db8::7")), Reason::ok);
  EXPECT_EQ(check(host, target, kExp, Ip::parse("2001:db8::8")), Reason::wrong_client);
  EXPECT_EQ(check(host, target), Reason::wrong_client);
  EXPECT_EQ(check(host, target, kExp + std::chrono::seconds(1)), Reason::expired);  // comes first
}

TEST(Verify, ChecksInTheContractsOrder) {
  const std::string sig(43, 'A');
  EXPECT_EQ(check("elsewhere", "/flv?exp=1&kid=nobody"), Reason::malformed);
  EXPECT_EQ(check("elsewhere", "/flv?exp=1&kid=nobody&sig=" + sig), Reason::wrong_host);
  EXPECT_EQ(check("node-moscow-1.example.com", "/flv?exp=1&kid=nobody&sig=" + sig), Reason::unknown_key);
  EXPECT_EQ(check("node-moscow-1.example.com", "/flv?exp=1&kid=k1&sig=" + sig), Reason::bad_signature);
}

TEST(Verify, SaysMalformedForWhatIsNoSignedTarget) {
  const std::string sig(43, 'A');
  for (const std::string& bad : {std::string(),
                                 std::string("/"),
                                 std::string("flv?exp=1&kid=k1&sig=") + sig,
                                 "/flv?kid=k1&sig=" + sig,
                                 "/flv?exp=1&sig=" + sig,
                                 "/flv?exp=&kid=k1&sig=" + sig,
                                 "/flv?exp=-1&kid=k1&sig=" + sig,
                                 "/flv?exp=1x&kid=k1&sig=" + sig,
                                 "/flv?exp=99999999999999999999&kid=k1&sig=" + sig,
                                 "/flv?exp=1&kid=&sig=" + sig,
                                 "/flv?exp=1&kid=k1&sig=" + sig + "A",
                                 "/flv?exp=1&kid=k1&sig=" + sig + "=",
                                 "/flv?exp=1&kid=k1&sig=" + sig + "&x=1",
                                 "/flv?exp=1&kid=k1&sig=" + std::string(42, 'A') + "B",
                                 "/flv?exp=1&exp=1&kid=k1&sig=" + sig,
                                 "/flv?exp=1&kid=k1&kid=k1&sig=" + sig,
                                 "/flv?cip=1.2.3.4&cip=1.2.3.4&exp=1&kid=k1&sig=" + sig,
                                 "/flv?sig=" + sig + "&exp=1&kid=k1&sig=" + sig,
                                 "/flv?exp=1&kid=k1&SIG=" + sig,
                                 "/f lv?exp=1&kid=k1&sig=" + sig})
    EXPECT_EQ(check("node-moscow-1.example.com", bad), Reason::malformed) << bad;
}

// ---- 100,000 mutations ----

// What the contract says of a target that a mutation made, worked out by other means than verify(): by its shape alone.
// `original` is a good target for `host`.
Reason expected(const std::string& original, const std::string& target) {
  if (target == original) return Reason::ok;
  // malformed by its shape?
  const std::size_t sig = target.rfind("&sig=");
  const auto is_base64url = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; };
  if (sig == std::string::npos || target[0] != '/') return Reason::malformed;
  const std::string value = target.substr(sig + 5), head = target.substr(0, sig);
  if (value.size() != 43 || !std::all_of(value.begin(), value.end(), is_base64url)) return Reason::malformed;
  if (std::string("AEIMQUYcgkosw048").find(value.back()) == std::string::npos) return Reason::malformed;
  for (const char c : target)
    if (static_cast<signed char>(c) <= ' ' || c == 0x7f) return Reason::malformed;
  const std::size_t question = head.find('?');
  if (question == std::string::npos) return Reason::malformed;
  std::multimap<std::string, std::string> query;
  for (const std::string_view pair : split(std::string_view(head).substr(question + 1), '&')) {
    const std::size_t equals = pair.find('=');
    query.emplace(pair.substr(0, equals), equals == std::string_view::npos ? "" : pair.substr(equals + 1));
  }
  if (query.count("sig") || query.count("exp") != 1 || query.count("kid") != 1 || query.count("cip") > 1)
    return Reason::malformed;
  const std::string exp = query.find("exp")->second, kid = query.find("kid")->second;
  if (exp.empty() || exp.size() > 18 ||
      !std::all_of(exp.begin(), exp.end(), [](char c) { return c >= '0' && c <= '9'; }) || kid.empty())
    return Reason::malformed;
  if (std::stoull(exp) > 253402300799ULL) return Reason::malformed;
  return kid == "k1" || kid == "k2" ? Reason::bad_signature : Reason::unknown_key;
}

TEST(Verify, RefusesAHundredThousandMutationsEachWithTheRightReason) {
  Url url = first_vector();
  url.token = "T-1~x/y";
  const Parameter passed[] = {{"lang", "ru RU"}};
  url.passed = passed;
  url.client_ip = *Ip::parse("203.0.113.7");
  const auto [host, original] = parts(signed_url(url, keyring()));
  const auto client = Ip::parse("203.0.113.7");
  ASSERT_EQ(check(host, original, kExp, client), Reason::ok);

  std::mt19937_64 dice(20);
  std::map<Reason, int> seen;
  const auto any = [&](std::size_t n) { return static_cast<std::size_t>(dice() % n); };
  for (int i = 0; i < 100000; ++i) {
    std::string t = original;
    switch (any(10)) {
      case 0:
        t[any(t.size())] = static_cast<char>(dice());
        break;  // any byte
      case 1:
        t[any(t.size())] ^= static_cast<char>(1 << any(8));
        break;  // one bit
      case 2:
        t.erase(any(t.size()), 1 + any(5));
        break;  // cut out
      case 3:
        t.insert(any(t.size()), 1, "&=?%/.-_aZ09"[any(12)]);
        break;  // put in
      case 4:
        t[any(t.size())] = "0123456789abcdefABCDEF-_"[any(24)];
        break;   // another character of the alphabet
      case 5: {  // two parameters swapped
        auto pieces = split(std::string_view(original).substr(original.find('?') + 1), '&');
        std::swap(pieces[any(pieces.size())], pieces[any(pieces.size())]);
        t = "/flv?";
        for (const auto piece : pieces) t.append(t.back() == '?' ? "" : "&").append(piece);
        break;
      }
      case 6: {  // one doubled
        const auto pieces = split(std::string_view(original).substr(original.find('?') + 1), '&');
        const std::string piece(pieces[any(pieces.size())]);
        t.insert(any(2) ? t.find('?') + 1 : t.rfind("&sig=") + 1, piece + "&");
        break;
      }
      case 7: {  // re-encoded
        const std::size_t at = any(t.size());
        char code[4];
        std::snprintf(code, sizeof code, "%%%02X", static_cast<unsigned char>(t[at]));
        t.replace(at, 1, code);
        break;
      }
      case 8: {  // letter case
        char& c = t[any(t.size())];
        c = static_cast<char>(std::isupper(static_cast<unsigned char>(c)) ? std::tolower(c) : std::toupper(c));
        break;
      }
      default:
        t = t.substr(0, any(t.size()));
        break;  // cut off
    }
    const Reason want = expected(original, t), got = check(host, t, kExp, client);
    ASSERT_EQ(name_of(got), name_of(want)) << t;
    ++seen[got];
  }
  for (const Reason reason : {Reason::ok, Reason::malformed, Reason::unknown_key, Reason::bad_signature})
    EXPECT_GT(seen[reason], 100) << name_of(reason);
}

}  // namespace
}  // namespace geo::sign

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "geo/base/error.h"
#include "geo/base/fault.h"
#include "geo/base/hmac.h"
#include "geo/base/published.h"
#include "geo/base/text.h"

namespace geo {
namespace {

TEST(ErrorTable, FindsEachCodeByItsName) {
  for (const ErrorRow& row : kErrorTable) EXPECT_EQ(error_code_of(row.name), row.code);
  EXPECT_FALSE(error_code_of("no_such_code"));
  EXPECT_EQ(row_of(ErrorCode::limit_exceeded).http_status, 429);
  EXPECT_EQ(row_of(ErrorCode::limit_exceeded).header, ErrorHeader::retry_after);
}

// RFC 4231, test cases 1, 2 and 6 (a key longer than the block).
TEST(Hmac, AgreesWithRfc4231) {
  const auto signature = [](std::vector<std::uint8_t> key, std::string_view text) {
    const Digest digest = HmacKey(key).sign(text);
    return hex(digest.data(), digest.size());
  };
  EXPECT_EQ(signature(std::vector<std::uint8_t>(20, 0x0b), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(signature({'J', 'e', 'f', 'e'}, "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(signature(std::vector<std::uint8_t>(131, 0xaa), "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hmac, JoinsTwoPieces) {
  const HmacKey key(std::vector<std::uint8_t>(32, 1));
  EXPECT_EQ(key.sign("host", "/target"), key.sign("host/target"));
  EXPECT_FALSE(equal_in_constant_time(key.sign("a"), key.sign("b")));
}

TEST(Sha256, AgreesWithFips180) {
  const Digest digest = sha256("abc");
  EXPECT_EQ(hex(digest.data(), digest.size()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(FaultText, NamesFileLineColumnAndKey) {
  EXPECT_EQ(to_string({"topology.toml", 12, 9, "nodes.group", "no group \"x\""}),
            "topology.toml:12:9: nodes.group: no group \"x\"");
  EXPECT_EQ(to_string({"topology.toml", 0, 0, "", "is missing"}), "topology.toml: is missing");
}

TEST(Published, AReaderSeesTheNewestValueAndOldOnesGo) {
  Published<int> source(std::make_shared<const int>(1));
  Published<int>::Reader reader(source);
  EXPECT_EQ(*reader.get(), 1);
  const std::weak_ptr<const int> old = reader.get();
  source.publish(std::make_shared<const int>(2));
  EXPECT_FALSE(old.expired());
  EXPECT_EQ(*reader.get(), 2);
  EXPECT_TRUE(old.expired());
}

TEST(Published, ValuesNeverGoBackwardsUnderLoad) {
  Published<int> source(std::make_shared<const int>(0));
  std::atomic<bool> backwards{false};
  constexpr int kLast = 20000;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      Published<int>::Reader reader(source);
      for (int last = 0; last < kLast;) {
        const int now = *reader.get();
        if (now < last) backwards = true;
        last = now;
      }
    });
  for (int i = 1; i <= kLast; ++i) source.publish(std::make_shared<const int>(i));
  for (std::thread& reader : readers) reader.join();
  EXPECT_FALSE(backwards);
}

}  // namespace
}  // namespace geo

#include "geo/io/system.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "scratch.h"

namespace geo::io {
namespace {

const std::string kHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F";

// Sets an environment variable for as long as it lives; null: unset.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (value != nullptr)
      setenv(name, value, 1);
    else
      unsetenv(name);
  }
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

TEST(SystemClock, TellsTheTimeOfDayAndATimeThatOnlyGrows) {
  const SystemClock clock;
  const auto before = std::chrono::system_clock::now();
  const WallTime wall = clock.wall();
  EXPECT_GE(wall, std::chrono::floor<std::chrono::microseconds>(before));
  EXPECT_LE(wall, std::chrono::system_clock::now());
  const MonotonicTime first = clock.monotonic();
  EXPECT_GE(clock.monotonic(), first);
}

TEST(IsOpenToAll, GoesByTheMode) {
  const test::Scratch scratch;
  const auto file = scratch.write("secret", "x");
  for (const unsigned mode : {0600U, 0640U, 0660U, 0604U, 0644U}) {
    std::filesystem::permissions(file, std::filesystem::perms{mode});
    EXPECT_EQ(is_open_to_all(file), (mode & 4U) != 0) << mode;
  }
  EXPECT_FALSE(is_open_to_all(scratch / "none"));
}

TEST(ReadText, ReadsTheWholeFileByteForByte) {
  const test::Scratch scratch;
  EXPECT_EQ(read_text(scratch.write("empty", ""), 10), "");
  const std::string bytes("a\0b\r\n\xff", 6);
  EXPECT_EQ(read_text(scratch.write("bytes", bytes), 6), bytes);
  std::string large;
  for (int i = 0; i < 300000; ++i) large += static_cast<char>('a' + i % 26);
  EXPECT_EQ(read_text(scratch.write("large", large), 1 << 20), large);
}

TEST(ReadText, ReadsWhatHasNoSize) {
  // what a process writes: stat() tells 0 bytes
  const auto text = read_text("/proc/self/status", 1 << 20);
  ASSERT_TRUE(text) << text.error();
  EXPECT_NE(text->find("Name:"), std::string::npos);
}

TEST(ReadText, RefusesWhatIsTooLargeOrNoFile) {
  const test::Scratch scratch;
  const auto file = scratch.write("eleven", "12345678901");
  EXPECT_EQ(read_text(file, 11), "12345678901");
  EXPECT_EQ(read_text(file, 10).error(), file.string() + ": is larger than 10 bytes");
  EXPECT_EQ(read_text(file, 0).error(), file.string() + ": is larger than 0 bytes");
  EXPECT_EQ(read_text("/dev/zero", 1 << 20).error(), "/dev/zero: is larger than 1048576 bytes");
  EXPECT_EQ(read_text(scratch / "missing", 10).error(), (scratch / "missing").string() + ": No such file or directory");
  EXPECT_EQ(read_text(scratch / "", 10).error(), (scratch / "").string() + ": is a directory");
}

TEST(ReadSecret, ReadsHexWithBlanksAroundIt) {
  const test::Scratch scratch;
  const auto secret = read_secret(scratch.write("k1.hex", "\t " + kHex + " \r\n\n"));
  ASSERT_TRUE(secret) << secret.error();
  ASSERT_EQ(secret->size(), 32U);
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ((*secret)[i], i);
  EXPECT_EQ(read_secret(scratch.write("long.hex", kHex + kHex + kHex))->size(), 96U);
}

TEST(ReadSecret, RefusesWhatIsNoSecretAndQuotesNothingOfIt) {
  const test::Scratch scratch;
  const auto fault = [&](const std::string& text) {
    const auto secret = read_secret(scratch.write("k1.hex", text));
    if (secret) return std::string("accepted");
    const std::string prefix = (scratch / "k1.hex").string() + ": ";
    EXPECT_EQ(secret.error().substr(0, prefix.size()), prefix);
    return secret.error().substr(prefix.size());
  };
  const std::string no_hex = "a secret is written in hex digits, two for each byte";
  EXPECT_EQ(fault(""), "is empty");
  EXPECT_EQ(fault(" \n"), "is empty");
  EXPECT_EQ(fault(kHex + "0"), no_hex);
  EXPECT_EQ(fault("0x" + kHex), no_hex);
  EXPECT_EQ(fault(kHex.substr(0, 32) + "\n" + kHex.substr(32)), no_hex);
  EXPECT_EQ(fault(kHex + std::string(2, '\0')), no_hex);
  EXPECT_EQ(fault("correct horse battery staple, correct horse"), no_hex);
  EXPECT_EQ(fault(kHex.substr(2)), "a secret has at least 32 bytes, this one 31");
  EXPECT_EQ(fault(std::string(16386, 'a')), "is larger than 16384 bytes");
  EXPECT_EQ(read_secret(scratch / "missing").error(), (scratch / "missing").string() + ": No such file or directory");
}

TEST(ReadSecret, WaitsForNobody) {
  const test::Scratch scratch;
  const auto fifo = scratch / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);  // no writer will ever come
  EXPECT_EQ(read_secret(fifo).error(), fifo.string() + ": is no regular file");
  EXPECT_EQ(read_key(fifo).error(), fifo.string() + ": is no regular file");
}

TEST(SecretPath, IsRelativeToItsDirectory) {
  EXPECT_EQ(secret_path("k1.hex", "/etc/geod"), "/etc/geod/k1.hex");
  EXPECT_EQ(secret_path("/run/keys/k1.hex", "/etc/geod"), "/run/keys/k1.hex");
  EXPECT_EQ(secret_path("credentials:k1", "/etc/geod"), "/etc/geod/credentials:k1");
}

TEST(SecretPath, FindsCredentialsWhereTheServiceManagerPutThem) {
  const Variable variable("CREDENTIALS_DIRECTORY", "/run/credentials/geod.service");
  EXPECT_EQ(secret_path("credential:k1", "/etc/geod"), "/run/credentials/geod.service/k1");
  for (const char* const bad :
       {"credential:", "credential:.", "credential:..", "credential:a/b", "credential:/etc/shadow"})
    EXPECT_EQ(secret_path(bad, "/etc/geod").error(), std::string(bad) + ": a credential's name is a plain file name");
}

TEST(SecretPath, SaysThatThereAreNoCredentials) {
  for (const char* const value : {static_cast<const char*>(nullptr), ""}) {
    const Variable variable("CREDENTIALS_DIRECTORY", value);
    EXPECT_EQ(secret_path("credential:k1", "/etc/geod").error(),
              "credential:k1: CREDENTIALS_DIRECTORY is not set: the service manager has passed no credentials");
  }
}

TEST(Environment, HasTheVariablesThatBeginSo) {
  const Variable one("GEOTEST_STORE_URI", "mongodb://user:a=b@host"), two("GEOTEST_EMPTY", ""), other("GEOTES_T", "x");
  std::vector<std::string> found;
  for (const EnvironmentVariable& variable : environment("GEOTEST_"))
    found.push_back(variable.name + " is " + variable.value);
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::string>{"GEOTEST_EMPTY is ", "GEOTEST_STORE_URI is mongodb://user:a=b@host"}));
  EXPECT_TRUE(environment("GEOTEST_NONE").empty());
}

}  // namespace
}  // namespace geo::io

// What a TLS listener may show, and what is said of files that it may not.
#include <gtest/gtest.h>

#include "../io_file/temp_dir.h"
#include "../io_http/tls_server.h"
#include "geo/io/tls.h"

namespace geo::io {
namespace {

template <class Write>
std::string pem(Write write) {
  BIO* const out = BIO_new(BIO_s_mem());
  write(out);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string copy(text, static_cast<std::size_t>(size));
  BIO_free(out);
  return copy;
}

std::string pem(EVP_PKEY* key, const EVP_CIPHER* cipher = nullptr) {
  return pem([&](BIO* out) {
    char password[] = "secret";
    PEM_write_bio_PKCS8PrivateKey(out, key, cipher, cipher == nullptr ? nullptr : password, cipher == nullptr ? 0 : 6,
                                  nullptr, nullptr);
  });
}

std::string pem(X509* certificate) {
  return pem([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
}

class TlsIdentities : public testing::Test {
 protected:
  // "", or of which file: and why; of both, one after the other.
  std::string trouble(const std::string& certificate_text, const std::string& key_text) {
    const auto identity = TlsIdentity::load({dir_.write("c.pem", certificate_text), dir_.write("k.pem", key_text)});
    return identity ? std::string() : told(identity.error());
  }
  std::string told(const std::vector<TlsIdentity::Trouble>& troubles) {
    std::string all;
    for (const TlsIdentity::Trouble& each : troubles)
      all += std::string(all.empty() ? "" : ", ") + (each.of_key ? "key: " : "certificate: ") + each.why;
    const std::string folder = dir_.path().string() + "/";
    for (std::size_t at; (at = all.find(folder)) != std::string::npos;) all.erase(at, folder.size());
    return all;
  }

  const test::TempDir dir_;
  http::Key key_{EVP_EC_gen("P-256")};
  http::Certificate certificate_ = http::certificate(key_.get(), "DNS:a", -100, 1000);
};

TEST_F(TlsIdentities, TellsWhenItIsGood) {
  const auto now = std::chrono::system_clock::now();
  const auto identity =
      TlsIdentity::load({dir_.write("c.pem", pem(certificate_.get())), dir_.write("k.pem", pem(key_.get()))});
  ASSERT_TRUE(identity) << told(identity.error());
  using std::chrono::seconds;
  EXPECT_LT(std::chrono::abs((*identity)->not_after() - now - seconds(1000)), seconds(60));
  EXPECT_LT(std::chrono::abs(now - (*identity)->not_before() - seconds(100)), seconds(60));
}

TEST_F(TlsIdentities, TakesKeysOfTheUsualKinds) {
  for (http::Key& key : std::array{http::Key(EVP_RSA_gen(2048)), http::Key(EVP_EC_gen("P-384"))})
    EXPECT_EQ(trouble(pem(http::certificate(key.get(), "DNS:a").get()), pem(key.get())), "");
}

TEST_F(TlsIdentities, NamesTheFileThatIsWrong) {
  const std::string certificate = pem(certificate_.get()), key = pem(key_.get());
  EXPECT_EQ(trouble("", ""),
            "certificate: c.pem: holds no certificate (PEM), key: k.pem: holds no private key (PEM) that can be used");
  EXPECT_EQ(trouble("", key), "certificate: c.pem: holds no certificate (PEM)");
  EXPECT_EQ(trouble(key, key), "certificate: c.pem: holds no certificate (PEM)");
  EXPECT_EQ(trouble(certificate, ""), "key: k.pem: holds no private key (PEM) that can be used");
  EXPECT_EQ(trouble(certificate, certificate), "key: k.pem: holds no private key (PEM) that can be used");
  EXPECT_EQ(trouble(certificate, pem(key_.get(), EVP_aes_128_cbc())),
            "key: k.pem: is locked by a password; geod has nobody to ask for it");
  const http::Key other(EVP_EC_gen("P-256"));
  EXPECT_EQ(trouble(certificate, pem(other.get())), "key: k.pem: is not the key of the first certificate in c.pem");
  EXPECT_EQ(trouble(certificate.substr(0, certificate.size() / 2), key).substr(0, 19), "certificate: c.pem:");
}

TEST_F(TlsIdentities, LooksAtOneFileWhereTheOtherIsNotGiven) {
  const auto certificate = dir_.write("c.pem", pem(certificate_.get())), key = dir_.write("k.pem", pem(key_.get()));
  for (const TlsIdentity::Files& files : {TlsIdentity::Files{certificate, {}}, {{}, key}}) {
    const auto identity = TlsIdentity::load(files);
    ASSERT_TRUE(identity) << told(identity.error());
    EXPECT_EQ(*identity, nullptr);
  }
  EXPECT_EQ(told(TlsIdentity::load({key, {}}).error()), "certificate: k.pem: holds no certificate (PEM)");
}

TEST_F(TlsIdentities, MayHaveItsKeyBesideItsChain) {
  const std::string both = pem(certificate_.get()) + pem(key_.get());
  EXPECT_EQ(trouble(both, both), "");
}

TEST_F(TlsIdentities, FilesThatAreNotThereAreNamed) {
  const auto none = TlsIdentity::load({dir_.path() / "none.pem", dir_.path() / "k.pem"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().at(0).why, (dir_.path() / "none.pem").string() + ": No such file or directory");
}

}  // namespace
}  // namespace geo::io

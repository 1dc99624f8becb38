// A server on loopback that speaks TLS, with whatever certificate a test wants.
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "fake_server.h"
#include "loopback.h"

namespace geo::io::http {

template <class T, void (*kFree)(T*)>
struct Freed {
  void operator()(T* it) const { kFree(it); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;

// Signed by itself, for `names` ("DNS:localhost"), good from `from` to `until` seconds from now.
inline Certificate certificate(EVP_PKEY* key, const std::string& names, long from = -60, long until = 3600) {
  Certificate out(X509_new());
  X509_set_version(out.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), from);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), until);
  X509_set_pubkey(out.get(), key);
  X509_NAME* const name = X509_get_subject_name(out.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(out.get(), name);
  X509_EXTENSION* const alt = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
  X509_add_ext(out.get(), alt, -1);
  X509_EXTENSION_free(alt);
  X509_sign(out.get(), key, EVP_sha256());
  return out;
}

// A TLS server with that certificate, one answer per connection.
class TlsServer {
 public:
  explicit TlsServer(const std::string& names, long from = -60, long until = 3600)
      : key_(EVP_EC_gen("P-256")), certificate_(certificate(key_.get(), names, from, until)) {
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, certificate_.get());
    SSL_CTX_use_PrivateKey(context_, key_.get());
    const test::Loopback loopback = test::listen_on_loopback(16);
    listener_ = loopback.socket;
    port_ = loopback.port();
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    SSL_CTX_free(context_);
  }
  std::string url(std::string_view host) const { return "https://" + std::string(host) + ":" + std::to_string(port_); }
  // Its certificate, as a file of authorities.
  void write_certificate(const std::filesystem::path& file) const {
    FILE* const out = std::fopen(file.c_str(), "w");
    PEM_write_X509(out, certificate_.get());
    std::fclose(out);
  }
  // Makes this the one certificate that is trusted, as an administrator of the machine would.
  void be_trusted(const std::filesystem::path& file) const {
    write_certificate(file);
    ::setenv("SSL_CERT_FILE", file.c_str(), 1);
  }

 private:
  void serve() {
    for (;;) {
      const int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      SSL* const tls = SSL_new(context_);
      SSL_set_fd(tls, socket);
      if (SSL_accept(tls) == 1) {
        char request[4096];
        (void)SSL_read(tls, request, sizeof request);
        const std::string answer = answer_of(200, std::string(100'000, 'x'));
        (void)SSL_write(tls, answer.data(), static_cast<int>(answer.size()));
      }
      SSL_free(tls);
      ::close(socket);
      ERR_clear_error();
    }
  }

  Key key_;
  Certificate certificate_;
  SSL_CTX* context_ = nullptr;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace geo::io::http

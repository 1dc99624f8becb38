#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>
#include <string_view>
#include <utility>

#include "geo/base/hmac.h"
#include "geo/io/system.h"
#include "geo/io/tls.h"

namespace geo::io {
namespace {

using Trouble = TlsIdentity::Trouble;

constexpr std::size_t kFileMax = std::size_t{256} * 1024;

// Forward secrecy and authenticated encryption, which all that is in use today knows; of TLS 1.2, for TLS 1.3 has
// nothing else.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

template <class T, void (*kFree)(T*)>
struct Freed {
  void operator()(T* it) const { kFree(it); }
};
template <class T, void (*kFree)(T*)>
using Owned = std::unique_ptr<T, Freed<T, kFree>>;
using Certificate = Owned<X509, X509_free>;
using PrivateKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using Context = Owned<SSL_CTX, SSL_CTX_free>;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

Bio reading(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

tl::unexpected<Trouble> of_certificate(std::string why) { return tl::unexpected(Trouble{false, std::move(why)}); }
tl::unexpected<Trouble> of_key(std::string why) { return tl::unexpected(Trouble{true, std::move(why)}); }

// What OpenSSL says is wrong; the rest of what it remembers is forgotten.
std::string reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* const text = ERR_reason_error_string(error);
  ERR_clear_error();
  return text == nullptr ? "cannot be used" : text;
}

// The listener's own certificate first.
tl::expected<std::vector<Certificate>, Trouble> read_chain(const std::filesystem::path& file) {
  auto text = read_private(file, kFileMax);
  if (!text) return of_certificate(std::move(text.error()));
  std::vector<Certificate> chain;
  const Bio bio = reading(*text);
  while (X509* const each = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) chain.emplace_back(each);
  wipe(*text);  // a key may stand beside it
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string why = reason();
  if (!at_end) return of_certificate(fmt::format("{}: {}", file.string(), why));
  if (chain.empty()) return of_certificate(fmt::format("{}: holds no certificate (PEM)", file.string()));
  return chain;
}

tl::expected<PrivateKey, Trouble> read_key_file(const std::filesystem::path& file) {
  auto text = read_private(file, kFileMax);
  if (!text) return of_key(std::move(text.error()));
  bool locked = false;
  const auto ask = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  PrivateKey key(PEM_read_bio_PrivateKey(reading(*text).get(), nullptr, ask, &locked));
  wipe(*text);
  ERR_clear_error();
  if (key != nullptr) return key;
  return of_key(fmt::format("{}: {}", file.string(),
                            locked ? "is locked by a password; geod has nobody to ask for it"
                                   : "holds no private key (PEM) that can be used"));
}

WallTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime(std::chrono::seconds(::timegm(&parts)));
}

// HTTP/1.1 is what the listeners speak; whoever offers other protocols alone is told so (RFC 7301 3.2).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  static constexpr unsigned char kOurs[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, kOurs, sizeof kOurs, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

struct TlsIdentity::Parts {
  Context context;
  WallTime not_before, not_after;

  tl::expected<void, Trouble> fill(const Files& files, std::vector<Certificate> chain, const PrivateKey& key);
};

tl::expected<void, Trouble> TlsIdentity::Parts::fill(const Files& files, std::vector<Certificate> chain,
                                                     const PrivateKey& key) {
  const auto unusable = [&] { return of_certificate(fmt::format("{}: {}", files.certificate.string(), reason())); };
  context.reset(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return unusable();
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return of_key(fmt::format("{}: is not the key of the first certificate in {}", files.key.string(),
                              files.certificate.string()));
  }
  SSL_CTX* const it = context.get();
  SSL_CTX_set_options(it, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // What is written again may lie elsewhere by then; an idle connection needs no buffers.
  SSL_CTX_set_mode(it, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(it, SSL_SESS_CACHE_OFF);  // tickets it is
  SSL_CTX_set_alpn_select_cb(it, choose_protocol, nullptr);
  if (SSL_CTX_set_min_proto_version(it, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(it, kCiphers) != 1 ||
      SSL_CTX_use_certificate(it, chain.front().get()) != 1 || SSL_CTX_use_PrivateKey(it, key.get()) != 1)
    return unusable();
  for (std::size_t i = 1; i < chain.size(); ++i)
    if (SSL_CTX_add1_chain_cert(it, chain[i].get()) != 1) return unusable();
  not_before = time_of(X509_get0_notBefore(chain.front().get()));
  not_after = time_of(X509_get0_notAfter(chain.front().get()));
  return {};
}

TlsIdentity::TlsIdentity(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
TlsIdentity::~TlsIdentity() = default;

tl::expected<std::shared_ptr<const TlsIdentity>, std::vector<Trouble>> TlsIdentity::load(const Files& files) {
  std::vector<Certificate> chain;
  PrivateKey key;
  std::vector<Trouble> troubles;
  const auto keep = [&](auto& into, auto read) {
    if (read)
      into = std::move(*read);
    else
      troubles.push_back(std::move(read.error()));
  };
  if (!files.certificate.empty()) keep(chain, read_chain(files.certificate));
  if (!files.key.empty()) keep(key, read_key_file(files.key));
  if (!troubles.empty()) return tl::unexpected(std::move(troubles));
  if (files.certificate.empty() || files.key.empty()) return nullptr;
  std::shared_ptr<TlsIdentity> identity(new TlsIdentity(std::make_unique<Parts>()));
  if (auto filled = identity->parts_->fill(files, std::move(chain), key); !filled)
    return tl::unexpected(std::vector<Trouble>{std::move(filled.error())});
  return identity;
}

ssl_ctx_st* TlsIdentity::context() const { return parts_->context.get(); }

WallTime TlsIdentity::not_before() const { return parts_->not_before; }
WallTime TlsIdentity::not_after() const { return parts_->not_after; }

}  // namespace geo::io

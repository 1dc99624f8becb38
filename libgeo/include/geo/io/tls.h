// What a TLS listener shows: a certificate chain and its private key, by OpenSSL.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace geo::io {

// Owns: the key, which is wiped when it goes, and a key for session tickets of its own: a client resumes its session
// without the certificate, for as long as this identity is in service.
// Threads: immutable; any.
class GEO_EXPORT TlsIdentity {
 public:
  // Where one is empty, the other is looked at all the same.
  struct Files {
    std::filesystem::path certificate, key;  // PEM; the chain, the listener's own certificate first
  };
  struct Trouble {
    bool of_key = false;  // else of the certificate
    std::string why;      // names the file; holds nothing of the key
  };
  // Null where a file is empty; of two that are wrong both are told.
  static tl::expected<std::shared_ptr<const TlsIdentity>, std::vector<Trouble>> load(const Files& files);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  // What a server's session is made of; this has to outlive it.
  ssl_ctx_st* context() const;

  // Of the listener's own certificate.
  WallTime not_before() const;
  WallTime not_after() const;

 private:
  struct Parts;
  explicit TlsIdentity(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace geo::io

// TLS on one connection, by OpenSSL.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "connection.h"
#include "geo/io/tls.h"

struct ssl_st;  // OpenSSL's SSL

namespace geod {

// The identity that a listener shows now; never null.
using Identity = std::shared_ptr<const geo::io::TlsIdentity>;

// Holds the identity that is in service when it begins: a reload changes it for those that come later.
class TlsSession {
 public:
  // On a socket that does not wait. Throws std::bad_alloc.
  static std::unique_ptr<TlsSession> begin(Identity identity, int fd);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // The handshake first.
  Transfer read(std::span<char> into);
  // Some of it, or nothing; called again with the same bytes, wherever they are by then.
  Transfer write(std::string_view bytes);
  // Says goodbye, so far as that can still be heard.
  void end();
  bool is_shaken() const;
  // Why read() or write() failed, in OpenSSL's words.
  std::string_view why() const { return why_; }
  // Has read() something left that the socket does not tell of?
  bool has_more() const;

 private:
  TlsSession(Identity identity, ssl_st* session);
  Transfer came_of(int done);

  Identity identity_;
  ssl_st* const session_;
  std::string_view why_;  // OpenSSL's own texts stay
  bool failed_ = false;
};

}  // namespace geod

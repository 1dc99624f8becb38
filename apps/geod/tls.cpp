#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <climits>
#include <new>

namespace geod {

using Result = Transfer::Result;

std::unique_ptr<TlsSession> TlsSession::begin(Identity identity, int fd) {
  SSL* const session = SSL_new(identity->context());
  if (session == nullptr || SSL_set_fd(session, fd) != 1) {
    SSL_free(session);
    ERR_clear_error();
    throw std::bad_alloc();
  }
  SSL_set_accept_state(session);
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(identity), session));
}

TlsSession::TlsSession(Identity identity, SSL* session) : identity_(std::move(identity)), session_(session) {}

TlsSession::~TlsSession() { SSL_free(session_); }

Transfer TlsSession::came_of(int done) {
  if (done > 0) return {Result::bytes, static_cast<std::size_t>(done)};
  const int error = SSL_get_error(session_, done);
  const unsigned long last = ERR_peek_last_error();
  const bool gone = last == 0 || ERR_GET_REASON(last) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  const char* const why = gone ? nullptr : ERR_reason_error_string(last);
  why_ = why == nullptr ? "the client has gone" : why;
  ERR_clear_error();  // the thread's; the next session must not find it
  switch (error) {
    case SSL_ERROR_WANT_READ:
      return {Result::wait_in};
    case SSL_ERROR_WANT_WRITE:
      return {Result::wait_out};
    case SSL_ERROR_ZERO_RETURN:
      return {Result::ended};
    default:
      failed_ = true;
      return {Result::failed};
  }
}

Transfer TlsSession::read(std::span<char> into) {
  return came_of(SSL_read(session_, into.data(), static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX))));
}

Transfer TlsSession::write(std::string_view bytes) {
  return came_of(SSL_write(session_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX))));
}

void TlsSession::end() {
  const bool ended = (SSL_get_shutdown(session_) & SSL_SENT_SHUTDOWN) != 0;
  if (is_shaken() && !failed_ && !ended) SSL_shutdown(session_);
  ERR_clear_error();
}

bool TlsSession::is_shaken() const { return SSL_is_init_finished(session_) != 0; }
bool TlsSession::has_more() const { return SSL_has_pending(session_) != 0; }

}  // namespace geod

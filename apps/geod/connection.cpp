#include "connection.h"

#include <sys/socket.h>

#include <cerrno>

#include "tls.h"

namespace geod {

Connection::Connection(Fd socket, const geo::Ip& address) : fd(std::move(socket)), peer(address) {}
Connection::~Connection() = default;

Transfer Connection::read(std::span<char> into) {
  if (tls != nullptr) return tls->read(into);
  for (;;) {
    const ssize_t got = ::recv(fd.get(), into.data(), into.size(), 0);
    if (got > 0) return {Transfer::Result::bytes, static_cast<std::size_t>(got)};
    if (got == 0) return {Transfer::Result::ended};
    if (errno != EINTR) return {errno == EAGAIN ? Transfer::Result::wait_in : Transfer::Result::failed};
  }
}

Transfer Connection::write(std::string_view bytes) {
  if (tls != nullptr) return tls->write(bytes);
  for (;;) {
    const ssize_t sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) return {Transfer::Result::bytes, static_cast<std::size_t>(sent)};
    if (errno != EINTR) return {errno == EAGAIN ? Transfer::Result::wait_out : Transfer::Result::failed};
  }
}

void Connection::end() {
  if (tls != nullptr) tls->end();
  ::shutdown(fd.get(), SHUT_WR);
}

}  // namespace geod

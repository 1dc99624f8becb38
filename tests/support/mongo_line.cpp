#include "mongo_line.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace geo::test {

MongoUri split_mongo_uri(const std::string& uri) {
  const std::size_t scheme = uri.find("://") + 3;
  const std::size_t end = std::min(uri.find_first_of("/?", scheme), uri.size());
  const std::size_t at = uri.rfind('@', end);
  const std::size_t begin = at == uri.npos || at < scheme ? scheme : at + 1;
  const std::string where = uri.substr(begin, end - begin);
  if (where.find(',') != where.npos) throw std::runtime_error("a URI of one server is wanted");
  const std::size_t colon = where.rfind(':');
  return {uri.substr(0, begin), where.substr(0, colon), colon == where.npos ? "27017" : where.substr(colon + 1),
          uri.substr(end)};
}

int connect_to(const std::string& host, const std::string& port) {
  addrinfo* found = nullptr;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
  const int out = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool done = ::connect(out, found->ai_addr, found->ai_addrlen) == 0;
  ::freeaddrinfo(found);
  if (done) return out;
  ::close(out);
  return -1;
}

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool receive(int from, std::string& to) {
  char some[65536];
  const ssize_t n = ::recv(from, some, sizeof some, 0);
  if (n <= 0) return false;
  to.append(some, static_cast<std::size_t>(n));
  return true;
}

std::string message_of(std::string& from) {
  std::uint32_t size = 0;
  if (from.size() < sizeof size) return {};
  std::memcpy(&size, from.data(), sizeof size);
  if (from.size() < size) return {};
  std::string out = from.substr(0, size);
  from.erase(0, size);
  return out;
}

// OP_MSG: a header of 16 bytes, flags, a section's kind, the document's size, its first element's type and name.
std::string command_of(const std::string& message) {
  constexpr std::size_t kName = 16 + 4 + 1 + 4 + 1;
  constexpr std::int32_t kOpMsg = 2013;
  std::int32_t code = 0;
  if (message.size() <= kName) return {};
  std::memcpy(&code, message.data() + 12, sizeof code);
  return code == kOpMsg ? std::string(message.c_str() + kName) : std::string();
}

}  // namespace geo::test

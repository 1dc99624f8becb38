#include "connections.h"

#include <linux/tcp.h>  // the C library's own has no tcpi_bytes_received
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <optional>

namespace geod {
namespace {

constexpr std::size_t kSlice = 256;  // slots looked at before the lock is let go: an accept never waits longer

// A request that the peer half-closed after: the loop has long answered it, if it was whole.
constexpr std::chrono::milliseconds kLastWords{500};

struct Received {
  std::uint64_t bytes = 0;  // all that the peer has sent so far, read by us or not
  bool ended = false;       // and will send nothing more
};

// Nothing: no TCP socket.
std::optional<Received> received_from(int fd) {
  constexpr std::uint8_t kCloseWait = 8;  // TCP_CLOSE_WAIT of the kernel's tcp_states.h
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  if (size < offsetof(tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received) return std::nullopt;
  const bool ended = info.tcpi_state == kCloseWait;
  return Received{info.tcpi_bytes_received - (ended ? 1 : 0), ended};  // the FIN counts as a byte
}

}  // namespace

Connections::Slot* Connections::open(int fd, const geo::Ip& peer) noexcept {
  return table_.with([&](Table& table) -> Slot* {
    try {
      if (table.free.capacity() <= table.slots.size()) table.free.reserve(2 * table.slots.size() + 16);
      if (table.free.empty()) table.free.push_back(&table.slots.emplace_back());
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    Slot* const slot = table.free.back();
    table.free.pop_back();
    slot->fd = fd;
    slot->peer = peer;
    slot->busy.store(false);
    slot->bytes_taken.store(0);
    slot->begun_since = geo::MonotonicTime::min();
    return slot;
  });
}

void Connections::close(Slot* slot) noexcept {
  table_.with([&](Table& table) {
    slot->fd = -1;
    table.free.push_back(slot);  // open() made room
  });
}

void Connections::sweep(const Limits& limits) {
  bool more = true;
  for (std::size_t from = 0; more; from += kSlice)
    more = table_.with([&](Table& table) {
      const std::size_t to = std::min(from + kSlice, table.slots.size());
      for (std::size_t i = from; i < to; ++i)
        if (table.slots[i].fd >= 0) sweep(table.slots[i], limits);
      return to < table.slots.size();
    });
}

void Connections::sweep(Slot& slot, const Limits& limits) {
  // Taken, then busy, then received: a request that begins in between is seen as busy, or else its bytes as begun.
  const std::uint64_t taken = slot.bytes_taken.load();
  if (slot.busy.load()) {
    slot.begun_since = geo::MonotonicTime::min();
    return;
  }
  const auto received = received_from(slot.fd);
  const bool begun = received && received->bytes > taken;
  const bool ended = received && received->ended;
  if (!begun) {
    slot.begun_since = geo::MonotonicTime::min();
    if (limits.drop_idle || ended) ::shutdown(slot.fd, SHUT_RDWR);
  } else if (slot.begun_since == geo::MonotonicTime::min() || slot.taken_then != taken) {
    slot.begun_since = limits.now;
    slot.taken_then = taken;
  } else if (limits.now - slot.begun_since > (ended ? kLastWords : limits.request_timeout)) {
    ::shutdown(slot.fd, SHUT_RDWR);
  }
}

std::size_t Connections::open_count() {
  return table_.with([](Table& table) { return table.slots.size() - table.free.size(); });
}

}  // namespace geod

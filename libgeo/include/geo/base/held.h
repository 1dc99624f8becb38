// A row as a store answers it: perhaps none, and from where.
#pragma once

#include <cstdint>
#include <memory>

#include "geo/base/clock.h"

namespace geo {

// Where an answer comes from: from whoever knows it, or from the cache - within its life, or past it because whoever
// knows it does not answer (of places: while it is asked).
enum class From : std::uint8_t { upstream, cache, stale };

// Owns: `row` may point into a store that the caller holds, or own its value.
template <class T>
struct Held {
  std::shared_ptr<const T> row;  // null: there is none
  From from = From::upstream;
  MonotonicTime fresh_until = MonotonicTime::max();  // past it, it is asked for anew

  explicit operator bool() const { return row != nullptr; }
  const T& operator*() const { return *row; }
  const T* operator->() const { return row.get(); }
};

}  // namespace geo

// What a fuzz target needs: fuzz() is called with each input; require() stops at a broken promise.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

void fuzz(std::string_view input);

inline void require(bool holds) {
  if (!holds) std::abort();
}

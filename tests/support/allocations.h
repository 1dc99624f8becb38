// Counts the calling thread's allocations by `new`; linking allocations.cpp replaces the global operators.
#pragma once

#include <cstddef>

namespace geo::test {
std::size_t allocations();
}  // namespace geo::test

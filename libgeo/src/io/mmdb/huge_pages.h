// Memory for large tables that are read at random.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace geo::io::mmdb {

// An allocator that asks for pages of 2 MB where the kernel has some to spare: a look-up touches a few places far
// apart, and with pages of 4 kB most of them miss the TLB too. What is freed goes back to the kernel at once.
template <class T>
struct HugePages {
  using value_type = T;
  static constexpr std::size_t kPage = std::size_t{2} << 20;

  HugePages() = default;
  template <class U>
  HugePages(const HugePages<U>&) {}

  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes < kPage) return static_cast<T*>(::operator new(bytes));
    const std::size_t size = whole_pages(bytes);
    void* const mapped = mmap(nullptr, size + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    // the ends that are no whole pages of that size are given back
    auto* const begin = static_cast<char*>(mapped);
    const std::size_t before = (kPage - reinterpret_cast<std::uintptr_t>(mapped) % kPage) % kPage;
    if (before > 0) munmap(begin, before);
    munmap(begin + before + size, kPage - before);
    madvise(begin + before, size, MADV_HUGEPAGE);  // a wish: without it the table is slower, nothing else
    return reinterpret_cast<T*>(begin + before);
  }
  void deallocate(T* at, std::size_t count) {
    if (count * sizeof(T) < kPage)
      ::operator delete(at);
    else
      munmap(at, whole_pages(count * sizeof(T)));
  }
  bool operator==(const HugePages&) const = default;

 private:
  static std::size_t whole_pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }
};

template <class T>
using HugeVector = std::vector<T, HugePages<T>>;

}  // namespace geo::io::mmdb

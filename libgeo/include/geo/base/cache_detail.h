// The parts of a Cache: which entries stay (S3Fifo), and each thread's own view of them (Front).
//
//   get() -> Front of the calling thread's stripe -> shard: S3Fifo, and the calls under way
//
// A Node has `key`, `hash`, `entry` and `visits`. Only Front locks by itself.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "geo/base/clock.h"

namespace geo::detail {

// Nobody can work out keys that meet in one bucket without knowing the salt. The finalizer of MurmurHash3 (Appleby)
// spreads it over all bits, which std::hash does not do.
template <class Key, class Hash>
struct SaltedHash {
  std::uint64_t salt = 0;

  std::size_t operator()(const Key& key) const {
    std::uint64_t h = Hash{}(key) ^ salt;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
  }
};

// How often an entry was asked for since its queue looked last, 0 .. 3. Written only when it changes, so that what is
// hot stays in every core's cache; a count lost between threads does no harm.
class Visits {
 public:
  std::uint8_t count() const { return count_.load(std::memory_order_relaxed); }
  void set(std::uint8_t count) const { count_.store(count, std::memory_order_relaxed); }
  // The count before.
  std::uint8_t add() const {
    const std::uint8_t before = count();
    if (before < 3) set(static_cast<std::uint8_t>(before + 1));
    return before;
  }

 private:
  mutable std::atomic<std::uint8_t> count_{0};
};

// The hashes of the last `capacity` entries that left the small queue: buckets of four, 8 bytes a hash, the oldest
// gives way.
class Ghost {
 public:
  explicit Ghost(std::size_t capacity)
      : capacity_(static_cast<std::uint32_t>(std::max<std::size_t>(capacity, 1))), clock_(capacity_ + 1) {}

  // Without memory for it there is no ghost, which costs hits and nothing else.
  void add(std::uint64_t hash) {
    if (buckets_.empty()) {
      try {
        buckets_.resize(std::bit_ceil(std::max<std::size_t>(capacity_ / kWays, 1)));
      } catch (const std::bad_alloc&) {
        return;
      }
    }
    Bucket& bucket = bucket_of(hash);
    *std::max_element(bucket.begin(), bucket.end(),
                      [this](const Slot& a, const Slot& b) { return age(a) < age(b); }) = {print_of(hash), clock_++};
  }
  // Was it there? It is not any more.
  bool take(std::uint64_t hash) {
    if (buckets_.empty()) return false;
    for (Slot& slot : bucket_of(hash)) {
      if (slot.print != print_of(hash) || age(slot) > capacity_) continue;
      slot.added = clock_ - capacity_ - 1;
      return true;
    }
    return false;
  }

 private:
  static constexpr std::size_t kWays = 4;
  struct Slot {
    std::uint32_t print = 0, added = 0;
  };
  using Bucket = std::array<Slot, kWays>;

  static std::uint32_t print_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
  Bucket& bucket_of(std::uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  std::uint32_t age(const Slot& slot) const { return clock_ - slot.added; }  // in hashes added since

  std::uint32_t capacity_, clock_;
  std::vector<Bucket> buckets_;
};

// At most `capacity` nodes by key, in two queues: a tenth is the small one, which all pass through. Who was asked for
// twice there moves on to the main one, whose members come round again as long as they are asked for; who was not,
// leaves, and comes back straight to the main one if the ghost still knows it. Twice, not once: a request that had to
// wait looks twice by itself.
template <class Node>
class S3Fifo {
 public:
  using Handle = std::shared_ptr<const Node>;

  explicit S3Fifo(std::size_t capacity = 0)
      : capacity_(std::min<std::size_t>(capacity, kNone)),
        small_max_(std::max<std::size_t>(capacity_ / 10, 1)),
        ghost_(capacity_ - std::min(capacity_, small_max_)) {}

  std::size_t size() const { return small_.size + main_.size; }

  // Null: not there.
  template <class Key>
  const Handle* find(std::uint64_t hash, const Key& key) const {
    const Index i = index_of(hash, key);
    return i == kNone ? nullptr : &items_[i].node;
  }

  // Returns what had to go for it: the key's last node, or another's. Its end may take long: not under a lock.
  // Throws std::bad_alloc, and then nothing has changed; never where the key is there already.
  Handle put(Handle node, MonotonicTime now) {
    if (const Index i = index_of(node->hash, node->key); i != kNone) {
      node->visits.set(items_[i].node->visits.count());
      return std::exchange(items_[i].node, std::move(node));
    }
    if (capacity_ == 0) return node;
    Handle gone;
    if (size() == capacity_) {
      gone = evict(now);
    } else {
      make_room();
    }
    const Index i = free_;
    Item& item = items_[i];
    free_ = item.chain_next;
    Index& chain = chains_[chain_of(node->hash)];
    (ghost_.take(node->hash) ? main_ : small_).push(items_, i);
    item.chain_next = std::exchange(chain, i);
    item.node = std::move(node);
    return gone;
  }

 private:
  using Index = std::uint32_t;
  static constexpr Index kNone = 0xffffffff;
  struct Item {
    Handle node;
    Index chain_next = kNone;  // of its bucket; of the free ones
    Index queue_next = kNone;
  };
  struct Queue {
    Index head = kNone, tail = kNone;  // oldest, newest
    std::size_t size = 0;

    void push(std::vector<Item>& items, Index i) {
      items[i].queue_next = kNone;
      (size++ == 0 ? head : items[tail].queue_next) = i;
      tail = i;
    }
    Index pop(const std::vector<Item>& items) {
      --size;
      return std::exchange(head, items[head].queue_next);
    }
  };

  std::size_t chain_of(std::uint64_t hash) const { return hash & (chains_.size() - 1); }
  template <class Key>
  Index index_of(std::uint64_t hash, const Key& key) const {
    if (chains_.empty()) return kNone;
    Index i = chains_[chain_of(hash)];
    while (i != kNone && !(items_[i].node->hash == hash && items_[i].node->key == key)) i = items_[i].chain_next;
    return i;
  }

  // Sees to it that there is a free item and at least one chain an item.
  void make_room() {
    if (free_ != kNone) return;
    if (items_.size() == chains_.size()) {
      std::vector<Index> chains(std::max<std::size_t>(2 * chains_.size(), 16), kNone);
      items_.reserve(std::min(chains.size(), capacity_));
      chains_.swap(chains);
      for (Index i = 0; i < items_.size(); ++i) {
        items_[i].chain_next = std::exchange(chains_[chain_of(items_[i].node->hash)], i);
      }
    }
    items_.emplace_back();
    free_ = static_cast<Index>(items_.size() - 1);
  }

  // Others may mark what is looked at here again and again: after every mark could have been taken off, one goes.
  Handle evict(MonotonicTime now) {
    for (std::size_t looks = 0;; ++looks) {
      const bool from_small = small_.size >= small_max_ || main_.size == 0;
      const Index i = (from_small ? small_ : main_).pop(items_);
      const Node& node = *items_[i].node;
      const std::uint8_t visits = node.visits.count();
      const bool of_use = now < node.entry.stale_until;
      if (of_use && visits > (from_small ? 1 : 0) && looks < 4 * capacity_) {
        node.visits.set(from_small ? 0 : static_cast<std::uint8_t>(visits - 1));
        main_.push(items_, i);
        continue;
      }
      if (of_use && from_small) ghost_.add(node.hash);
      return drop(i);
    }
  }

  Handle drop(Index i) {
    Index* link = &chains_[chain_of(items_[i].node->hash)];
    while (*link != i) link = &items_[*link].chain_next;
    *link = items_[i].chain_next;
    items_[i].chain_next = std::exchange(free_, i);
    return std::move(items_[i].node);
  }

  std::size_t capacity_, small_max_;
  std::vector<Item> items_;
  std::vector<Index> chains_;  // a power of two, or none
  Index free_ = kNone;
  Queue small_, main_;
  Ghost ghost_;
};

// What the threads of one stripe ask for again and again: direct-mapped, made when it is first needed. It holds a node
// by a count of its own, so that a key that is hot on all cores has no count that all of them write.
// Threads: any number at once; practically only those of the stripe.
template <class Node>
class alignas(64) Front {
 public:
  using Handle = std::shared_ptr<const Node>;
  static constexpr std::size_t kSlotsMax = 4096;
  static std::size_t slots_for(std::size_t entries, std::size_t stripes) {
    return std::bit_floor(std::clamp<std::size_t>(entries / stripes, 1, kSlotsMax));
  }

  struct Found {
    Handle node;          // fresh; null: ask the shard
    bool wanted = false;  // keep() what the shard has: it was asked for twice while the slot's holder was not
  };
  template <class Key>
  Found find(std::uint64_t hash, const Key& key, MonotonicTime now, std::size_t slots) {
    Handle gone;  // ends after the lock
    const std::lock_guard lock(mutex_);
    if (!slots_) {
      slots_.reset(new (std::nothrow) Slot[slots]);
      if (!slots_) return {};
      mask_ = slots - 1;
    }
    Slot& slot = slots_[hash & mask_];
    if (slot.hash == hash && slot.node && slot.node->key == key) {
      if (now < slot.node->entry.fresh_until) {
        slot.asked = 0;
        return {slot.node};
      }
      gone = std::move(slot.node);
    }
    return {nullptr, std::exchange(slot.asked, hash) == hash};
  }

  // Without memory for it, it is not kept.
  void keep(const Handle& node) {
    Handle own;
    try {
      const auto held = std::make_shared<Handle>(node);
      own = Handle(held, held->get());
    } catch (const std::bad_alloc&) {
      return;
    }
    const std::lock_guard lock(mutex_);
    if (!slots_) return;
    Slot& slot = slots_[node->hash & mask_];
    slot.hash = node->hash;
    slot.asked = 0;
    slot.node.swap(own);
  }

 private:
  struct Slot {
    Handle node;
    std::uint64_t hash = 0;
    std::uint64_t asked = 0;  // who was last asked for in vain; 0 since the holder was asked for
  };

  std::mutex mutex_;
  std::unique_ptr<Slot[]> slots_;
  std::size_t mask_ = 0;
};

}  // namespace geo::detail

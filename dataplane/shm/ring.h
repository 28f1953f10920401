// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace culvert {

// A single-producer single-consumer ring between two processes that do not trust each other. The
// slots and the producer's index lie in the producer's region, the consumer's index in the
// consumer's. Indices count for ever; each side keeps its own privately and only publishes it, so
// the other side can stop the traffic but cannot make this one leave the slots.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

template <typename T>
class RingWriter {
 public:
  // `slots` must be a power of two long. `produced` is ours to write, `consumed` the other side's.
  RingWriter(std::span<T> slots, std::atomic<std::uint64_t>& produced,
             const std::atomic<std::uint64_t>& consumed)
      : slots_(slots),
        published_(&produced),
        consumed_(&consumed),
        next_(produced.load(std::memory_order_relaxed)) {}

  // Free slots. 0 too if the consumer's index makes no sense.
  [[nodiscard]] std::size_t room() const {
    // Acquire: pairs with the reader's release in RingReader::pop.
    const std::uint64_t used = next_ - consumed_->load(std::memory_order_acquire);
    return used > slots_.size() ? 0 : slots_.size() - static_cast<std::size_t>(used);
  }

  [[nodiscard]] bool push(const T& value) {
    if (room() == 0) return false;
    slots_[next_ & (slots_.size() - 1)] = value;
    ++next_;
    // Release: the slot's bytes before the index. Pairs with the acquire in RingReader::pop.
    published_->store(next_, std::memory_order_release);
    return true;
  }

  [[nodiscard]] std::uint64_t produced() const { return next_; }

 private:
  std::span<T> slots_;
  std::atomic<std::uint64_t>* published_;
  const std::atomic<std::uint64_t>* consumed_;
  std::uint64_t next_;
};

template <typename T>
class RingReader {
 public:
  RingReader(std::span<const T> slots, const std::atomic<std::uint64_t>& produced,
             std::atomic<std::uint64_t>& consumed)
      : slots_(slots),
        produced_(&produced),
        published_(&consumed),
        next_(consumed.load(std::memory_order_relaxed)) {}

  [[nodiscard]] bool empty() const { return produced_->load(std::memory_order_acquire) == next_; }

  // Copies the oldest entry out; false when there is none. A producer index that makes no sense is
  // counted in skips() and everything up to it is passed over.
  [[nodiscard]] bool pop(T& value) {
    const std::uint64_t produced = produced_->load(std::memory_order_acquire);
    if (produced == next_) return false;
    if (produced - next_ > slots_.size()) {
      ++skips_;
      next_ = produced;
      published_->store(next_, std::memory_order_release);
      return false;
    }
    value = slots_[next_ & (slots_.size() - 1)];
    ++next_;
    published_->store(next_, std::memory_order_release);
    return true;
  }

  [[nodiscard]] std::uint64_t skips() const { return skips_; }

 private:
  std::span<const T> slots_;
  const std::atomic<std::uint64_t>* produced_;
  std::atomic<std::uint64_t>* published_;
  std::uint64_t next_;
  std::uint64_t skips_ = 0;
};

}  // namespace culvert

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "dataplane/quiescence.h"

namespace culvert {

// For tests in which nobody reads while the writer writes.
class NoReaders final : public Quiescence {
 public:
  void wait() override { ++waits_; }
  [[nodiscard]] int waits() const { return waits_; }

 private:
  int waits_ = 0;
};

// Looks at a table while its writer waits, when workers may still hold its former state.
class Observer final : public Quiescence {
 public:
  void wait() override { look(); }
  std::function<void()> look = [] {};
};

// Threads that do one thing again and again as workers do, with a quiescent state after each round,
// and for which a table's writer can wait.
class ReaderThreads final : public Quiescence {
 public:
  explicit ReaderThreads(std::size_t count) : rounds_(count) {}
  ReaderThreads(const ReaderThreads&) = delete;
  ReaderThreads& operator=(const ReaderThreads&) = delete;
  ~ReaderThreads() { stop(); }

  template <typename Round>
  void start(Round round) {
    for (std::size_t i = 0; i < rounds_.size(); ++i) {
      threads_.emplace_back([this, i, round] {
        while (!is_stopping_.load()) {
          round();
          rounds_[i].fetch_add(1);
          std::this_thread::yield();  // there may be fewer cores than threads
        }
        rounds_[i].store(kOffline);
      });
    }
    for (const std::atomic<std::uint64_t>& rounds : rounds_) {
      while (rounds.load() == 0) std::this_thread::yield();
    }
  }
  void stop() {
    is_stopping_.store(true);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void wait() override {
    if (threads_.empty()) return;
    for (const std::atomic<std::uint64_t>& rounds : rounds_) {
      const std::uint64_t before = rounds.load();
      while (rounds.load() == before && before != kOffline) std::this_thread::yield();
    }
  }

 private:
  static constexpr std::uint64_t kOffline = ~std::uint64_t{0};

  std::vector<std::atomic<std::uint64_t>> rounds_;
  std::atomic<bool> is_stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace culvert

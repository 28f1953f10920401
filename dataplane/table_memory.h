// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

namespace culvert {

// A zeroed array reserved once, of pages as large as the system gives; pages never touched cost
// nothing. For types whose zero bytes are a valid value. data() is nullptr when there was no
// memory.
template <typename T>
class TableMemory {
 public:
  explicit TableMemory(std::size_t count) : bytes_(count * sizeof(T)) {
    void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    madvise(memory, bytes_, MADV_HUGEPAGE);  // where the kernel has none, small pages serve
    data_ = static_cast<T*>(memory);
  }
  TableMemory(const TableMemory&) = delete;
  TableMemory& operator=(const TableMemory&) = delete;
  ~TableMemory() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }

  [[nodiscard]] bool is_reserved() const { return data_ != nullptr; }
  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] T& operator[](std::size_t index) const { return data_[index]; }

 private:
  T* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace culvert

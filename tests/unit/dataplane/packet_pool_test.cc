// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/packet_pool.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <vector>

namespace culvert {
namespace {

// With small pages, of which each holds one such buffer and no two: a usual pool would leave 1.5 KB
// of each page free.
TEST(PacketPool, HasNoGapsBetweenBuffers) {
  constexpr std::uint32_t kBuffers = 255;
  rte_mempool* pool = create_packet_pool("no_gaps", kBuffers, 0, RTE_MBUF_DEFAULT_BUF_SIZE);
  ASSERT_NE(pool, nullptr);
  const std::uint64_t object_bytes =
      std::uint64_t{pool->header_size} + pool->elt_size + pool->trailer_size;
  std::vector<rte_mbuf*> buffers(kBuffers);
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool, buffers.data(), kBuffers), 0);
  const auto first = reinterpret_cast<std::uint64_t>(STAILQ_FIRST(&pool->mem_list)->addr);
  for (const rte_mbuf* buffer : buffers) {
    const auto begin = reinterpret_cast<std::uint64_t>(buffer) - pool->header_size;
    EXPECT_GE(begin, first);
    EXPECT_LE(begin + object_bytes, first + kBuffers * object_bytes);
    EXPECT_EQ(buffer->buf_iova, reinterpret_cast<std::uint64_t>(buffer->buf_addr));
  }
  rte_pktmbuf_free_bulk(buffers.data(), kBuffers);
  rte_mempool_free(pool);
}

}  // namespace
}  // namespace culvert

// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/packet_pool.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include <cerrno>

namespace culvert {
namespace {

bool populate(rte_mempool& pool, std::uint16_t data_room_bytes) {
  if (rte_mempool_set_ops_byname(&pool, rte_mbuf_best_mempool_ops(), nullptr) != 0) return false;
  rte_pktmbuf_pool_private about{};
  about.mbuf_data_room_size = data_room_bytes;
  rte_pktmbuf_pool_init(&pool, &about);
  if (rte_mempool_populate_default(&pool) < 0) return false;
  if (pool.nb_mem_chunks == 1) return true;
  rte_errno = ENOMEM;
  return false;
}

// A pool without gaps does not tell its objects their IOVA.
void initialise(rte_mempool* pool, void* unused, void* object, unsigned number) {
  rte_pktmbuf_init(pool, unused, object, number);
  auto* mbuf = static_cast<rte_mbuf*>(object);
  mbuf->buf_iova = reinterpret_cast<rte_iova_t>(mbuf->buf_addr);
}

}  // namespace

rte_mempool* create_packet_pool(const std::string& name, std::uint32_t buffers,
                                std::uint32_t cached_per_core, std::uint16_t data_room_bytes) {
  rte_mempool* pool = rte_mempool_create_empty(
      name.c_str(), buffers, static_cast<unsigned>(sizeof(rte_mbuf)) + data_room_bytes,
      cached_per_core, sizeof(rte_pktmbuf_pool_private), SOCKET_ID_ANY,
      RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (pool == nullptr) return nullptr;
  if (!populate(*pool, data_room_bytes)) {
    rte_mempool_free(pool);
    return nullptr;
  }
  rte_mempool_obj_iter(pool, initialise, nullptr);
  return pool;
}

}  // namespace culvert

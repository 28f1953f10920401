// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/mirror.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <rte_mbuf.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "dataplane/net/checksum.h"

namespace culvert {
namespace {

// What precedes each frame (linux/virtio_net.h, which C++ cannot read): numbers in host byte order.
struct VnetHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t header_bytes = 0;
  std::uint16_t gso_bytes = 0;
  std::uint16_t csum_start = 0;
  std::uint16_t csum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);
constexpr std::uint8_t kNeedsChecksum = 1;

ifreq request_for(const Port& port) {
  ifreq request{};
  std::memcpy(request.ifr_name, port.name.data(), sizeof request.ifr_name - 1);
  return request;
}

std::string failure(const Port& port, const char* what) {
  std::string text = "port " + std::string(port.name.data()) + ": cannot " + what + ": " +
                     std::strerror(errno);  // NOLINT(concurrency-mt-unsafe): start-up only
  if (errno == EPERM) text += "; culvertd needs CAP_NET_ADMIN";
  if (errno == EBUSY || errno == EINVAL) text += "; is an interface of that name in use already?";
  return text;
}

std::string set_link(const Port& port) {
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (control < 0) return failure(port, "open a socket for its mirror");
  std::string error;
  ifreq request = request_for(port);
  request.ifr_mtu = port.mtu;
  if (ioctl(control, SIOCSIFMTU, &request) != 0) error = failure(port, "set its mirror's MTU");
  request = request_for(port);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, port.mac.bytes.data(), port.mac.bytes.size());
  if (error.empty() && ioctl(control, SIOCSIFHWADDR, &request) != 0) {
    error = failure(port, "set its mirror's MAC address");
  }
  close(control);
  return error;
}

}  // namespace

Mirror::~Mirror() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string Mirror::open(const Port& port) {
  descriptor_ = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (descriptor_ < 0) return failure(port, "open /dev/net/tun for its mirror");
  ifreq request = request_for(port);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(descriptor_, TUNSETIFF, &request) != 0) return failure(port, "make its mirror");
  int header_bytes = sizeof(VnetHeader);
  if (ioctl(descriptor_, TUNSETVNETHDRSZ, &header_bytes) != 0 ||
      ioctl(descriptor_, TUNSETOFFLOAD, 0) != 0 || ioctl(descriptor_, TUNSETPERSIST, 1) != 0) {
    return failure(port, "set up its mirror");
  }
  return set_link(port);
}

void Mirror::remove_at_close() {
  if (descriptor_ >= 0) ioctl(descriptor_, TUNSETPERSIST, 0);
}

void Mirror::give_up() {
  close(descriptor_);
  descriptor_ = -1;
}

void Mirror::set_carrier(bool is_up) const {
  int carrier = is_up ? 1 : 0;
  ioctl(descriptor_, TUNSETCARRIER, &carrier);
}

bool Mirror::write(Packet frame) const {
  VnetHeader header{};
  const iovec parts[] = {{&header, sizeof header}, {frame.data(), frame.length()}};
  return writev(descriptor_, parts, 2) >= 0;
}

// Linux was granted no offloads; a checksum it left unfinished all the same is finished here.
rte_mbuf* Mirror::read(rte_mempool& pool) const {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(&pool);
  if (mbuf == nullptr) return nullptr;
  VnetHeader header{};
  const iovec parts[] = {{&header, sizeof header},
                         {rte_pktmbuf_mtod(mbuf, void*), rte_pktmbuf_tailroom(mbuf)}};
  const ssize_t bytes = readv(descriptor_, parts, 2);
  if (bytes < static_cast<ssize_t>(sizeof header)) {
    rte_pktmbuf_free(mbuf);
    return nullptr;
  }
  mbuf->data_len = static_cast<std::uint16_t>(static_cast<std::size_t>(bytes) - sizeof header);
  mbuf->pkt_len = mbuf->data_len;
  if ((header.flags & kNeedsChecksum) != 0 && header.csum_start < mbuf->data_len) {
    const auto checked = Packet(mbuf).bytes().subspan(header.csum_start);
    if (!finish_partial_checksum(checked, header.csum_offset)) {
      rte_pktmbuf_free(mbuf);
      return nullptr;
    }
  }
  return mbuf;
}

}  // namespace culvert

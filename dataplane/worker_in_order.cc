// SPDX-License-Identifier: BSD-3-Clause
// The worker's loop for the replay of captures: the same stages, in the order of arrival.
#include <algorithm>
#include <map>
#include <vector>

#include "dataplane/net/esp.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/worker.h"

namespace culvert {
namespace {

// A frame that may tell a path MTU, which counts for the frames behind it and not for those before.
bool may_tell_mtu(Packet frame) {
  const auto* ethernet = frame.header<EthernetHeader>(0);
  if (ethernet == nullptr) return false;
  if (const auto* ip = frame.header<Ipv4Header>(sizeof(EthernetHeader));
      ip != nullptr && ethernet->type() == EtherType::ipv4) {
    return ip->protocol == IpProtocol::icmp;
  }
  return ethernet->type() == EtherType::ipv6;
}

}  // namespace

// Opens what lies in lane `esp` as if each packet had come alone. What the replay window says of a
// packet depends on those before it, unless it is the next to the right; so a pass ends before a
// packet whose SA has had one in it that is not left of it.
// Limit: an SA whose packets come both as they are and inside another SA's is not put in order.
void Worker::open_in_order() {
  std::vector<Packet> packets(lanes_.esp.packets().begin(), lanes_.esp.packets().end());
  std::map<std::uint32_t, std::uint32_t> last_numbers;  // by SPI
  lanes_.esp.clear();
  for (const Packet packet : packets) {
    if (const auto* esp = packet.header<EspHeader>(packet.meta().esp_offset); esp != nullptr) {
      const std::uint32_t spi = esp->spi.host();
      const std::uint32_t number = esp->sequence.host();
      const auto last = last_numbers.find(spi);
      if (last != last_numbers.end() && number - last->second - 1 >= 0x7fffffffu) {
        esp_inbound_(lanes_.esp, lanes_);
        last_numbers.clear();
      }
      last_numbers[spi] = number;
    }
    lanes_.esp.push(packet);
  }
  esp_inbound_(lanes_.esp, lanes_);
}

void Worker::run_in_order(std::span<Packet> frames) {
  while (!frames.empty()) {
    const auto next = std::ranges::find_if(frames.subspan(1), may_tell_mtu);
    const auto count =
        may_tell_mtu(frames.front()) ? 1 : static_cast<std::size_t>(next - frames.begin());
    pass_in_order(frames.first(count));
    frames = frames.subspan(count);
  }
}

void Worker::pass_in_order(std::span<Packet> frames) {
  const auto in_order = [](Lane<Packet>& lane) {
    std::ranges::stable_sort(lane.packets(), {},
                             [](Packet packet) { return packet.meta().arrival; });
  };
  classify_.received(frames, lanes_);
  open_in_order();
  while (!lanes_.again.empty()) {
    in_order(lanes_.again);
    classify_.again(lanes_.again, lanes_);
    open_in_order();
  }
  reassembly_.hand_on(lanes_, kMaxIntake);
  in_order(lanes_.inner);
  in_order(lanes_.inner6);
  forward_.ipv4(lanes_.inner, lanes_);
  forward_.ipv6(lanes_.inner6, lanes_);
  from_linux_(punt_.receive(), lanes_);
  std::ranges::stable_sort(lanes_.clear.packets(), {},
                           [](const ClearPacket& clear) { return clear.packet.meta().arrival; });
  esp_outbound_(lanes_.clear, lanes_);
  in_order(lanes_.punt);
  in_order(lanes_.held);
  punt_.send(lanes_);
  tx_.send(lanes_.wire);
  finish_round();
}

}  // namespace culvert

// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "dataplane/capture.h"

namespace culvert {
namespace {

// All captures of one run, and what goes through them.
class Replay {
 public:
  Replay(Dataplane& dataplane, const ReplayFiles& files) : dataplane_(&dataplane), files_(&files) {}

  [[nodiscard]] std::string open();
  [[nodiscard]] std::string run(const std::atomic<bool>& stop);
  void punt(Packet frame) {
    if (punt_) punt_->write(frame.meta().time_ns, frame.bytes());
  }

 private:
  struct Source {
    std::uint16_t port;
    CaptureReader reader;
  };

  [[nodiscard]] std::optional<std::uint16_t> port_named(const std::string& name) const;
  [[nodiscard]] Source* next_source();
  [[nodiscard]] Packet take(Source& source);
  void settle();
  void write_sent();
  void count_sent(std::uint16_t port, Packet packet);

  Dataplane* dataplane_;
  const ReplayFiles* files_;
  std::vector<Source> sources_;
  std::map<std::uint16_t, CaptureWriter> sinks_;
  std::optional<CaptureWriter> punt_;
  std::uint32_t frames_ = 0;
  std::vector<Packet> sent_;
};

std::optional<std::uint16_t> Replay::port_named(const std::string& name) const {
  for (const Port& port : dataplane_->ports()) {
    if (name == port.name.data()) return port.id;
  }
  return std::nullopt;
}

std::string Replay::open() {
  for (const ReplayFiles::PortFile& in : files_->in) {
    const auto port = port_named(in.port);
    if (!port) return "--in " + in.port + ": no such port in the configuration";
    Source& source = sources_.emplace_back(Source{*port, {}});
    if (std::string error = source.reader.open(in.file); !error.empty()) return error;
  }
  std::ranges::stable_sort(sources_, {}, &Source::port);
  for (const ReplayFiles::PortFile& out : files_->out) {
    const auto port = port_named(out.port);
    if (!port) return "--out " + out.port + ": no such port in the configuration";
    if (sinks_.contains(*port)) return "--out " + out.port + ": given twice";
    if (std::string error = sinks_[*port].open(out.file); !error.empty()) return error;
  }
  if (!files_->punt.empty()) {
    if (std::string error = punt_.emplace().open(files_->punt); !error.empty()) return error;
  }
  for (Port& port : dataplane_->ports()) {
    const PortConfig& config = dataplane_->start().ports[port.id];
    // Without a MAC of its own a port has one that says which it is.
    port.mac = config.has_mac != 0
                   ? MacAddress{config.mac}
                   : MacAddress{{0x02, 0, 0, 0, 0, static_cast<std::uint8_t>(port.id + 1)}};
    if (port.vlan != 0) port.mac = dataplane_->ports()[port.parent].mac;
  }
  return {};
}

// The one whose next frame is the oldest; of equals, the first port's.
Replay::Source* Replay::next_source() {
  Source* oldest = nullptr;
  for (Source& source : sources_) {
    if (!source.reader.has_frame()) continue;
    if (oldest == nullptr || source.reader.time_ns() < oldest->reader.time_ns()) oldest = &source;
  }
  return oldest;
}

// A frame longer than a buffer becomes one of two segments, as from a device. A null packet: there
// is no buffer.
Packet Replay::take(Source& source) {
  const auto frame = source.reader.frame();
  rte_mbuf* mbuf = rte_pktmbuf_alloc(&dataplane_->pool());
  if (mbuf == nullptr) return Packet();
  const std::size_t fits = std::min<std::size_t>(frame.size(), rte_pktmbuf_tailroom(mbuf));
  std::memcpy(rte_pktmbuf_mtod(mbuf, void*), frame.data(), fits);
  mbuf->data_len = static_cast<std::uint16_t>(fits);
  mbuf->pkt_len = static_cast<std::uint32_t>(fits);
  if (fits < frame.size()) {
    rte_mbuf* rest = rte_pktmbuf_alloc(&dataplane_->pool());
    if (rest == nullptr) return Packet();
    rest->data_len = static_cast<std::uint16_t>(
        std::min<std::size_t>(frame.size() - fits, rte_pktmbuf_tailroom(rest)));
    std::memcpy(rte_pktmbuf_mtod(rest, void*), frame.data() + fits, rest->data_len);
    rest->pkt_len = rest->data_len;
    static_cast<void>(rte_pktmbuf_chain(mbuf, rest));
  }
  const Packet packet(mbuf);
  packet.meta() = {.time_ns = source.reader.time_ns(),
                   .arrival = frames_++,
                   .sa = kNoSa.raw(),
                   .in_port = static_cast<std::uint8_t>(source.port)};
  PortCounters& counters = dataplane_->port_counters(source.port);
  counters.rx_packets.add(1);
  counters.rx_bytes.add(frame.size());
  dataplane_->counters(0).received.add(1);
  source.reader.next();
  return packet;
}

// One burst after the other; time is that of the burst's last frame.
std::string Replay::run(const std::atomic<bool>& stop) {
  std::vector<Packet> burst;
  while (Source* source = next_source()) {
    if (stop.load(std::memory_order_relaxed)) return {};
    burst.clear();
    while (burst.size() < files_->burst && source != nullptr) {
      burst.push_back(take(*source));
      if (burst.back().mbuf() == nullptr) {
        return "all packet buffers hold packets that wait for a neighbour: raise [dataplane] mbufs";
      }
      source = next_source();
    }
    for (const Packet packet : burst) dataplane_->clock().advance_to(packet.meta().time_ns);
    dataplane_->worker(0).run_in_order(burst);
    settle();
  }
  for (const Source& source : sources_) {
    if (!source.reader.error().empty()) return source.reader.error();
  }
  dataplane_->worker(0).drop_fragments(DropReason::replay_end);
  dataplane_->housekeeper().drop_held(DropReason::replay_end);
  for (auto& [port, sink] : sinks_) {
    if (std::string error = sink.close(); !error.empty()) return error;
  }
  return punt_ ? punt_->close() : std::string();
}

// What went to the housekeeper may come back; what was sent is written.
void Replay::settle() {
  while (dataplane_->housekeeper().run_once() != 0) dataplane_->worker(0).run_in_order({});
  write_sent();
}

void Replay::count_sent(std::uint16_t port, Packet packet) {
  PortCounters& counters = dataplane_->port_counters(port);
  counters.tx_packets.add(1);
  counters.tx_bytes.add(packet.length());
}

// In the order in which the frames arrived that they come from.
void Replay::write_sent() {
  rte_mbuf* mbuf = nullptr;
  sent_.clear();
  while (rte_ring_dequeue(&dataplane_->relay(), reinterpret_cast<void**>(&mbuf)) == 0) {
    sent_.emplace_back(mbuf);
  }
  std::ranges::stable_sort(sent_, {}, [](Packet packet) { return packet.meta().arrival; });
  for (const Packet packet : sent_) {
    const Port& port = dataplane_->ports()[packet.meta().out_port];
    count_sent(port.id, packet);
    if (port.vlan != 0) count_sent(port.parent, packet);
    dataplane_->counters(0).sent.add(1);
    const auto sink = sinks_.find(port.parent);
    if (sink != sinks_.end()) sink->second.write(packet.meta().time_ns, packet.bytes());
    rte_pktmbuf_free(packet.mbuf());
  }
}

}  // namespace

std::string run_replay(Dataplane& dataplane, const ReplayFiles& files,
                       const Descriptors& descriptors, const std::atomic<bool>& stop) {
  Replay replay(dataplane, files);
  std::string error = replay.open();
  if (error.empty()) {
    error = dataplane.make_workers({}, descriptor_of(descriptors, Descriptor::request_bell),
                                   descriptor_of(descriptors, Descriptor::state_bell),
                                   [&replay](Packet frame) { replay.punt(frame); });
  }
  if (!error.empty()) return error;
  DataplaneStatus& status = dataplane.status();
  status.phase.store(DataplanePhase::silent, std::memory_order_release);
  while (!stop.load(std::memory_order_relaxed) && !dataplane.requests().is_committed()) {
    if (dataplane.housekeeper().run_once() == 0) dataplane.housekeeper().wait();
  }
  status.phase.store(DataplanePhase::forwarding, std::memory_order_release);
  error = replay.run(stop);
  if (!error.empty()) return error;
  status.phase.store(DataplanePhase::replay_done, std::memory_order_release);
  while (!stop.load(std::memory_order_relaxed)) {
    if (dataplane.housekeeper().run_once() == 0) dataplane.housekeeper().wait();
  }
  return {};
}

}  // namespace culvert

// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/replay_report.h"

#include "control/cli/table.h"

namespace culvert {

std::string replay_text(const Json& counters) {
  Table totals({"counter", "packets"});
  for (const auto& [name, value] : counters.items()) {
    if (value.is_number()) totals.add_row({name, value});
  }
  // Named, so that they live as long as the loops over them.
  const Json drop_counts = counters.value("drops", Json::object());
  const Json port_counts = counters.value("ports", Json::object());
  Table drops({"drop", "packets"});
  for (const auto& [name, count] : drop_counts.items()) {
    drops.add_row({name, count});
  }
  Table ports({"port", "rx [packets]", "rx [bytes]", "tx [packets]", "tx [bytes]"});
  for (const auto& [name, port] : port_counts.items()) {
    ports.add_row({name, port.value("rx_packets", Json()), port.value("rx_bytes", Json()),
                   port.value("tx_packets", Json()), port.value("tx_bytes", Json())});
  }
  Table sas({"SPI", "dir", "packets", "inner bytes", "highest seq", "bitmap"});
  for (const Json& sa : counters.value("sas", Json::array())) {
    const Json replay = sa.value("replay", Json::object());
    sas.add_row({sa.value("spi", ""), sa.value("direction", ""), sa.value("packets", Json()),
                 sa.value("bytes", Json()), replay.value("top", Json()),
                 replay.value("bitmap", "")});
  }
  return totals.text() + "\n" + drops.text() + "\n" + ports.text() + "\n" + sas.text();
}

}  // namespace culvert

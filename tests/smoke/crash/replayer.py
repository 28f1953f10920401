# SPDX-License-Identifier: BSD-3-Clause
"""An attacker between two gateways: sends ESP packets of before again, RATE a second.

  replayer.py RATE START PORT PORT   once the file START is there, what comes in by one port goes
                                     out by the other once more
"""

import os
import random
import select
import socket
import sys
import time

ETH_P_ALL = 3
PACKET_OUTGOING = 4
KEPT = 4096


def main():
    rate, names = float(sys.argv[1]), sys.argv[3:5]
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.1)
    chance = random.Random(1)
    ports = []
    for name in names:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        opened.bind((name, ETH_P_ALL))
        opened.setblocking(False)
        ports.append(opened)
    kept = []  # frame and the port it came by
    due = time.monotonic()
    while True:
        for ready in select.select(ports, [], [], max(due - time.monotonic(), 0))[0]:
            frame, address = ready.recvfrom(2048)
            if address[2] == PACKET_OUTGOING or frame[12:14] != b"\x08\0" or frame[23] != 50:
                continue
            entry = (frame, ports.index(ready))
            if len(kept) < KEPT:
                kept.append(entry)
            elif chance.random() < 0.1:
                kept[chance.randrange(KEPT)] = entry
        if kept and time.monotonic() >= due:
            due = time.monotonic() + 1 / rate
            # Half of them are recent ones, which a window may still cover.
            place = chance.randrange(len(kept))
            frame, port = kept[place] if chance.random() < 0.5 else kept[-1]
            try:
                ports[1 - port].send(frame)
            except OSError:
                pass  # the port's other end is away


if __name__ == "__main__":
    main()

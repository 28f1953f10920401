# SPDX-License-Identifier: BSD-3-Clause
"""UDP there and back, counted in memory that the test reads while it runs.

  load.py echo FIGURES ADDRESS...              answers on these addresses
  load.py send FIGURES RATE COUNT ADDRESS...   sends to them in turn, RATE packets a second in all;
                                               once FIGURES.silence is there, to the first COUNT

FIGURES is a file of one record for each address, 8-byte integers: packets sent, packets received,
packets received a second time, the highest number received. Each packet carries its flow's place
among the addresses and its number there, from 1 on.
"""

import mmap
import os
import select
import socket
import struct
import sys
import time

PORT = 7000
RECORD = struct.Struct("=QQQQ")
BODY = struct.Struct("!IQ")
BODY_BYTES = 72
BURST = 16


def make_figures(path, flows):
    with open(path, "wb") as file:
        file.write(b"\0" * (RECORD.size * flows))
    return open_figures(path)


def open_figures(path):
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def read(figures, flow):
    return RECORD.unpack_from(figures, flow * RECORD.size)


class Flows:
    """What was received, as bits by number: each may come once."""

    def __init__(self, figures, count):
        self.figures = figures
        self.seen = [bytearray() for _ in range(count)]
        self.rows = [[0, 0, 0, 0] for _ in range(count)]

    def publish(self, flow):
        RECORD.pack_into(self.figures, flow * RECORD.size, *self.rows[flow])

    def next_number(self, flow):
        self.rows[flow][0] += 1
        self.publish(flow)
        return self.rows[flow][0]

    def received(self, body):
        flow, number = BODY.unpack_from(body)
        if flow >= len(self.rows) or number >= 1 << 32:
            return
        seen, row = self.seen[flow], self.rows[flow]
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(seen):
            seen.extend(b"\0" * (place + 4096 - len(seen)))
        row[1] += 1
        row[2] += 1 if seen[place] & bit else 0
        row[3] = max(row[3], number)
        seen[place] |= bit
        self.publish(flow)


def udp(address, port):
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    opened.bind((address, port))
    opened.setblocking(False)
    return opened


def take(opened):
    try:
        return opened.recvfrom(2048)
    except (BlockingIOError, ConnectionRefusedError):
        return None


def send_to(opened, body, address):
    try:
        opened.sendto(body, address)
    except OSError:
        pass  # no neighbour, or a full queue: lost like any other


def echo(flows, addresses):
    sockets = [udp(address, PORT) for address in addresses]
    while True:
        for ready in select.select(sockets, [], [])[0]:
            while (packet := take(ready)) is not None:
                flows.received(packet[0])
                send_to(ready, *packet)


def send(flows, path, rate, lasting, addresses):
    opened = udp("0.0.0.0", 0)
    filler = b"\0" * (BODY_BYTES - BODY.size)
    flow = 0
    due = time.monotonic()
    while True:
        for _ in range(BURST):
            body = BODY.pack(flow, flows.next_number(flow)) + filler
            send_to(opened, body, (addresses[flow], PORT))
            flow = (flow + 1) % len(addresses)
        if len(addresses) > lasting and os.path.exists(path + ".silence"):
            addresses = addresses[:lasting]
            flow = 0
        due = max(due + BURST / rate, time.monotonic() - 1)
        while True:
            left = due - time.monotonic()
            if not select.select([opened], [], [], max(left, 0))[0]:
                break
            while (packet := take(opened)) is not None:
                flows.received(packet[0])


def main():
    role, path = sys.argv[1], sys.argv[2]
    addresses = sys.argv[3 if role == "echo" else 5:]
    flows = Flows(make_figures(path + ".new", len(addresses)), len(addresses))
    os.rename(path + ".new", path)
    if role == "echo":
        echo(flows, addresses)
    else:
        send(flows, path, float(sys.argv[3]), int(sys.argv[4]), addresses)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-3-Clause
"""A key manager that changes the SAs and policies of gateway A all the time, knows what should be
there, and gives gateway B what it needs for the other end."""

import errno
import random
import threading
import time

import xfrm_socket as xfrm

END_A, END_B = "192.0.2.1", "192.0.2.2"
LAN_A = "10.1.0.0/24"
# What control answers where it cannot say what became of the request.
UNCERTAIN = (errno.EAGAIN, errno.ETIMEDOUT)


class Failed(Exception):
    """What was to hold does not."""


class Uncertain(Exception):
    """Whether a change was made will show."""


class NotAsked(xfrm.Lost):
    """Nobody is there to be asked."""


class Client:
    """XFRM requests to one gateway, over a new connection after each that broke."""

    opening = threading.Lock()  # the socket's path goes by the environment

    def __init__(self, path):
        self.path = path
        self.socket = None

    def ask(self, kind, body):
        if self.socket is None:
            try:
                with self.opening:
                    self.socket = xfrm.XfrmSocket(self.path)
            except xfrm.Lost as error:
                raise NotAsked from error
        try:
            return self.socket.ask(kind, body)
        except xfrm.Lost:
            self.socket.close()
            self.socket = None
            raise


class Tunnel:
    """Between the LAN of site A and one host behind gateway B; `flow` is its place in the load."""

    def __init__(self, flow, address):
        self.flow = flow
        self.host = f"{address}/32"
        self.reqid = 10 + flow
        self.out_sa = self.in_sa = None  # SPI and key


class KeyManager:
    def __init__(self, path_a, path_b, keys, seed):
        """`keys`: the file in which the captures' judge finds SPIs and keys."""
        self.chance = random.Random(seed)
        self.a, self.b = Client(path_a), Client(path_b)
        self.keys = open(keys, "a", encoding="ascii", buffering=1)
        self.next_spi = 0x10000
        # What gateway A has, by name: True, False, or None where only looking will tell.
        self.there = {}
        self.lock = threading.Lock()  # held while a change is made
        self.is_over = False
        self.changes = self.uncertain = 0
        self.fault = None

    # --- SAs and policies ---

    def new_sa(self):
        """SPI and key, which the capture's judge hears of before any gateway does."""
        self.next_spi += 1
        key = bytes(self.chance.randrange(256) for _ in range(20))
        self.keys.write(f"{self.next_spi:x} {key.hex()}\n")
        return self.next_spi, key

    def change(self, name, is_there, kind, body):
        """One request to gateway A, after which the SA or policy `name` is there, or not."""
        before = self.there.get(name, False)
        self.there[name] = None
        try:
            self.a.ask(kind, body)
        except NotAsked as error:
            self.there[name] = before
            raise Uncertain from error
        except xfrm.Lost as error:
            self.uncertain += 1
            raise Uncertain from error
        except xfrm.Refused as error:
            if error.code in UNCERTAIN:
                self.uncertain += 1
                raise Uncertain from error
            self.there[name] = before
            raise Failed(f"{name}: {error}, though it was {before}") from error
        self.there[name] = is_there
        self.changes += 1

    def add_out(self, tunnel, sa, soft_packets=xfrm.NO_LIMIT):
        body = xfrm.sa(END_A, END_B, sa[0], tunnel.reqid, sa[1], soft_packets)
        self.change(("out", sa[0]), True, xfrm.NEWSA, body)

    def add_in(self, tunnel, sa):
        self.change(("in", sa[0]), True, xfrm.NEWSA,
                    xfrm.sa(END_B, END_A, sa[0], tunnel.reqid, sa[1]))

    def delete(self, side, spi):
        self.change((side, spi), False, xfrm.DELSA, xfrm.sa_id(self.end(side), spi))

    @staticmethod
    def end(side):
        return END_B if side == "out" else END_A

    def put_policy(self, tunnel, direction, kind=xfrm.NEWPOLICY, priority=0):
        ends, nets = (END_A, END_B), (LAN_A, tunnel.host)
        if direction != 1:
            ends, nets = ends[::-1], nets[::-1]
        self.change(("policy", direction, tunnel.host), True, kind,
                    xfrm.policy(direction, *nets, ends, tunnel.reqid, priority))

    def delete_policy(self, tunnel, direction):
        nets = (LAN_A, tunnel.host) if direction == 1 else (tunnel.host, LAN_A)
        self.change(("policy", direction, tunnel.host), False, xfrm.DELPOLICY,
                    xfrm.policy_id(direction, *nets))

    def set_up(self, tunnel):
        """Both gateways; B's part of it stays for good."""
        tunnel.out_sa, tunnel.in_sa = self.new_sa(), self.new_sa()
        self.b.ask(xfrm.NEWSA, xfrm.sa(END_A, END_B, tunnel.out_sa[0], tunnel.reqid,
                                       tunnel.out_sa[1]))
        self.b.ask(xfrm.NEWSA, xfrm.sa(END_B, END_A, tunnel.in_sa[0], tunnel.reqid,
                                       tunnel.in_sa[1]))
        self.b.ask(xfrm.NEWPOLICY, xfrm.policy(1, tunnel.host, LAN_A, (END_B, END_A),
                                               tunnel.reqid))
        self.b.ask(xfrm.NEWPOLICY, xfrm.policy(2, LAN_A, tunnel.host, (END_A, END_B),
                                               tunnel.reqid))
        self.complete(tunnel)

    def complete(self, tunnel):
        """What gateway A lacks of it is added. What is uncertain is looked at first."""
        for side, sa in (("out", tunnel.out_sa), ("in", tunnel.in_sa)):
            name = (side, sa[0])
            if self.there.get(name, False) is None:
                self.there[name] = self.has_sa(side, sa[0])
            if not self.there.get(name, False):
                (self.add_out if side == "out" else self.add_in)(tunnel, sa)
        for direction in (1, 2):
            # UPDPOLICY adds or replaces.
            if not self.there.get(("policy", direction, tunnel.host), False):
                self.put_policy(tunnel, direction, xfrm.UPDPOLICY)

    def has_sa(self, side, spi):
        try:
            self.a.ask(xfrm.GETSA, xfrm.sa_id(self.end(side), spi))
            return True
        except xfrm.Refused as error:
            if error.code != errno.ESRCH:
                raise
            return False
        except xfrm.Lost as error:
            raise Uncertain from error

    def read_sa(self, side, spi):
        try:
            return self.a.ask(xfrm.GETSA, xfrm.sa_id(self.end(side), spi))
        except xfrm.Lost as error:
            raise Uncertain from error

    # --- what the key manager does ---

    def rekey_out(self, tunnel):
        old, new = tunnel.out_sa, self.new_sa()
        self.b.ask(xfrm.NEWSA, xfrm.sa(END_A, END_B, new[0], tunnel.reqid, new[1]))
        tunnel.out_sa = new
        self.add_out(tunnel, new)
        self.delete("out", old[0])

    def rekey_in(self, tunnel):
        old, new = tunnel.in_sa, self.new_sa()
        self.add_in(tunnel, new)
        tunnel.in_sa = new
        self.b.ask(xfrm.NEWSA, xfrm.sa(END_B, END_A, new[0], tunnel.reqid, new[1]))
        self.b.ask(xfrm.DELSA, xfrm.sa_id(END_A, old[0]))
        self.delete("in", old[0])

    def come_again(self, tunnel):
        """The same key again, by somebody who knows nothing of the numbers it was used for."""
        side, sa = self.chance.choice((("out", tunnel.out_sa), ("in", tunnel.in_sa)))
        self.delete(side, sa[0])
        time.sleep(self.chance.random() * 0.01)
        (self.add_out if side == "out" else self.add_in)(tunnel, sa)

    def move(self, tunnel):
        """As charon does it: read, delete, add what was read."""
        side, sa = self.chance.choice((("out", tunnel.out_sa), ("in", tunnel.in_sa)))
        body = self.read_sa(side, sa[0])
        self.delete(side, sa[0])
        self.change((side, sa[0]), True, xfrm.NEWSA, body)

    def change_lifetime(self, tunnel):
        sa = tunnel.out_sa
        self.change(("out", sa[0]), True, xfrm.UPDSA,
                    xfrm.sa(END_A, END_B, sa[0], tunnel.reqid, sa[1],
                            1 << 40 | self.chance.randrange(1 << 30)))

    def change_priority(self, tunnel):
        self.put_policy(tunnel, 1, xfrm.UPDPOLICY, self.chance.randrange(1000))

    def change_policy(self, tunnel):
        direction = self.chance.choice((1, 2))
        self.delete_policy(tunnel, direction)
        self.put_policy(tunnel, direction)

    def change_all_the_time(self, tunnels):
        ways = (self.rekey_out, self.rekey_in, self.come_again, self.move, self.change_lifetime,
                self.change_priority, self.change_policy)
        while not self.is_over and self.fault is None:
            tunnel = self.chance.choice(tunnels)
            with self.lock:
                try:
                    self.complete(tunnel)
                    self.chance.choice(ways)(tunnel)
                except Uncertain:
                    pass
                except (Failed, xfrm.Refused, xfrm.Lost) as error:
                    self.fault = Failed(f"key manager: {error!r}")
            time.sleep(self.chance.random() * 0.005)

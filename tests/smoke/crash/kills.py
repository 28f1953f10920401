# SPDX-License-Identifier: BSD-3-Clause
"""Kills gateway A's processes at random moments, while packets flow and a key manager changes SAs
and policies all the time, and looks each time at what came back. With --moves nothing dies, and the
key manager moves SAs as fast as it can. Under `culvert exec`.

Traffic goes over three sorts of tunnels: one of the configuration, those that the key manager
changes, and some that carried a few packets at the start, are silent since, and must stay exactly
as they are.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import load
import xfrm_socket as xfrm
from key_manager import LAN_A, Failed, KeyManager, Tunnel, Uncertain, Client

PATIENCE_SECONDS = 60
PROCESSES = {"control": "culvert-control", "dataplane": "culvertd"}


class World(KeyManager):
    def __init__(self, options):
        super().__init__(options.a, options.b, options.keys, options.seed)
        self.options = options
        self.killing = random.Random(options.seed + 1)
        self.observer = Client(options.a)
        self.changing = [Tunnel(1 + i, f"10.3.{i}.2") for i in range(options.changing)]
        first = 1 + options.changing
        self.silent = [Tunnel(first + i, f"10.4.{i}.2") for i in range(options.silent)]
        self.figures = load.open_figures(options.figures)

    # --- what must hold ---

    def wait(self, what, holds):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if self.fault is not None:
                raise self.fault
            if time.monotonic() > deadline:
                raise Failed(f"not within {PATIENCE_SECONDS} s: {what}")
            time.sleep(0.005)

    def control_answers(self):
        try:
            self.observer.ask(xfrm.GETSADINFO, b"")
            return True
        except (xfrm.Lost, xfrm.Refused):
            return False

    def wait_for_echo(self, tunnels):
        """Of a packet that is sent from now on, by each."""
        flows = [tunnel.flow for tunnel in tunnels]
        sent = {flow: load.read(self.figures, flow)[0] for flow in flows}
        for flow in flows:
            self.wait(f"a packet of flow {flow} comes back",
                      lambda flow=flow: load.read(self.figures, flow)[3] > sent[flow])

    def show(self, what):
        out = subprocess.run([self.options.culvert, "show", what, "--instance",
                              self.options.instance, "--json"], check=True, capture_output=True)
        return json.loads(out.stdout)

    def silent_words(self):
        """All that gateway A says of what must not change."""
        words = []
        for tunnel in self.silent:
            words.append(self.read_sa("out", tunnel.out_sa[0]))
            words.append(self.read_sa("in", tunnel.in_sa[0]))
            for direction in (1, 2):
                nets = (LAN_A, tunnel.host) if direction == 1 else (tunnel.host, LAN_A)
                words.append(self.a.ask(xfrm.GETPOLICY, xfrm.policy_id(direction, *nets)))
        return words

    def is_silent(self):
        self.silent_before = self.silent_words()
        time.sleep(3)
        return self.silent_words() == self.silent_before

    def check(self):
        """Nobody changes anything meanwhile."""
        listed = {(sa["direction"], int(sa["spi"], 16)) for sa in self.show("sa")["sas"]}
        listed -= {("out", 0x1001), ("in", 0x1002)}
        for name, is_there in self.there.items():
            if name[0] == "policy":
                continue
            if is_there is None:
                self.there[name] = name in listed
            elif is_there != (name in listed):
                raise Failed(f"SA {name} is {'gone' if is_there else 'there again'}")
        if unknown := listed - set(self.there):
            raise Failed(f"SAs that nobody added: {unknown}")
        self.there = {name: is_there for name, is_there in self.there.items() if is_there}
        current = {(side, sa[0]) for tunnel in self.changing + self.silent
                   for side, sa in (("out", tunnel.out_sa), ("in", tunnel.in_sa))}
        for name in [name for name in self.there if name[0] != "policy" and name not in current]:
            self.delete(*name)
        for tunnel in self.changing:
            self.complete(tunnel)
            for side, sa in (("out", tunnel.out_sa), ("in", tunnel.in_sa)):
                words = self.read_sa(side, sa[0])
                if (xfrm.key_of(words), xfrm.reqid_of(words)) != (sa[1], tunnel.reqid):
                    raise Failed(f"SA {side} {sa[0]:#x} is not what was added")
        if self.silent_words() != self.silent_before:
            raise Failed("an SA or policy that nobody changed is another one")
        # Whatever control lists carries packets, both ways.
        self.wait_for_echo([Tunnel(0, "10.2.0.2"), *self.changing])

    # --- kills ---

    def pid_of(self, name):
        """0: there is none."""
        path = f"/proc/{self.options.supervisor}/task/{self.options.supervisor}/children"
        for pid in open(path, encoding="ascii").read().split():
            try:
                if open(f"/proc/{pid}/comm", encoding="ascii").read().strip() == PROCESSES[name]:
                    return int(pid)
            except OSError:
                pass
        return 0

    def kill(self, names):
        """Returns how many; where one is not there, as between death and new start, none."""
        pids = [pid for pid in map(self.pid_of, names) if pid != 0]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.wait("the killed are gone", lambda: not any(map(is_running, pids)))
        return len(pids)

    def kill_round(self, restarts):
        """One kill, or a second one while the first one's victims start. Returns how many."""
        choice = self.killing
        time.sleep(choice.random() * 1.5)
        names = choice.choices((["control"], ["dataplane"], ["control", "dataplane"]), (4, 3, 3))[0]
        choice.shuffle(names)
        begin, received = time.time(), load.read(self.figures, 0)[1]
        self.kill(names)
        kills = 1
        if choice.random() < 0.25:
            again = [choice.choice(list(PROCESSES))]
            self.wait("they start again", lambda: all(map(self.pid_of, names)))
            time.sleep(choice.random() * 0.4)
            names = names + again
            kills += self.kill(again)
        self.wait("they start again", lambda: all(map(self.pid_of, names)))
        if "dataplane" in names:
            restarts.write(f"{begin:.6f} {time.time():.6f}\n")
        self.wait("control answers", self.control_answers)
        if "dataplane" not in names:
            meanwhile = load.read(self.figures, 0)[1] - received
            self.without_control.append(meanwhile)
            if meanwhile == 0:
                raise Failed("no packet got through while control was away")
        self.wait_for_echo([Tunnel(0, "10.2.0.2")])
        with self.lock:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    self.check()
                    break
                except (Uncertain, xfrm.Lost) as error:
                    if time.monotonic() > deadline:
                        raise Failed("control does not stay") from error
        if self.fault is not None:
            raise self.fault
        return kills

    def set_up_all(self):
        for tunnel in self.changing + self.silent:
            self.set_up(tunnel)
        self.wait_for_echo(self.changing + self.silent)
        # From here on nothing is sent to the silent ones.
        open(self.options.figures + ".silence", "w", encoding="ascii").close()
        self.wait("silence", self.is_silent)

    def move_many(self):
        """Of each SA all packets go on, or it is the pause between delete and add."""
        self.set_up_all()
        open(self.options.restarts, "w", encoding="ascii").close()
        began = time.monotonic()
        numbers = 0
        for count in range(self.options.moves):
            before = load.read(self.figures, self.changing[0].flow)[1]
            self.move(self.changing[count % len(self.changing)])
            numbers += load.read(self.figures, self.changing[0].flow)[1] != before
        seconds = time.monotonic() - began
        self.check()
        print(f"{self.options.moves} moves in {seconds:.1f} s, packets came in during {numbers}")
        if numbers == 0:
            raise Failed("no packet came while SAs were moved")

    def kill_many(self):
        self.set_up_all()
        self.without_control = []
        manager = threading.Thread(target=self.change_all_the_time, args=(self.changing,),
                                   daemon=True)
        manager.start()
        kills = 0
        with open(self.options.restarts, "w", encoding="ascii", buffering=1) as restarts:
            while kills < self.options.kills:
                kills += self.kill_round(restarts)
        self.is_over = True
        manager.join()
        print(f"{kills} kills, {self.changes} changes, {self.uncertain} of them cut off; "
              f"packets that got through each time without control: "
              f"{sorted(self.without_control)}")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def main():
    parser = argparse.ArgumentParser()
    for name in ("a", "b", "culvert", "instance", "keys", "figures", "restarts"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("supervisor", "changing", "silent"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("kills", "moves", "seed"):
        parser.add_argument(f"--{name}", type=int, default=0)
    options = parser.parse_args()
    try:
        world = World(options)
        if options.moves != 0:
            world.move_many()
        else:
            world.kill_many()
    except (Failed, Uncertain) as error:
        print(f"kills.py: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

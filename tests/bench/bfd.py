#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the BFD of many tunnels costs, and how soon a dead peer is noticed.

Two hosts of a lab, of which one is many peers: it has an address and a tunnel
for each, with BFD like the real ones.  The other one is under measure: the CPU
of its ovs-vswitchd and its weftd, in percent of a core, with the timers that
weftd sets and with others.  No traffic is in any tunnel: "90 ms" is what the
timers of weftd come to where there is some, from all peers.  And the peers'
switch is stopped, and it is seen when the database of the host tells.

Times differ from machine to machine; the ratios to "1000 ms", Open vSwitch's
default, are what counts.  Nothing here is a test: no time is too long.
"""

import argparse
import signal
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from lab import Lab, wait_for  # noqa: E402  (its folder comes first)

FIRST = 101                     # 192.168.50.101 is the first peer's address.
TIMERS = {
    "off": {"enable": "false"},
    "1000 ms": {"enable": "true"},
    "90 ms": {"enable": "true", "min_rx": 90, "min_tx": 90},
    "90 ms, idle 2000 ms": {"enable": "true", "min_rx": 90, "min_tx": 90,
                            "decay_min_rx": 2000},
    "90 ms, idle 3000 ms": {"enable": "true", "min_rx": 90, "min_tx": 90,
                            "decay_min_rx": 3000},
}


def cpu_ns(host, daemon):
    """Of all its threads; the kernel's ticks are too coarse for this."""
    tasks = host.path(f"/proc/{host.daemon_pid(daemon)}/task")
    return sum(int((t / "schedstat").read_text().split()[0])
               for t in tasks.iterdir())


def load(host, seconds, daemons=("ovs-vswitchd",)):
    """Percent of a core."""
    before = sum(cpu_ns(host, d) for d in daemons)
    begin = time.monotonic()
    time.sleep(seconds)
    return ((sum(cpu_ns(host, d) for d in daemons) - before)
            / (time.monotonic() - begin) / 1e7)


class Bench:
    def __init__(self, lab, args):
        self.lab, self.args = lab, args
        self.host, = lab.add_hosts(["meas"], networks="""\
[network blue]
vni = 100
subnet = 10.1.0.0/16
""")
        self.far, = lab.add_hosts(["far"])
        lab.wait_healthy()
        self.peers = [f"p{i:03d}" for i in range(args.peers)]
        self.make_far()
        self.write_list()
        self.ports = [f"vx-{p}" for p in self.peers]
        wait_for(self.all_up, 60, "BFD is up to all peers")

    def address(self, i):
        return f"192.168.50.{FIRST + i}"

    def make_far(self):
        """Its own tunnel goes, many others come."""
        far = self.far
        far.stop_weftd()
        far.run(["ip", "-batch", "-"], stdin="".join(
            f"addr add {self.address(i)}/32 dev br-phy\n"
            for i in range(self.args.peers)))
        words = ["del-port", "vx-meas"]
        for i, peer in enumerate(self.peers):
            words += ["--", "add-port", "br-weft", peer, "--", "set",
                      "Interface", peer, "type=vxlan", "options:key=flow",
                      f"options:remote_ip={self.host.address}",
                      f"options:local_ip={self.address(i)}"]
        far.ovs_vsctl(*words)
        timers = self.host.ovs_vsctl("get", "Interface", "vx-far", "bfd")
        self.set_timers(far, self.peers, timers.strip())

    def write_list(self):
        text = self.lab.peers_text().split("\n[peer far]")[0]
        for i, peer in enumerate(self.peers):
            text += f"\n[peer {peer}]\naddress = {self.address(i)}\n"
        self.lab.write_peers(text)
        wait_for(lambda: self.peers[-1] in self.host.ovs_vsctl("show"), 20,
                 "tunnels")

    def set_timers(self, host, ports, timers):
        if isinstance(timers, dict):
            timers = ("{" + ",".join(f"{k}={v}" for k, v in timers.items())
                      + "}")
        words = []
        for port in ports:
            words += ["--", "set", "Interface", port, f"bfd={timers}"]
        host.ovs_vsctl(*words)

    def set_all(self, timers):
        self.set_timers(self.far, self.peers, timers)
        self.set_timers(self.host, self.ports, timers)

    def all_up(self):
        text = self.host.ovs_vsctl("--bare", "--columns=bfd_status", "list",
                                   "Interface")
        return text.count("remote_state=up") == self.args.peers

    def costs(self):
        seconds = self.args.seconds
        weft = load(self.host, seconds, ["weftd"])
        print(f"weftd, {len(self.peers)} peers, nothing happens: "
              f"{weft:.3f} %")
        found = {"as weftd sets it": load(self.host, seconds)}
        self.host.stop_weftd()
        for name, timers in TIMERS.items():
            self.set_all(timers)
            time.sleep(self.args.settle)
            found[name] = load(self.host, seconds)
            if name == "90 ms":
                self.notice(name)
        off = found.pop("off")
        base = found["1000 ms"] - off
        print(f"vswitchd, BFD off: {off:.2f} %; more with BFD at")
        for name, value in found.items():
            print(f"    {name:22} {value - off:5.2f} %   "
                  f"{(value - off) / base:4.2f} of 1000 ms")

    def notice(self, name):
        """From the command that stops the peers' switch until five are told
        down; the commands themselves take some 30 ms of it."""
        times = []
        for _ in range(self.args.rounds):
            wait_for(self.all_up, 60, "BFD is up to all peers")
            time.sleep(3)           # The timers are agreed upon by then.
            waits = [self.host.popen(
                ["ovs-vsctl", "wait-until", "Interface", port,
                 "bfd_status:state=down"]) for port in self.ports[:5]]
            time.sleep(0.5)
            begin = time.monotonic()
            self.far.kill_vswitchd(signal.SIGSTOP)
            for process in waits:
                process.wait(60)
            times.append(1000 * (time.monotonic() - begin))
            self.far.kill_vswitchd(signal.SIGCONT)
        print(f"{name}: noticed after {min(times):.0f}, "
              f"{statistics.median(times):.0f}, {max(times):.0f} ms "
              "(least, median, most)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(HERE.parents[1] / "_build"))
    parser.add_argument("--peers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--settle", type=float, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with Lab(0, build=args.build) as lab:
        bench = Bench(lab, args)
        time.sleep(args.settle)
        bench.notice("as weftd sets it")
        time.sleep(args.settle)
        bench.costs()


if __name__ == "__main__":
    main()

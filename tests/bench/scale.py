#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What weftd costs beside a shared directory of many hosts and endpoints.

The directory is real: three ovsdb-servers in a Raft cluster, over TCP without
TLS, on hosts of a lab.  All hosts and endpoints in it but one host are
simulated: rows, inserted before weftd starts, in one flat dual-stack network.
Their addresses exist nowhere; a router drops what is sent there.  One of them
is real enough to see what arrives: the far host, a UDP socket (scale_vtep.c).
The host under measure has a switch, a weftd and two endpoints.

The floor is the same tunnels and flows by ovs-vsctl and ovs-ofctl, in the
same run.  The load time alone is that of a client that monitors the same rows
and keeps nothing (scale_load.c).  Times differ from machine to machine and
from hour to hour: the ratios are what counts.  Nothing here is a test: no
time is too long.

--directory-only measures the directory without any weftd: what docs/scale.md
computes with.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

import scale_agent as agent  # noqa: E402  (its folder comes first)
import scale_directory  # noqa: E402
from attach import progress  # noqa: E402
from lab import Lab, LabError  # noqa: E402
from scale_directory import load_alone  # noqa: E402
from scale_floor import Floor, peers_text  # noqa: E402
from scale_world import (NETWORK_MAX, Cluster, World,  # noqa: E402
                         memory)

WORLDS = "40:1000,200:5000,1000:50000"


class Bench:
    """One world, from the floor to callgrind."""

    def __init__(self, args, hosts, endpoints):
        self.args = args
        self.programs = Path(args.build).resolve() / "tests" / "bench"
        self.hosts, self.endpoints = hosts, endpoints
        self.result = {"hosts": hosts, "endpoints": endpoints}

    def run(self):
        progress(f"{self.hosts} hosts, {self.endpoints} endpoints")
        with Lab(0, build=self.args.build) as lab, \
                contextlib.ExitStack() as stack:
            self.set_up(lab, stack)
            if "floor" in self.args.parts:
                self.floor(lab)
            if "agent" in self.args.parts:
                self.agent(lab, stack)
        return self.result

    def set_up(self, lab, stack):
        directory = lab.add_hosts(["dira", "dirb", "dirc"], ovs=False)
        host, = lab.add_hosts(["far"], ovs=False)
        self.far = agent.Far(host, self.programs)
        stack.callback(self.far.close)
        self.cluster = Cluster(directory, self.args.disk)
        self.world = World(self.hosts, self.endpoints, host.address)

    def floor(self, lab):
        host, = lab.add_hosts(["floor"], weftd=False, networks="")
        lab.write_peers(peers_text(host, self.far.host))
        measured = agent.Measured(host, self.far, self.programs)
        floor = Floor(measured, self.world)
        try:
            floor.prepare()
            self.result["floor"] = floor.run(self.args.rounds // 2,
                                             self.args.idle / 3)
        finally:
            floor.close()
            measured.close()
            host.power_off()

    def agent(self, lab, stack):
        host, = lab.add_hosts(["meas"], weftd=False, networks="")
        m = agent.Measured(host, self.far, self.programs,
                           self.cluster.remotes)
        stack.callback(m.close)
        db = self.cluster.leader.connect()
        stack.callback(db.close)
        self.prepare(m, db)
        self.fill(m, db)
        result, a = self.result, self.args

        base = m.tables()
        progress("weftd: first start")
        result["first start"] = agent.first_start(m, self.world, self.hosts,
                                                  base)
        progress("weftd: idle")
        idle = agent.idle_load(m, a.idle)
        beats = agent.idle_load(m, a.idle,
                                agent.Heartbeats(db, self.world))
        result["idle"] = {"agent": idle[0], "switch": idle[1],
                          "agent, heartbeats": beats[0]}
        progress("weftd: one more endpoint")
        result["one more endpoint"] = {
            **agent.endpoints_timed(m, self.world, db, a.rounds),
            **agent.endpoints_quiet(m, self.world, db, 2 * a.rounds, idle)}
        progress("weftd: one more tunnel")
        result["one more tunnel"] = agent.peers_timed(
            m, self.world, db, min(agent.PEERS, max(5, a.rounds // 5)))
        progress("weftd: killed and started")
        known = self.world.endpoint("far")
        agent.one_more(m, known, agent.insert_endpoint(db))
        result["killed"] = agent.killed(m, self.world, db, known)
        if "callgrind" in a.parts:
            progress("weftd: instructions")
            result["instructions"] = agent.instructions(m, self.world, db,
                                                        a.rounds // 2)
        result["switch RSS MB"] = memory(
            host, host.daemon_pid("ovs-vswitchd"))[0]
        result["strangers"] = int(self.far.ask("strangers", "strangers")[0])

    def prepare(self, m, db):
        """Two endpoints of its own, while the directory has nobody else."""
        self.world.create(db)
        m.start()
        m.wait_answer()
        m.attach()
        m.kill(15)

    def fill(self, m, db):
        progress("filling the directory")
        rows, seconds = self.world.fill(db)
        self.result["insert"] = {"rows": rows, "s": seconds,
                                 "rows a second": rows / seconds}
        self.result["load alone"] = load_alone(
            m.host, self.programs, self.cluster.remotes, self.endpoints)


# What it says.

def cell(value, digits=2):
    return ("-" if value is None else value if isinstance(value, str)
            else f"{value:.{digits}f}")


def ratio(a, b):
    return None if a is None or not b else a / b


def value(result, *keys):
    for key in keys:
        if result is None:
            return None
        result = result.get(key)
    return result


LINES = (
    ("Insertion, rows/s", 0, "insert", "rows a second"),
    ("Load alone: time, s", 2, "load alone", "s"),
    ("Load alone: CPU, s", 2, "load alone", "CPU s"),
    ("Floor: tunnels, s", 2, "floor", "tunnels s"),
    ("Floor: all flows, s", 2, "floor", "flows s"),
    ("Floor: one more endpoint, ms", 2, "floor", "one more endpoint",
     "packet, since sent", "median"),
    ("    p95", 2, "floor", "one more endpoint", "packet, since sent", "p95"),
    ("  acknowledged, ms", 2, "floor", "one more endpoint", "commit",
     "median"),
    ("  by ovs-ofctl, ms", 1, "floor", "one more endpoint, ovs-ofctl",
     "packet, since sent", "median"),
    ("Floor: one more tunnel, ms", 1, "floor", "one more tunnel",
     "packet, since sent", "median"),
    ("Switch idle, no tunnels, %", 2, "floor", "load, no tunnels"),
    ("Switch idle, tunnels + BFD, %", 2, "floor", "load, tunnels with BFD"),
    ("First start: endpoints' flows, s", 2, "first start",
     "endpoints' flows s"),
    ("First start: tunnels' flows, s", 2, "first start", "tunnels' flows s"),
    ("First start: weftd quiet, s", 2, "first start", "quiet s"),
    ("First start: weftd CPU, s", 2, "first start",
     "agent CPU s, until quiet"),
    ("First start: vswitchd CPU, s", 2, "first start", "switch CPU s"),
    ("Flows", 0, "first start", "flows"),
    ("weftd RSS, MB", 1, "first start", "RSS MB"),
    ("weftd peak, MB", 1, "first start", "peak MB"),
    ("vswitchd RSS at the end, MB", 1, "switch RSS MB"),
    ("weftd idle, %", 3, "idle", "agent"),
    ("weftd idle, with heartbeats, %", 3, "idle", "agent, heartbeats"),
    ("vswitchd idle beside it, %", 2, "idle", "switch"),
    ("One more endpoint: weftd CPU, us", 0, "one more endpoint",
     "agent CPU us"),
    ("  vswitchd CPU, us", 0, "one more endpoint", "switch CPU us"),
    ("  instructions, thousands", 0, "instructions", "one more endpoint"),
    ("  commit, ms, median", 2, "one more endpoint", "commit", "median"),
    ("  packet passes, since sent, ms", 2, "one more endpoint",
     "packet, since sent", "median"),
    ("    p95", 2, "one more endpoint", "packet, since sent", "p95"),
    ("  packet passes, since reply, ms", 2, "one more endpoint",
     "packet, since reply", "median"),
    ("    p95", 2, "one more endpoint", "packet, since reply", "p95"),
    ("  ARP answered, since reply, ms", 2, "one more endpoint",
     "ARP, since reply", "median"),
    ("One more tunnel: since sent, ms", 1, "one more tunnel",
     "packet, since sent", "median"),
    ("    p95", 1, "one more tunnel", "packet, since sent", "p95"),
    ("Not killed: frames sent", 0, "killed", "control", "sent"),
    ("  lost there or back", 0, "killed", "control", "lost there and back"),
    ("  longest silence, ms", 1, "killed", "control", "longest silence ms"),
    ("Killed: frames sent", 0, "killed", "sent"),
    ("  lost on the way there", 0, "killed", "lost there"),
    ("  lost there or back", 0, "killed", "lost there and back"),
    ("  longest silence, ms", 1, "killed", "longest silence ms"),
    ("  read and compared, s", 2, "killed", "next endpoint passes s"),
    ("  weftd CPU until then, s", 2, "killed", "agent CPU s"),
    ("  weftd peak, MB", 1, "killed", "peak MB"),
)
RATIOS = (
    ("all in / (load alone + floor's flows)", 2,
     lambda r: ratio(value(r, "first start", "endpoints' flows s"),
                     "floor" in r and "load alone" in r
                     and r["load alone"]["s"] + r["floor"]["flows s"])),
    ("tunnels' flows / floor's tunnels", 2,
     lambda r: ratio(value(r, "first start", "tunnels' flows s"),
                     value(r, "floor", "tunnels s"))),
    ("one more endpoint / floor's", 2,
     lambda r: ratio(value(r, "one more endpoint", "packet, since sent",
                           "median"),
                     value(r, "floor", "one more endpoint",
                           "packet, since sent", "median"))),
    ("one more tunnel / floor's", 2,
     lambda r: ratio(value(r, "one more tunnel", "packet, since sent",
                           "median"),
                     value(r, "floor", "one more tunnel",
                           "packet, since sent", "median"))),
)


def short(n):
    return f"{n // 1000}k" if n and n % 1000 == 0 else str(n)


def scaled(title, figure):
    if isinstance(figure, (int, float)):
        if title.endswith("%"):
            return figure * 100
        if title.endswith("thousands"):
            return figure / 1000
    return figure


def print_row(title, figures, digits, growth=True):
    last = [] if len(figures) < 2 or not growth else [
        ratio(figures[-1], f) for f in figures[:-1]]
    print(f"  {title:<36}" + "".join(f"{cell(f, digits):>9}" for f in figures)
          + "".join(f"{cell(r):>8}" for r in last))


def print_report(args, results):
    names = [f"{short(r['hosts'])}/{short(r['endpoints'])}" for r in results]
    print(f"\n  {'hosts/endpoints':<36}"
          + "".join(f"{n:>9}" for n in names)
          + "".join(f"{'x ' + short(r['endpoints']):>8}"
                    for r in results[:-1]))
    for title, digits, *keys in LINES:
        figures = [scaled(title, value(r, *keys)) for r in results]
        if any(f is not None for f in figures):
            print_row(title, figures, digits)
        elif "instructions" in results[0] and keys[0] == "instructions":
            print(f"  {title:<36}  skipped: no valgrind")
    print("\n  Ratios to the floor, of the same run")
    for title, digits, function in RATIOS:
        figures = [function(r) for r in results]
        if any(f is not None for f in figures):
            print_row(title, figures, digits, growth=False)
    print("  x N: the last world's figure over that of the world with N "
          "endpoints.\n  Directory: 3 ovsdb-servers, Raft, TCP without TLS, "
          "files in "
          + ("memory." if not args.disk else f"{args.disk}."))


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", default=".", metavar="DIR",
                        help="where weft, weftd and the bench's programs are")
    parser.add_argument("--worlds", default=WORLDS, metavar="H:E,...",
                        help=f"hosts and endpoints of each [{WORLDS}]")
    parser.add_argument("--rounds", type=int, default=100, metavar="N",
                        help="of what is done one by one [100]")
    parser.add_argument("--idle", type=float, default=30, metavar="S",
                        help="seconds of each look at idle daemons [30]")
    parser.add_argument("--parts", default="floor,agent,callgrind",
                        type=lambda text: text.split(","), metavar="LIST",
                        help="what is measured [floor,agent,callgrind]")
    parser.add_argument("--disk", metavar="DIR",
                        help="for the directory's files, instead of memory")
    parser.add_argument("--directory-only", action="store_true",
                        help="the database alone, at the last world's size")
    parser.add_argument("--network", type=int, default=NETWORK_MAX,
                        metavar="N", help="with --directory-only: endpoints "
                        "of a network, if there are more")
    parser.add_argument("--json", action="store_true",
                        help="all that was measured, as JSON")
    args = parser.parse_args()
    try:
        args.worlds = [tuple(map(int, w.split(":")))
                       for w in args.worlds.split(",")]
        if any(len(w) != 2 or min(w) < 1 for w in args.worlds):
            raise ValueError
    except ValueError:
        parser.error("--worlds: HOSTS:ENDPOINTS, separated by commas")
    if max(e for _, e in args.worlds) > NETWORK_MAX \
            and not args.directory_only:
        parser.error(f"--worlds: at most {NETWORK_MAX} endpoints")
    return args


def main(args):
    begun = time.monotonic()
    programs = Path(args.build).resolve() / "tests" / "bench"
    with contextlib.ExitStack() as stack:
        if args.disk:
            args.disk = stack.enter_context(
                tempfile.TemporaryDirectory(dir=args.disk))
        if args.directory_only:
            results = scale_directory.measure(args, programs)
        else:
            results = [Bench(args, *world).run() for world in args.worlds]
    progress(f"done in {time.monotonic() - begun:.0f} s")
    if args.json:
        json.dump(results, sys.stdout, indent=1)
        print()
    elif args.directory_only:
        scale_directory.print_report(results)
    else:
        print_report(args, results)


if __name__ == "__main__":
    if os.geteuid():
        sys.exit("bench: namespaces need root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main(parse_args())
    except (agent.Ended, LabError, AssertionError) as e:
        sys.exit(f"bench: {e}")

# SPDX-License-Identifier: Apache-2.0
"""What the shared directory costs by itself: ovsdb-server and clients that
keep nothing, without any weftd.  docs/scale.md computes with these figures.

scale.py uses it.
"""

import contextlib
import select
import time

from attach import Lines, progress
from lab import Lab, LabError, wait_for
from scale_world import (VNI, Cluster, Server, World, insert, median,
                         quantile)

SMALL_VNI, SMALL = 7, 1000      # One more network, and its endpoints.
CLIENTS = 10                    # That watch a whole large network.
SMALL_CLIENTS = 50              # That watch the small one.
WRITERS = 10


def begin_load(host, programs, remotes, n, vni=VNI):
    return Lines(host, [programs / "scale_load", remotes, vni, n])


def loaded(load):
    rows, ns, cpu, peak = map(int, load.receive(300).split()[1:])
    return {"s": ns / 1e9, "rows": rows, "CPU s": cpu / 1e9,
            "RSS MB": peak / 1024}


def load_alone(host, programs, remotes, n, vni=VNI):
    """One client of the least kind: what it costs to load all of it."""
    load = begin_load(host, programs, remotes, n, vni)
    try:
        return loaded(load)
    finally:
        load.close()


class Directory:
    """The servers, and what is asked of them."""

    def __init__(self, args, programs, lab):
        self.args, self.programs, self.lab = args, programs, lab
        self.hosts, self.endpoints = args.worlds[-1]
        self.cluster = Cluster(
            lab.add_hosts(["dira", "dirb", "dirc"], ovs=False), args.disk)
        self.client, relay = lab.add_hosts(["client", "relay"], ovs=False)
        self.relay = Server(relay)
        self.world = World(self.hosts, self.endpoints, "192.0.2.1",
                           args.network)
        self.network = min(self.endpoints, args.network)
        self.result = {"hosts": self.hosts, "endpoints": self.endpoints}

    # Pieces.

    def cpu(self):
        """CPU seconds of the leader, and of one follower."""
        return [self.cluster.leader.cpu(), self.cluster.followers()[0].cpu()]

    def spent(self, before, n=1):
        return {name: (after - b) / n for name, after, b in
                zip(("leader CPU", "follower CPU"), self.cpu(), before)}

    @contextlib.contextmanager
    def clients(self, remotes, n, vni, rows):
        """So many that stay; yields what each said when it had loaded."""
        with contextlib.ExitStack() as stack:
            loads = [begin_load(self.client, self.programs, remotes, rows,
                                vni) for _ in range(n)]
            for load in loads:
                stack.callback(load.close)
            yield [loaded(load) for load in loads]

    def commits(self, db, n, vni=VNI):
        """One after the other: latency in ms, CPU of both in us each."""
        latency, before = [], self.cpu()
        for _ in range(n):
            db.transact(insert("Endpoint", **self.world.endpoint(vni=vni)))
            latency.append((db.replied - db.sent) / 1e6)
        time.sleep(0.3)
        return {"median ms": median(latency), "p95 ms": quantile(latency, .95),
                **{f"{k} us": v * 1e6
                   for k, v in self.spent(before, n).items()}}

    def rate(self, server, n):
        """Commits a second when each of many writers waits for its own."""
        writers = [server.connect() for _ in range(WRITERS)]
        try:
            begin, begun, done = time.monotonic(), 0, 0
            ready = writers
            while done < n:
                for writer in ready:
                    if begun >= WRITERS:
                        writer.receive()
                        done += 1
                    if begun < n:
                        writer.send(insert("Endpoint",
                                           **self.world.endpoint()))
                        begun += 1
                ready = select.select(writers, [], [], 60)[0]
            return n / (time.monotonic() - begin)
        finally:
            for writer in writers:
                writer.close()

    def heartbeats(self, db, n):
        names = [name for name, _ in self.world.hosts]
        size, before, latency = self.cluster.leader.file_size(), self.cpu(), []
        for i in range(n):
            db.transact({"op": "update", "table": "Heartbeat",
                         "where": [["host", "==", names[i % len(names)]]],
                         "row": {"seen": int(time.time()) + i}})
            latency.append((db.replied - db.sent) / 1e6)
        return {"median ms": median(latency), "p95 ms": quantile(latency, .95),
                "bytes of file": (self.cluster.leader.file_size() - size) / n,
                **{f"{k} us": v * 1e6
                   for k, v in self.spent(before, n).items()}}

    def questions(self, db, n):
        """Who has been silent, as every host asks with its heartbeat."""
        before = self.cpu()
        for _ in range(n):
            db.select("Heartbeat", [["seen", "<", 1]], ["host"])
        us = self.spent(before, n)["leader CPU"] * 1e6
        return {"rows": self.hosts, "leader CPU us": us}

    # All of it, in this order: each finds what the last has left.

    def run(self):
        n = self.args.rounds
        leader = self.cluster.leader
        db, follower = leader.connect(), self.cluster.followers()[0].connect()
        empty = leader.memory()[0]
        self.fill(db, empty)
        self.loads()
        progress("directory: commits")
        self.result["commit, no clients"] = self.commits(db, n)
        self.result["commit, by a follower"] = self.commits(follower, n)
        self.result["commits a second"] = self.rate(leader, 10 * n)
        self.result["heartbeat"] = self.heartbeats(db, n)
        self.result["who is silent"] = self.questions(db, n)
        self.with_clients(db, n, leader.remote, "of the large network")
        self.with_clients(db, n, leader.remote, "of the small network",
                          SMALL_CLIENTS, SMALL_VNI, SMALL)
        self.relayed(db, n)
        db.close()
        follower.close()
        return self.result

    def fill(self, db, empty):
        progress("directory: inserting")
        leader = self.cluster.leader
        self.world.create(db)
        before = self.cpu()
        rows, seconds = self.world.fill(db)
        rss = [leader.memory()[0], self.cluster.followers()[0].memory()[0]]
        size = leader.file_size()
        self.result["insert"] = {
            "rows": rows, "s": seconds, "rows a second": rows / seconds,
            "bytes of file a row": size / rows,
            "leader RSS MB": rss[0], "follower RSS MB": rss[1],
            "leader's RSS a row": (rss[0] - empty) * 2**20 / rows,
            "follower's RSS a row": (rss[1] - empty) * 2**20 / rows,
            **self.spent(before)}
        self.compact(db, rows)
        for _ in range(SMALL // 1000):
            db.transact(*[insert("Endpoint",
                                 **self.world.endpoint(vni=SMALL_VNI))
                          for _ in range(1000)])

    def compact(self, db, rows):
        """While somebody writes, one commit after the other."""
        leader = self.cluster.leader
        begin, longest, process = time.monotonic(), 0, leader.compact()
        while process.poll() is None:
            db.transact(insert("Endpoint",
                               **self.world.endpoint(vni=SMALL_VNI + 1)))
            longest = max(longest, db.replied - db.sent)
        if process.wait():
            raise LabError("ovsdb-server cannot compact its file")
        self.result["compact"] = {
            "s": time.monotonic() - begin,
            "longest commit meanwhile ms": longest / 1e6,
            "bytes of file a row": leader.file_size() / rows,
            "leader peak MB": leader.memory()[1]}

    def loads(self):
        progress("directory: loading")
        leader = self.cluster.leader
        # The first one after a change also makes the server's JSON of it.
        for name, vni, n in (("load, first", VNI, self.network),
                             ("load", VNI, self.network),
                             ("load, small network", SMALL_VNI, SMALL)):
            before = leader.cpu()
            figures = load_alone(self.client, self.programs, leader.remote,
                                 n, vni)
            figures["leader CPU s"] = leader.cpu() - before
            self.result[name] = figures

    def with_clients(self, db, n, remotes, name, count=CLIENTS, vni=VNI,
                     rows=None):
        """Commits in the large network while so many watch: what each costs
        before they are there and with them."""
        rows = rows or self.network
        progress(f"directory: {count} clients {name}")
        leader = self.cluster.leader
        alone = self.commits(db, n)
        rss, cpu = leader.memory()[0], leader.cpu()
        with self.clients(remotes, count, vni, rows) as said:
            time.sleep(1)
            figures = {
                "all loaded s": max(s["s"] for s in said),
                "leader CPU s a client": (leader.cpu() - cpu) / count,
                "leader RSS MB a client": (leader.memory()[0] - rss) / count,
                "leader peak MB": leader.memory()[1],
                **self.commits(db, n)}
        figures["leader CPU us a commit and client"] = (
            figures["leader CPU us"] - alone["leader CPU us"]) / count
        self.result[f"{count} clients {name}"] = figures

    def relayed(self, db, n):
        progress("directory: a relay")
        self.relay.start(f"relay:Weft:{self.cluster.remotes}")
        begin = time.monotonic()
        wait_for(lambda: self.relay.state()["connected"], 600,
                 "the relay is connected")
        figures = {"loaded s": time.monotonic() - begin,
                   "RSS MB": self.relay.memory()[0]}
        through = self.relay.connect()
        figures["commit through it"] = self.commits(through, n)
        through.close()
        self.result["relay"] = figures
        cpu = self.relay.cpu()
        self.with_clients(db, n, self.relay.remote,
                          "of the large network, on a relay")
        figures["relay CPU s, clients and commits"] = self.relay.cpu() - cpu
        figures["RSS MB, with clients"] = self.relay.memory()[1]
        self.relay.stop()


def measure(args, programs):
    with Lab(0, build=args.build) as lab:
        directory = Directory(args, programs, lab)
        try:
            return directory.run()
        except (LabError, AssertionError) as e:
            # What was measured took long: it is not lost.
            progress(f"directory: given up: {e}")
            return directory.result


def print_report(result):
    print(f"\n  The directory alone: {result['hosts']} hosts, "
          f"{result['endpoints']} endpoints")
    for name, figures in result.items():
        if isinstance(figures, dict):
            print(f"  {name}")
            print_figures(figures, 4)
        elif isinstance(figures, float):
            print(f"  {name:<44}{figures:>12.2f}")


def print_figures(figures, indent):
    for name, figure in figures.items():
        if isinstance(figure, dict):
            print(" " * indent + name)
            print_figures(figure, indent + 2)
        else:
            print(f"{' ' * indent}{name:<{46 - indent}}{figure:>12.2f}")

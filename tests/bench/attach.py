#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an attach and a detach cost: Weft against the floor and by hand.

The floor (floor.c) does the netlink messages, the transaction and the flows
over open connections and nothing else.  By hand (by-hand.sh) is ip, ovs-vsctl
and ovs-ofctl.  All three work in one run and in turns, each on a host of its
own with a switch of its own; a fourth host pings (firstping.c).  Times differ
from machine to machine and from hour to hour: the ratios are what counts.

Nothing here is a test: no time is too long.  An attach whose ping is never
answered ends the run.
"""

import argparse
import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from lab import Lab, LabError  # noqa: E402  (its folder comes first)

BRIDGE, VNI = "br-weft", 100
SIDES = ("floor", "hand", "weft")
TITLES = {"floor": "floor", "hand": "by hand", "weft": "weft"}
FIRST = {"weft": 0x4000, "floor": 0x6000, "hand": 0x8000}  # Of 10.1.0.0/16.
POOL = 16               # Namespaces for the attaches one by one.
PINGER = "10.1.32.1"
BEFORE = 0.02           # Seconds of pings before an attach or a detach.
SAMPLE = 100            # Of a batch, to see that it answers pings.
TICKS = os.sysconf("SC_CLK_TCK")
STUCK = 30              # Seconds after which an attach is a failure.


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Lines:
    """A process that takes lines and answers with lines."""

    def __init__(self, host, argv, netns=None):
        argv = [str(a) for a in argv]
        self.name = Path(argv[0]).name
        self._process = host.popen(argv, netns, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, encoding=None,
                                   text=False, bufsize=0)
        self._buffer = b""

    def send(self, text):
        data = memoryview((text + "\n").encode())
        while data:
            data = data[self._process.stdin.write(data):]

    def receive(self, timeout=None):
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = (None if deadline is None
                    else max(0, deadline - time.monotonic()))
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise LabError(f"{self.name}: no answer in {timeout} s")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise LabError(f"{self.name} ended")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode()

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Place:
    """An endpoint to be: where it is and what it is called."""

    def __init__(self, number, name, netns):
        self.name = name
        self.netns = netns
        self.ip = f"10.1.{number >> 8}.{number & 255}"
        self.mac = f"0a:57:0a:01:{number >> 8:02x}:{number & 255:02x}"
        self.ip4 = self.ip + "/16"
        self.ip6 = f"fd00:1::{number:x}/64"

    def words(self):
        return [self.name, self.netns, self.mac, self.ip4, self.ip6]

    def weft(self, ipv6=True):
        return [self.netns, "--name", self.name, "--ip", self.ip4,
                *(["--ip", self.ip6] if ipv6 else [])]


class Times(dict):
    """Named lists of milliseconds."""

    def add(self, name, ns):
        self.setdefault(name, []).append(ns / 1e6)

    def p(self, name, part):
        values = sorted(self.get(name, ()))
        if not values:
            return None
        return values[min(len(values) - 1, int(part * len(values)))]


class Side:
    """One way of attaching, and the host where it is done."""

    def __init__(self, bench, kind, host):
        self.bench = bench
        self.kind = kind
        self.host = host
        self.runner = Lines(host, ["python3", "-IS", HERE / "runner.py"])
        self.floor = None
        self._floor_cpu = 0
        self._next = FIRST[kind]
        self._rounds = 0
        self.host.run(["ip", "-batch", "-"], stdin="".join(
            f"netns add r{i}\n" for i in range(POOL)))
        if kind != "weft":
            host.stop_weftd()
        if kind == "floor":
            self.floor = Lines(host, [bench.build / "tests/bench/floor", BRIDGE, VNI])
            if self.floor.receive(10) != "ready":
                raise LabError("floor does not come up")

    def close(self):
        self.runner.close()
        if self.floor:
            self.floor.close()

    # Requests.

    def request(self, **request):
        self.runner.send(json.dumps(request))
        return json.loads(self.runner.receive(600))

    def run(self, *argv, stdin=None):
        answer = self.request(run=[str(a) for a in argv], stdin=stdin)
        if answer["status"]:
            raise LabError(f"{argv[0]}: exit {answer['status']}\n"
                           + answer["output"][-2000:])
        return answer

    def ask_floor(self, line):
        self.floor.send(line)
        words = self.floor.receive(600).split()[2:]
        self._floor_cpu = int(words.pop()) / 1e9
        return [int(w) for w in words]

    def by_hand(self, *args, stdin=None):
        return self.run(HERE / "by-hand.sh", *args, stdin=stdin)

    # What is there.

    def new_places(self, n, netns=None):
        numbers = range(self._next, self._next + n)
        self._next += n
        kind = self.kind[0]
        places = []
        for i, number in enumerate(numbers):
            name = f"{kind}{number:x}"
            places.append(Place(number, name, netns or f"m{i}"))
        return places

    def next_place(self):
        self._rounds += 1
        return self.new_places(1, f"r{self._rounds % POOL}")[0]

    def cpu(self):
        """CPU seconds so far: of what attaches (the agent, or the floor), of
        that outside the kernel (0 if not known), and of the switch."""
        own = self._seconds("weftd") or self._floor_cpu
        user = 0
        if self.host.is_running("weftd"):
            pid = self.host.daemon_pid("weftd")
            stat = self.host.path(f"/proc/{pid}/stat").read_text()
            user = int(stat.rpartition(")")[2].split()[11]) / TICKS
        return own, user, self._seconds("ovs-vswitchd")

    def _seconds(self, daemon):
        """Of all its threads, to the nanosecond."""
        total = 0
        if self.host.is_running(daemon):
            pid = self.host.daemon_pid(daemon)
            for task in self.host.path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def n_links(self):
        return sum(1 for p in self.host.path("/sys/class/net").iterdir()
                   if p.name.startswith(("wf-", self.kind[0] + "4",
                                         self.kind[0] + "5",
                                         self.kind[0] + "6",
                                         self.kind[0] + "7",
                                         self.kind[0] + "8",
                                         self.kind[0] + "9")))

    def wait_links(self, n, timeout=60):
        deadline = time.monotonic() + timeout
        while self.n_links() != n:
            if time.monotonic() > deadline:
                raise LabError(f"{self.kind}: {self.n_links()} links, not {n}")
            time.sleep(0.002)
        return time.monotonic_ns()

    def n_flows(self):
        mask = "0x5746000400000000/0xffffffff00000000"
        return len(self.host.ovs_ofctl("--no-stats", "dump-flows", BRIDGE,
                                       f"cookie={mask}").splitlines())

    # One.

    def attach(self, place):
        """(begin, end) of one attach; for the floor also its steps."""
        if self.kind == "floor":
            t = self.ask_floor("attach " + " ".join(place.words()))
            for name, i in (("veth", 1), ("addresses", 2), ("commit", 3),
                            ("ofport", 4), ("flows", 5)):
                self.bench.floor_steps.add(name, t[i] - t[i - 1])
            return t[0], t[-1]
        if self.kind == "hand":
            a = self.by_hand("attach", *place.words())
            place.ofport = self.by_hand("ofport", place.name)["output"].strip()
        else:
            a = self.run("weft", "attach", *place.weft())
        return a["begin"], a["end"]

    def detach(self, place):
        if self.kind == "floor":
            t = self.ask_floor(f"detach {place.name}")
            self.bench.floor_steps.add("detach flows", t[1] - t[0])
            self.bench.floor_steps.add("detach commit", t[2] - t[1])
            self.bench.floor_steps.add("detach link", t[3] - t[2])
            return t[0], t[-1]
        if self.kind == "hand":
            a = self.by_hand("detach", place.name, place.ofport)
        else:
            a = self.run("weft", "detach", place.name)
        return a["begin"], a["end"]

    # Many.

    def make_namespaces(self, n):
        self.host.run(["ip", "-batch", "-"], timeout=300, stdin="".join(
            f"netns add m{i}\n" for i in range(n)))

    def attach_many(self, places):
        if self.kind == "floor":
            t = self.ask_floor(f"many {len(places)}\n" + "\n".join(
                " ".join(p.words()) for p in places))
            return t[0], t[-1]
        if self.kind == "hand":
            a = self.by_hand("attach-many", stdin="".join(
                " ".join(p.words()) + "\n" for p in places))
        else:
            a = self.run("weft", "attach", "--file", "-", stdin="".join(
                " ".join(p.weft()) + "\n" for p in places))
        return a["begin"], a["end"]

    def attach_groups(self, places):
        """The floor's batches of 16, one after the other."""
        ends = [self.attach_many(places[i:i + 16])
                for i in range(0, len(places), 16)]
        return ends[0][0], ends[-1][1]

    def attach_parallel(self, places, ipv6=True):
        """Single commands, 16 at a time."""
        a = self.run("xargs", "-P", 16, "-L", 1, "weft", "attach",
                     stdin="".join(" ".join(p.weft(ipv6)) + "\n"
                                   for p in places))
        return a["begin"], a["end"]

    def detach_many(self, places):
        if self.kind == "floor":
            t = self.ask_floor("detach --all")
            return t[0], t[-1]
        if self.kind == "hand":
            a = self.by_hand("detach-many", stdin="".join(
                p.name + "\n" for p in places))
        else:
            a = self.run("weft", "detach", "--all")
        return a["begin"], a["end"]


class Bench:
    def __init__(self, args):
        self.args = args
        self.build = Path(args.build).resolve()
        self.floor_steps = Times()
        self.single = {}        # Beside N: side: Times and CPU
        self.many = {}          # Phase: figures

    def set_up(self, stack):
        progress("making four hosts")
        self.lab = stack.enter_context(Lab(0, build=self.build))
        hosts = self.lab.add_hosts([kind + "host" for kind in SIDES]
                                   + ["farhost"])
        self.lab.wait_healthy()
        self.far = hosts[-1]
        self.far.ip("netns", "add", "pinger")
        self.far.weft("attach", "pinger", "--ip", f"{PINGER}/16")
        self.pinger = Lines(self.far, [self.build / "tests/bench/firstping", "eth0",
                                       PINGER], "pinger")
        stack.callback(self.pinger.close)
        self.sides = {}
        for kind, host in zip(SIDES, hosts):
            self.sides[kind] = Side(self, kind, host)
            stack.callback(self.sides[kind].close)

    # One by one.

    def one(self, side, times):
        """An attach and its detach, watched from the far host."""
        place = side.next_place()
        self.pinger.send(f"first {place.ip} {place.mac}")
        time.sleep(BEFORE)
        cpu = side.cpu()
        begin, end = side.attach(place)
        ping = int(self.pinger.receive(STUCK).split()[2])
        after = side.cpu()
        times.add("attach", ping - begin)
        times.add("attach command", end - begin)
        self.add_cpu(times, "attach", cpu, after)

        self.pinger.send(f"last {place.ip} {place.mac}")
        if not self.pinger.receive(STUCK).startswith("going"):
            raise LabError(f"{place.name} does not answer any more")
        time.sleep(BEFORE)
        cpu = side.cpu()
        begin, end = side.detach(place)
        last = int(self.pinger.receive(STUCK).split()[2])
        times.add("detach", max(0, last - begin))
        times.add("detach command", end - begin)
        self.add_cpu(times, "detach", cpu, side.cpu())

    @staticmethod
    def add_cpu(times, name, before, after):
        times.add(f"{name} CPU", (after[0] - before[0]) * 1e9)
        times.add(f"{name} switch CPU", (after[2] - before[2]) * 1e9)

    def quiet(self, result, n):
        """Attach and detach while nobody pings: the floor, weftd asked over
        its socket, and the command; and what the start of a command costs."""
        floor, weft = self.sides["floor"], self.sides["weft"]
        for _ in range(n):
            place = floor.next_place()
            for method in (floor.attach, floor.detach):
                begin, end = method(place)
                result["floor"].add(f"{method.__name__} quiet", end - begin)
                time.sleep(BEFORE)

            place = weft.next_place()
            links = weft.n_links()
            for method, args in (("attach", place.weft()),
                                 ("detach", [place.name])):
                before = weft.cpu()
                answer = weft.request(ask=[method, *args])
                if answer["error"]:
                    raise LabError(answer["error"])
                result["weft"].add(f"{method} asked",
                                   answer["end"] - answer["begin"])
                if method == "detach":
                    weft.wait_links(links)
                time.sleep(BEFORE)
                self.add_cpu(result["weft"], f"{method} asked", before,
                             weft.cpu())

            place = weft.next_place()
            for method in (weft.attach, weft.detach):
                begin, end = method(place)
                result["weft"].add(f"{method.__name__} quiet", end - begin)
                time.sleep(BEFORE)
            weft.wait_links(links)
            answer = weft.run("weft", "--version")
            result["weft"].add("start", answer["end"] - answer["begin"])

    def one_by_one(self, beside, rounds):
        result = {kind: Times() for kind in SIDES}
        for i in range(rounds + 1):
            if i % 10 == 0:
                progress(f"one by one beside {beside}: round {i} of {rounds}")
            for j in range(len(SIDES)):
                kind = SIDES[(i + j) % len(SIDES)]
                # The first round finds cold caches.
                self.one(self.sides[kind], result[kind] if i else Times())
        self.quiet(result, rounds)
        self.single[beside] = result

    # Many.

    def measure(self, name, side, function, *args, **options):
        progress(f"{name}: {TITLES[side.kind]}")
        cpu = side.cpu()
        begin, end = function(*args, **options)
        after = side.cpu()
        figures = {"seconds": (end - begin) / 1e9,
                   "CPU": after[0] - cpu[0],
                   "user CPU": after[1] - cpu[1],
                   "switch CPU": after[2] - cpu[2], "begin": begin}
        self.many.setdefault(name, {})[side.kind] = figures
        return figures

    def check_all(self, figures, places):
        """Every one of them has to answer a ping.

        Not more than a few hundred in a short time: all namespaces of a
        machine share one neighbour table of 1,024 entries (gc_thresh3), and
        an endpoint that finds it full does not answer for seconds.
        """
        self.pinger.send(f"sweep {len(places)}\n" + "\n".join(
            f"{p.ip} {p.mac}" for p in places))
        missing, when = self.pinger.receive(90).split()[1:]
        figures["unanswered"] = int(missing)
        figures["all answer"] = (int(when) - figures["begin"]) / 1e9
        if int(missing):
            progress(f"{missing} of {len(places)} do not answer a ping")

    def detach_all(self, name, side, places):
        figures = self.measure(name, side, side.detach_many, places)
        gone = side.wait_links(0)
        figures["links gone"] = (gone - figures["begin"]) / 1e9
        idle = self.wait_idle(side)
        figures["switch idle"] = (idle - figures["begin"]) / 1e9

    @staticmethod
    def wait_idle(side):
        """Until the switch has done what it had to do."""
        idle = time.monotonic_ns()
        cpu = side.cpu()[2]
        while time.monotonic_ns() - idle < 500e6:
            time.sleep(0.05)
            now = side.cpu()[2]
            if now - cpu > 0.005:       # A tenth of the time.
                idle = time.monotonic_ns()
            cpu = now
        return idle

    def parallel(self, n):
        """Weft gets single commands, 16 at a time.  The floor does 16 at once
        and then the next 16: the switch has as much to do then."""
        side = self.sides["floor"]
        places = side.new_places(n)
        self.measure("attach, x16", side, side.attach_groups, places)
        self.detach_all("detach, all", side, places)

        side = self.sides["weft"]
        for ipv6 in (True, False):
            name = "attach, x16" + ("" if ipv6 else ", no IPv6")
            places = side.new_places(n)
            if not ipv6:
                side.request(ipv6=False, netns=[p.netns for p in places])
            figures = self.measure(name, side, side.attach_parallel, places,
                                   ipv6)
            self.check_all(figures, places)
            self.detach_all("detach, all" + ("" if ipv6 else ", no IPv6"),
                            side, places)
            if not ipv6:
                side.request(ipv6=True, netns=[p.netns for p in places])

    def load(self, n, name):
        for kind, side in self.sides.items():
            places = side.new_places(n)
            figures = self.measure(name, side, side.attach_many, places)
            self.check_all(figures, places[::max(1, n // SAMPLE)])
            side.loaded = places

    def unload(self, name):
        for side in self.sides.values():
            self.detach_all(name, side, side.loaded)

    def run(self):
        a = self.args
        n = a.many
        self.one_by_one(0, a.rounds)
        flows = {k: s.n_flows() for k, s in self.sides.items()}
        if set(flows.values()) != {0}:
            raise LabError(f"flows left over: {flows}")
        progress(f"making {n} namespaces on each host")
        for side in self.sides.values():
            side.make_namespaces(n)
        if a.full:
            self.load(100, "attach of 100")
            self.one_by_one(100, a.rounds // 2)
            self.unload("detach of 100")
        self.parallel(n)
        self.load(n, "attach, one batch")
        self.same_flows()
        self.one_by_one(n, a.rounds // 2 if a.full else 5)
        self.unload("detach, one batch")

    def same_flows(self):
        flows = {k: s.n_flows() for k, s in self.sides.items()}
        if len(set(flows.values())) != 1:
            progress(f"NOT the same flows: {flows}")


# What it says.

def cell(value, digits=1):
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(a, b):
    return "-" if not a or not b else f"{a / b:.2f}"


def print_singles(beside, result):
    print(f"\nOne at a time, beside {beside} endpoints: ms, p50 (p99), "
          f"{len(result['weft']['attach'])} rounds in turns")
    print(f"  {'':<22}{'floor':>15}{'by hand':>15}{'weft':>15}"
          f"{'x floor':>8}{'hand':>5}")
    for name, title in (("attach", "attach: first ping"),
                        ("attach command", "  its command"),
                        ("detach", "detach: traffic ends"),
                        ("detach command", "  its command"),
                        ("attach CPU", "attach: own CPU"),
                        ("detach CPU", "detach: own CPU"),
                        ("attach switch CPU", "attach: switch CPU")):
        p = {k: (t.p(name, 0.5), t.p(name, 0.99)) for k, t in result.items()}
        if "own" in title:
            p["hand"] = None, None
        print(f"  {title:<22}" + "".join(
            f"{cell(p[k][0])} ({cell(p[k][1])})".rjust(15) for k in SIDES)
            + f"{ratio(p['weft'][0], p['floor'][0]):>7}"
            + f"{ratio(p['weft'][0], p['hand'][0]):>6}")
    print("  While nobody pings: floor; weftd asked over its socket; "
          f"command (its start {cell(result['weft'].p('start', 0.5))})")
    for name in ("attach", "detach"):
        floor = result["floor"].p(f"{name} quiet", 0.5)
        values = [floor, result["weft"].p(f"{name} asked", 0.5),
                  result["weft"].p(f"{name} quiet", 0.5)]
        print(f"    {name}: " + "; ".join(
            f"{cell(v)} ({ratio(v, floor)})" for v in values)
            + "; weftd's CPU "
            + cell(result["weft"].p(f"{name} asked CPU", 0.5), 2))


def row(title, *cells):
    print(f"  {title:<29}" + "".join(f"{c:>7}" for c in cells))


def loops(bench, n):
    """What one command after the other by hand takes, in seconds."""
    attach, detach = ([bench.single[k]["hand"].p(f"{what} command", 0.5)
                    for k in (0, n)] for what in ("attach", "detach"))
    return {what: {"first": ends[0], "last": ends[1],
                   "seconds": sum(ends) / 2 * n / 1000}
            for what, ends in (("attach", attach), ("detach", detach))}


def print_many(bench, n):
    print(f"\n{n} endpoints: seconds (x: the wall time against one batch of "
          "the floor's\nand of the script's; x16: single commands, 16 at a "
          "time)")
    row("", "wall", "ping/", "own", "in", "switch", "x", "x")
    row("", "", "gone", "CPU", "user", "CPU", "floor", "script")
    for name, sides in bench.many.items():
        if "of 100" in name:
            continue
        best = bench.many["attach, one batch" if name.startswith("attach")
                          else "detach, one batch"]
        for kind, f in sides.items():
            known = kind != "hand"
            row(f"{name}: {TITLES[kind]}", cell(f["seconds"], 2),
                cell(f.get("all answer", f.get("links gone")), 2),
                cell(f["CPU"] if known else None, 2),
                cell(f["user CPU"] if kind == "weft" else None, 2),
                cell(f["switch CPU"], 2),
                ratio(f["seconds"], best["floor"]["seconds"]),
                ratio(f["seconds"], best["hand"]["seconds"]))
    for what, f in loops(bench, n).items():
        weft = bench.many["attach, x16" if what == "attach"
                          else "detach, all"]["weft"]["seconds"]
        print(f"  {what}, a loop by hand: about {f['seconds']:.0f} s "
              f"(extrapolated: {f['first']:.0f} ms beside 0, "
              f"{f['last']:.0f} ms\n    beside {n}, linear between); weft "
              f"takes {ratio(weft, f['seconds'])} of it")
    unanswered = [f"{name}: {TITLES[k]}: {f['unanswered']}"
                  for name, sides in bench.many.items()
                  for k, f in sides.items() if f.get("unanswered")]
    if unanswered:
        print("  Pings NOT answered: " + "; ".join(unanswered))


def print_floor(steps):
    print("\nThe floor's steps (all rounds): ms, p50")
    for names in (("veth", "addresses", "commit", "ofport", "flows"),
                  ("detach flows", "detach commit", "detach link")):
        print("  " + ", ".join(f"{n} {cell(steps.p(n, 0.5), 2)}"
                               for n in names))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", default=".", metavar="DIR",
                        help="where weft, weftd, floor and firstping are")
    parser.add_argument("--rounds", type=int, default=50, metavar="N",
                        help="of the attaches one by one [50]")
    parser.add_argument("--many", type=int, default=500, metavar="N",
                        help="endpoints of the batches [500]")
    parser.add_argument("--full", action="store_true",
                        help="beside 100 as well, and more rounds beside 500")
    parser.add_argument("--json", action="store_true",
                        help="all that was measured, as JSON")
    args = parser.parse_args()
    bench = Bench(args)
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        bench.set_up(stack)
        bench.run()
    progress(f"done in {time.monotonic() - begun:.0f} s")
    if args.json:
        json.dump({"one by one": bench.single, "many": bench.many,
                   "by hand, one after the other": loops(bench, args.many),
                   "floor steps": bench.floor_steps}, sys.stdout, indent=1)
        print()
        return
    for beside, result in bench.single.items():
        print_singles(beside, result)
    print_many(bench, args.many)
    print_floor(bench.floor_steps)


if __name__ == "__main__":
    try:
        main()
    except LabError as e:
        sys.exit(f"bench: {e}")

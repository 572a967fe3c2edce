# SPDX-License-Identifier: Apache-2.0
"""The host under measure in the scale benchmark: its switch, its weftd, two
endpoints of its own, and the far host that sees what comes out of a tunnel.

scale.py and scale_floor.py use it.
"""

import contextlib
import random
import re
import subprocess
import time
from pathlib import Path

from attach import Lines, progress
from lab import CommandFailed, LabError, wait_for
from scale_world import (FAR_PEERS, NETWORK, UNDERLAY, cpu_seconds,
                         insert, median, memory, quantile)

BRIDGE = "br-weft"
LEARNED, LOCATED, OUTPUT = 48, 50, 52   # Tables: MACs, addresses, peers.
PER_ENDPOINT = {LEARNED: 1, LOCATED: 2}  # Flows: MAC; IPv4 and IPv6.
LOCAL = (("here0", "10.0.0.10", "fd00:1::10"),
         ("here1", "10.0.0.11", "fd00:1::11"))
STUCK = 600                     # Seconds after which it will never be.
STILL = 60                      # Seconds without any more flows: likewise.
PEERS = 64                      # Addresses that the far host has.


class Ended(Exception):
    """weftd did.  Whoever waits for it need not wait any longer."""


class Far:
    """The host at whose address scale_vtep listens; also the router in front
    of all simulated hosts, which drops what is for them."""

    def __init__(self, host, programs):
        self.host = host
        host.run(["ip", "-batch", "-"], stdin="".join(
            f"addr add {UNDERLAY[FAR_PEERS + i]}/32 dev lo\n"
            for i in range(PEERS)))
        self.vtep = Lines(host, [programs / "scale_vtep"])
        self.ask("", "ready")

    def ask(self, line, answer, timeout=10):
        if line:
            self.vtep.send(line)
        while True:
            words = self.vtep.receive(timeout).split()
            if words[0] == answer:
                return words[1:]

    def watch(self, mac):
        self.vtep.send(f"watch {mac}")

    def first(self, mac, timeout):
        while True:
            words = self.ask("", "first", timeout)
            if words[0] == mac:
                return int(words[1])

    def close(self):
        self.vtep.close()


class Measured:
    """The host under measure; 'directory' is what its weftd is told."""

    def __init__(self, host, far, programs, directory=None):
        self.host = host
        self.far = far
        self.programs = programs
        self.directory = directory
        self.process = None
        self.probes = []
        # In force before weftd moves the address, and the route with it.
        self.host.ip("route", "add", str(UNDERLAY), "via", far.host.address)

    def close(self):
        for probe in self.probes:
            probe.close()
        if self.process:
            with contextlib.suppress(Ended, LabError, AssertionError):
                self.kill(15)

    # Its weftd, which stays in the foreground: it is timed from its exec.

    def start(self, *before):
        """Returns the time at which it was asked for, in ns."""
        usual = ["weftd", "--pidfile", "--no-chdir", "--log-file",
                 "-vconsole:off", "--datapath=netdev", "--underlay=eth0",
                 f"--name={self.host.name}"]
        if self.directory:
            usual += [f"--directory={self.directory}",
                      f"--address={self.host.address}"]
        if before:      # A tool that needs the path, and is not weftd itself.
            usual[0] = self.host.lab.build / "weftd"
        self.host.path("/run/openvswitch/weftd.pid").unlink(missing_ok=True)
        begin = time.monotonic_ns()
        self.process = self.host.popen([*before, *usual],
                                       stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
        return begin

    def check(self):
        if self.process.poll() is not None:
            raise Ended(f"weftd ended: {self.process.stderr.read()}\n"
                        + self.host.log()[-2000:])

    def pid(self):
        return wait_for(lambda: self.host.daemon_pid("weftd"), 60, "its pid")

    def kill(self, sig):
        self.check()
        self.host.kill("weftd", sig, 60)
        self.process.wait(60)
        self.process.stderr.close()
        self.process = None

    def wait_answer(self, timeout=60):
        """Until it answers on its control socket."""
        def answers():
            self.check()
            self.host.run(["ovs-appctl", "-t", "weftd", "version"])
            return True
        wait_for(answers, timeout, "weftd answers")

    # What the two daemons have used.

    def cpu(self):
        """CPU seconds of weftd and of vswitchd."""
        agent = 0
        if self.process and self.host.daemon_pid("weftd"):
            agent = cpu_seconds(self.host, self.host.daemon_pid("weftd"))
        return agent, self.switch_cpu()

    def switch_cpu(self):
        return cpu_seconds(self.host, self.host.daemon_pid("ovs-vswitchd"))

    def memory(self):
        return memory(self.host, self.host.daemon_pid("weftd"))

    def settle(self, quiet=1.0, part=0.05, timeout=STUCK):
        """Until weftd has had less than that part of a core to do for that
        long.  Returns when that began, in ns."""
        begin = since = time.monotonic_ns()
        last = self.cpu()[0]
        while time.monotonic_ns() - since < quiet * 1e9:
            time.sleep(0.05)
            now = self.cpu()[0]
            if now - last > 0.05 * part:
                since = time.monotonic_ns()
            last = now
            if time.monotonic_ns() - begin > timeout * 1e9:
                raise LabError(f"weftd is not quiet in {timeout} s")
        return since

    # Its switch.

    def tables(self):
        """Table number to flows in it; costs the switch next to nothing."""
        result = subprocess.run(
            ["ovs-ofctl", "-O", "OpenFlow15", "--no-names", "dump-tables",
             "unix:" + str(self.host.path(
                 f"/run/openvswitch/{BRIDGE}.mgmt"))],
            capture_output=True, text=True, check=False)
        if result.returncode:
            raise CommandFailed(result, self.host.name)
        counts, active = {}, 0
        for line in result.stdout.splitlines():
            if m := re.match(r"\s*tables? (\d+)(?:\.\.\.(\d+))?", line):
                first, last = int(m[1]), int(m[2] or m[1])
                if "ditto" in line:
                    counts.update(dict.fromkeys(range(first, last + 1),
                                                active))
            elif m := re.search(r"active=(\d+)", line):
                counts[first] = active = int(m[1])
        return counts

    def wait_flows(self, wanted, timeout=STILL, check=None):
        """Until the tables hold that many.  Returns for each the time, in ns,
        at which it first did.  The timeout is that of any change."""
        when, told = {}, time.monotonic()
        last, deadline = None, time.monotonic() + timeout
        while len(when) < len(wanted):
            if check:
                check()
            counts = self.tables()
            now = time.monotonic_ns()
            if counts != last:
                last, deadline = counts, time.monotonic() + timeout
            for table, n in wanted.items():
                if counts[table] >= n:
                    when.setdefault(table, now)
            if time.monotonic() > deadline:
                raise LabError(f"flows by table: {counts}, wanted {wanted}")
            if time.monotonic() - told > 5:
                told = time.monotonic()
                progress("  flows: " + ", ".join(
                    f"{counts[t]} of {n} in table {t}"
                    for t, n in wanted.items()))
            time.sleep(0.01)
        return when

    # Its endpoints.

    def attach(self):
        """Two endpoints, each with a probe in it."""
        for name, ipv4, ipv6 in LOCAL:
            self.host.netns(name)
            self.host.weft("attach", name, "--name", name, "--network",
                           NETWORK, "--ip", f"{ipv4}/12", "--ip",
                           f"{ipv6}/64")
            self.probes.append(Lines(self.host, [
                self.programs / "scale_probe", "eth0", ipv4], name))

    def seek(self, row, which=1):
        """Begins to send to an endpoint that may not be there yet."""
        self.far.watch(row["mac"])
        self.probes[which].send(f"seek {row['mac']} {row['ipv4']}")

    def found(self, row, timeout=STUCK, which=1):
        """Times at which a frame arrived and ARP was answered, in ns; with a
        file nobody answers for others, and the latter is None."""
        passed, arp = self.far.first(row["mac"], timeout), None
        if self.directory:
            arp = self.probes[which].receive(timeout).split()
            if arp[:2] != ["arp", row["ipv4"]]:
                raise LabError(f"scale_probe: {arp}")
            arp = int(arp[2])
        self.stop(which)
        return passed, arp

    def stop(self, which=1):
        """Ends it; returns frames sent and back, longest silence in ns."""
        self.probes[which].send("stop")
        while True:
            words = self.probes[which].receive(10).split()
            if words[0] == "stopped":
                return [int(w) for w in words[1:]]


class Times:
    """Named lists of ms, with median and p95."""

    def __init__(self):
        self.values = {}

    def add(self, name, ns):
        self.values.setdefault(name, []).append(ns / 1e6)

    def figures(self):
        return {name: {"median": median(v), "p95": quantile(v, 0.95),
                       "n": len(v)} for name, v in self.values.items()}


def one_more(measured, row, put):
    """One endpoint while its frames are on their way already.  'put' makes it
    known and returns when that was sent and confirmed, in ns."""
    measured.seek(row)
    # So that no timer of anybody's is met always at the same moment.
    time.sleep(0.02 + random.random() * 0.05)
    sent, replied = put(row)
    passed, arp = measured.found(row, 30)
    return sent, replied, passed, arp


def add_times(times, sent, replied, passed, arp):
    times.add("commit", replied - sent)
    times.add("packet, since sent", passed - sent)
    times.add("packet, since reply", passed - replied)
    if arp:
        times.add("ARP, since sent", arp - sent)
        times.add("ARP, since reply", arp - replied)


def insert_endpoint(db):
    def put(row):
        db.transact(insert("Endpoint", **row))
        return db.sent, db.replied
    return put


def endpoints_timed(measured, world, db, n):
    """So many one after the other, each timed until a packet passes."""
    times = Times()
    for i in range(n):
        if i % 50 == 0:
            progress(f"  one more endpoint: {i} of {n}")
        add_times(times, *one_more(measured, world.endpoint("far"),
                                   insert_endpoint(db)))
    return times.figures()


def endpoints_quiet(measured, world, db, n, idle):
    """So many, 20 ms apart, while nobody sends: what each costs, in CPU us.
    'idle' is the load of both daemons without them."""
    before, begin = measured.cpu(), time.monotonic()
    for _ in range(n):
        db.transact(insert("Endpoint", **world.endpoint("far")))
        time.sleep(0.02)
    measured.settle(0.3)
    seconds = time.monotonic() - begin
    after = measured.cpu()
    return {name: (after[i] - before[i] - idle[i] * seconds) / n * 1e6
            for i, name in enumerate(("agent CPU us", "switch CPU us"))}


def peers_timed(measured, world, db, n):
    """One more host with one endpoint: its tunnel has to be made."""
    times = Times()
    for _ in range(n):
        name, address = world.peer()

        def put(row, name=name, address=address):
            db.transact(insert("Host", name=name, address=address,
                               version="1.0"),
                        insert("Endpoint", **row))
            return db.sent, db.replied
        add_times(times, *one_more(measured, world.endpoint(name), put))
    return times.figures()


def idle_load(measured, seconds, beats=None):
    """Parts of a core that both daemons take; 'beats' is called all along and
    sleeps by itself."""
    before, begin = measured.cpu(), time.monotonic()
    while time.monotonic() - begin < seconds:
        if beats:
            beats()
        else:
            time.sleep(min(1, seconds))
    spent = time.monotonic() - begin
    return [(a - b) / spent for a, b in zip(measured.cpu(), before)]


class Heartbeats:
    """What so many hosts write: each every 30 s, and at most five a second
    of all, as agent/heartbeat.h has it."""

    def __init__(self, db, world):
        self.db = db
        self.names = [name for name, _ in world.hosts]
        self.next = 0
        self.due = time.monotonic()

    def __call__(self):
        name = self.names[self.next % len(self.names)]
        self.next += 1
        self.db.transact({
            "op": "update", "table": "Heartbeat",
            "where": [["host", "==", name]],
            "row": {"seen": int(time.time())}})
        self.due += max(30 / len(self.names), 0.2)
        time.sleep(max(0, self.due - time.monotonic()))


def streamed(measured, known, during):
    """1,000 frames a second to 'known' and back while 'during' runs: frames
    sent, lost on the way there and on either way, the longest silence; and
    what 'during' returned."""
    measured.far.ask("clear", "cleared")
    measured.probes[0].send(f"stream {known['mac']} {known['ipv4']}")
    time.sleep(1)
    result = during()
    time.sleep(1)
    sent, back, silence = measured.stop(0)
    arrived, far_silence = map(int, measured.far.ask("count", "counted"))
    return {"sent": sent, "lost there": sent - arrived,
            "lost there and back": sent - back,
            "longest silence ms": max(silence, far_silence) / 1e6}, result


def killed(measured, world, db, known):
    """SIGKILL and start while 1,000 frames a second go to 'known' and back.
    A row that came in between passes once weftd has read everything and has
    compared it with the switch."""
    def nothing():
        measured.seek(world.endpoint("far"))    # As beside the real one.
        time.sleep(3)
        measured.stop()

    def kill_and_start():
        row = world.endpoint("far")
        measured.kill(9)
        db.transact(insert("Endpoint", **row))
        measured.seek(row)
        time.sleep(1)
        begin = measured.start()
        passed, _ = measured.found(row)
        measured.check()
        cpu, quiet = measured.cpu()[0], measured.settle()
        return {"next endpoint passes s": (passed - begin) / 1e9,
                "quiet s": (quiet - begin) / 1e9, "agent CPU s": cpu}

    control, _ = streamed(measured, known, nothing)
    frames, figures = streamed(measured, known, kill_and_start)
    rss, peak = measured.memory()
    return {**frames, **figures, "RSS MB": rss, "peak MB": peak,
            "control": control}


def instructions(measured, world, db, n):
    """Of weftd for one more endpoint, by callgrind; None without it."""
    host = measured.host
    if host.run(["sh", "-c", "command -v valgrind callgrind_control"],
                check=False).returncode:
        return None
    measured.kill(15)
    begin = measured.start(
        "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
        "--callgrind-out-file=/var/log/openvswitch/callgrind.out")
    row = world.endpoint("far")
    db.transact(insert("Endpoint", **row))
    measured.seek(row)
    measured.found(row)
    progress("  under valgrind it is there after "
             f"{(time.monotonic_ns() - begin) / 1e9:.0f} s")
    measured.settle()
    pid = str(measured.pid())

    def control(*args):
        return host.run(["callgrind_control", *args, pid], timeout=120).stdout

    def counted():
        """Since the last dump."""
        control("-d")
        files = sorted(Path(host.log_dir).glob("callgrind.out.*"),
                       key=lambda p: p.stat().st_mtime)
        text = files[-1].read_text(errors="replace")
        return int(re.search(r"^(?:totals|summary):\s*(\d+)", text, re.M)[1])

    control("-i", "on")
    # The first ones find code that was not translated, data not touched yet.
    for _ in range(5):
        one_more(measured, world.endpoint("far"), insert_endpoint(db))
    counted()
    begin = time.monotonic()
    for _ in range(n):
        one_more(measured, world.endpoint("far"), insert_endpoint(db))
    seconds = time.monotonic() - begin
    total = counted()
    time.sleep(min(seconds, 10))
    idle = counted() * seconds / min(seconds, 10)
    control("-i", "off")
    return {"one more endpoint": (total - idle) / n, "idle a second":
            idle / seconds, "n": n}


def first_start(measured, world, hosts, base):
    """From exec of weftd until all flows are in; 'base' are the flows that
    were there before, 'hosts' the peers."""
    switch = measured.switch_cpu()
    begin = measured.start()
    wanted = {t: base[t] + n * world.n_endpoints
              for t, n in PER_ENDPOINT.items()}
    wanted[OUTPUT] = base[OUTPUT] + hosts
    when = measured.wait_flows(wanted, check=measured.check)
    agent = measured.cpu()[0]
    quiet = measured.settle()
    rss, peak = measured.memory()
    flows = measured.tables()
    return {"endpoints' flows s":
            (max(when[LEARNED], when[LOCATED]) - begin) / 1e9,
            "tunnels' flows s": (when[OUTPUT] - begin) / 1e9,
            "all in s": (max(when.values()) - begin) / 1e9,
            "quiet s": (quiet - begin) / 1e9,
            "flows": sum(flows.values()),
            "agent CPU s": agent, "agent CPU s, until quiet":
            measured.cpu()[0],
            "switch CPU s": measured.switch_cpu() - switch,
            "RSS MB": rss, "peak MB": peak}

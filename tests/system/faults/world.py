# SPDX-License-Identifier: Apache-2.0
"""Three hosts with two networks of the same addresses, traffic that never
ends, and a checker that tells all that differs from what it was.

    hosta       hostb       hostc       blue (VNI 100, with a way out)
    blue1 blue2 blue1 blue2 blue1 blue2     10.1.H.N/16, fd00:1::H:N/64
    red1  red2  red1  red2  red1  red2  red (VNI 200): the same addresses

Between them go pings, a hundred a second, and one TCP connection; beside
them live a bridge, a port, flows, a group and rules that are not Weft's.
"""

import contextlib
import json
import re
import select
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from host import PATIENCE, wait_for
from lab import Lab
from scene import LEARNED, OURS
from traffic import Endpoint

SOON = 5                        # Seconds in which all is well again.
REROUTED = 10                   # Pings, while vswitchd reads its routes again.
OUT4 = "203.0.113.10"
PORT = 4242                     # UDP, of the matrix of who hears whom.
STREAM_PORT = 4243
PUBLISHED = 8080
NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
external = nat
[network red]
vni = 200
subnet = 10.1.0.0/16
subnet = fd00:1::/64
"""
FOREIGN_FLOW = ("cookie=0xf00,table=200,priority=7,ip,nw_dst=192.0.2.1,"
                "actions=drop")
FOREIGN_GROUP = "group_id=7,type=all,bucket=bucket_id:1,actions=in_port"
FOREIGN_RULES = """\
table inet theirs {
    chain input {
        type filter hook input priority 10; policy accept;
        ip saddr 192.0.2.1 drop
    }
}
"""
CONFIGURATION = {
    "Bridge": ["_uuid", "name", "external_ids", "ports", "fail_mode",
               "other_config", "datapath_type", "controller"],
    "Port": ["_uuid", "name", "external_ids", "tag", "interfaces"],
    "Interface": ["_uuid", "name", "external_ids", "type", "options"],
}
# Of the row in whose place another may come with the same meaning.
OF_THE_MOMENT = ("weft-settings", "weft-peer-id")


class World:
    def __init__(self, build, **options):
        self.lab = Lab(3, build=build, networks=NETWORKS, outside=True,
                       **options)
        self.hosts = self.lab.hosts
        self.a, self.b, self.c = self.hosts
        self.ends = {}              # "hosta/blue1" to Member.
        self._stack = contextlib.ExitStack()

    def populate(self):
        """Endpoints, traffic, and what the checker compares with."""
        try:
            self._populate()
        except BaseException:
            self._stack.close()
            raise

    def _populate(self):
        for number, host in enumerate(self.hosts, 1):
            for network in ("blue", "red"):
                for n in (1, 2):
                    member = Member(host, network, number, n)
                    self.ends[str(member)] = member
        self.a.weft("publish", f"{PUBLISHED}:blue1:80")
        make_foreign(self.a)
        self.lab.wait_healthy()
        wait_for(lambda: not self.unheard(), SOON, "all hear each other")
        self.pingers = {way: self._stack.enter_context(self._pinger(*way))
                        for way in self._ways()}
        self.stream = self._stack.enter_context(
            Stream(self.ends["hosta/blue2"], self.ends["hostb/blue2"]))
        self.note()

    def close(self, failed=False):
        try:
            self._stack.close()
            for member in self.ends.values():
                member.close()
        finally:
            self.lab.close(failed)
            if self.lab.kept:
                print(f"lab {self.lab.name}: logs in {self.lab.kept}")

    def __getitem__(self, name):
        """An endpoint: world["hosta/blue1"]."""
        return self.ends[name]

    # What is compared.

    def note(self):
        """What is now is how it is to be after each fault."""
        self.wanted = self._models()
        self.foreign = foreign(self.a)
        self.resources = {host: resources(host) for host in self.hosts}

    def check(self, timeout=SOON):
        """Within that time all is as it was noted.  The clock starts when
        this is called, the moment the fault has ended."""
        deadline = time.monotonic() + timeout * PATIENCE

        def left():
            return max(deadline - time.monotonic(), 0.1) / PATIENCE

        wait_for(self._same, left(), "all is as it was")
        wait_for(self._all_hear, left(), "who hears whom")
        for host in self.hosts:
            host.wait_healthy(left())
        assert foreign(self.a) == self.foreign
        self.stream.moves(timeout)
        for pinger in self.pingers.values():
            pinger.wait_answer()
        self._check_resources()

    def _models(self):
        with ThreadPoolExecutor() as threads:
            return dict(zip(self.hosts, threads.map(model, self.hosts)))

    def _same(self):
        for host, now in self._models().items():
            for part, wanted in self.wanted[host].items():
                lacks = [x for x in wanted if x not in now[part]]
                extra = [x for x in now[part] if x not in wanted]
                assert not lacks and not extra, (
                    f"{part} of {host.name}: lacks {lacks}, "
                    f"too many {extra}")
        return True

    def _all_hear(self):
        unheard = self.unheard()
        assert not unheard, (unheard, self._neighbours(unheard))
        return True

    def _neighbours(self, unheard):
        """What those who were not heard know of their neighbours."""
        speakers = [self.ends[name] for name in
                    sorted({word.partition(">")[0] for word in unheard})]
        return {str(m): m.host.ip("neigh", netns=m.name).splitlines()
                for m in speakers}

    def unheard(self):
        """Every endpoint says something to every address of its network; who
        should have heard it and did not: a list of words.

        Raises at once if somebody hears what is not for him: the addresses
        are the same in both networks.
        """
        members = list(self.ends.values())
        for member in members:
            member.drain()
        wanted = {member: set() for member in members}
        for source in members:
            for target in members:
                if source.network == target.network and source != target:
                    for version in (4, 6):
                        said = f"{source}>{target}/{version}"
                        source.say(target, version, said)
                        wanted[target].add(said)
        heard = hear({member: list(member.sockets.values())
                      for member in members}, wanted)
        for member in members:
            # What is older than this round has its own round's words.
            strange = {w for w in heard[member]
                       if f">{member}/" not in w}
            if strange:
                raise RuntimeError(f"{member} hears {sorted(strange)}")
        return sorted(word for member in members
                      for word in wanted[member] - heard[member])

    def _check_resources(self):
        for host in self.hosts:
            wait_for(lambda host=host: flat(host, self.resources[host]), SOON,
                     "memory and descriptors are flat")

    # Traffic.

    def _ways(self):
        """From, to, version: near and far, both networks, both families, and
        out."""
        return [("hosta/blue1", "hostb/blue1", 4),
                ("hostb/blue1", "hostc/blue2", 6),
                ("hosta/blue1", "hosta/blue2", 4),
                ("hosta/red1", "hostc/red1", 4),
                ("hostc/red2", "hosta/red2", 6),
                ("hosta/blue1", None, 4)]

    def _pinger(self, source, target, version):
        address = self.ends[target].address(version) if target else OUT4
        return self.ends[source].endpoint.pinger(address, timeout=10)

    def restart_pingers(self):
        """Where a namespace went, its pinger went."""
        for pinger in self.pingers.values():
            pinger.__exit__(RuntimeError, None, None)
            pinger.__enter__()

    @contextlib.contextmanager
    def resting(self, host):
        """The pingers and the TCP connection, which do not outlive a reboot
        of the host, are at rest."""
        for pinger in self.pingers.values():
            pinger.__exit__(RuntimeError, None, None)
        self.stream.__exit__(None, None, None)
        yield
        self.lab.wait_healthy(SOON)
        self.lab.settle()
        self.stream.__enter__()
        for pinger in self.pingers.values():
            pinger.__enter__()

    @contextlib.contextmanager
    def lossless(self, count=20, ways=None, links=None):
        """No ping of all ways, or of some, is lost or comes twice, from now to
        'count' answers after the end of the `with`.

        'links': a host whose links come and go meanwhile.  At each the
        userspace datapath forgets the routes of its tunnels for a moment, so
        what goes through those of that host may be interrupted: see REROUTED.
        """
        self.lab.settle()
        pingers = {way: p for way, p in self.pingers.items()
                   if ways is None or way in ways}
        for pinger in pingers.values():
            pinger.wait_answer()
        marks = {way: p.mark() for way, p in pingers.items()}
        yield pingers
        for pinger in pingers.values():
            pinger.wait_answer(count)
        lost = {way: p.lost_since(marks[way]) for way, p in pingers.items()}
        for way, numbers in lost.items():
            if (links and tunnelled(way, links)
                    and longest_run(numbers) <= REROUTED
                    and len(numbers) <= 2 * REROUTED):
                lost[way] = []
        assert not any(lost.values()), lost
        twice = {way: p.duplicates_since(marks[way])
                 for way, p in pingers.items()}
        assert not any(twice.values()), twice

    @contextlib.contextmanager
    def extra(self, host, name="extra", network="blue"):
        """One more endpoint, for a fault that it does not survive."""
        endpoint = Endpoint(host, name, network)
        try:
            yield endpoint
        finally:
            host.weft("detach", name, check=False)
            host.ip("netns", "del", name, check=False)


def longest_run(numbers):
    """Of sequence numbers, in order, of which each is the next."""
    longest = run = 0
    before = None
    for n in numbers:
        run = run + 1 if n - 1 == before else 1
        longest = max(longest, run)
        before = n
    return longest


def tunnelled(way, host):
    """Does it lead through a tunnel of that host?"""
    source, target, _ = way
    return target and (source.startswith(f"{host.name}/")
                       != target.startswith(f"{host.name}/"))


class Member:
    """An endpoint of the world, and a socket of each family in it."""

    def __init__(self, host, network, number, n):
        self.host = host
        self.network = network
        self.number, self.n = number, n
        self.name = f"{network}{n}"
        self.attach()

    def attach(self, make=True):
        """Also once more, after its namespace went."""
        self.close()
        self.endpoint = Endpoint(
            self.host, self.name, self.network,
            "--ip", f"{self.address(4)}/16", "--ip", f"{self.address(6)}/64",
            make=make)
        self.sockets = {}
        for version, family, any_address in (
                (4, socket.AF_INET, "0.0.0.0"), (6, socket.AF_INET6, "::")):
            s = self.endpoint.open_socket(family, socket.SOCK_DGRAM)
            if version == 6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((any_address, PORT))
            s.setblocking(False)
            self.sockets[version] = s

    def close(self):
        for s in getattr(self, "sockets", {}).values():
            s.close()

    def address(self, version):
        return (f"10.1.{self.number}.{self.n}" if version == 4
                else f"fd00:1::{self.number}:{self.n}")

    def say(self, target, version, text):
        with contextlib.suppress(OSError):      # No route: it is not heard.
            self.sockets[version].sendto(text.encode(),
                                         (target.address(version), PORT))

    def drain(self):
        """All that has come."""
        return drain(self.sockets.values())

    def __str__(self):
        return f"{self.host.name}/{self.name}"


class Stream:
    """One TCP connection on which a known sequence flows, 100 kB/s."""

    CHUNK = 1000                    # Bytes, a hundred times a second.

    def __init__(self, sender, receiver):
        self._sender, self._receiver = sender, receiver
        self._stop = threading.Event()
        self.received = 0
        self.error = None

    def __enter__(self):
        self._stop.clear()
        self.received = 0
        with self._receiver.endpoint.listen(STREAM_PORT) as server:
            server.settimeout(SOON)
            self._out = self._sender.endpoint.connect(
                self._receiver.address(4), STREAM_PORT)
            self._in, _ = server.accept()
        self._out.settimeout(1)
        self._in.settimeout(1)
        self._threads = [threading.Thread(target=self._guard, args=(run,))
                         for run in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._out.close()
        self._in.close()

    def moves(self, timeout):
        """Until more has arrived, if it takes that long after the fault and
        the kernel's next retransmission, for which it may wait longer than
        the fault was: the RTT of what had queued meanwhile counts, too."""
        before = self.received
        timeout += self._retransmission_timeout()

        def moved():
            assert not self.error, self.error
            return self.received > before + 2 * self.CHUNK
        wait_for(moved, timeout, "the TCP connection moves")

    def _retransmission_timeout(self):
        """Seconds, backed off as it is now: tcpi_rto of struct tcp_info, see
        tcp(7), after eight octets."""
        info = self._out.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 12)
        return struct.unpack_from("=I", info, 8)[0] / 1e6

    def _guard(self, run):
        try:
            run()
        except Exception as e:      # For moves() to tell.
            self.error = f"TCP: {e!r}"

    @staticmethod
    def _bytes(start, count):
        return bytes(i % 251 for i in range(start, start + count))

    def _send(self):
        sent = 0
        while not self._stop.wait(0.01):
            with contextlib.suppress(TimeoutError):
                sent += self._out.send(self._bytes(sent, self.CHUNK))

    def _receive(self):
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                data = self._in.recv(65536)
                if not data:
                    raise ConnectionError("the other side closed it")
                if data != self._bytes(self.received, len(data)):
                    raise ValueError(f"wrong bytes after {self.received}")
                self.received += len(data)


# --- what the checker looks at ----------------------------------------------

def model(host):
    """Part to a sorted list of words, with names in place of the numbers that
    may change when a part is made again."""
    rows = interface_rows(host)
    return {
        "flows": flows_by_name(host, rows),
        "groups": groups_by_name(host),
        "meters": meters_by_name(host, rows),
        "rows": sorted(f"{r['name']} {r['type']} {r['options']} "
                       f"{r['external_ids']} up" for r in rows
                       if r["ours"] and r["ofport"] > 0),
        "ports": sorted(host.ovs_vsctl("list-ports", "br-weft").split()),
        "bridge": host.ovs_vsctl(
            "--columns=name,fail_mode,protocols,datapath_type,controller,"
            "external_ids", "list", "Bridge", "br-weft").split("\n"),
        "links": links(host),
        "rules": rules(host),
        "inside": [f"{e['name']} {line}"
                   for e in sorted(host.weft_json("endpoint", "list"),
                                   key=lambda e: e["name"])
                   for line in inside(host, e)],
    }


def interface_rows(host):
    data = json.loads(host.ovs_vsctl(
        "-f", "json", "--columns=name,type,ofport,options,external_ids",
        "list", "Interface"))
    rows = []
    for values in data["data"]:
        row = dict(zip(data["headings"], values))
        for key in ("options", "external_ids"):
            row[key] = {k: v for k, v in row[key][1]
                        if k not in OF_THE_MOMENT}
        row["ours"] = "weft-bridge" in row["external_ids"]
        if not isinstance(row["ofport"], int):
            row["ofport"] = 0
        rows.append(row)
    return rows


def flows_by_name(host, rows):
    ports = {r["ofport"]: r["name"] for r in rows if r["ours"]}
    flows = [f for f in host.flows() if f.startswith(OURS)
             and not f.startswith(LEARNED)]
    peers = {}                      # Id, as in registers, to tunnel port.
    for flow in flows:
        match = re.search(r'table=classify.*in_port="?(vx-[^",]+)"?,'
                          r".*set_field:(0x[0-9a-f]+)->reg1", flow)
        if match:
            peers[int(match[2], 16)] = match[1]

    def cookie(match):
        category, number = match[1], int(match[2], 16)
        names = {"03": peers, "05": peers, "04": ports}.get(category, {})
        return f"cookie={category}:{names.get(number, number)}"

    def peer(match):
        number = int(match[2], 16)
        return f"{match[1]}{peers.get(number, number)}{match[3]}"

    def rewrite(flow):
        flow = re.sub(r"cookie=0x574600(..)([0-9a-f]{8})", cookie, flow)
        flow = re.sub(r"(set_field:)(0x[0-9a-f]+)(->reg[12]\b)", peer, flow)
        flow = re.sub(r"(\breg[12]=)(0x[0-9a-f]+)()", peer, flow)
        return re.sub(r"meter:(\d+)", lambda m: "meter:"
                      + ports.get(int(m[1]), m[1]), flow)
    return sorted(map(rewrite, flows))


def groups_by_name(host):
    text = host.ovs_ofctl("--names", "dump-groups", "br-weft")
    groups = re.findall(r"group_id=(\d+),(.*)", text)
    return sorted(" ".join([number] + sorted(
                      re.sub(r"bucket_id:\d+,", "", rest).split(",bucket=")))
                  for number, rest in groups
                  if int(number) >> 24 in (0x57, 0x58))


def meters_by_name(host, rows):
    ports = {r["ofport"]: r["name"] for r in rows if r["ours"]}
    text = host.ovs_ofctl("dump-meters", "br-weft")
    return sorted(f"{ports.get(int(number), number)} {band}"
                  for number, band in re.findall(
                      r"meter=(\d+) .*\n(type=.*)", text))


def links(host):
    """Those of ours, with what they are."""
    found = []
    for link in json.loads(host.ip("-j", "-d", "addr", "show")):
        name = link["ifname"]
        if name[:3] in ("wf-", "wh-", "wx-") or name == "br-phy":
            addresses = sorted(f"{a['local']}/{a['prefixlen']}"
                               for a in link["addr_info"]
                               if a["scope"] == "global")
            up = "UP" in link["flags"]
            found.append(f"{name} mtu {link['mtu']} up {up} {addresses}")
    return sorted(found)


def rules(host):
    """Whichever table was made first."""
    tables = re.split("(?m)^(?=table )", host.sh("nft -s list ruleset"))
    return [line for table in sorted(tables) for line in table.splitlines()]


def inside(host, endpoint):
    """What there is of it in its namespace."""
    netns = endpoint["netns"].rpartition("/")[2]
    found = []
    for link in json.loads(host.ip("-j", "addr", "show", netns=netns)):
        if link["ifname"] != "lo":
            found.append(
                f"{link['ifname']} {link['address']} mtu {link['mtu']} "
                f"up {'UP' in link['flags']} " + " ".join(sorted(
                    f"{a['local']}/{a['prefixlen']}"
                    for a in link["addr_info"])))
    for family in ("-4", "-6"):
        found += sorted(line.strip() for line in
                        host.ip(family, "route", netns=netns).splitlines()
                        if "proto 87" in line)
    return found


def resources(host):
    """Of its weftd: open descriptors, and resident kB (0 under a sanitizer,
    which keeps what was freed)."""
    proc = host.path(f"/proc/{host.daemon_pid('weftd')}")
    status = (proc / "status").read_text()
    asan = "libasan" in (proc / "maps").read_text()
    return {"fds": len(list((proc / "fd").iterdir())),
            "kb": 0 if asan else int(re.search(r"VmRSS:\s+(\d+)",
                                               status)[1])}


def flat(host, before):
    """Its descriptors and memory are what resources() said that they were."""
    now = resources(host)
    assert now["fds"] <= before["fds"], (
        f"{host.name}: {now['fds']} descriptors, were {before['fds']}")
    if before["kb"] and now["kb"]:
        assert now["kb"] <= before["kb"] + 8192, (
            f"{host.name}: {now['kb']} kB, were {before['kb']}")
    return True


def drain(sockets):
    """All that has come to them."""
    heard = set()
    for s in sockets:
        with contextlib.suppress(OSError):
            while True:
                heard.add(s.recv(2048).decode())
    return heard


def hear(sockets, wanted):
    """Key to what comes to its sockets within a second, or until all of
    'wanted' has come and it is silent."""
    heard = {key: set() for key in sockets}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ready, _, _ = select.select(sum(sockets.values(), []), [], [], 0.05)
        if not ready and heard == wanted:
            break
        for key, own in sockets.items():
            heard[key] |= drain(own)
    return heard


# --- what is not Weft's ----------------------------------------------------

def make_foreign(host):
    host.ovs_vsctl("add-br", "theirs", "--", "set", "Bridge", "theirs",
                   "datapath_type=netdev", "fail_mode=secure",
                   "external_ids:owner=them", "--",
                   "add-port", "theirs", "theirs0", "--", "set", "Interface",
                   "theirs0", "type=internal")
    make_theirs1(host)
    host.run(["nft", "-f", "-"], stdin=FOREIGN_RULES)
    host.ip("link", "add", "theirs2", "type", "veth", "peer", "name",
            "theirs3")
    make_foreign_flows(host)


def make_theirs1(host):
    """On our bridge, with which it goes."""
    host.ovs_vsctl("add-port", "br-weft", "theirs1", "--", "set", "Interface",
                   "theirs1", "type=internal", "external_ids:owner=them")


def make_foreign_flows(host):
    """Which whoever deletes all flows, or kills vswitchd, deletes as well."""
    host.ovs_ofctl("add-flow", "theirs", FOREIGN_FLOW)
    host.ovs_ofctl("--may-create", "mod-group", "br-weft", FOREIGN_GROUP)
    host.ovs_ofctl("add-flow", "br-weft", FOREIGN_FLOW)


def foreign(host):
    """All that is not Weft's, as text."""
    found = [f for f in host.flows() if not f.startswith(OURS)]
    found += host.flows("theirs")
    found += [line for line in host.ovs_ofctl("dump-groups", "br-weft")
              .splitlines() if "group_id=7," in line]
    for table, columns in CONFIGURATION.items():
        data = json.loads(host.ovs_vsctl(
            "-f", "json", f"--columns={','.join(columns)}", "list", table))
        name = data["headings"].index("name")
        found += sorted(json.dumps(row) for row in data["data"]
                        if row[name].startswith("theirs"))
    found += host.sh("nft list table inet theirs").splitlines()
    found += [line for line in host.ip("-o", "link").splitlines()
              if "theirs2" in line]
    return "\n".join(found)

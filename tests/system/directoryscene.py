# SPDX-License-Identifier: Apache-2.0
"""What the tests of a broken shared directory have in common: hosts with an
endpoint each, and traffic between all of them that is to lose nothing."""

import contextlib
import itertools

from host import wait_for
from traffic import Endpoint
from weftlib import forget_packets

BLUE, GREEN = 100, 200
DOWN = "no connection to the directory"
NETWORKS = f"""\
[network blue]
vni = {BLUE}
subnet = 10.1.0.0/16
subnet = fd00:1::/64
[network green]
vni = {GREEN}
subnet = 10.2.0.0/16
"""


class Scene:
    """A lab with a directory, and on each of its hosts an endpoint of network
    blue: self.ends."""

    def __init__(self, lab):
        self.lab = lab
        self.directory = lab.directory
        self.hosts = lab.hosts
        lab.wait_healthy(20)        # An attach waits 2 s for the networks.
        self.ends = [Endpoint(host, f"old{host.name[-1]}")
                     for host in lab.hosts]
        self.settled()

    def settled(self, timeout=20):
        """Until all hosts are well, and all of theirs is published."""
        self.lab.wait_healthy(timeout)
        for end in self.ends:
            published(end)
        self.lab.settle()

    @contextlib.contextmanager
    def mended(self):
        """For a fixture: each test finds all well, and leaves it so."""
        self.settled(30)
        yield
        self.directory.resume()
        self.directory.start()
        if not self.directory.rows("Network"):
            self.directory.load(NETWORKS)
        for host in self.hosts:
            if not host.is_running("weftd"):
                host.start_weftd()
            extra = [e["name"] for e in host.weft_json("endpoint", "list")
                     if not e["name"].startswith("old")]
            if extra:               # The test has failed.
                host.weft("detach", *extra)

    @contextlib.contextmanager
    def undisturbed(self, ends=None):
        """Between all pairs of 'ends', each way, no ping of a hundred a second
        is lost."""
        pairs = list(itertools.permutations(ends or self.ends, 2))
        with contextlib.ExitStack() as stack:
            pingers = {f"{a} to {b}": stack.enter_context(a.pinger(b.ip4))
                       for a, b in pairs}
            yield
            for pinger in pingers.values():
                pinger.wait_answer(50)
        lost = {way: p.lost for way, p in pingers.items() if p.lost}
        assert not lost, lost

    @contextlib.contextmanager
    def attached(self, host, *names, network="blue", args=()):
        """Endpoints, for a while."""
        made = []
        try:
            for name in names:
                made.append(Endpoint(host, name, network, *args))
            host.settle()
            yield made
        finally:
            for endpoint in made:
                host.weft("detach", endpoint.name)
                host.ip("netns", "del", endpoint.netns)

    def owners(self, endpoint):
        """Which hosts have published it."""
        return [row["host"] for row in self.directory.rows(
                    "Endpoint", "host", where=[["name", "==", endpoint.name]])]

    def say(self, text, hosts=None, timeout=10):
        """Until `weft status` of all 'hosts' says that."""
        def says(host):
            assert text in said(host), said(host)
            return True
        for host in hosts or self.hosts:
            wait_for(lambda host=host: says(host), timeout,
                     f"{host.name} says \"{text}\"")


@contextlib.contextmanager
def attached_apart(scene, name):
    """An endpoint that is attached to the first host while the directory does
    not answer: it is up and reaches its neighbour; the others do not know of
    it before the end of the `with`, but then.

    Traffic of other hosts goes on.  A link that comes or goes makes the switch
    drop a packet now and then: a property of its userspace datapath.
    """
    near, far, _ = scene.ends
    with scene.undisturbed(scene.ends[1:]):
        made = Endpoint(near.host, name)
    wait_for(lambda: made.pings(near))
    assert_unpublished(made)
    assert not knows(far.host, made.mac)
    near.host.settle()
    try:
        yield
        published(made, 20)
        wait_for(lambda: knows(far.host, made.mac), 10)
        forget_packets(far.host)
        wait_for(lambda: far.pings(made))
    finally:
        near.host.weft("detach", made.name)
        near.host.ip("netns", "del", made.netns)


def said(host):
    return "\n".join(host.status()["problems"])


def insert(table, **row):
    return {"op": "insert", "table": table, "row": row}


def delete(table, column=None, value=None):
    where = [[column, "==", value]] if column else []
    return {"op": "delete", "table": table, "where": where}


def update(table, column, value, **row):
    return {"op": "update", "table": table,
            "where": [[column, "==", value]], "row": row}


def host_rows(name, number, endpoints=1, seen=0):
    """A host that is there only in the directory, and its endpoints in network
    blue."""
    return [
        insert("Host", name=name, address=f"192.168.50.{number}", version=""),
        insert("Heartbeat", host=name, seen=seen),
        *(insert("Endpoint", network=BLUE, part=0, name=f"{name}-{i}",
                 mac=ghost_mac(number, i), host=name,
                 ipv4=f"10.1.{number}.{i}", ipv6=f"fd00:1::{number}:{i}")
          for i in range(1, endpoints + 1))]


def host_gone(*names):
    return [delete(table, column, name) for name in names
            for table, column in (("Endpoint", "host"), ("Heartbeat", "host"),
                                  ("Host", "name"))]


def published(endpoint, timeout=15):
    def is_published():
        row = endpoint.row()
        assert row["published"], row
        return True
    wait_for(is_published, timeout, f"{endpoint} is published")


def assert_unpublished(endpoint):
    """It is up, and it is said that it is not yet published."""
    row = endpoint.row()
    assert row["state"] == "up" and not row["published"], row
    assert row["reason"].startswith("not yet published"), row
    assert "not yet published" in said(endpoint.host)


def peers(host):
    """Name to row, of `weft peer list`."""
    return {row["name"]: row for row in host.weft_json("peer", "list")}


def knows(host, mac):
    """Has the switch of the host a flow that leads to another host's MAC?"""
    return any("table=learned," in flow and f"dl_dst={mac} " in flow
               for flow in host.flows())


def ghost_mac(number, i=1):
    return f"0a:00:00:00:{number:02x}:{i:02x}"

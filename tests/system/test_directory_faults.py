# SPDX-License-Identifier: Apache-2.0
"""The one server of the shared directory goes away, freezes, loses what it
had: no packet of existing workloads is lost, and what was attached meanwhile
is published when it is back."""

import contextlib
import time

import pytest

from directory import SCHEMA
from faults import (NETWORKS, Scene, assert_unpublished, delete, ghost_mac,
                    host_gone, host_rows, knows, peers, published, said)
from host import wait_for
from scene import shared_lab
from traffic import Endpoint
from weftlib import forget_packets, refused, settle

ALL = ("Network", "Router", "Host", "Heartbeat", "Endpoint", "Claim")
DOWN = "no connection to the directory"
WAITED_FOR = 11                 # After that, a host whose row has gone goes.


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request, 3, directory="tcp", networks=NETWORKS) as lab:
        yield Scene(lab)


@pytest.fixture(autouse=True)
def _mended(scene):
    """Each test finds all well, and leaves it so."""
    scene.settled()
    yield
    scene.directory.resume()
    scene.directory.start()
    if not scene.directory.rows("Network"):
        scene.directory.load(NETWORKS)
    for host in scene.hosts:
        if not host.is_running("weftd"):
            host.start_weftd()
        extra = [e["name"] for e in host.weft_json("endpoint", "list")
                 if not e["name"].startswith("old")]
        if extra:                   # The test has failed.
            host.weft("detach", *extra)


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
    assert made.pings(near)
    assert_unpublished(made)
    assert not knows(far.host, made.mac)
    settle(near.host)
    try:
        yield
        published(made, 20)
        wait_for(lambda: knows(far.host, made.mac), 3)
        forget_packets(far.host)
        assert far.pings(made)
    finally:
        near.host.weft("detach", made.name)
        near.host.ip("netns", "del", made.netns)


@pytest.mark.parametrize("end", ("kill", "stop"))
def test_down_and_back(scene, end):
    with scene.undisturbed():
        getattr(scene.directory, end)()
        scene.say(DOWN)
    with attached_apart(scene, f"new-{end}"), scene.undisturbed():
        scene.directory.start()
        scene.settled()


def test_frozen(scene):
    scene.directory.pause()
    with attached_apart(scene, "frozen"), scene.undisturbed():
        scene.say(DOWN, timeout=20)             # Its probes are not answered.
        scene.directory.resume()
        scene.settled()


@pytest.mark.parametrize("end", ("kill_weftd", "stop_weftd"))
def test_weftd_restarted(scene, end):
    with scene.undisturbed():
        for host in scene.hosts:
            getattr(host, end)()
            host.start_weftd()
        scene.settled()


def test_weftd_started_while_it_is_down(scene):
    host = scene.hosts[0]
    before = host.flows()
    with scene.undisturbed():
        scene.directory.kill()
        host.kill_weftd()
        host.start_weftd()
        scene.say(DOWN, [host])
        assert host.flows() == before
        names = [e["name"] for e in host.weft_json("endpoint", "list")]
        assert names == ["olda"]
        host.netns("early")
        assert "the directory does not answer" in refused(
            host, "attach", "early", "--network", "blue")
        host.ip("netns", "del", "early")
        scene.directory.start()
        scene.settled()
        assert host.flows() == before


def test_all_weftd_started_while_it_is_down(scene):
    with scene.undisturbed():
        scene.directory.kill()
        for host in scene.hosts:
            host.kill_weftd()
            host.start_weftd()
        scene.say(DOWN)
        scene.directory.start()
        scene.settled()


def test_network_that_the_host_is_not_on_yet(scene):
    a, b, _ = scene.hosts
    with scene.attached(b, "far", network="green") as (far,):
        scene.directory.stop()
        scene.say(DOWN)
        with scene.attached(a, "one", "two", network="green") as (one, two):
            assert_unpublished(one)
            assert one.pings(two.ip4) and not one.pings(far.ip4)
            with scene.undisturbed():
                scene.directory.start()
                published(one)
                published(two)
            wait_for(lambda: knows(a, far.mac) and knows(b, one.mac))
            forget_packets(a)
            forget_packets(b)
            assert one.pings(far.ip4, 2)
    scene.settled()


def test_one_address_on_two_hosts(scene):
    """Attached while nobody could say that it is taken."""
    a, b, _ = scene.hosts
    fixed = ("--ip", "10.1.200.1/16", "--mac", "0a:00:00:00:00:01")
    scene.directory.kill()
    scene.say(DOWN)
    with scene.attached(a, "twina", args=fixed) as (one,), \
            scene.attached(b, "twinb", args=fixed) as (other,):
        assert_unpublished(one)
        assert_unpublished(other)

        def decided():
            rows = [e.row() for e in (one, other)]
            assert sorted(r["published"] for r in rows) == [False, True], rows
            assert sorted(r["state"] for r in rows) == ["down", "up"], rows
            return True
        with scene.undisturbed():
            scene.directory.start()
            wait_for(decided, 15)
        winner, loser = ((one, other) if one.row()["published"]
                         else (other, one))
        assert scene.owners(winner) == [winner.host.name]
        assert scene.owners(loser) == []
        reason = wait_for(
            lambda: winner.host.name in loser.row()["reason"]
            and loser.row()["reason"], 10)
        assert f"endpoint {winner.name}" in reason and "--move" in reason
        ports = f'in_port="{loser.port}"', f'output:"{loser.port}"'
        assert not [f for f in loser.host.flows()
                    if any(p in f for p in ports)]
        assert f"{loser.name}: " in "\n".join(
            r["text"] for r in loser.host.status()["reports"])
        for end in scene.ends:
            if end.host is not winner.host:
                forget_packets(end.host)
                assert end.pings(winner)
        # Who lost it has it when the other lets go.
        winner.host.weft("detach", winner.name)
        published(loser)
        assert loser.row()["state"] == "up"


def test_a_hundred_attached_while_it_is_down(scene):
    a, b, _ = scene.hosts
    names = [f"many{i}" for i in range(100)]
    a.weft("netns", "add", *names)
    try:
        scene.directory.kill()
        scene.say(DOWN)
        a.weft("attach", "--file", "-", stdin="".join(
            f"{name} --network blue\n" for name in names), timeout=60)
        assert "100 endpoints of this host are not yet published" in said(a)
        settle(a)
        with scene.undisturbed():
            scene.directory.start()
            scene.settled(30)
        rows = scene.directory.rows("Endpoint", "name", "host")
        assert {r["name"] for r in rows if r["host"] == "hosta"} \
            == {"olda", *names}
        ips = [e["ip"][0].split("/")[0]
               for e in a.weft_json("endpoint", "list")
               if e["name"] in ("many0", "many99")]
        forget_packets(b)
        assert len(ips) == 2
        for ip in ips:
            assert scene.ends[1].pings(ip)
    finally:
        a.weft("netns", "del", *names, timeout=60)
    wait_for(lambda: len(scene.directory.rows("Endpoint", "name")) == 3, 10)


# What was in it has gone.

def test_emptied(scene):
    with scene.undisturbed():
        scene.directory.transact(*map(delete, ALL))
        scene.say("network blue, which endpoints of this host are on, is gone")
        scene.say("weft directory accept")
        wait_for(lambda: len(scene.directory.rows("Host")) == 3)
        time.sleep(WAITED_FOR)
    with attached_apart(scene, "emptied"), scene.undisturbed():
        scene.directory.load(NETWORKS)
        scene.settled()
        assert len(scene.directory.rows("Endpoint")) == 4


def test_hosts_and_endpoints_deleted(scene):
    """All put theirs back."""
    with scene.undisturbed():
        scene.directory.transact(delete("Host"), delete("Heartbeat"),
                                 delete("Endpoint"))
        wait_for(lambda: len(scene.directory.rows("Endpoint")) == 3, 2)
        wait_for(lambda: len(scene.directory.rows("Host")) == 3, 2)
        time.sleep(WAITED_FOR)
        scene.settled()


def test_emptied_while_one_weftd_does_not_run(scene):
    """It cannot put its rows back: they are held, although they are few."""
    a, b, c = scene.hosts
    with scene.undisturbed():
        c.kill_weftd()
        scene.directory.transact(delete("Host"), delete("Heartbeat"),
                                 delete("Endpoint"))
        scene.say("held in force: 1 peers and 1 endpoints", [a, b])
        time.sleep(WAITED_FOR)
        assert {"hosta", "hostb", "hostc"} == set(peers(a))
        c.start_weftd()
        scene.settled()


def test_own_endpoints_deleted(scene):
    a = scene.ends[0]
    with scene.undisturbed(scene.ends[1:]), \
            scene.ends[1].pinger(a.ip4) as pinger:
        old, = scene.directory.rows("Endpoint", "_uuid",
                                    where=[["name", "==", a.name]])
        scene.directory.transact(delete("Endpoint", "host", a.host.name))

        def put_back():
            rows = scene.directory.rows("Endpoint", "_uuid",
                                        where=[["name", "==", a.name]])
            return len(rows) == 1 and rows != [old]
        wait_for(put_back, 1)
        pinger.wait_answer(100)
    assert pinger.longest_gap < 0.5
    assert a.row()["published"]


def test_network_deleted(scene):
    """Held back where it is in use, until somebody says that it is meant."""
    a, b, _ = scene.hosts
    with scene.undisturbed():
        scene.directory.transact(delete("Network", "name", "green"))
        wait_for(lambda: len(a.weft_json("network", "list")) == 1)
        scene.settled()
        scene.directory.transact(delete("Network", "name", "blue"))
        scene.say("network blue, which endpoints of this host are on, is gone")
        time.sleep(1)
        assert all(e.row()["state"] == "up" for e in scene.ends)
    a.weft("directory", "accept")
    wait_for(lambda: scene.ends[0].row()["state"] == "down")
    assert scene.ends[0].row()["reason"] == "its network is not listed"
    assert not scene.ends[0].pings(scene.ends[1].ip4)
    with scene.undisturbed(scene.ends[1:]):
        scene.directory.load(NETWORKS)
        scene.settled()
    forget_packets(b)
    assert scene.ends[0].pings(scene.ends[1])
    assert "nothing is held back" in refused(a, "directory", "accept")


def test_more_than_half_of_the_hosts_gone_at_once(scene):
    a = scene.hosts[0]
    ghosts = [f"ghost{i}" for i in range(4)]
    make = [op for i, name in enumerate(ghosts)
            for op in host_rows(name, 201 + i)]
    with scene.undisturbed():
        scene.directory.transact(*make)
        wait_for(lambda: {*ghosts} < set(peers(a))
                 and knows(a, ghost_mac(204)))

        # Few are gone when they say so.
        scene.directory.transact(*host_gone("ghost3"))
        wait_for(lambda: not knows(a, ghost_mac(204)))
        scene.directory.transact(*make[-3:])
        wait_for(lambda: knows(a, ghost_mac(204)))

        scene.directory.transact(*host_gone(*ghosts))
        scene.say("held in force: 4 peers and 4 endpoints")
        time.sleep(WAITED_FOR)
        assert {*ghosts} < set(peers(a))
        assert all(knows(a, ghost_mac(201 + i)) for i in range(4))

        # What comes back is as it was; the rest goes when it is meant.
        scene.directory.transact(*make[:6])
        scene.say("held in force: 2 peers and 2 endpoints")
        for host in scene.hosts:
            host.weft("directory", "accept")
        wait_for(lambda: not {"ghost2", "ghost3"} & set(peers(a)), 5,
                 f"{peers(a)}")
        assert [knows(a, ghost_mac(201 + i)) for i in range(4)] \
            == [True, True, False, False]
        scene.directory.transact(*host_gone("ghost0"))
        scene.directory.transact(*host_gone("ghost1"))
        wait_for(lambda: set(peers(a)) == {"hosta", "hostb", "hostc"},
                 WAITED_FOR + 2)


def test_restarted_weftd_finds_it_emptied(scene):
    """It has nothing to compare with but the switch."""
    ghosts = ("ghost0", "ghost1", "ghost2")
    scene.directory.transact(*(op for i, name in enumerate(ghosts)
                               for op in host_rows(name, 201 + i)))
    a = scene.hosts[0]
    wait_for(lambda: knows(a, ghost_mac(203)))
    with scene.undisturbed():
        a.kill_weftd()
        scene.directory.transact(*host_gone(*ghosts))
        a.start_weftd()
        scene.say("weft directory accept", [a])
        assert all(knows(a, ghost_mac(201 + i)) for i in range(3))
        for host in scene.hosts:
            host.weft("directory", "accept")
        scene.settled()
    wait_for(lambda: not knows(a, ghost_mac(203)))


@pytest.mark.parametrize("way", ("restore", "replace_db"))
def test_old_snapshot(scene, way):
    """It lacks what was attached since, and has what was detached."""
    a, b, _ = scene.hosts
    gone = Endpoint(b, "gone")
    backup = scene.directory.backup()
    b.weft("detach", "gone")
    b.ip("netns", "del", "gone")
    with scene.attached(a, "newa1", "newa2") as new_a, \
            scene.attached(b, "newb") as new_b:
        everybody = [*scene.ends, *new_a, *new_b]
        for host in scene.hosts:
            forget_packets(host)
        with scene.undisturbed([scene.ends[2], *new_a, *new_b]):
            getattr(scene.directory, way)(backup)

            def reconciled_all():
                names = {r["name"] for r in
                         scene.directory.rows("Endpoint", "name")}
                assert names == {e.name for e in everybody}, names
                return True
            wait_for(reconciled_all, 20)
            time.sleep(WAITED_FOR)
            scene.settled()
        assert not knows(a, gone.mac)


def test_another_database(scene):
    """Made anew, with the networks only."""
    with scene.undisturbed():
        scene.directory.replace_db(SCHEMA)
        scene.say("weft directory accept", timeout=20)
        scene.directory.load(NETWORKS)
        scene.settled(30)
        wait_for(lambda: len(scene.directory.rows("Endpoint")) == 3)
    assert len(scene.directory.rows("Network")) == 2

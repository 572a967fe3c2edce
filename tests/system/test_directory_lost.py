# SPDX-License-Identifier: Apache-2.0
"""The shared directory loses what it had, or has something older: no packet of
existing workloads is lost, hosts put back what is theirs, and what would take
away much is held back until somebody says that it is meant."""

import signal
import time

import pytest

from directory import SCHEMA
from directoryscene import (NETWORKS, Scene, attached_apart, delete,
                            ghost_mac, host_gone, host_rows, knows, peers,
                            published)
from host import PATIENCE, wait_for
from scene import shared_lab
from traffic import Endpoint
from weftlib import forget_packets, refused

ALL = ("Network", "Router", "Host", "Heartbeat", "Endpoint", "Claim")
WAITED_FOR = 11                 # After that, a host whose row has gone goes.


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request, 3, directory="tcp", networks=NETWORKS) as lab:
        yield Scene(lab)


@pytest.fixture(autouse=True)
def _mended(scene):
    with scene.mended():
        yield


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
        wait_for(lambda: len(scene.directory.rows("Endpoint")) == 4)


def test_rows_of_two_hosts_deleted_one_of_which_cannot_put_them_back(scene):
    """Few have gone, but with those of a host that knows better; also for who
    looks only when that one has put its own back."""
    a, b, c = scene.hosts
    with scene.undisturbed():
        c.kill_weftd()
        b.kill_weftd(signal.SIGSTOP)
        scene.directory.transact(*host_gone("hosta", "hostc"))
        scene.say("held in force: 1 peers and 1 endpoints", [a])
        wait_for(lambda: len(scene.directory.rows("Host")) == 2)
        b.kill_weftd(signal.SIGCONT)
        scene.say("held in force: 1 peers and 1 endpoints", [a, b])
        wait_for(lambda: len(scene.directory.rows("Host")) == 2)
        time.sleep(WAITED_FOR)
        assert set(peers(a)) == {"hosta", "hostb", "hostc"}
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
        wait_for(put_back)
        pinger.wait_answer(100)
    assert len(pinger.lost) < 100 * PATIENCE        # A second.
    published(a)


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
    wait_for(lambda: not scene.ends[0].pings(scene.ends[1].ip4))
    with scene.undisturbed(scene.ends[1:]):
        scene.directory.load(NETWORKS)
        scene.settled()
    forget_packets(b)
    wait_for(lambda: scene.ends[0].pings(scene.ends[1]))
    assert "nothing is held back" in refused(a, "directory", "accept")


def test_more_than_half_of_the_hosts_gone_at_once(scene):
    a = scene.hosts[0]
    ghosts = [f"ghost{i}" for i in range(4)]
    make = [op for i, name in enumerate(ghosts)
            for op in host_rows(name, 201 + i)]

    def who_know():
        return [h.name for h in scene.hosts if knows(h, ghost_mac(204))]
    with scene.undisturbed():
        scene.directory.transact(*make)
        wait_for(lambda: {*ghosts} < set(peers(a)) and len(who_know()) == 3)

        # Few are gone when they say so.
        scene.directory.transact(*host_gone("ghost3"))
        wait_for(lambda: not who_know())
        scene.directory.transact(*make[-3:])
        wait_for(lambda: len(who_know()) == 3)

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
        wait_for(lambda: [knows(a, ghost_mac(201 + i)) for i in range(4)]
                 == [True, True, False, False])
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
        scene.say("weft directory accept")
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
            wait_for(lambda: all(knows(host, e.mac) for e in everybody
                                 if e.host is not host))
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

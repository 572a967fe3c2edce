# SPDX-License-Identifier: Apache-2.0
"""The one server of the shared directory goes away, or freezes: no packet of
existing workloads is lost, and what was attached meanwhile is published when
it is back."""

import signal
import time

import pytest

from directoryscene import (DOWN, NETWORKS, Scene, assert_unpublished,
                            attached_apart, delete, knows, published, said)
from host import wait_for
from scene import shared_lab
from weftlib import cpu_ticks, forget_packets, refused


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request, 3, directory="tcp", networks=NETWORKS) as lab:
        yield Scene(lab)


@pytest.fixture(autouse=True)
def _mended(scene):
    with scene.mended():
        yield


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
        wait_for(lambda: ["olda"] == [
            e["name"] for e in host.weft_json("endpoint", "list")])
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
            wait_for(lambda: knows(a, far.mac) and knows(b, one.mac), 15)
            forget_packets(a)
            forget_packets(b)
            wait_for(lambda: one.pings(far.ip4))
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
        wait_for(lambda: not [f for f in loser.host.flows()
                              if any(p in f for p in ports)])
        assert f"{loser.name}: " in "\n".join(
            r["text"] for r in loser.host.status()["reports"])
        for end in scene.ends:
            if end.host is not winner.host:
                wait_for(lambda end=end: knows(end.host, winner.mac), 15)
                forget_packets(end.host)
                wait_for(lambda end=end: end.pings(winner))
        # Who lost it has it when the other lets go.
        winner.host.weft("detach", winner.name)
        published(loser)
        wait_for(lambda: loser.row()["state"] == "up")


def test_idle_while_it_is_down(scene):
    """A row is to be put back, and there is nobody to give it to."""
    host = scene.hosts[0]
    with scene.attached(host, "idle") as (one,):
        published(one)
        host.kill("weftd", signal.SIGSTOP)
        scene.directory.transact(delete("Endpoint", "mac", one.mac))
        scene.directory.kill()
        host.kill("weftd", signal.SIGCONT)
        scene.say(DOWN)
        time.sleep(3)               # Whoever waits is told after 2 s.
        before = cpu_ticks(host)
        time.sleep(1)
        assert cpu_ticks(host) - before <= 10
        scene.directory.start()
        published(one)


def test_a_hundred_attached_while_it_is_down(scene):
    a, b, _ = scene.hosts
    names = [f"many{i}" for i in range(100)]
    a.weft("netns", "add", *names, timeout=60)
    try:
        scene.directory.kill()
        scene.say(DOWN)
        a.weft("attach", "--file", "-", stdin="".join(
            f"{name} --network blue\n" for name in names), timeout=60)
        assert "100 endpoints of this host are not yet published" in said(a)
        a.settle()
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
            wait_for(lambda ip=ip: scene.ends[1].pings(ip))
    finally:
        a.weft("netns", "del", *names, timeout=60)
    wait_for(lambda: len(scene.directory.rows("Endpoint", "name")) == 3, 10)

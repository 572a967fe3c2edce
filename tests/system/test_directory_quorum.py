# SPDX-License-Identifier: Apache-2.0
"""A cluster of three servers, with TLS, of which some go away: no packet of
existing workloads is lost, and as long as two are left nothing waits."""

import pytest

from directoryscene import DOWN, NETWORKS, Scene, attached_apart, published
from host import wait_for
from scene import shared_lab
from traffic import Endpoint
from weftlib import refused

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request, 3, directory="cluster", networks=NETWORKS) as lab:
        yield Scene(lab)


@pytest.fixture(autouse=True)
def _mended(scene):
    with scene.mended():
        yield


@pytest.mark.parametrize("fault", ("kill", "pause"))
def test_leader_lost(scene, fault):
    """What is attached now is published by the others."""
    leader = scene.directory.leader()
    with scene.undisturbed():
        getattr(leader, fault)()
        scene.directory.leader(20)
        wait_for(lambda: not any(h.status()["problems"]
                                 for h in scene.hosts), 30)
    for host in scene.hosts:
        new = Endpoint(host, "new")
        published(new)
        host.weft("detach", "new")
        host.ip("netns", "del", "new")
    with scene.undisturbed():
        leader.start() if fault == "kill" else leader.resume()
        # Whoever leads by now: on a busy machine it may be the old one.
        wait_for(lambda: sorted(str(s.role())
                                for s in scene.directory.servers)
                 == ["follower", "follower", "leader"], 20)
        scene.settled(30)


def test_quorum_lost(scene):
    one, *others = scene.directory.servers
    with scene.undisturbed():
        for server in others:
            server.kill()
        scene.say(DOWN, timeout=30)
    with attached_apart(scene, "alone"):
        with scene.undisturbed():
            for host in scene.hosts:
                host.kill_weftd()
                host.start_weftd()
            scene.say(DOWN)
            assert "the directory does not answer" in refused(
                scene.hosts[0], "attach", "olda", "--network", "blue")
        with scene.undisturbed():
            for server in others:
                server.start()
            scene.settled(40)
    wait_for(lambda: one.role() in ("leader", "follower"))


def test_all_servers_restarted(scene):
    with scene.undisturbed():
        scene.directory.kill()
        scene.say(DOWN)
        scene.directory.start()
        scene.settled(40)


def test_another_cluster(scene):
    """Made of a backup, which is old: it has another id than the one that all
    know, and counts from the start."""
    backup = scene.directory.backup()
    new = [Endpoint(host, f"late{host.name[-1]}") for host in scene.hosts]
    scene.settled()
    with scene.undisturbed(new):
        scene.directory.replace_db(backup)

        def reconciled():
            names = {r["name"] for r in
                     scene.directory.rows("Endpoint", "name")}
            assert names == {e.name for e in [*scene.ends, *new]}, names
            return True
        wait_for(reconciled, 40)
        scene.settled(40)
    for end in new:
        end.host.weft("detach", end.name)
        end.host.ip("netns", "del", end.netns)

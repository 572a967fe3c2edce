# SPDX-License-Identifier: Apache-2.0
"""Hosts that died, and hosts that only seem so: what is shown of them, and who
removes them.

The clocks of the agents run ten times as fast here, so that signs of life come
every 3 s and not every 30 s: fastclock.c.
"""

import contextlib
import subprocess
import threading
import time
from pathlib import Path

import pytest

from directoryscene import (DOWN, NETWORKS, Scene, ghost_mac, host_gone,
                            host_rows, knows, peers, said, update)
from host import wait_for
from scene import shared_lab
from weftlib import refused

FAST = 10
LIBRARY = "/etc/weft/fastclock.so"      # One directory for all hosts.
SOCKET = "unix:/run/openvswitch/weft-directory.sock"
BEAT = 30 / FAST


class Clock:
    """The one of the agents."""

    def __init__(self, lab):
        self.since = int(time.time())
        self.environment = {"LD_PRELOAD": LIBRARY, "FASTCLOCK": FAST,
                            "FASTCLOCK_SINCE": self.since}
        source = Path(__file__).parent / "fastclock.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o",
                        lab.weft_dir / Path(LIBRARY).name, source], check=True)

    def now(self):
        return int(self.since + (time.time() - self.since) * FAST)

    def start_weftd(self, host, *args):
        exports = "".join(f"export {name}={value}\n"
                          for name, value in self.environment.items())
        # The sanitizers want to be the first that are loaded.
        exports += "export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0"
        host._start("weftd", f"{exports}\n{host._weftd_script(*args)}")


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request, 3, directory="cluster", networks=NETWORKS,
                    weftd=False) as lab:
        clock = Clock(lab)
        clock.start_weftd(lab.hosts[0], f"--directory={SOCKET}")
        for host in lab.hosts[1:]:
            clock.start_weftd(host)
        lab.wait_healthy()
        scene = Scene(lab)
        scene.clock = clock
        yield scene


class Signs:
    """Signs of life of hosts that are not there, during a `with`: each host's
    clock is wrong by so many seconds."""

    def __init__(self, scene, **wrong):
        self.scene = scene
        self.wrong = wrong
        self.ends = threading.Event()

    def give(self):
        now = self.scene.clock.now()
        self.scene.directory.transact(*(
            update("Heartbeat", "host", name, seen=now + seconds)
            for name, seconds in self.wrong.items()))

    def run(self):
        while not self.ends.wait(BEAT / 2):     # One may be late.
            self.give()

    def __enter__(self):
        self.give()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()


@pytest.mark.once
def test_silent_is_shown_and_removed_after_a_named_time(scene):
    """A clock that is ten minutes behind or ahead kills nobody."""
    a, b, _ = scene.hosts
    names = ("behind", "ahead", "silent")
    scene.directory.transact(*(
        op for number, name in enumerate(names, 201)
        for op in host_rows(name, number, 2, scene.clock.now() - 1000)))
    with Signs(scene, behind=-600, ahead=600), scene.undisturbed():
        for host in (a, b):
            row = wait_for(lambda host=host: peers(host)["silent"]["silent"]
                           and peers(host)["silent"], 10 * BEAT)
            assert row["silent"] > 1000 and row["endpoints"] == 2
            assert row["reason"] == f"silent for {row['silent']} s"
        time.sleep(4 * BEAT)        # Nobody has said after what time.
        for host in (a, b):
            rows = peers(host)
            assert set(names) < set(rows)
            assert not rows["behind"]["silent"] and not rows["ahead"]["silent"]
        assert knows(a, ghost_mac(203)) and knows(b, ghost_mac(203, 2))

        a.weft("directory", "set", "dead-after=60")
        wait_for(lambda: not scene.directory.rows(
            "Host", where=[["name", "==", "silent"]]), 4 * BEAT)
        for table in ("Endpoint", "Heartbeat"):
            assert "silent" not in {r["host"] for r in
                                    scene.directory.rows(table)}
        wait_for(lambda: not knows(b, ghost_mac(203)))
        wait_for(lambda: "silent" not in peers(b), 15)
        time.sleep(4 * BEAT)
        left = {r["name"] for r in scene.directory.rows("Host", "name")}
        assert left == {"hosta", "hostb", "hostc", "behind", "ahead"}
    a.weft("directory", "set", "dead-after=0")
    for name in names:
        scene.directory.transact(*host_gone(name))
    wait_for(lambda: not set(names) & set(peers(b)), 15)


@pytest.mark.once
def test_time_without_the_database_does_not_count(scene):
    """Nobody could give a sign of life in it, and who reads first need not be
    the last to write."""
    a = scene.hosts[0]
    scene.directory.transact(*host_rows("behind", 201,
                                        seen=scene.clock.now() - 600))
    with contextlib.ExitStack() as stack:
        with Signs(scene, behind=-600):
            stack.enter_context(scene.undisturbed())    # That takes a while.
            a.weft("directory", "set", "dead-after=20")
            time.sleep(2 * BEAT)
        scene.directory.stop()
        time.sleep(4 * BEAT)
        scene.directory.start()
        wait_for(lambda: DOWN not in said(a), 10)
        time.sleep(BEAT / 2)
        with Signs(scene, behind=-600):
            time.sleep(4 * BEAT)
            hosts = {r["name"] for r in scene.directory.rows("Host", "name")}
            assert hosts == {"hosta", "hostb", "hostc", "behind"}
    a.weft("directory", "set", "dead-after=0")
    scene.directory.transact(*host_gone("behind"))
    wait_for(lambda: "behind" not in peers(a), 15)


def test_died(scene):
    """Its plug is pulled: noticed, shown, and removed by a person."""
    a, b, c = scene.hosts
    with scene.undisturbed(scene.ends[:2]):
        c.power_off()
        for host in (a, b):
            wait_for(lambda host=host: peers(host)["hostc"]["bfd"] == "down",
                     5)
            assert "BFD is down to hostc" in said(host)
        assert "is alive" in refused(a, "peer", "remove", "hostc")
        for host in (a, b):
            wait_for(lambda host=host: peers(host)["hostc"]["silent"],
                     10 * BEAT)
        rows = scene.directory.rows("Endpoint", "name")
        assert "oldc" in {r["name"] for r in rows}
        assert knows(a, scene.ends[2].mac)

        # The command's own clock is no faster than any.
        scene.directory.transact(update("Heartbeat", "host", "hostc",
                                        seen=int(time.time()) - 100))
        out = wait_for(lambda: a.weft("peer", "remove", "hostc").stdout)
        assert out == "peer hostc: removed, with 1 endpoint\n"
        wait_for(lambda: not knows(a, scene.ends[2].mac))
        wait_for(lambda: "hostc" not in peers(b), 15)
    wait_for(lambda: "hostc" not in said(a))

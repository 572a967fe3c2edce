# SPDX-License-Identifier: Apache-2.0
"""A peer file that cannot be right: refused whole, with file, line and reason
in `weft status` and the log, while the last good one stays in force and
nobody notices anything.
"""

import contextlib
import os
import random
import re
import socket
import time

import pytest

from host import wait_for
from scene import problems, shared_lab, state_of_switch
from traffic import Endpoint

FILE = "/etc/weft/peers.conf"
PEER = "\n[peer hostx]\naddress = {}\n"
NETWORK = "\n[network x]\nvni = {}\nsubnet = {}\n"
SIZE_MAX = 4 << 20
NOTICED = 5


class Scene:
    def __init__(self, lab):
        self.lab = lab
        self.a = lab["hosta"]
        self.a1, self.b1 = (Endpoint(h, f"n{h.name}") for h in lab.hosts[:2])
        self.file = lab.weft_dir / "peers.conf"
        self.good = lab.peers_text()
        lab.wait_healthy()
        self.before = state_of_switch(self.a)

    def restore(self):
        with contextlib.suppress(FileNotFoundError):
            self.file.rmdir() if self.file.is_dir() else self.file.unlink()
        self.lab.write_peers(self.good)
        wait_for(lambda: "peers.conf" not in problems(self.a), NOTICED,
                 "the good file is in force again")

    def wait_refused(self, pattern):
        wait_for(lambda: re.search(pattern, problems(self.a)), NOTICED,
                 f"{pattern} in status, which has {problems(self.a)}")
        assert not self.a.status()["healthy"]


@pytest.fixture(scope="module")
def module_scene(request):
    with shared_lab(request, 3, underlay="both") as lab:
        yield Scene(lab)


@pytest.fixture
def scene(module_scene):
    yield module_scene
    module_scene.restore()


# What is appended to a good file: the kind of mistake, the text, the reason,
# and in which of its lines it is.
MISTAKES = {
    "section": ("[hosts x]\n", "unknown section", 1),
    "section without end": ("[peer hostx\n", "section", 1),
    "key": (PEER.format("192.168.50.99") + "colour = red\n",
            "unknown key colour", 4),
    "no section's key": ("vni 7\n", "KEY = VALUE", 1),
    "VNI 0": (NETWORK.format(0, "10.9.0.0/16"), "vni 0", 3),
    "VNI of 25 bits": (NETWORK.format(2 ** 24, "10.9.0.0/16"),
                       "vni 16777216", 3),
    "VNI that the switch would cut": (
        NETWORK.format(2 ** 24 + 100, "10.9.0.0/16"), "16777316", 3),
    "VNI twice": (NETWORK.format(100, "10.9.0.0/16"),
                  "vni 100 is already that of blue", 3),
    "network twice": ("\n[network blue]\nvni = 9\nsubnet = 10.9.0.0/16\n",
                      "network blue: already in line 1", 2),
    "subnets overlap": (NETWORK.format(9, "10.9.0.0/16")
                        + "subnet = 10.9.128.0/17\n", "overlaps", 5),
    "peer twice": ("\n[peer hostb]\naddress = 192.168.50.99\n",
                   "peer hostb: already in line", 2),
    "address twice": (PEER.format("192.168.50.12"),
                      "already that of hostb", 3),
    "this host's address": (PEER.format("192.168.50.11"),
                            "already that of hosta", 3),
    "this host's other address": (PEER.format("fd50::11"),
                                  "owned by this host", 2),
    "multicast": (PEER.format("224.0.0.5"), "multicast", 3),
    "multicast, IPv6": (PEER.format("ff02::5"), "multicast", 3),
    "unspecified": (PEER.format("0.0.0.0"), "unspecified", 3),
    "unspecified, IPv6": (PEER.format("::"), "unspecified", 3),
    "broadcast": (PEER.format("255.255.255.255"), "broadcast", 3),
    "loopback": (PEER.format("127.0.0.1"), "loopback", 3),
    "no address": ("\n[peer hostx]\n", "no address", 2),
    "a name for an address": (PEER.format("hostx.example.net"),
                              "not an IP address", 3),
    "port 0": (PEER.format("192.168.50.99") + "port = 0\n", "port 0", 4),
    "a port of this host's own": (
        PEER.format("192.168.50.99") + "port = 70000\n", "port 70000", 4),
    "NUL": ("\n; \0\n", "control byte 0x00", 2),
    "not UTF-8": ("\n; \udcff\n", "", 2),
    "escape": ("\n[peer \x1b[31mx]\n", "0x1b", 2),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_refused_with_file_line_and_reason(scene, kind):
    text, reason, line = MISTAKES[kind]
    line += scene.good.count("\n")
    content = (scene.good + text).encode(errors="surrogateescape")
    scene.lab.write_peers(content)
    expected = f"^{FILE}:{line}: .*{re.escape(reason)}"
    scene.wait_refused(f"(?m){expected}")
    refused = [entry for entry in scene.a.log().splitlines()
               if f"{FILE}:{line}: " in entry and reason in entry]
    assert refused, "the log tells"
    assert state_of_switch(scene.a) == scene.before


def test_the_last_good_list_stays_in_force(scene):
    with scene.a1.pinger(scene.b1.ip4) as pinger:
        scene.lab.write_peers(scene.good + "[oops]\n")
        scene.wait_refused("unknown section")
        pinger.wait_answer(30)
        assert [p["name"] for p in scene.a.weft_json("peer", "list")] \
            == ["hosta", "hostb", "hostc"]
    assert pinger.lost == []
    assert state_of_switch(scene.a) == scene.before


def test_a_mistake_put_right_is_forgotten(scene):
    scene.lab.write_peers(scene.good + "[oops]\n")
    scene.wait_refused("unknown section")
    scene.restore()
    scene.lab.wait_healthy()


def empty(path):
    path.write_text("")


def deleted(path):
    path.unlink()


def directory(path):
    path.unlink()
    path.mkdir()


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def unix_socket(path):
    path.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


def link_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def one_gibibyte(path):
    with open(path, "w") as file:
        file.truncate(1 << 30)


def above_the_limit(path):
    path.write_text(path.read_text() + ";" * 99 + "\n")
    with open(path, "a") as file:
        file.write((";" * 99 + "\n") * (SIZE_MAX // 100 + 1))


def garbage(path):
    path.write_bytes(random.Random(2).randbytes(1 << 20) + b"\n")


def zeros(path):
    path.write_bytes(bytes(100) + b"\n")


def one_endless_line(path):
    path.write_text("x" * (1 << 20) + "\n")


REPLACEMENTS = [
    (empty, "no section|no .*peer"),
    (deleted, "No such file"),
    (directory, "is a directory"),
    (fifo, "is a FIFO"),
    (unix_socket, "socket|No such device"),
    (dangling_link, "No such file"),
    (link_to_itself, "symbolic links|No such file"),
    (device, "is a device"),
    (one_gibibyte, f"larger than {SIZE_MAX} bytes"),
    (above_the_limit, f"larger than {SIZE_MAX} bytes"),
    (garbage, r":\d+: "),
    (zeros, "0x00"),
    (one_endless_line, "line has more than"),
]


@pytest.mark.parametrize("replace, reason", REPLACEMENTS,
                         ids=[r[0].__name__ for r in REPLACEMENTS])
def test_something_else_in_place_of_the_file(scene, replace, reason):
    with scene.a1.pinger(scene.b1.ip4) as pinger:
        replace(scene.file)
        scene.wait_refused(f"{FILE}.*({reason})")
        pinger.wait_answer(30)
    assert pinger.lost == []
    assert state_of_switch(scene.a) == scene.before
    scene.restore()
    scene.lab.wait_healthy()
    assert state_of_switch(scene.a) == scene.before


def test_a_file_nobody_may_read_twice_costs_nothing(scene):
    """A refused file is not read again and again: the agent sleeps."""
    one_gibibyte(scene.file)
    scene.wait_refused("larger than")
    pid = scene.a.daemon_pid("weftd")
    stat = scene.a.path(f"/proc/{pid}/stat")

    def ticks():
        fields = stat.read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    before, began = ticks(), time.monotonic()
    with scene.a1.pinger(scene.b1.ip4) as pinger:
        pinger.wait_answer(150)
    # 50 ms of CPU in 1.5 s, which may be more on a busy machine.
    assert ticks() - before <= 5 * max(1, (time.monotonic() - began) / 1.5)


def test_the_agent_goes_on_with_its_work(scene):
    """By the list that is in force.  The last test: links come and go, and
    the userspace datapath now and then loses a packet for that, whoever makes
    them."""
    scene.lab.write_peers(scene.good + "[oops]\n")
    scene.wait_refused("unknown section")
    new = Endpoint(scene.a, "new")
    scene.lab.settle()
    assert new.pings(scene.b1)
    scene.a.weft("detach", "new")
    wait_for(lambda: state_of_switch(scene.a) == scene.before, 5,
             "nothing is left of it")

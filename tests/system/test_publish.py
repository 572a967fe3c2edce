# SPDX-License-Identifier: Apache-2.0
"""Published ports: reached from other hosts, from the host itself, and by the
endpoints behind it."""

import signal
import socket

import pytest

from host import wait_for
from scene import asking, our_flows, shared_lab
from test_nat import NETWORKS, OUT4, ask, server, underlay
from traffic import Endpoint, open_socket
from weftlib import refused


class Scene:
    def __init__(self, lab):
        self.lab = lab
        self.a, self.b = lab.hosts
        self.web = Endpoint(self.a, "web", "blue")
        self.beside = Endpoint(self.a, "beside", "blue")
        self.twin = Endpoint(self.a, "twin1", "twin")
        self.far = Endpoint(self.b, "far", "blue")
        for host in lab.hosts:
            host.wait_healthy()
        self.a.weft("publish", "8080:web:80", "5353:web:53/udp")


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request, hosts=2, networks=NETWORKS, underlay="both",
                    outside=True) as lab:
        yield Scene(lab)


@pytest.fixture
def web(scene):
    with server(scene.a, "::", 80, netns="web"):
        yield scene.web


class Node:
    """Looks like an Endpoint to ask()."""

    def __init__(self, node):
        self.node = node

    def open_socket(self, *args):
        return open_socket(self.node, None, *args)

    connect = Endpoint.connect


@pytest.mark.guests
@pytest.mark.parametrize("version", [4, 6])
def test_from_another_host_with_its_own_address(scene, web, version):
    said = ask(Node(scene.b), underlay(scene.a, version), 8080)
    assert said.replace("::ffff:", "") == underlay(scene.b, version)


@pytest.mark.guests
def test_from_outside(scene, web):
    assert ask(Node(scene.lab["outside"]), underlay(scene.a, 4), 8080) \
        .endswith(OUT4)


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.50.11",
                                     "fd50::11"])
def test_from_the_host_itself(scene, web, address):
    assert ask(Node(scene.a), address, 8080)


@pytest.mark.parametrize("who", ["beside", "twin", "far", "web"])
def test_between_endpoints_by_the_hosts_address(scene, web, who):
    for version in (4, 6):
        assert ask(getattr(scene, who), underlay(scene.a, version), 8080)


def test_udp(scene):
    with server(scene.a, scene.web.ip4, 53, socket.SOCK_DGRAM, netns="web"), \
            open_socket(scene.b, None, socket.AF_INET,
                        socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.sendto(b"what", (underlay(scene.a, 4), 5353))
        assert s.recv(100) == underlay(scene.b, 4).encode() + b" what"


def test_listed_and_remembered(scene, web):
    rows = scene.a.weft_json("publish", "list")
    assert [(r["hostport"], r["protocol"], r["endpoint"], r["port"])
            for r in rows] == [(8080, "tcp", "web", 80),
                               (5353, "udp", "web", 53)]
    scene.a.kill_weftd()
    scene.a.start_weftd()
    scene.a.wait_healthy()
    assert scene.a.weft_json("publish", "list") == rows
    assert ask(Node(scene.b), underlay(scene.a, 4), 8080)


def test_again_is_no_error_and_another_is_refused(scene):
    scene.a.weft("publish", "8080:web:80")
    assert "already" in refused(scene.a, "publish", "8080:beside:80")
    assert "no endpoint" in refused(scene.a, "publish", "8081:nobody:80")
    refused(scene.a, "publish", "8081:web", code=2)
    refused(scene.a, "publish", "0:web:80", code=2)
    refused(scene.a, "unpublish", "x", code=2)
    with open_socket(scene.a, None, socket.AF_INET,
                     socket.SOCK_STREAM) as used:
        used.bind(("0.0.0.0", 8099))
        used.listen()
        assert "used by a program" in refused(scene.a, "publish",
                                              "8099:web:80")
    assert "used by" in refused(scene.a, "publish", "4789:web:80/udp")


def test_network_without_a_way_out(scene):
    Endpoint(scene.a, "shut", "closed")
    assert "external = nat" in refused(scene.a, "publish", "8082:shut:80")


def test_unpublished_is_closed(scene, web):
    scene.a.weft("publish", "8090:web:80")
    assert ask(Node(scene.b), underlay(scene.a, 4), 8090)
    scene.a.weft("unpublish", "8090")
    scene.a.weft("unpublish", "8090")
    with pytest.raises(OSError):
        ask(Node(scene.b), underlay(scene.a, 4), 8090, timeout=1)
    assert ask(Node(scene.b), underlay(scene.a, 4), 8080)


def test_a_port_changes_hands_at_once(scene):
    """Both commands reach the agent in one turn of its loop."""
    a = scene.a
    a.weft("publish", "8092:web:80")
    for to in ("beside", "web") * 2:
        a.kill_weftd(signal.SIGSTOP)
        asked = []
        for args in (["unpublish", "8092"], ["publish", f"8092:{to}:80"]):
            asked.append(a.popen(["weft", *args]))
            wait_for(lambda: asking(a) == len(asked), what="weftd is asked")
        a.kill_weftd(signal.SIGCONT)
        assert [p.wait(10) for p in asked] == [0, 0]
        ip = {"web": scene.web, "beside": scene.beside}[to].ip4
        flows = [f for f in our_flows(a) if "tp_dst=8092" in f and "tcp," in f]
        assert len(flows) == 1 and f"nat(dst={ip}:80)" in flows[0], flows
    a.weft("unpublish", "8092")


def test_detached_is_closed(scene):
    gone = Endpoint(scene.a, "gone", "blue")
    scene.a.weft("publish", "8091:gone:80")
    scene.a.weft("detach", gone.name)
    assert "8091" not in scene.a.weft("publish", "list").stdout
    assert "8091" not in scene.a.sh("nft list table inet weft")

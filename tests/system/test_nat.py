# SPDX-License-Identifier: Apache-2.0
"""Workloads behind their hosts' NAT: out, back, and never among each other."""

import contextlib
import socket
import threading

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from host import wait_for
from scene import shared_lab
from traffic import Endpoint, open_socket, transfer

OUT4, OUT6 = "203.0.113.10", "2001:db8:113::10"
GATEWAY_MAC = "0e:57:00:00:00:01"
NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
external = nat

[network twin]
vni = 200
subnet = 10.1.0.0/16
subnet = fd00:1::/64
external = nat

[network closed]
vni = 300
subnet = 10.3.0.0/16
gateway = 10.3.0.1
"""
LIMIT = 16384                       # ZONE_LIMIT of agent/zones.h.
ADDRESS = "--ip", "10.1.77.7/16", "--ip", "fd00:1::7/64"


class Scene:
    def __init__(self, lab):
        a, b = lab.hosts[:2]
        self.lab = lab
        self.out = lab["outside"]
        self.a = Endpoint(a, "blue1", "blue", *ADDRESS)
        self.twin = Endpoint(a, "twin1", "twin", *ADDRESS)
        self.b = Endpoint(b, "blue2", "blue")
        self.closed = Endpoint(b, "closed1", "closed")
        for host in (a, b):
            host.wait_healthy()
        lab.settle()


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request, hosts=2, networks=NETWORKS, underlay="both",
                    outside=True) as lab:
        yield Scene(lab)


@contextlib.contextmanager
def server(node, address, port, kind=socket.SOCK_STREAM, netns=None):
    """Says to each who comes what address he has."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = open_socket(node, netns, family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    if kind == socket.SOCK_STREAM:
        listener.listen()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                if kind == socket.SOCK_STREAM:
                    client, peer = listener.accept()
                    with client:
                        client.sendall(peer[0].encode())
                else:
                    data, peer = listener.recvfrom(65536)
                    if peer:            # None: it was shut down.
                        listener.sendto(peer[0].encode() + b" " + data, peer)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(3)


def ask(endpoint, address, port, timeout=10):
    """Connects by TCP; what the server says."""
    with endpoint.connect(address, port, timeout) as client:
        return client.recv(100).decode()


def underlay(host, version):
    return str(next(a.ip for a in host.addresses if a.version == version))


@pytest.mark.guests
@pytest.mark.parametrize("who", ["a", "twin", "b"])
@pytest.mark.parametrize("address", [OUT4, OUT6])
def test_workload_reaches_outside_as_its_host(scene, who, address):
    e = getattr(scene, who)
    assert e.pings(address, count=2)
    version = 6 if ":" in address else 4
    with server(scene.out, address, 8000):
        assert ask(e, address, 8000) == underlay(e.host, version)


@pytest.mark.parametrize("address", [OUT4, OUT6])
def test_large_datagrams_pass_in_fragments(scene, address):
    version = 6 if ":" in address else 4
    for e in (scene.a, scene.twin):
        assert e.host.run(["ping", "-c", "2", "-i", "0.2", "-s", "5000", "-W",
                           "2", address], netns=e.netns)
        with server(scene.out, address, 9000, socket.SOCK_DGRAM), \
                e.open_socket(socket.AF_INET6 if version == 6
                              else socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            data = bytes(range(256)) * 20
            s.sendto(data, (address, 9000))
            assert s.recv(65536) == underlay(e.host, version).encode() + \
                b" " + data


def test_twins_do_not_see_each_other(scene):
    """Same addresses, same host, at the same time."""
    with server(scene.out, OUT4, 8001):
        with scene.a.connect(OUT4, 8001) as one, \
                scene.twin.connect(OUT4, 8001) as two:
            assert one.recv(100) == two.recv(100)
    with scene.twin.wire() as wire:
        assert scene.a.pings(scene.b) and scene.a.pings(OUT4)
        assert not [p for p in wire.packets() if IP in p
                    and scene.b.ip4 in (p[IP].src, p[IP].dst)]
    assert not scene.twin.pings(scene.b.ip4)


@pytest.mark.guests
def test_between_workloads_nothing_is_translated(scene):
    with server(scene.b.host, scene.b.ip4, 8002, netns=scene.b.netns):
        assert ask(scene.a, scene.b.ip4, 8002) == scene.a.ip4
    with server(scene.b.host, scene.b.ip6, 8002, netns=scene.b.netns):
        assert ask(scene.a, scene.b.ip6, 8002) == scene.a.ip6


def test_a_network_without_a_way_out_has_none(scene):
    assert scene.closed.pings("10.3.0.1")
    assert not scene.closed.pings(OUT4)


def test_host_itself_is_reached(scene):
    for version in (4, 6):
        assert scene.a.pings(underlay(scene.a.host, version))
        assert scene.a.pings(underlay(scene.b.host, version))


def test_loopback_of_the_host_is_its_own(scene):
    """Though published ports are reached by 127.0.0.1."""
    e = scene.a
    with server(e.host, "127.0.0.1", 8055):
        e.ip("addr", "del", "127.0.0.1/8", "dev", "lo")
        e.ip("route", "add", "127.0.0.0/8", "via", "10.1.0.1")
        e.host.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/"
                    "route_localnet"], netns=e.netns)
        with pytest.raises(OSError):
            ask(e, "127.0.0.1", 8055, timeout=1)


def test_traceroute_out(scene):
    def shown():
        # One kernel limits what the hosts of all labs say by ICMP.
        hops = scene.a.hops(OUT4)
        assert hops[0] == "10.1.0.1" and hops[-1] == OUT4, hops
        assert "192.168.50.1" in hops, hops
        return True
    wait_for(shown, 10, "gateway and router are on the way")


def test_big_transfers_both_ways(scene):
    class Outside:
        """Looks like an Endpoint to transfer()."""
        def open_socket(self, *args):
            return open_socket(scene.out, None, *args)
        listen, connect = Endpoint.listen, Endpoint.connect
    assert transfer(scene.a, Outside(), OUT4) == 4 << 20
    assert transfer(scene.b, Outside(), OUT6) == 4 << 20


def test_connections_outlive_the_agent(scene):
    with scene.a.pinger(OUT4) as ping:
        scene.a.host.kill_weftd()
        scene.a.host.start_weftd()
        scene.a.host.wait_healthy()
    assert not ping.lost


def test_new_network_needs_no_hand(scene):
    text = scene.lab.peers_text(NETWORKS + """
[network late]
vni = 400
subnet = 10.4.0.0/16
external = nat
""")
    scene.lab.write_peers(text)
    host = scene.lab.hosts[0]
    wait_for(lambda: "late" in host.weft("network", "list").stdout)
    late = Endpoint(host, "late1", "late")
    assert late.pings(OUT4, count=2)
    host.weft("detach", "late1")
    scene.lab.write_peers(scene.lab.peers_text(NETWORKS))


@pytest.mark.parametrize("address", [OUT4, OUT6])
def test_nothing_goes_out_to_a_port_of_tunnels(scene, address):
    """A peer would take it for its host's own.  Which ports those are, the
    list says."""
    lab, e = scene.lab, scene.a
    ports = (4789, 4790)

    def passing():
        return {port for port in ports if answers(e, address, port)}

    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(server(scene.out, address, port,
                                       socket.SOCK_DGRAM))
        wait_for(lambda: passing() == {4790}, 3, "4790 is none of them yet")
        lab.write_peers(lab.peers_text(NETWORKS) + """
[peer hostz]
address = 192.168.50.99
port = 4790
""")
        wait_for(lambda: passing() == set(), 3, "4790 is one of them")
        lab.write_peers(lab.peers_text(NETWORKS))
        wait_for(lambda: passing() == {4790}, 3, "4790 is none of them")
    lab.wait_healthy()


def answers(e, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with e.open_socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.sendto(b"x", (address, port))
        with contextlib.suppress(TimeoutError):
            return bool(s.recv(100))
    return False


def test_one_tenant_fills_its_zone(scene):
    """The other one still connects."""
    e = scene.twin
    frames = [bytes(Ether(src=e.mac, dst=GATEWAY_MAC)
                    / IP(src=e.ip4, dst=OUT4)
                    / UDP(sport=1024 + n % 60000, dport=7000 + n // 60000)
                    / b"x") for n in range(20000)]
    with e.wire() as wire:
        for i in range(0, len(frames), 100):
            wire.send(*frames[i:i + 100])
            e.host.ovs_appctl("version")        # Let it work off.
        wait_for(lambda: f"count={LIMIT}" in e.host.ovs_appctl(
            "dpctl/ct-get-limits", "zone=200"), what="the zone is full")
    with server(scene.out, OUT4, 8003):
        assert ask(scene.a, OUT4, 8003) == underlay(scene.a.host, 4)
        with pytest.raises(OSError):
            ask(scene.twin, OUT4, 8003, timeout=1)
    e.host.ovs_appctl("dpctl/flush-conntrack", "zone=200")
    e.host.wait_healthy()


@pytest.mark.parametrize("mtu", [1300])
def test_path_mtu_through_the_translation(make_lab, mtu):
    lab = make_lab(hosts=1, networks=NETWORKS, underlay="both", outside=True,
                   outside_mtu=mtu)
    host = lab.hosts[0]
    e = Endpoint(host, "blue1", "blue")
    host.wait_healthy()
    wait_for(lambda: e.pings(OUT4), 5, "the way out is there")
    out = host.run(["ping", "-M", "do", "-c", "1", "-s", "1380", OUT4],
                   netns=e.netns, check=False).stdout
    assert f"mtu = {mtu}" in out or f"mtu={mtu}" in out, out
    assert host.run(["ping", "-M", "do", "-c", "1", "-s", str(mtu - 28), OUT4],
                    netns=e.netns)

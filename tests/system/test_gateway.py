# SPDX-License-Identifier: Apache-2.0
"""The distributed gateway: answered on every host, routed by the sender's."""

import json
import socket

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest,
                                ICMPv6PacketTooBig, ICMPv6ND_RA, ICMPv6ND_RS,
                                ICMPv6NDOptMTU, ICMPv6NDOptPrefixInfo,
                                ICMPv6NDOptRDNSS, ICMPv6TimeExceeded, IPv6)
from scapy.layers.l2 import ARP, Ether

from host import wait_for
from scene import shared_lab
from traffic import Endpoint, Underlay

GATEWAY_MAC = "0e:57:00:00:00:01"
NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
gateway = 10.1.0.1
dns = 10.1.0.1
dns = fd00:1::1
route = 10.9.0.0/16 via 10.1.200.7

[network green]
vni = 200
subnet = 10.2.0.0/16
subnet = fd00:2::/64

[network lone]
vni = 300
subnet = 10.3.0.0/16
subnet = fd00:3::/64
gateway = 10.3.0.1
gateway = fd00:3::1

[router core]
networks = blue, green
"""


class Scene:
    def __init__(self, lab):
        a, b, c = lab.hosts
        self.lab = lab
        self.blue = Endpoint(a, "blue1", "blue")
        self.near = Endpoint(a, "green1", "green")
        self.far = Endpoint(b, "green2", "green")
        self.lone = Endpoint(b, "lone1", "lone")
        self.third = Endpoint(c, "green3", "green")
        lab.wait_healthy()
        lab.settle()


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request, hosts=3, networks=NETWORKS) as lab:
        yield Scene(lab)


def echo(e, to, ttl=64, size=8, mac=GATEWAY_MAC, **fields):
    if ":" in to:
        return (Ether(src=e.mac, dst=mac)
                / IPv6(src=e.ip6, dst=to, hlim=ttl, **fields)
                / ICMPv6EchoRequest(id=7, data=b"x" * size))
    return (Ether(src=e.mac, dst=mac) / IP(src=e.ip4, dst=to, ttl=ttl, **fields)
            / ICMP(id=7) / (b"x" * size))


def answer(e, frame, layer, condition=lambda p: True):
    """Sends a frame and waits for a packet with that layer."""
    with e.wire() as wire:
        wire.send(frame)
        return wait_for(lambda: next((p for p in wire.packets() if layer in p
                                      and condition(p)), None), 3,
                        f"{layer.__name__} comes back to {e}")


@pytest.mark.parametrize("gateway", ["10.1.0.1", "fd00:1::1"])
def test_gateway_answers_ping_on_every_host(scene, gateway):
    other = scene.blue
    with Underlay(scene.lab, other.host) as underlay:
        other.flush_neighbours()
        assert other.pings(gateway, count=3)
        # Others may ask after neighbours of an earlier test, and an endpoint
        # is announced once more after a second.
        assert not underlay.inner(lambda p: p.src == other.mac and (
            ARP in p and p[ARP].pdst != other.ip4
            or ICMP in p or ICMPv6EchoRequest in p))
    assert GATEWAY_MAC in other.ip("neigh", "show", gateway)


def test_gateway_of_another_network_of_the_router(scene):
    assert scene.blue.pings("10.2.0.1") and scene.blue.pings("fd00:2::1")


@pytest.mark.parametrize("target", ["near", "far"])
def test_networks_of_a_router_reach_each_other(scene, target):
    other = getattr(scene, target)
    assert scene.blue.pings(other, count=3)
    assert other.pings(scene.blue, count=3)


@pytest.mark.parametrize("version", [4, 6])
def test_routed_packet_is_one_hop_on(scene, version):
    target = scene.far.ip4 if version == 4 else scene.far.ip6
    with scene.far.wire() as wire:
        answer(scene.blue, echo(scene.blue, target, ttl=9),
               ICMP if version == 4 else ICMPv6EchoReply)
        layer = ICMP if version == 4 else ICMPv6EchoRequest
        got = [p for p in wire.packets() if layer in p]
    assert got[0].src == GATEWAY_MAC and got[0].dst == scene.far.mac
    assert (got[0][IP].ttl if version == 4 else got[0][IPv6].hlim) == 8
    assert got[0].payload.src == (scene.blue.ip4 if version == 4
                                  else scene.blue.ip6)


def test_only_the_owner_of_a_known_address_gets_it(scene):
    assert scene.blue.pings(scene.far, count=2)
    scene.lab.settle()              # Its cache sent the first ones to all.
    third = scene.lab.hosts[2]
    with Underlay(scene.lab, third) as underlay:
        assert scene.blue.pings(scene.far, count=3)
        assert not underlay.inner(lambda p: ICMP in p
                                  or ICMPv6EchoRequest in p)


@pytest.mark.parametrize("ttl", [1, 0])
def test_ttl_ends_at_the_gateway(scene, ttl):
    got = answer(scene.blue, echo(scene.blue, scene.far.ip4, ttl), ICMP)
    assert (got[ICMP].type, got[ICMP].code, got[IP].src) == (11, 0, "10.1.0.1")
    assert got[ICMP].payload.dst == scene.far.ip4
    got = answer(scene.blue, echo(scene.blue, scene.far.ip6, ttl),
                 ICMPv6TimeExceeded)
    assert got[IPv6].src == "fd00:1::1"


def test_traceroute_shows_the_gateway(scene):
    for target, gateway in ((scene.far.ip4, "10.1.0.1"),
                            (scene.far.ip6, "fd00:1::1")):
        # One kernel limits what the hosts of all labs say by ICMP.
        wait_for(lambda: scene.blue.hops(target) == [gateway, target], 10,
                 f"the gateway is on the way to {target}")


def test_networks_without_a_router_stay_apart(scene):
    got = answer(scene.blue, echo(scene.blue, scene.lone.ip4), ICMP)
    assert (got[ICMP].type, got[ICMP].code) == (3, 0)
    assert not scene.blue.pings(scene.lone.ip4)
    assert not scene.blue.pings(scene.lone.ip6)
    assert scene.lone.pings("10.3.0.1")


def test_too_big_is_said_with_the_mtu(scene):
    """The host's end of the link, whose MTU weftd keeps, takes 4 bytes more
    than that, as for a tag."""
    big = Endpoint(scene.blue.host, "big", "blue")
    big.ip("link", "set", "eth0", "mtu", 1500)
    got = answer(big, echo(big, scene.far.ip4, size=1454 - 28, flags="DF"),
                 ICMP)
    assert (got[ICMP].type, got[ICMP].code) == (3, 4)
    assert got[ICMP].nexthopmtu == 1450
    got = answer(big, echo(big, scene.far.ip6, size=1454 - 48),
                 ICMPv6PacketTooBig)
    assert got[ICMPv6PacketTooBig].mtu == 1450


def test_closed_port_of_the_gateway(scene):
    with scene.blue.open_socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect(("10.1.0.1", 9))
        s.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)
    with pytest.raises(ConnectionRefusedError):
        scene.blue.connect("10.1.0.1", 81)


def test_router_advertisement(scene):
    e = scene.blue
    frame = (Ether(src=e.mac, dst="33:33:00:00:00:02")
             / IPv6(src=link_local(e), dst="ff02::2", hlim=255) / ICMPv6ND_RS())
    got = answer(e, frame, ICMPv6ND_RA)
    ra = got[ICMPv6ND_RA]
    assert ra.routerlifetime == 9000 and got[IPv6].hlim == 255
    assert got[ICMPv6NDOptMTU].mtu == 1450
    assert got[ICMPv6NDOptPrefixInfo].prefix == "fd00:1::"
    assert got[ICMPv6NDOptPrefixInfo].A == 0
    assert got[ICMPv6NDOptRDNSS].dns == ["fd00:1::1"]


def link_local(e):
    return next(a["local"] for a in json.loads(
        e.ip("-j", "addr", "show", "dev", "eth0"))[0]["addr_info"]
        if a["local"].startswith("fe80"))


def test_gateway_takes_no_foreign_source(scene):
    """What is spoofed is not routed."""
    e = scene.blue
    frame = echo(e, scene.far.ip4)
    frame[IP].src = "10.1.66.66"
    with scene.far.wire() as wire:
        with e.wire() as out:
            out.send(frame)
            assert e.pings(scene.far)
        assert not [p for p in wire.packets() if IP in p
                    and p[IP].src == "10.1.66.66"]


def test_route_leads_by_an_endpoint(scene):
    """What is behind an endpoint that forwards, from its own network and
    from the others of the router, on another host."""
    via = Endpoint(scene.lab.hosts[1], "via", "blue", "--ip",
                   "10.1.200.7/16")
    via.ip("addr", "add", "10.9.0.1/32", "dev", "lo")
    # A router asks with the address of its interface, as one that forwards.
    via.host.run(["sh", "-c", "echo 2 >/proc/sys/net/ipv4/conf/all/"
                  "arp_announce"], netns=via.netns)
    scene.lab.settle()
    assert scene.blue.pings("10.9.0.1", count=2)
    assert scene.third.pings("10.9.0.1", count=2)
    assert scene.near.pings("10.9.0.1", count=2)


def test_name_server_of_the_gateway(scene):
    """Of its own host, and of others."""
    away = Endpoint(scene.lab.hosts[2], "blue2", "blue")
    scene.lab.settle()
    out = scene.blue.host.run(
        ["/usr/bin/python3", "-c", """
import json
import socket
from scapy.layers.dns import DNS, DNSQR
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
for name in ("blue1.blue.", "blue1", "nobody.blue.", "example.org.",
             "green2.green.", "GREEN1.green", "blue2"):
    s.sendto(bytes(DNS(id=1, rd=1, qd=DNSQR(qname=name))), ("10.1.0.1", 53))
    r = DNS(s.recv(2000))
    print(name, r.rcode, r.an.rdata if r.ancount else "-")
"""], netns=scene.blue.netns).stdout.splitlines()
    assert out == [f"blue1.blue. 0 {scene.blue.ip4}",
                   f"blue1 0 {scene.blue.ip4}", "nobody.blue. 3 -",
                   "example.org. 5 -", f"green2.green. 0 {scene.far.ip4}",
                   f"GREEN1.green 0 {scene.near.ip4}",
                   f"blue2 0 {away.ip4}"]


def test_a_network_that_comes_later(scene):
    """Its gateways are advertised when the switch has it, not before."""
    host = scene.blue.host
    before = scene.lab.peers_text()
    scene.lab.write_peers(before + """
[network late]
vni = 900
subnet = 10.90.0.0/16
subnet = fd00:90::/64
gateway = 10.90.0.1
gateway = fd00:90::1
""")
    wait_for(lambda: "late" in host.weft("network", "list").stdout, 5)
    late = Endpoint(host, "late", "late")
    assert late.pings("10.90.0.1") and late.pings("fd00:90::1")
    assert "refused" not in host.log()
    host.weft("detach", "late")
    scene.lab.write_peers(before)


def test_restart_of_the_agent_routes_on(scene):
    host = scene.blue.host
    with scene.blue.pinger(scene.far.ip4) as ping:
        host.kill_weftd()
        host.start_weftd()
        host.wait_healthy()
    assert not ping.lost

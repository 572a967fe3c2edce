# SPDX-License-Identifier: Apache-2.0
"""The way of packets where a directory tells who is where: nothing is asked
for, or flooded, across the underlay, and a source is believed only from the
host that has it."""

import signal
import socket
import time

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.dns import DNS
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6ND_Redirect,
                                ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
                                IPv6)
from scapy.layers.l2 import ARP, Ether

from dhcpclient import Udhcpc
from host import wait_for
from scene import learned_flows, our_flows, our_groups, shared_lab, tunnels
from traffic import (BROADCAST, Endpoint, Underlay, send_tunnelled, solicited,
                     transfer)

GATEWAY_MAC = "0e:57:00:00:00:01"
NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
gateway = 10.1.0.1
gateway = fd00:1::1
dhcp = on
dns = 10.1.0.1
dns = fd00:1::1
route = 10.9.0.0/16 via 10.1.200.7
route = fd09::/64 via fd00:1::c807

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
VNI = {"blue": 100, "green": 200, "lone": 300}
DISCOVERY = (ARP, ICMPv6ND_RS, ICMPv6ND_RA, ICMPv6ND_NS, ICMPv6ND_NA,
             ICMPv6ND_Redirect)
VIA = "--ip", "10.1.200.7/16", "--ip", "fd00:1::c807/64"
BEHIND = {4: "10.9.0.5", 6: "fd09::5"}


@pytest.fixture(scope="module")
def lab(request):
    with shared_lab(request, 3, networks=NETWORKS, directory="tcp") as lab:
        yield lab


@pytest.fixture(scope="module")
def scene(lab):
    return Scene(lab)


class Scene:
    """Blue on hosta and hostb, green on all, lone on hosta and hostc."""

    def __init__(self, lab):
        a, b, c = lab.hosts
        self.lab = lab
        self.blue = Endpoint(a, "blue1", "blue")
        self.far = Endpoint(b, "blue2", "blue")
        self.via = Endpoint(b, "via", "blue", *VIA)
        self.green = Endpoint(a, "green1", "green")
        self.green2 = Endpoint(b, "green2", "green")
        self.third = Endpoint(c, "green3", "green")
        self.lone = Endpoint(a, "lone1", "lone")
        self.lone3 = Endpoint(c, "lone3", "lone")
        for host in lab.hosts:
            wait_for(lambda h=host: len(tunnels_up(h)) == 2, 10,
                     f"{host.name} has its two tunnels")
        lab.settle()
        for e in (self.far, self.green2, self.third):
            wait_for(lambda e=e: self.blue.pings(e), 5, f"{e} answers")
        wait_for(lambda: self.lone.pings(self.lone3), 5, "lone3 answers")
        for version, address in BEHIND.items():
            length = 32 if version == 4 else 128
            self.via.ip("addr", "add", f"{address}/{length}", "dev", "lo")
        # A router asks with the address of its interface.
        b.run(["sh", "-c", "echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce"],
              netns=self.via.netns)


def tunnels_up(host):
    return [name for name, row in tunnels(host).items() if row["bfd"] == "up"]


class Underlays:
    """All that crosses the underlay, to and from every host."""

    def __init__(self, lab):
        self._wires = [Underlay(lab, host) for host in lab.hosts]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for wire in self._wires:
            wire.__exit__(kind, value, trace)

    def inner(self, condition):
        return [found for wire in self._wires
                for found in wire.inner(condition)]

    def holding(self, text):
        return [frame for wire in self._wires for frame in wire.holding(text)]

    def assert_no_discovery(self):
        found = self.inner(lambda p: any(layer in p for layer in DISCOVERY))
        assert not found, [(src, dst, vni, p.summary())
                           for src, dst, vni, p in found]


def assert_arrives(sender, receiver, text):
    """What was sent before it has arrived as well."""
    with receiver.wire() as wire:
        sender_wire = sender.wire()
        with sender_wire:
            sender_wire.send(sender.marker(text))
        wire.wait(text)


def link_local(mac):
    octets = [int(octet, 16) for octet in mac.split(":")]
    octets[0] ^= 2
    octets[3:3] = [0xff, 0xfe]
    return socket.inet_ntop(socket.AF_INET6,
                            bytes([0xfe, 0x80, *[0] * 6, *octets]))


# What crosses the underlay.

def test_neighbours_are_answered_on_the_spot(scene):
    e = scene.blue
    with Underlays(scene.lab) as underlays:
        for other in (scene.green2, scene.third, scene.far):
            e.flush_neighbours()
            other.flush_neighbours()
            assert e.pings(other, count=2) and other.pings(e, count=2)
        assert underlays.inner(lambda p: ICMP in p)
        assert underlays.inner(lambda p: ICMPv6EchoRequest in p)
        underlays.assert_no_discovery()
    known = e.ip("neigh", "show")
    for ip in scene.far.ips:
        assert f"{ip} dev eth0 lladdr {scene.far.mac}" in known


def test_attach_announces_nothing_to_other_hosts(scene):
    host = scene.blue.host
    with Underlays(scene.lab) as underlays:
        new = Endpoint(host, "new", "blue")
        chosen = Endpoint(host, "chosen", "blue", "--mac", "02:00:00:00:00:07")
        wait_for(lambda: scene.far.pings(new) and scene.far.pings(chosen), 3,
                 "they are known")
        # Their second announcement, and what the kernels say of themselves.
        time.sleep(1.2)
        underlays.assert_no_discovery()
    host.weft("detach", "new", "chosen")
    scene.lab.settle()


def test_whatever_a_guest_sends_of_discovery_stays_here(scene):
    e, far = scene.blue, scene.far
    group, group_mac = solicited(far.ip6)
    frames = [
        Ether(src=e.mac, dst=BROADCAST) / ARP(
            op=1, hwsrc=e.mac, psrc=e.ip4, pdst="10.1.66.66"),
        Ether(src=e.mac, dst=BROADCAST) / ARP(
            op=1, hwsrc=e.mac, psrc="0.0.0.0", pdst="10.1.66.66"),
        Ether(src=e.mac, dst=BROADCAST) / ARP(
            op=2, hwsrc=e.mac, psrc=e.ip4, hwdst=e.mac, pdst=e.ip4),
        Ether(src=e.mac, dst=far.mac) / ARP(
            op=1, hwsrc=e.mac, psrc=e.ip4, hwdst=far.mac, pdst="10.1.66.66"),
        Ether(src=e.mac, dst=far.mac) / ARP(
            op=2, hwsrc=e.mac, psrc=e.ip4, hwdst=far.mac, pdst=far.ip4),
        Ether(src=e.mac, dst=far.mac) / ARP(
            op=3, hwsrc=e.mac, psrc=e.ip4, hwdst=far.mac, pdst=far.ip4),
        Ether(src=e.mac, dst=group_mac) / IPv6(
            src=e.ip6, dst=group) / ICMPv6ND_NS(tgt="fd00:1::6666")
        / ICMPv6NDOptSrcLLAddr(lladdr=e.mac),
        Ether(src=e.mac, dst=group_mac) / IPv6(
            src="::", dst=group) / ICMPv6ND_NS(tgt=far.ip6),
        Ether(src=e.mac, dst=far.mac) / IPv6(
            src=e.ip6, dst=far.ip6) / ICMPv6ND_NS(tgt=far.ip6),
        Ether(src=e.mac, dst="33:33:00:00:00:01") / IPv6(
            src=e.ip6, dst="ff02::1") / ICMPv6ND_NA(tgt=e.ip6, R=0)
        / ICMPv6NDOptDstLLAddr(lladdr=e.mac),
        Ether(src=e.mac, dst=far.mac) / IPv6(
            src=e.ip6, dst=far.ip6) / ICMPv6ND_NA(tgt=e.ip6, R=0)
        / ICMPv6NDOptDstLLAddr(lladdr=e.mac),
        Ether(src=e.mac, dst="33:33:00:00:00:02") / IPv6(
            src=link_local(e.mac), dst="ff02::2") / ICMPv6ND_RS(),
        Ether(src=e.mac, dst="33:33:00:00:00:01") / IPv6(
            src=link_local(e.mac), dst="ff02::1") / ICMPv6ND_RA(),
        Ether(src=e.mac, dst=far.mac) / IPv6(
            src=link_local(e.mac), dst=far.ip6) / ICMPv6ND_Redirect(),
    ]
    with Underlays(scene.lab) as underlays, e.wire() as wire:
        wire.send(*frames)
        assert_arrives(e, far, b"after discovery")
        assert underlays.holding(b"after discovery")
        underlays.assert_no_discovery()


def test_unicast_questions_are_answered_here(scene):
    """As neighbours' caches ask before they give up on an entry."""
    e, far = scene.blue, scene.far
    with Underlays(scene.lab) as underlays, e.wire() as wire:
        wire.send(Ether(src=e.mac, dst=far.mac) / ARP(
            op=1, hwsrc=e.mac, psrc=e.ip4, hwdst=far.mac, pdst=far.ip4))
        reply = wait_for(lambda: [p for p in wire.packets() if ARP in p
                                  and p[ARP].op == 2])[0]
        assert (reply.src, reply.dst) == (far.mac, e.mac)
        assert (reply[ARP].hwsrc, reply[ARP].psrc) == (far.mac, far.ip4)
        assert (reply[ARP].hwdst, reply[ARP].pdst) == (e.mac, e.ip4)
        wire.send(Ether(src=e.mac, dst=far.mac)
                  / IPv6(src=e.ip6, dst=far.ip6) / ICMPv6ND_NS(tgt=far.ip6)
                  / ICMPv6NDOptSrcLLAddr(lladdr=e.mac))
        reply = wait_for(lambda: [p for p in wire.packets()
                                  if ICMPv6ND_NA in p])[0]
        assert (reply.src, reply.dst) == (far.mac, e.mac)
        assert (reply[IPv6].src, reply[IPv6].dst) == (far.ip6, e.ip6)
        assert reply[ICMPv6NDOptDstLLAddr].lladdr == far.mac
        assert (reply[ICMPv6ND_NA].S, reply[ICMPv6ND_NA].O) == (1, 1)
        underlays.assert_no_discovery()


@pytest.mark.parametrize("dst, ip", [
    (BROADCAST, IP(dst="255.255.255.255")),
    ("01:00:5e:01:02:03", IP(dst="239.1.2.3")),
    ("33:33:00:00:00:fb", IPv6(dst="ff02::fb"))])
def test_broadcast_goes_to_hosts_with_members(scene, dst, ip):
    """Once, to each endpoint of the network, and to no other host."""
    e, (_, b, c) = scene.blue, scene.lab.hosts
    ip.src = e.ip4 if ip.version == 4 else e.ip6
    text = f"to all {dst}".encode()
    with Underlays(scene.lab) as underlays, e.wire() as out, \
            scene.far.wire() as far, scene.via.wire() as via, \
            scene.third.wire() as third, scene.green2.wire() as green:
        out.send(Ether(src=e.mac, dst=dst) / ip / UDP(dport=9) / text)
        far.wait(text)
        via.wait(text)
        assert_arrives(scene.green, scene.third, text + b", then")
        for wire in (far, via):
            assert len(wire.holding(text)) == 1
        assert not green.holding(text) or all(
            text + b", then" in f for f in green.holding(text))
        got = underlays.inner(lambda p: text in bytes(p)
                              and text + b", then" not in bytes(p))
        # One frame, seen where it leaves and where it arrives.
        assert [(dst, vni) for _, dst, vni, _ in got] == [(b.address, 100)] * 2
        assert c.address not in [dst for _, dst, _, _ in got]
        assert not [f for f in third.holding(text) if text + b", then" not in f]


def test_unknown_destinations_reach_no_tunnel(scene):
    e = scene.blue
    gone = Endpoint(scene.far.host, "gone", "blue")
    wait_known(scene, gone)
    gone.host.weft("detach", "gone")
    wait_for(lambda: not located(e.host, gone), 3, "its flows are gone")
    scene.lab.settle()          # And those of the switch's cache.
    frames = [Ether(src=e.mac, dst=mac) / IP(src=e.ip4, dst=gone.ip4)
              / UDP(dport=9) / b"to nobody"
              for mac in ("02:00:00:00:66:66", gone.mac, scene.third.mac)]
    frames += [Ether(src=e.mac, dst=GATEWAY_MAC) / ip / UDP(dport=9)
               / b"to nobody"
               for ip in (IP(src=e.ip4, dst="10.2.66.66"),
                          IP(src=e.ip4, dst=gone.ip4),
                          IPv6(src=e.ip6, dst="fd00:2::6666"),
                          IPv6(src=e.ip6, dst=gone.ip6))]
    with Underlays(scene.lab) as underlays, e.wire() as wire:
        wire.send(*frames)
        assert_arrives(e, scene.far, b"to all")
        assert underlays.holding(b"to all")
        assert not underlays.holding(b"to nobody")


def wait_known(scene, e):
    """Until it is reached, and its new links disturb nothing any more."""
    wait_for(lambda: scene.blue.pings(e), 5, f"{e} is known")
    scene.lab.settle()


def located(host, e):
    """The flows of another host's endpoint."""
    keys = [e.mac, *(e.ips if e.ip6 else [])]
    return [flow for flow in our_flows(host)
            if "table=learned" in flow and any(k in flow for k in keys)]


@pytest.mark.parametrize("mac", [None, "00:16:3e:12:34:56",
                                 "02:16:3e:12:34:56"])
def test_link_local_addresses_of_other_hosts_answer(scene, mac):
    args = ["--mac", mac] if mac else []
    other = Endpoint(scene.far.host, "ll", "blue", *args)
    wait_known(scene, other)
    target = link_local(other.mac) + "%eth0"
    with Underlays(scene.lab) as underlays:
        # Its kernel looks for duplicates of it first.
        wait_for(lambda: scene.blue.pings(target), 5, f"{target} answers")
        assert other.pings(link_local(scene.blue.mac) + "%eth0")
        underlays.assert_no_discovery()
    detach(scene, other)


def detach(scene, *endpoints):
    """Until nobody knows of them any more."""
    for e in endpoints:
        e.host.weft("detach", e.name)
        e.host.weft("netns", "del", e.netns)
    for host in scene.lab.hosts:
        for e in endpoints:
            wait_for(lambda h=host, e=e: not located(h, e), 3,
                     f"{host.name} has forgotten {e}")
    scene.lab.settle()


def test_several_addresses_of_one_endpoint(scene):
    ips = ("10.1.5.1/16", "fd00:1::5:1/64", "10.1.5.2/16", "fd00:1::5:2/64",
           "10.1.5.3/16")
    args = [word for ip in ips for word in ("--ip", ip)]
    many = Endpoint(scene.far.host, "many", "blue", *args)
    wait_known(scene, many)
    rows = scene.lab.directory.rows("Endpoint", "part", "ipv4", "ipv6", "mac",
                                    where=[["name", "==", "many"]])
    assert sorted((r["part"], r["ipv4"], r["ipv6"]) for r in rows) == [
        (0, "10.1.5.1", "fd00:1::5:1"), (1, "10.1.5.2", "fd00:1::5:2"),
        (2, "10.1.5.3", f"-{many.mac}-2")]
    wait_for(lambda: scene.third.pings(many), 5, "all of them by the router")
    detach(scene, many)
    assert not scene.lab.directory.rows("Endpoint", where=[["name", "==",
                                                            "many"]])


@pytest.mark.parametrize("ip", ["10.1.6.1/16", "fd00:1::6:1/64"])
def test_one_family_alone(scene, ip):
    single = Endpoint(scene.far.host, "single", "blue", "--ip", ip)
    wait_known(scene, single)
    assert single.pings(scene.blue.ip4 if "." in ip else scene.blue.ip6)
    wait_for(lambda: scene.third.pings(single), 5, "by the router, too")
    row, = scene.lab.directory.rows("Endpoint", "ipv4", "ipv6",
                                    where=[["name", "==", "single"]])
    address = ip.partition("/")[0]
    assert sorted(row.values()) == sorted([address, f"-{single.mac}-0"])
    detach(scene, single)


def test_nothing_is_learned(scene):
    assert scene.blue.pings(scene.far) and scene.third.pings(scene.blue)
    for host in scene.lab.hosts:
        assert not learned_flows(host)


# What is believed.

def bridged(source, e, text, mac=None, dst=None):
    return (Ether(src=mac or source.mac, dst=dst or e.mac)
            / IP(src=source.ip4, dst=e.ip4) / UDP(dport=9) / text)


def routed(vni, src, e, text):
    ip = (IP(src=src, dst=e.ip4) if "." in src
          else IPv6(src=src, dst=e.ip6))
    return (Ether(src=f"0e:57:00:{vni >> 16:02x}:{vni >> 8 & 0xff:02x}:"
                  f"{vni & 0xff:02x}", dst=GATEWAY_MAC)
            / ip / UDP(dport=9) / text)


def assert_believed(liar, e, good, bad):
    """What host 'liar' sends into the network of 'e' by its tunnel: 'good'
    arrives, nothing of 'bad' does."""
    assert all(b"false" in bytes(frame) for frame in bad)
    with e.wire() as wire:
        send_tunnelled(liar, liar.address, e.host.address, [*bad, *good],
                       VNI[e.network])
        for frame in good:
            wire.wait(bytes(frame)[-6:])
        got = [Ether(f).summary() for f in wire.holding(b"false")]
        assert not got, got


def test_a_mac_is_believed_from_its_own_host(scene):
    e, far = scene.blue, scene.far
    other = Endpoint(scene.lab["hostc"], "blue3", "blue")
    wait_known(scene, other)
    bad = [bridged(far, e, b"false", mac, dst)
           for mac in (other.mac, e.mac, scene.green2.mac, GATEWAY_MAC,
                       "02:00:00:00:66:66", "0e:57:00:00:00:64")
           for dst in (e.mac, BROADCAST)]
    assert_believed(far.host, e, [bridged(far, e, b"true 1")], bad)
    assert_believed(other.host, e, [bridged(other, e, b"true 2")],
                    [bridged(far, e, b"false")])
    detach(scene, other)


@pytest.mark.parametrize("version", [4, 6])
def test_a_routed_source_is_believed_from_its_own_host(scene, version):
    def ip(endpoint):
        return endpoint.ip4 if version == 4 else endpoint.ip6
    e, nobody = scene.blue, {4: "10.2.66.66", 6: "fd00:2::6666"}[version]
    own = ip(scene.green)
    assert_believed(
        scene.far.host, e, [routed(200, ip(scene.green2), e, b"true 1")],
        [routed(200, ip(scene.third), e, b"false"),
         routed(200, nobody, e, b"false"), routed(200, own, e, b"false"),
         routed(100, ip(scene.green2), e, b"false"),
         routed(300, ip(scene.green2), e, b"false"),
         routed(999, ip(scene.green2), e, b"false")])
    assert_believed(
        scene.third.host, e, [routed(200, ip(scene.third), e, b"true 2")],
        [routed(200, ip(scene.green2), e, b"false")])


@pytest.mark.parametrize("version", [4, 6])
def test_a_network_that_is_not_routed_here_stays_apart(scene, version):
    """Its own host says so, and is not believed all the same."""
    source = scene.lone3.ip4 if version == 4 else scene.lone3.ip6
    ours = scene.third.ip4 if version == 4 else scene.third.ip6
    assert_believed(scene.lone3.host, scene.blue,
                    [routed(200, ours, scene.blue, b"true 1")],
                    [routed(300, source, scene.blue, b"false")])


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_behind_an_endpoint_comes_from_its_host(scene, version):
    behind = BEHIND[version]
    for e in (scene.blue, scene.green, scene.third):
        assert e.pings(behind, count=2), e
    for e in (scene.blue, scene.green):
        assert_believed(scene.via.host, e, [routed(100, behind, e, b"true 1")],
                        [])
        source = scene.third.ip4 if version == 4 else scene.third.ip6
        assert_believed(scene.third.host, e,
                        [routed(200, source, e, b"true 2")],
                        [routed(100, behind, e, b"false"),
                         routed(200, behind, e, b"false")])


def test_discovery_from_a_tunnel_is_dropped(scene):
    """Even from the right host, and nobody answers into the tunnel."""
    e, far = scene.blue, scene.far
    group, group_mac = solicited(e.ip6)
    solicit = ICMPv6NDOptSrcLLAddr(lladdr=far.mac)
    bad = [
        Ether(src=far.mac, dst=BROADCAST) / ARP(
            op=1, hwsrc=far.mac, psrc=far.ip4, pdst=e.ip4),
        Ether(src=far.mac, dst=e.mac) / ARP(
            op=2, hwsrc=far.mac, psrc="10.1.0.1", hwdst=e.mac, pdst=e.ip4),
        Ether(src=far.mac, dst=group_mac) / IPv6(src=far.ip6, dst=group)
        / ICMPv6ND_NS(tgt=e.ip6) / solicit,
        Ether(src=far.mac, dst="33:33:00:00:00:01")
        / IPv6(src=far.ip6, dst="ff02::1")
        / ICMPv6ND_NA(tgt="fd00:1::1") / ICMPv6NDOptDstLLAddr(
            lladdr=far.mac),
        Ether(src=far.mac, dst="33:33:00:00:00:01")
        / IPv6(src=link_local(far.mac), dst="ff02::1") / ICMPv6ND_RA(),
        Ether(src=far.mac, dst="33:33:00:00:00:02")
        / IPv6(src=link_local(far.mac), dst="ff02::2") / ICMPv6ND_RS(),
        Ether(src=far.mac, dst=e.mac)
        / IPv6(src=link_local(far.mac), dst=e.ip6) / ICMPv6ND_Redirect(),
    ]
    e.flush_neighbours()        # Its kernel shall not ask for far by itself.
    with e.wire() as wire, Underlay(scene.lab, e.host) as underlay:
        send_tunnelled(far.host, far.host.address, e.host.address, bad)
        assert_arrives(far, e, b"after discovery")
        assert not [p.summary() for p in wire.packets() if p.src == far.mac
                    and any(layer in p for layer in DISCOVERY)]
        assert not [t for t in underlay.inner(
            lambda p: any(layer in p for layer in DISCOVERY))
            if t[0] == e.host.address]


def test_a_row_with_the_gateways_mac_is_passed_over(scene):
    """No endpoint has it, whatever a host writes."""
    far = scene.far
    far.host.kill_weftd(signal.SIGSTOP)
    scene.lab.directory.transact(*(
        {"op": "insert", "table": "Endpoint", "row": {
            "network": 100, "mac": mac, "part": 0, "ipv4": ip,
            "ipv6": f"-{mac}-0", "name": "liar", "host": far.host.name}}
        for mac, ip in ((GATEWAY_MAC, "10.1.77.1"),
                        ("0e:57:00:00:00:c8", "10.1.77.2"))))
    try:
        assert_believed(far.host, scene.blue,
                        [bridged(far, scene.blue, b"true 1")],
                        [bridged(far, scene.blue, b"false", mac)
                         for mac in (GATEWAY_MAC, "0e:57:00:00:00:c8")])
    finally:
        scene.lab.directory.transact({
            "op": "delete", "table": "Endpoint",
            "where": [["name", "==", "liar"]]})
        far.host.kill_weftd(signal.SIGCONT)


# What the gateway does, of other hosts' endpoints.

def test_names_of_other_hosts_endpoints(scene):
    e = scene.blue
    script = """
import socket
from scapy.layers.dns import DNS, DNSQR
for family, server in ((socket.AF_INET, "10.1.0.1"),
                       (socket.AF_INET6, "fd00:1::1")):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(3)
    for name in ("blue2", "BLUE2.blue.", "green2.green", "green3.green.",
                 "green3", "lone3.lone.", "nobody"):
        for kind in ("A", "AAAA"):
            q = DNS(id=1, rd=1, qd=DNSQR(qname=name, qtype=kind))
            s.sendto(bytes(q), (server, 53))
            r = DNS(s.recv(2000))
            print(name, kind, r.rcode, r.an.rdata if r.ancount else "-")
"""
    with Underlays(scene.lab) as underlays:
        out = e.host.run(["/usr/bin/python3", "-c", script],
                         netns=e.netns).stdout.splitlines()
        assert not underlays.inner(lambda p: DNS in p)
    far, green2, third = scene.far, scene.green2, scene.third
    wanted = []
    for name, other in (("blue2", far), ("BLUE2.blue.", far),
                        ("green2.green", green2), ("green3.green.", third)):
        wanted += [f"{name} A 0 {other.ip4}", f"{name} AAAA 0 {other.ip6}"]
    wanted += [f"{name} {kind} {code} -"
               for name, code in (("green3", 3), ("lone3.lone.", 5),
                                  ("nobody", 3))
               for kind in ("A", "AAAA")]
    assert out == wanted * 2


def test_networks_without_a_router_stay_apart(scene):
    for ip in scene.lone3.ips:
        assert not scene.blue.pings(ip)
    assert scene.lone.pings(scene.lone3)


def test_dhcp_stays_on_its_host(scene):
    with Underlays(scene.lab) as underlays:
        e = Endpoint(scene.far.host, "client", "blue", "--ip", "dhcp")
        with Udhcpc(e.host, e.netns) as client:
            assert client.wait("bound")["ip"] == e.ip4
        assert not underlays.inner(lambda p: BOOTP in p)
        underlays.assert_no_discovery()
    detach(scene, e)


@pytest.mark.parametrize("target", ["far", "green2"])
def test_tcp_runs_across(scene, target):
    other = getattr(scene, target)
    for ip in other.ips:
        assert transfer(scene.blue, other, ip) == 4 << 20


def test_flows_and_groups_are_put_right(scene):
    """Those of other hosts' endpoints as well."""
    host = scene.blue.host

    def groups():
        """Buckets have no order."""
        text = host.ovs_ofctl("dump-groups", "br-weft")
        return sorted(sorted(line.split(",bucket="))
                      for line in text.splitlines() if "group_id" in line)
    before = our_flows(host), groups()
    host.ovs_ofctl("del-groups", "br-weft")
    host.ovs_ofctl("del-flows", "br-weft")

    def same():
        assert (our_flows(host), groups()) == before
        return True
    wait_for(same, 5, "the switch is as it was")
    wait_for(lambda: scene.blue.pings(scene.far), 3)
    assert_arrives(scene.blue, scene.far, b"to all again")


def test_restart_of_the_agent_changes_no_flow(scene):
    host = scene.blue.host
    before = our_flows(host), our_groups(host)
    with scene.blue.pinger(scene.far.ip4) as near, \
            scene.third.pinger(scene.blue.ip6) as far:
        host.kill_weftd()
        host.start_weftd()
        host.wait_healthy()
        near.wait_answer(20)
    assert not near.lost and not far.lost
    assert (our_flows(host), our_groups(host)) == before

# SPDX-License-Identifier: Apache-2.0
"""What an endpoint may say, and what never arrives but is counted.

Every frame that must not pass is followed by one that may: when that one has
arrived, the other one would have.
"""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6MLQuery,
                                ICMPv6MLReport, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6ND_RA, ICMPv6ND_Redirect, ICMPv6ND_RS,
                                ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr,
                                IPv6)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether, LLC, SNAP, STP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt

from host import wait_for
from scene import shared_lab
from traffic import BROADCAST, Endpoint, Underlay, solicited

NODES = "33:33:00:00:00:01"
OTHER_MAC = "0a:66:66:66:66:66"
OTHER_IP4, OTHER_IP6 = "10.1.66.66", "fd00:1::66"


class Scene:
    """An attacker, a victim beside it, and one on another host."""

    def __init__(self, lab):
        a, b = lab.hosts
        self.lab = lab
        self.evil = Endpoint(a, "evil")
        self.near = Endpoint(a, "near")
        self.far = Endpoint(b, "far")
        self.victims = [self.near, self.far]
        lab.wait_healthy()
        lab.settle()
        assert all(self.evil.pings(v) for v in self.victims)
        self._counted = counted(self.evil)

    def gained(self):
        """By what the attacker's counters rose since the last call."""
        before, self._counted = self._counted, counted(self.evil)
        return {why: n - before[why] for why, n in self._counted.items()
                if n != before[why]}


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request) as lab:
        yield Scene(lab)


def counted(e):
    """Reason to frames, as of now: the switch's cache of flows tells its
    counters when it is emptied."""
    e.host.ovs_appctl("revalidator/purge")
    row = e.row()
    return {**row["refused"], **row["ignored"]}


def arp(e, v, eth_src=None, dst=BROADCAST, **fields):
    values = {"op": 2, "hwsrc": e.mac, "psrc": e.ip4, "hwdst": v.mac,
              "pdst": v.ip4, **fields}
    return Ether(src=eth_src or e.mac, dst=dst) / ARP(**values)


def ip6(e, dst="ff02::1", mac=NODES, **fields):
    values = {"src": e.ip6, "dst": dst, "hlim": 255, **fields}
    return Ether(src=e.mac, dst=mac) / IPv6(**values)


def advertisement(e, target, lladdr, **fields):
    return (ip6(e, **fields) / ICMPv6ND_NA(tgt=target, R=0, S=0, O=1)
            / ICMPv6NDOptDstLLAddr(lladdr=lladdr))


def router(e):
    return (ICMPv6ND_RA(routerlifetime=1800)
            / ICMPv6NDOptPrefixInfo(prefix="fd66::", prefixlen=64)
            / ICMPv6NDOptSrcLLAddr(lladdr=e.mac))


def unicast(e, v, eth_src=None, src=None):
    return (Ether(src=eth_src or e.mac, dst=v.mac)
            / IP(src=src or e.ip4, dst=v.ip4) / UDP(sport=9, dport=9))


def unicast6(e, v, eth_src=None, src=None):
    return (Ether(src=eth_src or e.mac, dst=v.mac)
            / IPv6(src=src or e.ip6, dst=v.ip6) / UDP(sport=9, dport=9))


# Name to the reason by which it is counted and the frame, made of the attacker
# and the victim.
REFUSED = {
    "MAC of nobody, IPv4": ("source-mac",
                            lambda e, v: unicast(e, v, OTHER_MAC)),
    "MAC of the victim, IPv4": ("source-mac",
                                lambda e, v: unicast(e, v, v.mac)),
    "MAC of nobody, IPv6": ("source-mac",
                            lambda e, v: unicast6(e, v, OTHER_MAC)),
    "MAC of a group": ("source-mac",
                       lambda e, v: unicast(e, v, "01:00:5e:00:00:01")),
    "IPv4 of nobody": ("source-ipv4",
                       lambda e, v: unicast(e, v, src=OTHER_IP4)),
    "IPv4 of the victim": ("source-ipv4",
                           lambda e, v: unicast(e, v, src=v.ip4)),
    "IPv4 unspecified": ("source-ipv4",
                         lambda e, v: unicast(e, v, src="0.0.0.0")),
    "IPv4 link-local": ("link-local-address",
                        lambda e, v: unicast(e, v, src="169.254.6.6")),
    "IPv6 of nobody": ("source-ipv6",
                       lambda e, v: unicast6(e, v, src=OTHER_IP6)),
    "IPv6 of the victim": ("source-ipv6",
                           lambda e, v: unicast6(e, v, src=v.ip6)),
    "IPv6 unspecified": ("source-ipv6",
                         lambda e, v: unicast6(e, v, src="::")),
    "IPv6 link-local of the victim": (
        "source-ipv6", lambda e, v: unicast6(e, v, src=link_local(v))),
    "IPv6 link-local, made up": (
        "link-local-address", lambda e, v: unicast6(e, v, src="fe80::66")),
    "ARP, victim's address": ("arp-sender",
                              lambda e, v: arp(e, v, psrc=v.ip4)),
    "ARP, address of nobody": ("arp-sender",
                               lambda e, v: arp(e, v, psrc=OTHER_IP4)),
    "ARP, to the victim alone": (
        "arp-sender", lambda e, v: arp(e, v, psrc=OTHER_IP4, dst=v.mac)),
    "ARP, sender's MAC of another": (
        "arp-sender", lambda e, v: arp(e, v, hwsrc=OTHER_MAC)),
    "ARP, frame's MAC of another": ("source-mac",
                                    lambda e, v: arp(e, v, OTHER_MAC)),
    "ARP, gratuitous for another": (
        "arp-sender", lambda e, v: arp(e, v, op=1, psrc=v.ip4, pdst=v.ip4)),
    "ARP, link-local address": (
        "link-local-address", lambda e, v: arp(e, v, psrc="169.254.6.6")),
    "RARP": ("protocol", lambda e, v: Ether(
        src=e.mac, dst=BROADCAST, type=0x8035)
        / bytes(ARP(op=3, hwsrc=e.mac, psrc=OTHER_IP4))),
    "NA, victim's address": ("neighbour-discovery",
                             lambda e, v: advertisement(e, v.ip6, e.mac)),
    "NA, victim's address, to it alone": (
        "neighbour-discovery", lambda e, v: advertisement(
            e, v.ip6, e.mac, dst=v.ip6, mac=v.mac)),
    "NA, MAC of another": ("neighbour-discovery",
                           lambda e, v: advertisement(e, e.ip6, OTHER_MAC)),
    "NA, without MAC": ("neighbour-discovery", lambda e, v: ip6(e)
                        / ICMPv6ND_NA(tgt=v.ip6, O=1)),
    "NA, from another": ("source-ipv6", lambda e, v: advertisement(
        e, e.ip6, e.mac, src=v.ip6)),
    "NA, behind an extension header": (
        "neighbour-discovery", lambda e, v: ip6(e) / IPv6ExtHdrDestOpt()
        / ICMPv6ND_NA(tgt=v.ip6, O=1) / ICMPv6NDOptDstLLAddr(lladdr=e.mac)),
    "NA, two MACs": ("neighbour-discovery", lambda e, v: advertisement(
        e, v.ip6, e.mac) / ICMPv6NDOptDstLLAddr(lladdr=OTHER_MAC)),
    "NS, MAC of another": ("neighbour-discovery", lambda e, v: ip6(
        e, dst=v.ip6, mac=v.mac) / ICMPv6ND_NS(tgt=v.ip6)
        / ICMPv6NDOptSrcLLAddr(lladdr=OTHER_MAC)),
    "NS, to all, without MAC": ("neighbour-discovery", lambda e, v: ip6(e)
                                / ICMPv6ND_NS(tgt=v.ip6)),
    "NS, from another": ("source-ipv6", lambda e, v: ip6(
        e, src=OTHER_IP6, dst=v.ip6, mac=v.mac) / ICMPv6ND_NS(tgt=v.ip6)
        / ICMPv6NDOptSrcLLAddr(lladdr=e.mac)),
    "NS, duplicate address detection": (
        "ipv6-autoconfiguration", lambda e, v: ip6(e, src="::")
        / ICMPv6ND_NS(tgt=v.ip6)),
    "router solicitation": (
        "ipv6-autoconfiguration", lambda e, v: ip6(e, src=link_local(e))
        / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=e.mac)),
    "router advertisement": ("router-advertisement", lambda e, v: ip6(
        e, src=link_local(e)) / router(e)),
    "router advertisement to the victim alone": (
        "router-advertisement", lambda e, v: ip6(
            e, src=link_local(e), dst=v.ip6, mac=v.mac) / router(e)),
    "router advertisement, gateway's address": (
        "router-advertisement", lambda e, v: ip6(
            e, src="fe80::c57:ff:fe00:1") / router(e)),
    "redirect": ("router-advertisement", lambda e, v: ip6(
        e, src=link_local(e), dst=v.ip6, mac=v.mac)
        / ICMPv6ND_Redirect(tgt=link_local(e), dst="fd66::1")),
    "IGMP": ("multicast-membership", lambda e, v: Ether(
        src=e.mac, dst="01:00:5e:00:00:16")
        / IP(src=e.ip4, dst="224.0.0.22", proto=2)),
    "MLD report": ("multicast-membership", lambda e, v: ip6(
        e, src=link_local(e)) / ICMPv6MLReport(mladdr="ff02::66")),
    "MLD query, from nobody": ("multicast-membership", lambda e, v: ip6(
        e, src="::") / ICMPv6MLQuery()),
    "DHCP server": ("dhcp-server", lambda e, v: Ether(src=e.mac, dst=v.mac)
                    / IP(src=e.ip4, dst=v.ip4) / UDP(sport=67, dport=68)),
    "DHCP server, gateway's address": ("dhcp-server", lambda e, v: Ether(
        src=e.mac, dst=v.mac) / IP(src="10.1.0.1", dst=v.ip4)
        / UDP(sport=67, dport=68)),
    "DHCPv6 server": ("dhcp-server", lambda e, v: Ether(
        src=e.mac, dst=v.mac) / IPv6(src=link_local(e), dst=link_local(v))
        / UDP(sport=547, dport=546)),
    "DHCP request": ("dhcp-request", lambda e, v: Ether(
        src=e.mac, dst=BROADCAST) / IP(src="0.0.0.0", dst="255.255.255.255")
        / UDP(sport=68, dport=67)),
    "802.1Q tag": ("802.1q-tag",
                   lambda e, v: tagged(unicast(e, v), Dot1Q(vlan=7))),
    "802.1Q tag 0": ("802.1q-tag",
                     lambda e, v: tagged(unicast(e, v), Dot1Q(vlan=0))),
    "802.1ad tag": ("802.1q-tag",
                    lambda e, v: tagged(unicast(e, v), Dot1AD(vlan=7))),
    "spanning tree": ("protocol", lambda e, v: Ether(
        src=e.mac, dst="01:80:c2:00:00:00", type=60) / LLC() / STP()),
    "LLDP": ("protocol", lambda e, v: Ether(
        src=e.mac, dst="01:80:c2:00:00:0e", type=0x88cc)),
    "SNAP": ("source-ipv4", lambda e, v: Ether(src=e.mac, dst=v.mac, type=60)
             / LLC() / SNAP() / IP(src=OTHER_IP4, dst=v.ip4)),
    "protocol of nobody": ("protocol", lambda e, v: Ether(
        src=e.mac, dst=v.mac, type=0x88b5)),
}
# What Linux adds by itself.
NOISE = {"multicast-membership", "ipv6-autoconfiguration"}

PASSES = {
    "IPv4": unicast,
    "IPv6": unicast6,
    "echo over IPv6": lambda e, v: Ether(src=e.mac, dst=v.mac)
        / IPv6(src=e.ip6, dst=v.ip6) / ICMPv6EchoRequest(),
    "echo over IPv6, link-local": lambda e, v: Ether(src=e.mac, dst=v.mac)
        / IPv6(src=link_local(e), dst=link_local(v)) / ICMPv6EchoRequest(),
    "echo over IPv4": lambda e, v: Ether(src=e.mac, dst=v.mac)
        / IP(src=e.ip4, dst=v.ip4) / ICMP(),
    "ARP answer": lambda e, v: arp(e, v, dst=v.mac),
    "unsolicited NA": lambda e, v: advertisement(e, e.ip6, e.mac),
}


def link_local(e):
    octets = [int(x, 16) for x in e.mac.split(":")]
    octets[0] ^= 2
    octets[3:3] = [0xff, 0xfe]
    groups = [f"{a << 8 | b:x}" for a, b in zip(octets[::2], octets[1::2])]
    return "fe80::" + ":".join(groups)


def tagged(frame, tag):
    """The same frame with a tag between the addresses and the rest."""
    return Ether(src=frame.src, dst=frame.dst) / tag / frame.payload


def arrived(scene, frames, text):
    """Sends them with 'text' at their ends, then what may pass.  Who got
    one?"""
    wires = {str(v): v.wire() for v in scene.victims}
    with scene.evil.wire() as wire, \
            Underlay(scene.lab, scene.evil.host) as plug:
        end = b"end of " + text
        wire.send(*[bytes(frame) + text for frame in frames],
                  scene.evil.marker(end))
        for victim in wires.values():
            victim.wait(end)
        plug.wait(end)
        wires["the underlay"] = plug
        found = [name for name, w in wires.items()
                 if any(text in f and end not in f for f in w.frames())]
    for victim in scene.victims:
        wires[str(victim)].__exit__(None, None, None)
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_never_arrives(scene, name):
    """Nor is it counted as anything else than what it is."""
    why, make = REFUSED[name]
    frames = [make(scene.evil, victim) for victim in scene.victims]
    assert arrived(scene, frames, f"<{name}>".encode()) == []

    gained = scene.gained()
    if why in NOISE:
        assert gained[why] >= len(frames)
        gained[why] = len(frames)
    assert {k: n for k, n in gained.items() if k == why or k not in NOISE} \
        == {why: len(frames)}


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("victim", ["near", "far"])
def test_passes(scene, name, victim):
    text = f"<{name} {victim}>".encode()
    frame = PASSES[name](scene.evil, getattr(scene, victim))
    assert str(getattr(scene, victim)) in arrived(scene, [frame], text)
    assert scene.gained().keys() <= NOISE


def gratuitous(kind, e):
    """What says "this address has this MAC" unasked."""
    if kind == "request":
        return arp(e, e, op=1, psrc=e.ip4, pdst=e.ip4,
                   hwdst="00:00:00:00:00:00")
    if kind == "answer":
        return arp(e, e, psrc=e.ip4, pdst=e.ip4, hwdst=e.mac)
    return advertisement(e, e.ip6, e.mac)


@pytest.mark.parametrize("kind", ["request", "answer", "advertisement"])
def test_an_endpoints_own_announcement_is_heard(scene, kind):
    """Neighbours that have its address with an old MAC take the new one."""
    e = scene.evil
    ip = e.ip6 if kind == "advertisement" else e.ip4
    for victim in scene.victims:
        victim.ip("neigh", "replace", ip, "lladdr", OTHER_MAC, "dev", "eth0",
                  "nud", "stale")
    with e.wire() as wire:
        wire.send(gratuitous(kind, e))

    def corrected():
        return all(e.mac in v.ip("neigh", "show", ip)
                   for v in scene.victims)
    wait_for(corrected, 2, "both victims have the right MAC")


def test_nobody_is_fooled(scene):
    """After all of the above, in the neighbours' eyes."""
    for victim in scene.victims:
        table = victim.ip("neigh")
        assert OTHER_MAC not in table and OTHER_IP4 not in table
        assert "fd66" not in victim.ip("-6", "route")
    assert scene.near.pings(scene.far) and scene.far.pings(scene.near)


def test_it_is_the_attackers_port_that_counts(scene):
    """Its neighbours were refused nothing; all that was counted has a name."""
    for victim in scene.victims:
        assert counted(victim).keys() >= {why for why, _ in REFUSED.values()}
        assert not any(victim.row()["refused"].values()), victim


def test_a_probe_for_its_own_address_meets_no_conflict(scene):
    """Duplicate address detection in the endpoint, RFC 5227 and RFC 4862."""
    e = scene.evil
    group, mac = solicited(e.ip6)
    with e.wire() as wire:
        wire.send(arp(e, e, op=1, psrc="0.0.0.0", pdst=e.ip4,
                      hwdst="00:00:00:00:00:00"),
                  ip6(e, src="::", dst=group, mac=mac)
                  / ICMPv6ND_NS(tgt=e.ip6))
        assert e.pings(scene.near)
        answers = [p.summary() for p in wire.packets()
                   if (ARP in p and p[ARP].psrc == e.ip4)
                   or (ICMPv6ND_NA in p and p[ICMPv6ND_NA].tgt == e.ip6)]
    assert answers == []


def test_a_probe_for_anothers_address_is_answered(scene):
    e = scene.evil
    for victim in scene.victims:
        with e.wire() as wire:
            wire.send(arp(e, victim, op=1, psrc="0.0.0.0",
                          hwdst="00:00:00:00:00:00"))
            wait_for(lambda: any(ARP in p and p[ARP].psrc == victim.ip4
                                 and p[ARP].hwsrc == victim.mac
                                 for p in wire.packets()), 2,
                     f"{victim} defends its address")


def test_a_spoofer_takes_no_traffic(scene):
    """Half a second of forged answers while the victims talk: none lost."""
    e, near, far = scene.evil, scene.near, scene.far
    forged = [bytes(arp(e, near, psrc=far.ip4, dst=near.mac)),
              bytes(unicast(e, near, far.mac, far.ip4)),
              bytes(advertisement(e, far.ip6, e.mac))]
    with near.pinger(far.ip4) as pinger, e.wire() as wire:
        for _ in range(50):
            wire.send(*forged)
            pinger.wait_answer()
        stolen = [p for p in wire.packets()
                  if ICMP in p and p[IP].dst == far.ip4]
    assert pinger.lost == [] and stolen == []


def test_router_advertisement_is_not_the_hosts(scene):
    """The userspace datapath is not the first to see a frame."""
    host = scene.evil.host
    before = host.ip("-6", "route")
    with scene.evil.wire() as wire:
        wire.send(ip6(scene.evil, src="fe80::66") / router(scene.evil))
        wire.send(scene.evil.marker(b"after"))
    assert scene.evil.pings(scene.near)
    assert "proto ra" not in host.ip("-6", "route")
    assert host.ip("-6", "route") == before

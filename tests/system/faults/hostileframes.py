# SPDX-License-Identifier: Apache-2.0
"""Frames of every sort that a workload might send, each field right or wrong
by chance, and what has to be true of those that arrive.

A frame carries its number, "<h000123>", wherever it has room for it.
"""

import ipaddress
import random
import re
import socket
import struct

from scapy.layers.inet import (ICMP, IP, TCP, UDP, IPOption_LSRR,
                               IPOption_NOP, IPOption_RR,
                               IPOption_Router_Alert)
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6MLQuery,
                                ICMPv6MLReport2, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6ND_RA, ICMPv6ND_Redirect, ICMPv6ND_RS,
                                ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr,
                                ICMPv6Unknown, IPv6, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, Jumbo)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether, LLC, SNAP, STP
from scapy.packet import Raw

GATEWAY_MAC = "0e:57:00:00:00:01"
ROUTED = re.compile(rb"\x0e\x57\x00")       # And the sender's network.
GATEWAY4, GATEWAY6 = "10.1.0.1", "fd00:1::1"
OTHER_MAC = "0a:66:66:66:66:66"
OTHER4, OTHER6 = "10.1.66.66", "fd00:1::66"
BROADCAST = "ff:ff:ff:ff:ff:ff"
NUMBER = re.compile(rb"<h(\d{6})>")
# What is not IP, ARP or IPv6: link control, LLDP, LACP, EAPOL, MPLS, PPPoE,
# frames in frames, and what stands for a tag elsewhere.
ETHERTYPES = [0x88cc, 0x8809, 0x888e, 0x8847, 0x8863, 0x8864, 0x8035, 0x6558,
              0x894f, 0x88e7, 0x88f7, 0x8902, 0x9000, 0x9100, 0x9200, 0x22f0,
              0x8906, 0x86de, 0x0801, 0x88b5, 0xffff]
MARTIANS4 = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.8.8.8", "169.254.1.1",
             "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
             "10.1.255.255", "198.19.0.100", "198.19.255.254"]
MARTIANS6 = ["::", "::1", "::ffff:10.1.1.1", "::10.1.1.1", "ff02::1",
             "ff05::1:3", "fe80::66", "fec0::1", "64:ff9b::a01:101",
             "2002:a01:101::1", "fd57:6566:7400::64"]
DISCOVERY = range(133, 138)
LISTENERS = (130, 131, 132, 143)
EXTENSIONS = (0, 43, 60, 51)


def packed(mac):
    return bytes.fromhex(mac.replace(":", ""))


def link_local(mac):
    octets = bytearray(packed(mac))
    octets[0] ^= 2
    return str(ipaddress.IPv6Address(
        b"\xfe\x80" + bytes(6) + octets[:3] + b"\xff\xfe" + octets[3:]))


class Hostile:
    """What an endpoint may send to hurt the others of a world."""

    def __init__(self, world, evil, seed):
        self.random = random.Random(seed)
        self.evil = evil
        self.near = world["hosta/blue1"].endpoint
        self.far = world["hostb/blue1"].endpoint
        self.underlay = [host.address for host in world.hosts]
        self.own6 = [evil.ip6, link_local(evil.mac)]

    # Right with a likelihood, else one of the wrong ones.

    def pick(self, right, wrong, likely=0.7):
        return (right if self.random.random() < likely
                else self.random.choice(wrong))

    def mac(self, likely=0.8):
        return self.pick(self.evil.mac, [
            self.near.mac, self.far.mac, OTHER_MAC, GATEWAY_MAC,
            "0e:57:00:00:00:64", "00:00:00:00:00:00", BROADCAST,
            "01:00:5e:00:00:01"], likely)

    def to(self):
        return self.random.choice([
            self.near.mac, self.near.mac, self.far.mac, self.far.mac,
            BROADCAST, GATEWAY_MAC, GATEWAY_MAC, OTHER_MAC, self.evil.mac,
            "33:33:00:00:00:01", "01:00:5e:00:00:fb", "01:80:c2:00:00:00",
            "01:80:c2:00:00:0e", "0e:57:00:00:00:03", "0e:57:00:00:00:64",
            "00:00:00:00:00:00"])

    def ether(self, kind=None, likely=0.8):
        frame = Ether(src=self.mac(likely), dst=self.to())
        if kind is not None:
            frame.type = kind
        for tag in self.pick((), [
                (Dot1Q(vlan=0),), (Dot1Q(vlan=7),), (Dot1AD(vlan=7),),
                (Dot1AD(vlan=7), Dot1Q(vlan=8)),
                (Dot1Q(vlan=7), Dot1Q(vlan=8))], 0.9):
            frame /= tag
        return frame

    def ip4(self, likely=0.7):
        return self.pick(self.evil.ip4, [
            self.near.ip4, self.far.ip4, GATEWAY4, OTHER4, *MARTIANS4,
            *self.underlay], likely)

    def to4(self):
        return self.pick(self.random.choice([self.near.ip4, self.far.ip4]), [
            GATEWAY4, OTHER4, self.evil.ip4, "203.0.113.10", *MARTIANS4,
            *self.underlay], 0.5)

    def ip6(self, likely=0.7):
        return self.pick(self.random.choice(self.own6), [
            self.near.ip6, self.far.ip6, GATEWAY6, link_local(GATEWAY_MAC),
            link_local(self.near.mac), OTHER6, *MARTIANS6], likely)

    def to6(self):
        return self.pick(self.random.choice([
            self.near.ip6, self.far.ip6, link_local(self.near.mac)]), [
            GATEWAY6, link_local(GATEWAY_MAC), OTHER6, "ff02::1", "ff02::2",
            "ff02::1:ff00:1", "ff02::1:2", "2001:db8::1", *MARTIANS6], 0.6)

    # One of each sort.

    def arp(self, text):
        mac = [self.near.mac, self.far.mac, OTHER_MAC, GATEWAY_MAC,
               "00:00:00:00:00:00", BROADCAST]
        ip = [self.near.ip4, self.far.ip4, GATEWAY4, OTHER4, "0.0.0.0",
              "255.255.255.255", "127.0.0.1"]
        pick = self.pick
        body = struct.pack(
            "!HHBBH6s4s6s4s", pick(1, [6, 0], 0.95),
            pick(0x800, [0x806, 0x86dd], 0.95), pick(6, [8, 0], 0.95),
            pick(4, [16, 0], 0.95),
            pick(1, [2, 2, 2, 0, 3, 4, 8, 9, 257, 65535], 0.4),
            packed(pick(self.evil.mac, mac)),
            socket.inet_aton(pick(self.evil.ip4, ip)),
            packed(self.random.choice([self.evil.mac, *mac])),
            socket.inet_aton(self.random.choice([self.evil.ip4, *ip])))
        frame = self.ether(0x806 if self.random.random() < 0.97 else 0x8035)
        return bytes(frame / Raw(body)) + text

    def upper4(self, text):
        port = [9, 22, 53, 67, 68, 546, 547, 3784, 4789, 5353, 65535]
        return self.random.choice([
            lambda: UDP(sport=self.random.choice(port),
                        dport=self.random.choice(port)) / Raw(text),
            lambda: UDP(sport=1024, dport=9) / Raw(text),
            lambda: TCP(sport=1024, dport=9, flags=self.random.choice(
                ["S", "R", "FA", "SF", ""])) / Raw(text),
            lambda: ICMP(type=self.random.choice([8, 0, 3, 5, 9, 13, 255]))
            / Raw(text),
            lambda: Raw(bytes(8) + text)])()

    def v4(self, text):
        upper = self.upper4(text)
        size = self.pick(0, [1400, 600], 0.95)
        packet = IP(
            src=self.ip4(), dst=self.to4(),
            ttl=self.pick(64, [0, 1, 2, 255]),
            id=self.random.randrange(1 << 16),
            options=self.pick([], [
                [IPOption_LSRR(routers=[GATEWAY4])], [IPOption_RR()],
                [IPOption_NOP()] * 40, [IPOption_Router_Alert()]], 0.9))
        if isinstance(upper, Raw):
            packet.proto = self.random.choice([0, 2, 4, 41, 47, 50, 51, 89,
                                               132, 255])
        flags, offset = self.pick(("", 0), [
            ("DF", 0), ("MF", 0), ("MF", 1), ("MF", 100), ("", 1), ("", 185),
            ("evil", 0), ("DF+MF", 8191)], 0.8)
        packet.flags, packet.frag = flags, offset
        raw = bytearray(bytes(packet / upper / Raw(bytes(size))))
        wrong = self.pick(None, ["sum", "long", "short", "ihl", "version"],
                          0.9)
        if wrong == "sum":
            raw[10] ^= 0xff
        elif wrong == "long":
            raw[2:4] = struct.pack("!H", len(raw) + 100)
        elif wrong == "short":
            raw[2:4] = struct.pack("!H", 21)
        elif wrong == "ihl":
            raw[0] = self.random.choice([0x40, 0x44, 0x4f])
        elif wrong == "version":
            raw[0] = self.random.choice([0x05, 0x65, 0xf5])
        return bytes(self.ether(0x800) / Raw(bytes(raw)))

    def options6(self):
        """As bytes: what a parser may be led astray by is among them."""
        lladdr = self.pick(self.evil.mac, [self.near.mac, OTHER_MAC,
                                           "00:00:00:00:00:00"])
        one = self.random.choice([
            lambda: bytes(ICMPv6NDOptSrcLLAddr(lladdr=lladdr)),
            lambda: bytes(ICMPv6NDOptDstLLAddr(lladdr=lladdr)),
            lambda: bytes(ICMPv6NDOptSrcLLAddr(lladdr=lladdr)),
            lambda: bytes(ICMPv6NDOptDstLLAddr(lladdr=lladdr))])
        return b"".join(self.random.choice([
            [one()], [one()], [one(), one()], [], [b"\x01\x00" + bytes(6)],
            [b"\x0e\x01" + bytes(6), one()], [one(), one(), one()]]))

    def target(self):
        return self.pick(self.random.choice(self.own6), [
            self.near.ip6, self.far.ip6, link_local(self.near.mac), GATEWAY6,
            link_local(GATEWAY_MAC), OTHER6, "::", "ff02::1"], 0.6)

    def upper6(self, text):
        code = self.pick(0, [1, 255], 0.95)
        router = (ICMPv6ND_RA(routerlifetime=1800, code=code)
                  / ICMPv6NDOptPrefixInfo(prefix="fd66::", prefixlen=64))
        return self.random.choice([
            lambda: UDP(sport=self.random.choice([9, 53, 546, 547]),
                        dport=self.random.choice([9, 53, 546, 547, 4789]))
            / Raw(text),
            lambda: TCP(sport=1, dport=9, flags="S") / Raw(text),
            lambda: ICMPv6EchoRequest(code=code, data=text),
            lambda: ICMPv6ND_NS(tgt=self.target(), code=code)
            / Raw(self.options6()),
            lambda: ICMPv6ND_NS(tgt=self.target(), code=code)
            / Raw(self.options6()),
            lambda: ICMPv6ND_NA(tgt=self.target(), code=code, R=1, O=1)
            / Raw(self.options6()),
            lambda: ICMPv6ND_NA(tgt=self.target(), code=code, O=1)
            / Raw(self.options6()),
            lambda: ICMPv6ND_NA(tgt=self.target(), code=code, S=1)
            / Raw(self.options6()),
            lambda: router / Raw(self.options6()),
            lambda: ICMPv6ND_RS(code=code) / Raw(self.options6()),
            lambda: ICMPv6ND_Redirect(tgt=self.target(), dst=self.far.ip6),
            lambda: ICMPv6MLQuery(), lambda: ICMPv6MLReport2(),
            lambda: ICMPv6Unknown(type=self.random.randrange(256), msgbody=text),
            lambda: Raw(text)])()

    def v6(self, text):
        upper = self.upper6(text)
        packet = IPv6(src=self.ip6(), dst=self.to6(),
                      hlim=self.pick(255, [0, 1, 64]))
        fragment = {"id": self.random.randrange(1 << 32)}
        for header in self.pick([], [
                [IPv6ExtHdrDestOpt()], [IPv6ExtHdrHopByHop()],
                [IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=70000)])],
                [IPv6ExtHdrRouting(addresses=[GATEWAY6])],
                [IPv6ExtHdrDestOpt()] * 3,
                [IPv6ExtHdrFragment(**fragment)],
                [IPv6ExtHdrFragment(m=1, **fragment)],
                [IPv6ExtHdrFragment(m=1, **fragment), IPv6ExtHdrDestOpt()],
                [IPv6ExtHdrFragment(offset=1, **fragment)],
                [IPv6ExtHdrHopByHop(), IPv6ExtHdrFragment(m=1, **fragment)]],
                0.75):
            packet /= header.copy()
        raw = bytes(packet / upper)
        if isinstance(upper, Raw):
            raw = raw[:6] + bytes([self.random.choice(
                [0, 41, 44, 47, 50, 59, 60, 89, 135, 255])]) + raw[7:]
        wrong = self.pick(None, ["long", "short", "zero", "cut", "version"],
                          0.85)
        if wrong == "long":
            raw = raw[:4] + struct.pack("!H", len(raw)) + raw[6:]
        elif wrong == "short":
            raw = raw[:4] + struct.pack("!H", 8) + raw[6:]
        elif wrong == "zero":
            raw = raw[:4] + bytes(2) + raw[6:]
        elif wrong == "cut":
            # The lengths agree, and what is behind is not all there.
            end = 40 + self.random.randrange(len(raw) - 39)
            raw = raw[:4] + struct.pack("!H", end - 40) + raw[6:end]
        elif wrong == "version":
            raw = bytes([0x45]) + raw[1:]
        number = text if NUMBER.search(raw) is None else b""
        return bytes(self.ether(0x86dd) / Raw(raw)) + number

    def other(self, text):
        kind = self.random.choice(ETHERTYPES)
        inner = self.random.choice([
            bytes(IP(src=OTHER4, dst=self.near.ip4) / UDP()),
            bytes(Ether(src=OTHER_MAC, dst=self.near.mac) / IP() / UDP()),
            b"\x04\x01\x02\x03", bytes(46)])
        llc = self.random.choice([
            LLC() / STP(), LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(code=0x800)
            / IP(src=OTHER4, dst=self.near.ip4), LLC(dsap=0xe0, ssap=0xe0)])
        if self.random.random() < 0.3:
            body = bytes(llc) + text
            return bytes(self.ether(len(body)) / Raw(body))
        return bytes(self.ether(kind) / Raw(inner + text))

    def frames(self, count):
        sorts = [self.arp, self.v4, self.v4, self.v6, self.v6, self.v6,
                 self.other]
        return [self.random.choice(sorts)(b"<h%06d>" % n)
                for n in range(count)]

    def truncated(self):
        """Cut off after each byte, right and wrong ones."""
        e, v = self.evil, self.near
        whole = [
            Ether(src=e.mac, dst=v.mac) / ARP(op=2, hwsrc=e.mac,
                                              psrc=GATEWAY4, pdst=v.ip4),
            Ether(src=e.mac, dst=BROADCAST) / IP(src=v.ip4, dst=self.far.ip4)
            / UDP() / Raw(bytes(40)),
            Ether(src=e.mac, dst=v.mac) / IPv6(src=self.own6[1], dst=v.ip6,
                                               hlim=255)
            / ICMPv6ND_NA(tgt=v.ip6) / ICMPv6NDOptDstLLAddr(lladdr=e.mac),
            Ether(src=OTHER_MAC, dst=v.mac) / Dot1Q(vlan=7) / IP()]
        return [bytes(frame)[:n] for frame in whole for n in range(61)]


class Forged(Exception):
    """Something that nobody should have received."""


def check_claims(frame, evil, where):
    """Raises unless all that the frame claims, which was seen 'where', is true
    of 'evil'."""
    def demand(condition, why):
        if not condition:
            raise Forged(f"{why}, at {where}: {frame.hex()}")
    mac = packed(evil.mac)
    source, kind = frame[6:12], int.from_bytes(frame[12:14], "big")
    demand(source == mac or ROUTED.match(source), "source MAC")
    packet = frame[14:]
    if kind == 0x806:
        demand(len(packet) >= 28, "ARP cut off")
        demand(packet[:6] == b"\x00\x01\x08\x00\x06\x04", "ARP of what")
        demand(packet[8:14] == mac, "ARP sender's MAC")
        ip = str(ipaddress.IPv4Address(packet[14:18]))
        demand(ip == evil.ip4 or ip == "0.0.0.0" and packet[7] == 1,
               "ARP sender")
    elif kind == 0x800:
        check_v4(packet, evil, demand)
    elif kind == 0x86dd:
        check_v6(packet, evil, mac, demand)
    else:
        demand(False, "EtherType")


def check_v4(packet, evil, demand):
    # The version is not looked at: what is not 4 nobody hears.
    demand(len(packet) >= 20, "IPv4 header")
    header = (packet[0] & 15) * 4
    demand(20 <= header <= len(packet), "IPv4 header's length")
    demand(str(ipaddress.IPv4Address(packet[12:16])) == evil.ip4,
           "IPv4 source")
    demand(packet[9] != 2, "IGMP")
    offset = int.from_bytes(packet[6:8], "big") & 0x1fff
    # No more of it is heard than its total length.
    data = packet[header:int.from_bytes(packet[2:4], "big")]
    if packet[9] == 17 and not offset and len(data) >= 8:
        source, target = struct.unpack("!HH", data[:4])
        demand(source != 67 and target != 68, "DHCP server")


def check_v6(packet, evil, mac, demand):
    demand(len(packet) >= 40, "IPv6 header")
    own = [ipaddress.IPv6Address(ip).packed
           for ip in (evil.ip6, link_local(evil.mac))]
    demand(packet[8:24] in own, "IPv6 source")
    length = int.from_bytes(packet[4:6], "big")
    demand(length <= len(packet) - 40, "IPv6 length")
    proto, data, fragment = packet[6], packet[40:40 + length], False
    while proto in EXTENSIONS or proto == 44:
        demand(len(data) >= 8, "extension header cut off")
        if proto == 44:
            bits = int.from_bytes(data[2:4], "big")
            if bits & 0xfff8:
                return              # Nothing without the first of them.
            fragment = fragment or bits & 1
            size = 8
        else:
            size = (data[1] + 2) * 4 if proto == 51 else (data[1] + 1) * 8
        demand(len(data) >= size, "extension header cut off")
        proto, data = data[0], data[size:]
    demand(proto != 59, "nothing")
    if proto == 17:
        if len(data) >= 8:
            source, target = struct.unpack("!HH", data[:4])
            demand(source != 547 and target != 546, "DHCPv6 server")
    elif proto == 58:
        # Less nobody hears: RFC 7112 of a first fragment, and each message
        # that matters has 8 bytes before anything else.
        if len(data) >= 8:
            check_icmp6(data, own, mac, fragment, demand)


def check_icmp6(data, own, mac, fragment, demand):
    kind, code = data[:2]
    demand(kind not in LISTENERS, "multicast listener")
    if kind not in DISCOVERY:
        return
    demand(kind in (135, 136) and not code and not fragment and
           len(data) >= 24, "neighbour discovery")
    if kind == 136:
        demand(data[8:24] in own, "target")
    # None at all is nobody's.
    lladdrs = [a for a in options(data[24:], 1 if kind == 135 else 2)
               if any(a)]
    demand(len(lladdrs) <= 1 and (lladdrs or kind == 135), "options")
    demand(all(a == mac for a in lladdrs), "link-layer address")


def options(data, wanted):
    """The addresses in the options of one type: up to where a hearer stops
    (RFC 4861, section 4.6)."""
    while len(data) >= 8 and data[1] and data[1] * 8 <= len(data):
        if data[0] == wanted:
            yield data[2:8]
        data = data[data[1] * 8:]

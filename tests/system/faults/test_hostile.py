# SPDX-License-Identifier: Apache-2.0
"""A workload that means harm, and traffic of others that goes on all the
while."""

import contextlib
import itertools
import os
import random
import socket

import pytest
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
                                IPv6)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from hostileframes import (GATEWAY4, GATEWAY6, GATEWAY_MAC, NUMBER, OTHER_MAC,
                           Forged, Hostile, check_claims, link_local, packed)
from host import wait_for
from traffic import Wire
from world import SOON

FRAMES = int(os.environ.get("WEFT_HOSTILE_FRAMES", 2000))
BATCH = 50                          # Frames between two markers.
VXLAN_HEADERS = 50                  # Ethernet, IPv4, UDP, VXLAN.
BLUE = 100


@pytest.fixture
def evil(world):
    """One more endpoint of blue on hosta."""
    with world.extra(world.a, "evil") as endpoint:
        wait_for(lambda: endpoint.pings(world["hostb/blue1"].endpoint), SOON,
                 "it is there")
        world.lab.settle()
        yield endpoint


class Witnesses:
    """Wires in all other endpoints, between the hosts and beyond them."""

    def __init__(self, world, evil):
        self.world, self.evil = world, evil
        self.stack = contextlib.ExitStack()
        self.members = {}
        self.count = 0              # Of the hostile frames that arrived.

    def __enter__(self):
        enter = self.stack.enter_context
        for member in self.world.ends.values():
            self.members[member] = enter(member.endpoint.wire())
        self.underlay = enter(Wire(self.world.lab.underlay, "hosta"))
        self.outside = enter(Wire(self.world.lab["outside"], "eth0"))
        self.wire = enter(self.evil.wire())
        return self

    def __exit__(self, kind, value, trace):
        self.stack.close()

    def sync(self, text):
        """All that was sent has been seen by who was to see it."""
        self.wire.send(self.evil.marker(text))
        for member, wire in self.members.items():
            if member.network == self.evil.network:
                wire.wait(text, timeout=10)

    def hostile(self, frame):
        mac = frame[6:12].hex(":")
        return NUMBER.search(frame) or mac in (self.evil.mac, OTHER_MAC)

    def check(self, sent):
        for member, wire in self.members.items():
            own = packed(member.endpoint.mac)
            for frame in wire.frames():
                if self.hostile(frame):
                    self.check_one(member, own, frame, sent)
            wire.clear()
        self.check_underlay(sent)
        for frame in self.outside.frames():
            if NUMBER.search(frame) and frame[12:14] == b"\x08\x00":
                self.same_source(frame, "outside")
        for wire in (self.underlay, self.outside, self.wire):
            wire.clear()

    def check_one(self, member, own, frame, sent):
        if member.network != self.evil.network:
            raise Forged(f"{member}, of another network: {frame.hex()}")
        if not frame[0] & 1 and frame[:6] != own:
            raise Forged(f"{member}, for another: {frame.hex()}")
        check_claims(frame, self.evil, str(member))
        number = NUMBER.search(frame)
        if number:
            self.count += 1
            self.check_unchanged(frame, sent[int(number[1])])

    def check_unchanged(self, frame, before):
        """But for what a gateway changes, and an announcement's question."""
        if frame[12:14] == b"\x08\x06":
            same = frame[22:32] == before[22:32] and frame[42:] == before[42:]
        elif frame[6:12].hex(":") == GATEWAY_MAC:
            ttl = slice(22, 26) if frame[12:14] == b"\x08\x00" else \
                slice(21, 22)
            one, two = bytearray(frame[12:]), bytearray(before[12:])
            one[ttl.start - 12:ttl.stop - 12] = b""
            two[ttl.start - 12:ttl.stop - 12] = b""
            same = one == two
        else:
            same = frame == before
        if not same:
            raise Forged(f"changed: {frame.hex()}, was {before.hex()}")

    def check_underlay(self, sent):
        """What hosta has sent; others may return what they refuse."""
        for frame in self.underlay.frames():
            if (frame[12:14] != b"\x08\x00" or not NUMBER.search(frame)
                    or is_error(frame[VXLAN_HEADERS:], self.evil)):
                continue
            self.same_source(frame, "the underlay")
            if frame[23] != 17 or frame[36:38] != (4789).to_bytes(2, "big"):
                continue            # Masqueraded.
            if int.from_bytes(frame[46:49], "big") != BLUE:
                raise Forged(f"VNI: {frame.hex()}")
            check_claims(frame[VXLAN_HEADERS:], self.evil, "the underlay")

    def same_source(self, frame, where):
        if socket.inet_ntoa(frame[26:30]) != self.evil.host.address:
            raise Forged(f"source at {where}: {frame.hex()}")


def is_error(frame, evil):
    """Does an ICMP error quote what 'evil' has sent from its own address?
    Nothing that it makes up does."""
    kind, packet = frame[12:14], frame[14:]
    if kind == b"\x08\x00":
        return (packet[9:10] == b"\x01" and packet[20:21] in b"\x03\x0b\x0c"
                and packet[40:44] == socket.inet_aton(evil.ip4))
    return (kind == b"\x86\xdd" and packet[6] == 58 and packet[40] in range(5)
            and packet[56:72] in (
                socket.inet_pton(socket.AF_INET6, ip)
                for ip in (evil.ip6, link_local(evil.mac))))


def neighbours_are_right(world):
    """In the eyes of all endpoints of blue."""
    macs = {GATEWAY4: GATEWAY_MAC, GATEWAY6: GATEWAY_MAC,
            link_local(GATEWAY_MAC): GATEWAY_MAC}
    members = [m for m in world.ends.values() if m.network == "blue"]
    for member in members:
        for ip in member.endpoint.ips + [link_local(member.endpoint.mac)]:
            macs[ip] = member.endpoint.mac
    for member in members:
        for line in member.endpoint.ip("neigh").splitlines():
            words = line.split()
            if "lladdr" in words and words[0] in macs:
                mac = words[words.index("lladdr") + 1]
                assert mac == macs[words[0]], f"{member}: {line}"
        assert "fd66" not in member.endpoint.ip("-6", "route")


def test_whatever_is_sent_nothing_forged_arrives(world, evil):
    """WEFT_HOSTILE_SEED=... repeats it, WEFT_HOSTILE_FRAMES=100000 looks
    longer."""
    seed = int(os.environ.get("WEFT_HOSTILE_SEED", random.randrange(1 << 32)))
    print(f"WEFT_HOSTILE_SEED={seed}")
    hostile = Hostile(world, evil, seed)
    truncated = hostile.truncated()
    sent = hostile.frames(FRAMES)
    with Witnesses(world, evil) as seen, world.lossless():
        for frame in truncated:
            with contextlib.suppress(OSError):      # No whole header.
                seen.wire.send(frame)
        seen.sync(b"<all lengths>")
        seen.check(sent)
        for start in range(0, len(sent), BATCH):
            for frame in sent[start:start + BATCH]:
                with contextlib.suppress(OSError):  # More than the MTU.
                    seen.wire.send(frame)
            seen.sync(b"<%d>" % start)
            seen.check(sent)
    # Else nothing would have been shown.
    print(f"{seen.count} arrived")
    assert seen.count > FRAMES // 20
    neighbours_are_right(world)


def discovery(e, kind, dst, dst_mac, **wrong):
    """A solicitation or advertisement of e's, or one with something wrong."""
    fields = {"tgt": e.ip6, "lladdr": e.mac, "code": 0, **wrong}
    lladdr = fields.pop("lladdr")
    if kind == "NA":
        message = (ICMPv6ND_NA(O=1, R=0, S=0, **fields)
                   / ICMPv6NDOptDstLLAddr(lladdr=lladdr))
    else:
        message = ICMPv6ND_NS(**fields) / ICMPv6NDOptSrcLLAddr(lladdr=lladdr)
    return (Ether(src=e.mac, dst=dst_mac)
            / IPv6(src=e.ip6, dst=dst, hlim=255) / message)


def test_what_is_made_up_for_the_gateway_stays_here(world, evil):
    """To find it, a source may be made up that is anybody's.  Nobody else
    hears of that, whatever is asked for and whoever is asked."""
    near = world["hosta/blue1"].endpoint
    far = world["hostb/blue1"].endpoint
    with Witnesses(world, evil) as seen:
        for source, target, mac, lladdr in itertools.product(
                ("fe80::66", link_local(far.mac), link_local(GATEWAY_MAC)),
                (evil.ip6, near.ip6, far.ip6, GATEWAY6, "fd00:1::66",
                 link_local(GATEWAY_MAC)),
                (GATEWAY_MAC, near.mac, far.mac, "33:33:ff:00:00:01"),
                (b"", bytes(ICMPv6NDOptSrcLLAddr(lladdr=evil.mac)))):
            frame = bytes(Ether(src=evil.mac, dst=mac)
                          / IPv6(src=source, dst=far.ip6, hlim=255)
                          / ICMPv6ND_NS(tgt=target) / Raw(lladdr))
            seen.wire.send(frame + b"<made up>")
        seen.sync(b"<made up: end>")
        for member, wire in seen.members.items():
            assert not wire.holding(b"<made up>"), str(member)
        assert not seen.underlay.holding(b"<made up>")


def test_what_follows_a_legal_advertisement_is_looked_at(world, evil):
    """CVE-2023-5366: the switch's cache of flows did not look at the target
    again, after one that was right."""
    near = world["hosta/blue1"].endpoint
    far = world["hostb/blue1"].endpoint
    with Witnesses(world, evil) as seen:
        for n, (victim, dst, mac) in enumerate([
                (near, near.ip6, near.mac), (far, far.ip6, far.mac),
                (near, "ff02::1", "33:33:00:00:00:01")]):
            right = {"NA": discovery(evil, "NA", dst, mac),
                     "NS": discovery(evil, "NS", dst, mac, tgt=victim.ip6)}
            wrong = {"NA": [{"tgt": victim.ip6}, {"tgt": GATEWAY6},
                            {"tgt": link_local(GATEWAY_MAC)},
                            {"lladdr": OTHER_MAC}, {"code": 1}],
                     "NS": [{"tgt": victim.ip6, "lladdr": OTHER_MAC},
                            {"tgt": victim.ip6, "code": 1}]}
            for kind in ("NA", "NS"):
                for m, fields in enumerate(wrong[kind]):
                    bad = discovery(evil, kind, dst, mac, **fields)
                    text = f"<{kind} {n} {m} ".encode()
                    for i in range(3):      # The cache is warm.
                        seen.wire.send(bytes(right[kind]) + text + b"good>",
                                       bytes(bad) + text + b"bad>")
                    seen.sync(text + b"end>")
                    for member, wire in seen.members.items():
                        assert not wire.holding(text + b"bad>"), str(member)
                    assert not seen.underlay.holding(text + b"bad>")
                    if kind == "NA":
                        # It did go by the same flow.
                        wire = seen.members[world[str(victim)]]
                        assert len(wire.wait(text + b"good>", 3)) == 3
    neighbours_are_right(world)

# SPDX-License-Identifier: Apache-2.0
"""A workload that sends as much as it can: of MACs, of connections, of what
the agent is to answer.  The others notice nothing."""

import contextlib
import os
import re
import time

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from hostileframes import GATEWAY_MAC
from host import PATIENCE, wait_for
from scene import learned_flows
from traffic import BROADCAST, Wire, flood
from weftlib import cpu_ticks
from world import OUT4, SOON

MACS = int(os.environ.get("WEFT_HOSTILE_MACS", 100000))
LIMIT = 16384                       # ZONE_LIMIT of agent/zones.h.
ZONE = 100                          # Of blue.
# Nobody is there, and the router says so once in a while: answers to all of
# them would be what fills vswitchd's socket at the NIC, which all share.
NOWHERE = "198.51.100.10"


@pytest.fixture
def evil(world):
    with world.extra(world.a, "evil") as endpoint:
        world.lab.settle()
        yield endpoint


def test_many_macs(world, evil):
    """They are nobody's: they leave the port for nowhere, no switch learns
    one, and no other endpoint waits for the port that sends them."""
    frame = bytearray(bytes(Ether(src="0a:66:00:00:00:00", dst=BROADCAST)
                            / IP(src=evil.ip4, dst="255.255.255.255")
                            / UDP(sport=9, dport=9) / b"<mac>"))
    with world.lossless(), evil.wire() as wire, \
            world["hosta/blue1"].endpoint.wire() as near, \
            Wire(world.lab.underlay, "hosta") as out:
        for n in range(MACS):
            frame[8:12] = n.to_bytes(4, "big")
            wire.send(frame)
        wait_for(lambda: wire.send(evil.marker(b"<end>"))
                 or near.holding(b"<end>"), 30, "the switch is done with them")
        assert not near.holding(b"<mac>") and not out.holding(b"<mac>")
    for host in world.hosts:
        assert not [f for f in learned_flows(host) if "0a:66:" in f]


def connections(e, kind):
    """More than the zone takes, each a frame."""
    upper = (UDP(sport=0, dport=7000) / b"x" if kind == "UDP"
             else TCP(sport=0, dport=7000, flags="S"))
    raw = bytearray(bytes(Ether(src=e.mac, dst=GATEWAY_MAC)
                          / IP(src=e.ip4, dst=NOWHERE) / upper))
    source = 14 + 20
    checksum = source + (6 if kind == "UDP" else 16)
    before = ~int.from_bytes(raw[checksum:checksum + 2], "big") & 0xffff
    for port in range(1024, 1024 + LIMIT + 4000):
        total = before + port       # RFC 1624.
        total = ~(total % 0xffff) & 0xffff
        raw[source:source + 2] = port.to_bytes(2, "big")
        raw[checksum:checksum + 2] = total.to_bytes(2, "big")
        yield bytes(raw)


@pytest.mark.parametrize("kind", ["UDP", "SYN"])
def test_more_connections_than_the_zone_takes(world, evil, kind):
    """Those that there are go on, and those of other hosts begin; nothing
    goes out untranslated."""
    def used():
        text = world.a.ovs_appctl("dpctl/ct-get-limits", f"zone={ZONE}")
        return int(re.search(rf"zone={ZONE},limit=\d+,count=(\d+)", text)[1])
    frames = list(connections(evil, kind))
    with world.lossless() as pingers, evil.wire() as wire, \
            Wire(world.lab.underlay, "hosta") as out:
        with flood(wire, frames, 10000):
            wait_for(lambda: used() >= LIMIT, 20, "the zone is full")
        own = bytes(map(int, evil.ip4.split(".")))
        wire.send(*frames[-100:])
        for pinger in pingers.values():
            pinger.wait_answer(5)
        assert not [f for f in out.frames() if f[26:30] == own]
        wait_for(lambda: world.b.ping(OUT4, "blue1"), SOON,
                 "a new one, elsewhere")
        assert not world.a.ping(OUT4, "blue2")  # Of the same zone.
    world.a.ovs_appctl("dpctl/flush-conntrack", f"zone={ZONE}")
    wait_for(lambda: world.a.ping(OUT4, "blue2"), 5, "a new connection")


def test_the_agent_is_not_kept_busy(world, evil):
    """By what it is to answer: a port has so much a second, and no more."""
    mac = bytes.fromhex(evil.mac.replace(":", ""))
    frames = [bytes(Ether(src=evil.mac, dst=BROADCAST)
                    / IP(src="0.0.0.0", dst="255.255.255.255")
                    / UDP(sport=68, dport=67) / BOOTP(xid=n, chaddr=mac)
                    / DHCP(options=[("message-type", "discover"), "end"]))
              for n in range(10)]
    frames += [bytes(Ether(src=evil.mac, dst=GATEWAY_MAC)
                     / IP(src=evil.ip4, dst=OUT4, ttl=1)
                     / UDP(sport=9, dport=n)) for n in range(10)]
    with evil.wire() as wire, flood(wire, frames, 5000) as sent:
        time.sleep(1)                   # What queues there are, are full.
        ticks, begin = cpu_ticks(world.a), time.monotonic()
        for n in range(3):
            with quick("weft status"):
                world.a.status()
            with contextlib.ExitStack() as stack:
                with quick("weft attach"):
                    late = stack.enter_context(world.extra(world.a, "late"))
                wait_for(lambda e=late: e.pings(world["hostb/blue1"].endpoint),
                         SOON, "the new one is heard")
        time.sleep(max(0, begin + 3 - time.monotonic()))
        lasted = time.monotonic() - begin
        share = (cpu_ticks(world.a) - ticks) / 100 / lasted
        assert len(sent) > 2500 * lasted, "not much of a flood"
    print(f"weftd: {share:.1%} of a processor, {len(sent)} frames")
    assert share < 0.2 * PATIENCE


@contextlib.contextmanager
def quick(what):
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < 3 * PATIENCE, f"{what} took {took:.2f} s"

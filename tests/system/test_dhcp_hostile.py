# SPDX-License-Identifier: Apache-2.0
"""What a workload may try with DHCP, and what comes of it."""

import threading
import time

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (ICMPv6ND_RA, ICMPv6NDOptPrefixInfo,
                                ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import Ether

from dhcpclient import Udhcpc
from host import PATIENCE, wait_for
from test_dhcp import GATEWAY, NETWORKS, endpoint
from traffic import BROADCAST
from weftlib import bare, lab_fixture

GATEWAY_MAC = "0e:57:00:00:00:01"
STRANGER = "0a:57:0a:01:63:63"          # Of nobody here.
COOKIE = b"\x63\x82\x53\x63"
DISCOVER = b"\x35\x01\x01"
END = b"\xff"
RATE = 2000                             # Discovers a second.
PIECE = 20                              # Of them at once.

module_lab = lab_fixture(networks=NETWORKS, outside=True)


@pytest.fixture
def lab(module_lab):
    with bare(module_lab):
        pids = [host.daemon_pid("weftd") for host in module_lab.hosts]
        yield module_lab
        assert pids == [host.daemon_pid("weftd") for host in module_lab.hosts]
        assert all(host.is_running("weftd") for host in module_lab.hosts)


def packed(mac):
    return bytes.fromhex(mac.replace(":", ""))


def message(e, options, xid, eth_src=None, chaddr=None, cookie=COOKIE,
            **fields):
    """A client's message, whose options are bytes."""
    bootp = bytes(BOOTP(xid=xid, chaddr=packed(chaddr or e.mac), **fields)
                  )[:236]
    return (Ether(src=eth_src or e.mac, dst=BROADCAST)
            / IP(src="0.0.0.0", dst="255.255.255.255")
            / UDP(sport=68, dport=67) / (bootp + cookie + options))


def discover(e, xid, **fields):
    return message(e, DISCOVER + END, xid, flags=0x8000, **fields)


def replies(wire, xid=None):
    """What a server says that is in the wire."""
    found = []
    for packet in wire.packets():
        if UDP in packet and packet[UDP].dport == 68 and BOOTP in packet:
            if xid is None or packet[BOOTP].xid == xid:
                found.append(packet)
    return found


def offered(e, wire, xid):
    """The gateway answers a good discover, and so has seen what was sent
    before it on the same port."""
    offer = wait_for(lambda: replies(wire, xid), 3, f"{e} has an offer")[0]
    assert offer[BOOTP].yiaddr == e.ip4
    assert offer[Ether].src == GATEWAY_MAC
    assert offer[IP].src == GATEWAY
    return offer


def assert_silence(e, frames):
    with e.wire() as wire:
        for frame in frames:
            wire.send(frame)
            time.sleep(0.02)            # Below the meter of the port.
        time.sleep(0.3)
        wire.send(discover(e, 0x600d))
        offered(e, wire, 0x600d)
        assert [r.summary() for r in replies(wire)
                if r[BOOTP].xid != 0x600d] == []


def test_a_good_discover_is_answered(lab):
    red = endpoint(lab["hosta"], "red")
    with red.wire() as wire:
        wire.send(discover(red, 1))
        options = dict(o[:2] for o in offered(red, wire, 1)[DHCP].options
                       if isinstance(o, tuple))
    assert options["message-type"] == 2
    assert options["server_id"] == GATEWAY


def test_nobody_asks_for_another(lab):
    red = endpoint(lab["hosta"], "red")
    green = endpoint(lab["hosta"], "green")
    with green.wire() as wire:
        assert_silence(red, [
            discover(red, 2, chaddr=green.mac),
            discover(red, 3, chaddr=STRANGER),
            discover(red, 4, eth_src=green.mac),
            discover(red, 5, eth_src=STRANGER),
            discover(red, 6, eth_src=green.mac, chaddr=green.mac),
            discover(red, 7, eth_src=STRANGER, chaddr=STRANGER),
        ])
        assert replies(wire) == []


def test_the_address_of_another_is_refused(lab):
    red = endpoint(lab["hosta"], "red")
    green = endpoint(lab["hosta"], "green")
    wanted = bytes(map(int, green.ip4.split(".")))
    request = b"\x35\x01\x03\x32\x04" + wanted + END
    with red.wire() as wire:
        wire.send(message(red, request, 8, flags=0x8000))
        nak, = wait_for(lambda: replies(wire, 8), 3, "an answer")
    assert ("message-type", 6) in nak[DHCP].options
    assert nak[BOOTP].yiaddr == "0.0.0.0"


MALFORMED = {
    "no type": b"\x0c\x01x" + END,
    "nothing": b"",
    "only padding": bytes(64),
    "type of length 0": b"\x35\x00" + END,
    "type of length 2": b"\x35\x02\x01\x01" + END,
    "type that is unknown": b"\x35\x01\x63" + END,
    "type that only servers use": b"\x35\x01\x02" + END,
    "option beyond the end": DISCOVER + b"\x0c\xffx",
    "code without length": DISCOVER + b"\x0c",
    "type beyond the end": b"\x35\x01",
    "requested address of length 3": b"\x35\x01\x03\x32\x03\x0a\x01\x01" + END,
    "server of length 0": b"\x35\x01\x03\x36\x00" + END,
}


@pytest.mark.parametrize("options", MALFORMED.values(), ids=MALFORMED)
def test_malformed_options_are_not_answered(lab, options):
    red = endpoint(lab["hosta"], "red")
    assert_silence(red, [message(red, options, 9)])


def test_malformed_messages_are_not_answered(lab):
    red = endpoint(lab["hosta"], "red")
    raw = bytes(discover(red, 10))
    ip = 14
    udp = ip + 20
    bad = [
        message(red, DISCOVER + END, 10, cookie=b"\x63\x82\x53\x64"),
        message(red, DISCOVER + END, 10, op=2),
        message(red, DISCOVER + END, 10, htype=6),
        message(red, DISCOVER + END, 10, hlen=16),
        message(red, DISCOVER + END, 10, hlen=0),
        # Cut off anywhere, while the lengths say that all is there.
        *(raw[:size] for size in (udp + 8, udp + 8 + 28, udp + 8 + 235,
                                  udp + 8 + 240, udp + 8 + 241)),
        # Lengths that lie.
        (raw[:udp + 4] + b"\xff\xff" + raw[udp + 6:]),
        (raw[:udp + 4] + b"\x00\x07" + raw[udp + 6:]),
        (raw[:ip + 2] + b"\xff\xff" + raw[ip + 4:]),
    ]
    assert_silence(red, bad)


def test_the_overload_option_does_not_lead_in_circles(lab):
    """Options that go on in the fields of names: RFC 2132, section 9.3."""
    red = endpoint(lab["hosta"], "red")
    with red.wire() as wire:
        for xid, value in ((11, 1), (12, 2), (13, 3)):
            options = DISCOVER + b"\x34\x01" + bytes([value]) + END
            wire.send(message(red, options, xid, file=b"\x34\x01\x03" * 40,
                              sname=b"\x34\x01\x03" * 20))
        wire.send(discover(red, 0x600d))
        offered(red, wire, 0x600d)


def test_a_flood_from_one_port_delays_nobody_else(lab):
    """Each port has a meter of its own."""
    red = endpoint(lab["hosta"], "red")
    green = endpoint(lab["hosta"], "green")
    frames = [bytes(discover(red, 1000 + n)) for n in range(PIECE)]
    stop = threading.Event()
    sent = []

    def flood(wire):
        begin = time.monotonic()
        while not stop.is_set():
            wire.send(*frames)
            sent.append(len(frames))
            ahead = begin + sum(sent) / RATE - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)

    with red.wire() as wire:
        thread = threading.Thread(target=flood, args=(wire,))
        thread.start()
        begun = time.monotonic()
        try:
            time.sleep(1)               # What queues there are, are full.
            for _ in range(3):
                started = time.monotonic()
                with Udhcpc(green.host, "green") as client:
                    assert client.wait("bound", timeout=3)["ip"] == green.ip4
                    took = time.monotonic() - started
                    assert took < PATIENCE, f"the lease took {took:.2f} s"
        finally:
            lasted = time.monotonic() - begun
            stop.set()
            thread.join()
        assert sum(sent) > RATE * lasted / 2, "not much of a flood"
        # And it was no use.
        assert len(replies(wire)) < sum(sent) / 2
    status = green.host.status()
    assert status["healthy"], status["problems"]


def link_local(mac):
    octets = bytearray(packed(mac))
    octets[0] ^= 2
    groups = octets[:3] + b"\xff\xfe" + octets[3:]
    return "fe80::" + ":".join(groups[n:n + 2].hex() for n in range(0, 8, 2))


def rogue_offer(e, dst, mac, text, src=None):
    bootp = BOOTP(op=2, xid=77, yiaddr="10.1.66.66", siaddr=e.ip4,
                  chaddr=packed(mac))
    return (Ether(src=e.mac, dst=mac) / IP(src=src or e.ip4, dst=dst)
            / UDP(sport=67, dport=68) / bootp
            / DHCP(options=[("message-type", "offer"), ("server_id", e.ip4),
                            ("router", e.ip4), ("hostname", text), "end"]))


def rogue_router(e, src):
    return (Ether(src=e.mac, dst="33:33:00:00:00:01")
            / IPv6(src=src, dst="ff02::1", hlim=255)
            / ICMPv6ND_RA(routerlifetime=1800)
            / ICMPv6NDOptPrefixInfo(prefix="fd66::", prefixlen=64)
            / ICMPv6NDOptSrcLLAddr(lladdr=e.mac))


def test_a_rogue_server_or_router_reaches_nobody(lab):
    a, b = lab.hosts
    evil, near, far = (endpoint(a, "evil"), endpoint(a, "near"),
                       endpoint(b, "far"))
    # All take part in the network: a broadcast arrives everywhere.
    with Udhcpc(a, "evil") as client:
        client.wait("bound")
    with near.wire() as one, far.wire() as two, evil.wire() as wire:
        def marked():
            wire.send(evil.marker("before"))
            return one.holding(b"before") and two.holding(b"before")
        wait_for(marked, 5, "a broadcast arrives")
        for victim in (near, far):
            wire.send(rogue_offer(evil, victim.ip4, victim.mac, "rogue"),
                      rogue_offer(evil, "255.255.255.255", victim.mac,
                                  "rogue"))
        wire.send(rogue_offer(evil, "255.255.255.255", BROADCAST, "rogue"),
                  rogue_offer(evil, "255.255.255.255", BROADCAST, "rogue",
                              src=GATEWAY),
                  rogue_router(evil, link_local(evil.mac)),
                  rogue_router(evil, link_local(GATEWAY_MAC)),
                  rogue_router(evil, evil.ip6))
        wire.send(evil.marker("after"))
        for each in (one, two):
            each.wait(b"after")
            assert each.holding(b"rogue") == [], each.where
            assert each.holding(bytes.fromhex("fd66") + bytes(14)) == []

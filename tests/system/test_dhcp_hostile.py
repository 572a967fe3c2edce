# SPDX-License-Identifier: Apache-2.0
"""What a workload may try with DHCP, and what comes of it."""

import contextlib
import socket
import time

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Solicit, DHCP6OptClientId, DUID_LL
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS,
                                ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr,
                                IPv6)
from scapy.layers.l2 import ARP, Ether

from dhcpclient import Udhcpc
from host import PATIENCE, wait_for
from test_dhcp import GATEWAY, GATEWAY6, NETWORKS, endpoint
from traffic import BROADCAST, Endpoint, flood, solicited
from weftlib import bare, lab_fixture

OUT4 = "203.0.113.10"
GATEWAY_MAC = "0e:57:00:00:00:01"
ASK_MAC = "0e:57:00:00:00:03"           # Of questions between agents.
CLOSED = """\
[network closed]
vni = 300
subnet = 10.3.0.0/16
gateway = 10.3.0.1
"""
STRANGER = "0a:57:0a:01:63:63"          # Of nobody here.
COOKIE = b"\x63\x82\x53\x63"
DISCOVER = b"\x35\x01\x01"
END = b"\xff"
RATE = 2000                             # Discovers a second.
PIECE = 20                              # Of them at once.

module_lab = lab_fixture(networks=NETWORKS + CLOSED, outside=True)


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


def to_gateway(e, payload, ttl=64, dst=GATEWAY, mac=GATEWAY_MAC):
    if ":" in dst:
        ip = IPv6(src=e.ip6, dst=dst, hlim=ttl)
    else:
        ip = IP(src=e.ip4, dst=dst, ttl=ttl)
    return Ether(src=e.mac, dst=mac) / ip / payload


def query(name, ident=1):
    return DNS(id=ident, rd=1, qd=DNSQR(qname=name))


def name_query(e, n, **to):
    return to_gateway(e, UDP(sport=1000, dport=53)
                      / query(f"nobody{n}.blue.", n), **to)


def solicit6(e, n):
    return (Ether(src=e.mac, dst="33:33:00:01:00:02")
            / IPv6(src=link_local(e.mac), dst="ff02::1:2")
            / UDP(sport=546, dport=547) / DHCP6_Solicit(trid=n)
            / DHCP6OptClientId(duid=DUID_LL(lladdr=e.mac)))


def discovery(e, message, dst):
    group, mac = (solicited(dst) if dst != "ff02::2"
                  else (dst, "33:33:00:00:00:02"))
    return (Ether(src=e.mac, dst=mac)
            / IPv6(src=link_local(e.mac), dst=group, hlim=255) / message
            / ICMPv6NDOptSrcLLAddr(lladdr=e.mac))


def big(e, _):
    """As large as leaves a link whose MTU was raised inside: four bytes, for
    a tag."""
    frame = to_gateway(e, UDP(sport=9, dport=9), dst=OUT4)
    frame[IP].flags = "DF"
    return bytes(frame) + bytes(1454 + 14 - len(frame))


# What the agent is asked for, and what only the switch is: the n'th frame.
FLOODS = {
    "DHCP": lambda e, n: discover(e, 1000 + n),
    "DHCPv6": solicit6,
    "names": name_query,
    "names, of the peers": lambda e, n: name_query(e, n, mac=ASK_MAC),
    "TTL": lambda e, n: to_gateway(e, UDP(sport=9, dport=n), 1, OUT4),
    "hop limit": lambda e, n: to_gateway(e, UDP(sport=9, dport=n), 1,
                                         "2001:db8::1"),
    "too big": big,
    "unreachable": lambda e, n: to_gateway(e, UDP(sport=9, dport=n),
                                           dst=OUT4),
    "closed port": lambda e, n: to_gateway(e, UDP(sport=9, dport=999)),
    "closed TCP port": lambda e, n: to_gateway(e, TCP(dport=999, flags="S")),
    "router": lambda e, n: discovery(e, ICMPv6ND_RS(), "ff02::2"),
    "gateway's MAC": lambda e, n: discovery(e, ICMPv6ND_NS(tgt=GATEWAY6),
                                            GATEWAY6),
    "gateway's MAC, IPv4": lambda e, n: Ether(src=e.mac, dst=BROADCAST) / ARP(
        hwsrc=e.mac, psrc=e.ip4, pdst=GATEWAY),
    "echo": lambda e, n: to_gateway(e, ICMP(seq=n)),
}


@contextlib.contextmanager
def flooded(wire, frames):
    """RATE a second, for as long as it takes."""
    begin = time.monotonic()
    with flood(wire, frames, RATE) as sent:
        try:
            yield sent
        finally:
            lasted = time.monotonic() - begin
    assert len(sent) > RATE * lasted / 2, "not much of a flood"


@contextlib.contextmanager
def soon(what):
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < PATIENCE, f"{what} took {took:.2f} s"


def lease(e):
    """Processes that start take their time on a busy machine; who is answered
    late asks again after a second."""
    started = time.monotonic()
    with Udhcpc(e.host, e.netns) as client:
        assert client.wait("bound")["ip"] == e.ip4
        took = time.monotonic() - started
        log = client.log()
    assert (took < PATIENCE
            or log.count("discover") == log.count("select") == 1), (
        f"the lease of {e} took {took:.2f} s:\n{log}")


def resolve(e, name, address):
    """Of an endpoint that has its address."""
    with e.open_socket(socket.AF_INET, socket.SOCK_DGRAM) as s, \
            soon(f"the address of {name}"):
        s.settimeout(3)
        s.sendto(bytes(query(name)), (GATEWAY, 53))
        assert DNS(s.recv(2000)).an.rdata == address


def test_a_flood_from_one_port_delays_nobody_else(lab):
    """Each port has a meter of its own."""
    a, b = lab.hosts
    red = Endpoint(a, "red", "blue")
    lone = Endpoint(a, "lone", "closed")    # Which leads nowhere.
    green, far = endpoint(a, "green"), endpoint(b, "far")
    red.ip("link", "set", red.ifname, "mtu", 1454)
    lab.settle()
    lease(far)
    for name, make in FLOODS.items():
        e = lone if name == "unreachable" else red
        frames = [bytes(make(e, n)) for n in range(PIECE)]
        with e.wire() as wire, flooded(wire, frames):
            time.sleep(0.5)             # What queues there are, are full.
            print(name)
            lease(green)
            lease(far)
            for other in ("far", "red", "far.blue"):
                resolve(green, other, (red if other == "red" else far).ip4)
    a.wait_healthy()


def test_a_flood_is_answered_by_its_meter(lab):
    red = endpoint(lab["hosta"], "red")
    frames = [bytes(discover(red, 1000 + n)) for n in range(PIECE)]
    with red.wire() as wire:
        with flooded(wire, frames) as sent:
            time.sleep(1)
        wait_for(lambda: replies(wire), 3, "some are answered")
        assert len(replies(wire)) < len(sent) / 4


def test_some_ports_that_ask_for_names_leave_some_to_others(lab):
    """A peer answers this host so often a second and no more."""
    a, b = lab.hosts
    evil = [Endpoint(a, f"evil{n}", "blue") for n in range(3)]
    green, far = endpoint(a, "green"), endpoint(b, "far")
    lab.settle()
    lease(green)
    lease(far)
    with contextlib.ExitStack() as stack:
        for e in evil:
            stack.enter_context(flooded(
                stack.enter_context(e.wire()),
                [bytes(name_query(e, n)) for n in range(PIECE)]))
        time.sleep(1)
        for _ in range(20):
            resolve(green, "far", far.ip4)
            time.sleep(0.1)


def link_local(mac):
    octets = bytearray(packed(mac))
    octets[0] ^= 2
    groups = octets[:3] + b"\xff\xfe" + octets[3:]
    return "fe80::" + ":".join(groups[n:n + 2].hex() for n in range(0, 8, 2))


def rogue_offer(e, dst, mac, text, src=None, port=67):
    bootp = BOOTP(op=2, xid=77, yiaddr="10.1.66.66", siaddr=e.ip4,
                  chaddr=packed(mac))
    return (Ether(src=e.mac, dst=mac) / IP(src=src or e.ip4, dst=dst)
            / UDP(sport=port, dport=68) / bootp
            / DHCP(options=[("message-type", "offer"), ("server_id", e.ip4),
                            ("router", e.ip4), ("hostname", text), "end"]))


def rogue_advertise(e, victim, port):
    """DHCPv6: the source port may be any, RFC 8415, section 7.2."""
    return (Ether(src=e.mac, dst=victim.mac)
            / IPv6(src=link_local(e.mac), dst=link_local(victim.mac))
            / UDP(sport=port, dport=546) / b"\x02rogue")


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
            for port in (1067, 68, 547, 546, 1024):
                wire.send(rogue_offer(evil, victim.ip4, victim.mac, "rogue",
                                      port=port),
                          rogue_advertise(evil, victim, port))
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

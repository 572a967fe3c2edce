# SPDX-License-Identifier: Apache-2.0
"""Workloads, and strangers, that speak to the hosts: to their tunnels, their
BFD, and to what listens on them."""

import contextlib
import socket
import struct
import time

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from hostileframes import GATEWAY4, GATEWAY_MAC, OTHER4, OTHER_MAC
from host import wait_for
from scene import tunnels
from traffic import BROADCAST, Wire, send_tunnelled, vxlan
from world import SOON

BFD = 3784
# Version 1; state AdminDown; length 24; whoever the other is.
ADMIN_DOWN = struct.pack("!BBBBIIIII", 0x20, 0x00, 3, 24, 0x1234, 0,
                         1000000, 1000000, 0)
VNI = {"blue": 100, "red": 200}


@pytest.fixture(params=["blue", "red"])
def evil(request, world):
    """Blue has a way out, red has none."""
    with world.extra(world.a, "evil", request.param) as endpoint:
        world.lab.settle()
        yield endpoint


def flaps(world):
    """How often BFD of each tunnel went up or down."""
    return {(host.name, peer): host.ovs_vsctl(
                "get", "Interface", f"vx-{peer}", "bfd_status:flap_count")
            for host in world.hosts for peer in tunnels(host)}


def assert_no_flaps(world, attack):
    """A tunnel may flap while that is done because the machine stood still
    for 300 ms, but then not each time."""
    def flapped():
        world.lab.wait_healthy()
        before = flaps(world)
        attack()
        time.sleep(0.5)             # The status is written twice a second.
        return flaps(world) != before
    assert not all(flapped() for _ in range(3))


def datagram(e, dst, dport, payload, dst_mac=GATEWAY_MAC, src=None, **fields):
    if ":" in dst:
        ip = IPv6(src=src or e.ip6, dst=dst)
    else:
        ip = IP(src=src or e.ip4, dst=dst, **fields)
    return (Ether(src=e.mac, dst=dst_mac) / ip
            / UDP(sport=49152, dport=dport) / payload)


def test_bfd_of_a_workload_is_not_the_switchs(world, evil):
    """It would take the tunnel down.  It arrives where it was sent."""
    far = world[f"hostb/{evil.network}1"].endpoint

    def attack():
        with evil.wire() as wire, far.wire() as there:
            for n in range(10):
                for dst, mac in ((far.ip4, far.mac), (far.ip6, far.mac),
                                 *((h.address, GATEWAY_MAC)
                                   for h in world.hosts),
                                 ("169.254.1.0", far.mac)):
                    wire.send(datagram(evil, dst, BFD, ADMIN_DOWN + b"<bfd>",
                                       mac))
            wire.send(evil.marker(b"<end>"))
            there.wait(b"<end>")
            assert len(there.wait(b"<bfd>", 30)) == 30
    assert_no_flaps(world, attack)


def test_a_tunnel_within_a_tunnel_leads_nowhere(world, evil):
    """What a workload sends as VXLAN is decapsulated by no switch: not on the
    way, nor sent by way of the host to it or to another one."""
    assert_no_flaps(world, lambda: tunnel_in_tunnel(world, evil))


def tunnel_in_tunnel(world, evil):
    far = world[f"hostb/{evil.network}1"].endpoint
    with contextlib.ExitStack() as stack:
        wires = {member: stack.enter_context(member.endpoint.wire())
                 for member in world.ends.values()}
        out = stack.enter_context(Wire(world.lab.underlay, "hosta"))
        wire = stack.enter_context(evil.wire())
        for payload in within(world):
            for dst, mac in ((far.ip4, far.mac), (far.ip6, far.mac),
                             (GATEWAY4, GATEWAY_MAC),
                             ("127.0.0.1", GATEWAY_MAC),
                             ("255.255.255.255", BROADCAST),
                             *((h.address, GATEWAY_MAC) for h in world.hosts),
                             *((h.address, BROADCAST) for h in world.hosts)):
                frame = datagram(evil, dst, 4789, payload, mac)
                wire.send(frame)
                if IP in frame:
                    wire.send(*(Ether(src=evil.mac, dst=mac) / piece
                                for piece in fragment(frame[IP], 64)))
            time.sleep(0.01)        # Below the limits of new connections.
        for member, witness in wires.items():
            if member.network == evil.network:
                # Its port's socket may have been full.
                wait_for(lambda w=witness: wire.send(evil.marker(b"<end>"))
                         or w.holding(b"<end>"), 10, f"{member} hears the end")
            for frame in witness.holding(b"<within>"):
                # Whole, to whom it was sent.
                assert frame[6:12].hex(":") == evil.mac, str(member)
        # From host to host goes only what the workload's own network carries.
        for frame in out.holding(b"<within>"):
            if frame[23] == 17 and frame[36:38] == (4789).to_bytes(2, "big"):
                vni = int.from_bytes(frame[46:49], "big")
                assert vni == VNI[evil.network]
                assert frame[56:62].hex(":") == evil.mac


def within(world):
    """Frames that would do harm, if they came out of the tunnel."""
    for network, vni in VNI.items():
        for host in ("hosta", "hostb"):
            victim = world[f"{host}/{network}1"].endpoint
            for dst in (victim.mac, BROADCAST):
                yield vxlan(vni, Ether(src=OTHER_MAC, dst=dst)
                            / IP(src=OTHER4, dst=victim.ip4)
                            / UDP(sport=9, dport=9) / b"<within>")
    for mac in ("00:23:20:00:00:01", BROADCAST):
        yield vxlan(0, Ether(src=OTHER_MAC, dst=mac)
                    / IP(src="169.254.1.0", dst="169.254.1.1", ttl=255)
                    / UDP(sport=49152, dport=BFD) / ADMIN_DOWN)


@contextlib.contextmanager
def ears(host, port=7777):
    """Sockets of the host for whatever comes, both families."""
    with contextlib.ExitStack() as stack:
        found = []
        for family, address in ((socket.AF_INET, "0.0.0.0"),
                                (socket.AF_INET6, "::")):
            s = stack.enter_context(
                host.open_socket(None, family, socket.SOCK_DGRAM))
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((address, port))
            s.setblocking(False)
            found.append(s)

        def heard():
            said = []
            for s in found:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        said.append(s.recvfrom(100))
            return said
        yield heard


def test_the_host_does_not_hear_frames(world, evil):
    """Sent to all, or to its own end of the link, from whatever source: the
    userspace datapath is not the first to see a frame."""
    host = world.a
    port = host.path(f"/sys/class/net/{evil.port}/address").read_text()
    groups = ["01:00:5e:00:00:01", "33:33:00:00:00:01"]
    with ears(host) as heard, evil.wire() as wire:
        for mac in (port.strip(), BROADCAST, *groups):
            for dst in (host.address, "255.255.255.255", "224.0.0.1",
                        "198.19.255.254", "127.0.0.1", GATEWAY4):
                for src in (evil.ip4, world.b.address, "0.0.0.0", "8.8.8.8"):
                    wire.send(datagram(evil, dst, 7777, b"hear", mac, src))
            for dst in ("fd57:6566:7400::1:fffe", "ff02::1"):
                wire.send(datagram(evil, dst, 7777, b"hear", mac, evil.ip6))
        assert evil.pings(world[f"hosta/{evil.network}1"].endpoint)
        assert heard() == []


def test_what_the_host_hears_by_the_way_out(world):
    """As weftd(8) says: a network with a way out reaches its host, but for
    what listens on 127.0.0.1; one without does not."""
    host = world.a
    for network in ("blue", "red"):
        with world.extra(host, "evil", network) as evil, \
                ears(host) as heard, evil.wire() as wire:
            assert evil.pings(world[f"hosta/{network}1"].endpoint)
            for n in range(3):
                for dst in (host.address, "198.19.255.254", "127.0.0.1"):
                    wire.send(datagram(evil, dst, 7777, b"%d" % n))
            wanted = {"198.19.0.100"} if network == "blue" else set()
            sources = set()
            wait_for(lambda w=wanted, s=sources, h=heard: s.update(
                address[0] for _, address in h()) or s >= w, SOON,
                f"the host hears {network}")
            time.sleep(0.2)
            assert sources | {address[0] for _, address in heard()} == wanted


def test_what_a_stranger_sends_goes_nowhere(world):
    """From an address that is no peer's; and from a peer's, which anybody can
    write who is on the underlay, what is in no network.  The rest only
    encryption prevents: docs/underlay.md."""
    router, b = world.lab["router"], world.b
    own = router.sh("ip -4 -o addr show eth0").split()[3].split("/")[0]
    blue, red = world["hostb/blue1"].endpoint, world["hostb/red1"].endpoint

    def inner(dst, text, src_mac=OTHER_MAC):
        return (Ether(src=src_mac, dst=dst) / IP(src=OTHER4, dst=blue.ip4)
                / UDP(sport=9, dport=9) / text)

    def attack():
        with blue.wire() as one, red.wire() as two:
            for dst in (blue.mac, BROADCAST):
                for vni in (0, 1, 100, 200, 300, 0xffffff):
                    send_tunnelled(router, own, b.address,
                                   [inner(dst, b"<stranger>")], vni)
            send_tunnelled(router, own, b.address, [bfd_frame()], 0)
            spoof(router, world.c.address, b.address, [
                vxlan(vni, inner(dst, b"<no network>"))
                for vni in (0, 1, 300, 0xffffff)
                for dst in (blue.mac, BROADCAST)])
            spoof(router, world.c.address, b.address, [
                vxlan(100, inner(blue.mac, b"<group>", "01:00:5e:00:00:01")),
                b"\x00" * 8 + bytes(inner(blue.mac, b"<no VNI>")),
                *(vxlan(100, inner(blue.mac, b""))[:n] for n in range(50))])
            # It is a peer's address: what it may say arrives.
            spoof(router, world.c.address, b.address,
                  [vxlan(100, inner(blue.mac, b"<end>", world[
                      "hostc/blue1"].endpoint.mac))])
            one.wait(b"<end>")
            for text in (b"<stranger>", b"<no network>", b"<group>",
                         b"<no VNI>"):
                assert not one.holding(text) and not two.holding(text), text
            assert not two.holding(b"<end>")
    assert_no_flaps(world, attack)


def bfd_frame():
    return (Ether(src=OTHER_MAC, dst="00:23:20:00:00:01")
            / IP(src="169.254.1.0", dst="169.254.1.1", ttl=255)
            / UDP(sport=49152, dport=BFD) / ADMIN_DOWN)


def spoof(node, source, target, payloads):
    """UDP to port 4789, from an address that is not the sender's."""
    with node.open_socket(None, socket.AF_INET, socket.SOCK_RAW,
                          socket.IPPROTO_RAW) as s:
        for payload in payloads:
            s.sendto(bytes(IP(src=source, dst=target)
                           / UDP(sport=50000, dport=4789) / payload),
                     (target, 0))

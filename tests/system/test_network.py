# SPDX-License-Identifier: Apache-2.0
"""Networks across hosts: who reaches whom, and who hears what."""

import itertools
import threading
from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (ICMPv6MLDMultAddrRec, ICMPv6MLReport,
                                ICMPv6MLReport2, ICMPv6ND_NS, ICMPv6ND_RS,
                                ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Ether
from scapy.contrib.igmp import IGMP

from host import wait_for
from scene import learned_flows, shared_lab
from traffic import (BROADCAST, Endpoint, Underlay, send_tunnelled,
                     solicited, transfer)

# The same subnets on purpose: what isolates is the VNI, up to the last one.
GREEN_VNI = 2 ** 24 - 1
NETWORKS = f"""\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64

[network green]
vni = {GREEN_VNI}
subnet = 10.1.0.0/16
subnet = fd00:1::/64
"""


class World:
    """Three hosts; blue on all; green with the addresses of blue's."""

    def __init__(self, lab):
        a, b, c = lab.hosts
        self.lab = lab
        self.a1 = Endpoint(a, "a1")
        self.a2 = Endpoint(a, "a2")
        self.b1 = Endpoint(b, "b1")
        self.c1 = Endpoint(c, "c1")
        self.blue = [self.a1, self.a2, self.b1, self.c1]
        # As blue's on the same host, on the same host, on another host.
        self.ga = _double(a, "ga", self.a1)
        self.gb = _double(b, "gb", self.b1)
        self.gc = _double(c, "gc", self.a2)
        self.green = [self.ga, self.gb, self.gc]
        lab.wait_healthy()
        lab.settle()


def _double(host, netns, other):
    return Endpoint(host, netns, "green", "--ip", f"{other.ip4}/16",
                    "--ip", f"{other.ip6}/64")


@pytest.fixture(scope="module")
def world(request):
    with shared_lab(request, 3, networks=NETWORKS) as lab:
        yield World(lab)


@pytest.fixture
def wires(world):
    """A wire at every endpoint and at every host's plug."""
    ends = {str(e): e.wire() for e in world.blue + world.green}
    plugs = {h.name: Underlay(world.lab, h) for h in world.lab.hosts}
    yield ends, plugs
    for wire in itertools.chain(ends.values(), plugs.values()):
        wire.__exit__(None, None, None)


def forget_all(*endpoints):
    for endpoint in endpoints:
        endpoint.flush_neighbours()


def arp_for(ip):
    return lambda frame: ARP in frame and frame[ARP].op == 1 \
        and frame[ARP].pdst == ip


def solicitation_for(ip):
    return lambda frame: ICMPv6ND_NS in frame and ip_address(
        frame[ICMPv6ND_NS].tgt) == ip_address(ip)


def questions(world, target):
    """(address, condition of a1's question for it), both families.  Others'
    kernels may ask whether a neighbour is still there."""
    def of_a1(question):
        return lambda frame: question(frame) and frame.src == world.a1.mac
    return [(target.ip4, of_a1(arp_for(target.ip4))),
            (target.ip6, of_a1(solicitation_for(target.ip6)))]


def heard(wires, condition):
    """Where such a frame came in, with how many."""
    found = {}
    for name, wire in wires.items():
        n = sum(map(condition, wire.packets()))
        if n:
            found[name] = n
    return found


def settle(sender, wires, receivers):
    """Until all that 'sender' sent has arrived."""
    text = f"settled {sender} {id(wires)}".encode()
    with sender.wire() as wire:
        wire.send(sender.marker(text))
    for receiver in receivers:
        wires[str(receiver)].wait(text)


def test_every_pair_of_a_network_pings_with_both_families(world):
    pairs = itertools.permutations(world.blue, 2)
    failed = [f"{x} -> {y}" for x, y in pairs if not x.pings(y)]
    assert not failed


@pytest.mark.parametrize("family", ["ip4", "ip6"])
@pytest.mark.parametrize("to", ["a2", "b1"])
def test_tcp(world, to, family):
    receiver = getattr(world, to)
    size = 4 << 20
    assert transfer(world.a1, receiver, getattr(receiver, family),
                    size) == size


def test_packets_of_the_full_mtu_cross_and_larger_ones_do_not(world):
    """1500 of the underlay less VXLAN's 50: 1450, of which ICMP's 28."""
    def ping(size):
        return world.a1.host.run(
            ["ping", "-n", "-c1", "-W1", "-M", "do", "-s", size,
             world.b1.ip4], netns="a1", check=False).returncode == 0
    assert ping(1422)
    assert not ping(1423)


def serve(endpoint):
    """Answers one connection with the endpoint's name."""
    server = endpoint.listen(7)
    server.settimeout(10)

    def answer():
        with server:
            client, _ = server.accept()
            with client:
                client.sendall(endpoint.name.encode())
    thread = threading.Thread(target=answer)
    thread.start()
    return thread


@pytest.mark.parametrize("client, address, owner", [
    ("a1", "a2", "a2"),             # All on one host.
    ("ga", "a2", "gc"),             # The double is on another host.
    ("a1", "b1", "b1"),
    ("ga", "b1", "gb"),             # Both are on another host.
])
@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_the_same_address_on_two_networks_is_two(world, client, address,
                                                 owner, family):
    thread = serve(getattr(world, owner))
    with getattr(world, client).connect(
            getattr(getattr(world, address), family), 7) as connection:
        said = connection.recv(100).decode()
    thread.join()
    assert said == owner


def test_an_address_of_another_network_does_not_answer(world):
    assert not world.ga.pings(world.c1.ip4)
    assert not world.ga.pings(world.c1.ip6)


@pytest.mark.parametrize("source, target, vni", [
    ("a1", "b1", 100), ("ga", "gb", GREEN_VNI)])
def test_the_vni_on_the_wire(world, wires, source, target, vni):
    _, plugs = wires
    source, target = getattr(world, source), getattr(world, target)
    plug = plugs["hosta"]
    assert source.pings(target.ip4)

    def echoes():
        return plug.inner(lambda f: ICMP in f and {f[IP].src, f[IP].dst}
                          == {source.ip4, target.ip4})
    wait_for(lambda: len(echoes()) >= 2, 3, "question and answer are seen")
    assert {(t[0], t[1], t[2]) for t in echoes()} == {
        ("192.168.50.11", "192.168.50.12", vni),
        ("192.168.50.12", "192.168.50.11", vni)}


def test_a_question_for_a_local_endpoint_leaves_nobody(world, wires):
    ends, plugs = wires
    forget_all(world.a1)
    assert world.a1.pings(world.a2)
    settle(world.a1, ends, [world.a2, world.b1, world.c1])
    for ip, question in questions(world, world.a2):
        assert heard(ends, question) == {}, ip
        assert plugs["hosta"].inner(question) == [], ip


def test_a_question_for_a_remote_endpoint_is_answered_by_its_host(world,
                                                                  wires):
    ends, plugs = wires
    forget_all(world.a1)
    assert world.a1.pings(world.b1)
    settle(world.a1, ends, [world.a2, world.b1, world.c1])
    for ip, question in questions(world, world.b1):
        assert heard(ends, question) == {}, ip
        sent = [(t[0], t[1], t[2]) for t in plugs["hosta"].inner(question)]
        assert sorted(sent) == [
            ("192.168.50.11", "192.168.50.12", 100),
            ("192.168.50.11", "192.168.50.13", 100)], ip


def test_a_question_for_nobody_reaches_no_endpoint(world, wires):
    ends, plugs = wires
    a1 = world.a1
    ips = ["10.1.200.200", "fd00:1::dead"]
    group, mac = solicited(ips[1])
    with a1.wire() as wire:
        wire.send(
            Ether(src=a1.mac, dst=BROADCAST)
            / ARP(op=1, hwsrc=a1.mac, psrc=a1.ip4, pdst=ips[0]),
            Ether(src=a1.mac, dst=mac)
            / IPv6(src=a1.ip6, dst=group, hlim=255)
            / ICMPv6ND_NS(tgt=ips[1]) / ICMPv6NDOptSrcLLAddr(lladdr=a1.mac))
    settle(a1, ends, [world.a2, world.b1, world.c1])
    for question in (arp_for(ips[0]), solicitation_for(ips[1])):
        assert heard(ends, question) == {}
        assert len(plugs["hosta"].inner(question)) == 2     # The peers.


def chatter(endpoint):
    """What a kernel with IPv6 says by itself on a new interface."""
    eth = Ether(src=endpoint.mac, dst="33:33:00:00:00:16")
    ip = IPv6(src=endpoint.ip6, dst="ff02::16", hlim=1)
    record = ICMPv6MLDMultAddrRec(dst="ff02::1:ff00:1")
    group, mac = solicited(endpoint.ip6)
    return {
        "MLDv2": eth / ip / ICMPv6MLReport2(records=[record]),
        "MLDv1": eth / ip / ICMPv6MLReport(mladdr="ff02::1:ff00:1"),
        "RS": eth / IPv6(src=endpoint.ip6, dst="ff02::2", hlim=255)
        / ICMPv6ND_RS(),
        "DAD": Ether(src=endpoint.mac, dst=mac)
        / IPv6(src="::", dst=group, hlim=255)
        / ICMPv6ND_NS(tgt=endpoint.ip6),
        "IGMP": Ether(src=endpoint.mac, dst="01:00:5e:00:00:16")
        / IP(src=endpoint.ip4, dst="224.0.0.22", ttl=1, proto=2)
        / bytes(IGMP(type=0x16, gaddr="239.1.1.1")),
    }


@pytest.mark.parametrize("kind", ["MLDv2", "MLDv1", "RS", "DAD", "IGMP"])
def test_what_kernels_say_by_themselves_is_not_flooded(world, wires, kind):
    ends, plugs = wires
    a1 = world.a1
    frame = bytes(chatter(a1)[kind])
    with a1.wire() as wire:
        wire.send(frame)
    settle(a1, ends, [world.a2, world.b1, world.c1])
    assert not [n for n, wire in ends.items() if wire.holding(frame)]
    assert not plugs["hosta"].holding(frame)


def to_all(endpoint, kind, text):
    if kind == "broadcast":
        return endpoint.marker(text)
    if kind == "multicast":
        return (Ether(src=endpoint.mac, dst="01:00:5e:01:01:01")
                / IP(src=endpoint.ip4, dst="239.1.1.1")
                / UDP(sport=9, dport=9) / text)
    return (Ether(src=endpoint.mac, dst="33:33:00:00:00:01")
            / IPv6(src=endpoint.ip6, dst="ff02::1")
            / UDP(sport=9, dport=9) / text)


@pytest.mark.parametrize("sender", ["a1", "c1"])
@pytest.mark.parametrize("kind", ["broadcast", "multicast", "multicast6"])
def test_to_all_reaches_each_member_once(world, wires, kind, sender):
    ends, plugs = wires
    source = getattr(world, sender)
    others = [e for e in world.blue if e is not source]
    text = f"to all by {kind} of {sender}".encode()
    with source.wire() as wire:
        wire.send(to_all(source, kind, text))
    # What came from a tunnel and would go on must have had its time: a round
    # from each host.
    for echo in others + [source]:
        settle(echo, ends, [e for e in world.blue if e is not echo])
    counts = {name: len(wire.holding(text)) for name, wire in ends.items()}
    assert counts == {str(e): int(e in others)
                      for e in world.blue + world.green}
    # Two copies left the sender's host, one came to each other.
    assert {name: len(plug.holding(text)) for name, plug in plugs.items()} \
        == {h.name: 2 if h is source.host else 1 for h in world.lab.hosts}


def test_unknown_unicast_goes_to_peers_only_and_once(world, wires):
    ends, plugs = wires
    a1 = world.a1
    text = b"is there anybody?"
    with a1.wire() as wire:
        wire.send(Ether(src=a1.mac, dst="0a:99:99:99:99:99")
                  / IP(src=a1.ip4, dst="10.1.99.99") / UDP() / text)
    settle(a1, ends, [world.a2, world.b1, world.c1])
    assert not [n for n, wire in ends.items() if wire.holding(text)]
    assert {name: len(plug.holding(text)) for name, plug in plugs.items()} \
        == {"hosta": 2, "hostb": 1, "hostc": 1}


def test_known_unicast_goes_to_its_host_only(world, wires):
    ends, plugs = wires
    a1, b1 = world.a1, world.b1
    settle(b1, ends, [a1, world.a2, world.c1])      # Its MAC is learned.
    text = b"for b1 alone"
    with a1.wire() as wire:
        wire.send(Ether(src=a1.mac, dst=b1.mac)
                  / IP(src=a1.ip4, dst="10.1.99.99") / UDP() / text)
    ends[str(b1)].wait(text)
    settle(a1, ends, [world.a2, b1, world.c1])
    assert {n: len(wire.holding(text)) for n, wire in ends.items()
            if wire.holding(text)} == {str(b1): 1}
    assert {name: len(plug.holding(text)) for name, plug in plugs.items()} \
        == {"hosta": 1, "hostb": 1, "hostc": 0}


@pytest.fixture
def guest(world):
    """Makes an endpoint that goes with the test."""
    made = []

    def make(host, *args, name="guest"):
        made.append(Endpoint(host, name, "blue", *args))
        world.lab.settle()
        return made[-1]
    yield make
    for endpoint in made:
        endpoint.host.weft("detach", endpoint.name)
        endpoint.host.ip("netns", "del", endpoint.netns)
    world.lab.settle()


def test_the_first_packet_passes(world, guest):
    """From a namespace that is attached, and to it."""
    new = guest(world.lab["hostb"])
    assert new.pings(world.a1.ip4)
    assert world.c1.pings(new.ip4)
    assert new.pings(world.a2.ip6)
    assert world.c1.pings(new.ip6)


def test_a_new_endpoint_is_known_to_peers_at_once(world, wires, guest):
    """Its announcement: what goes to it from then on goes to its host."""
    _, plugs = wires
    b = world.lab["hostb"]
    new = guest(b)
    text = b"to the new one"
    a1 = world.a1

    def known():
        return [f for f in learned_flows(a1.host) if new.mac in f]
    wait_for(known, 5, "hosta has learned the MAC of the new endpoint")
    with a1.wire() as wire, new.wire() as end:
        wire.send(Ether(src=a1.mac, dst=new.mac)
                  / IP(src=a1.ip4, dst=new.ip4) / UDP() / text)
        end.wait(text)
    assert not plugs["hostc"].holding(text)


def test_an_address_that_moves_with_another_mac_is_reached(world, guest):
    """Neighbours, near and far, knew it with the MAC that it had before."""
    a, b = world.lab["hosta"], world.lab["hostb"]
    ips = ["--ip", "10.1.77.77/16", "--ip", "fd00:1::77/64"]
    old = guest(b, *ips, "--mac", "0a:00:00:00:00:01", name="old")
    neighbours = [world.a1, world.b1, world.c1]
    assert all(n.pings(old) for n in neighbours)
    b.weft("detach", "old")
    new = guest(a, *ips, "--mac", "0a:00:00:00:00:02", name="new")

    def all_know():
        for n in neighbours:
            for ip in new.ips:
                text = n.ip("neigh", "show", ip)
                assert "0a:00:00:00:00:02" in text, f"{n}: {text}"
        return True
    wait_for(all_know, 10, "all neighbours have heard of the new MAC")
    assert all(n.pings(new) for n in neighbours)


def test_an_underlay_of_ipv6(make_lab):
    lab = make_lab(2, underlay="ipv6")
    a, b = (Endpoint(host, f"n{host.name}") for host in lab.hosts)
    lab.wait_healthy()
    lab.settle()
    assert a.pings(b) and b.pings(a)
    # 1500 less VXLAN's 70 on IPv6, less 28 of ICMP.
    a.host.run(["ping", "-n", "-c1", "-W1", "-M", "do", "-s", 1402, b.ip4],
               netns=a.netns)
    assert transfer(a, b, b.ip4) == transfer(a, b, b.ip6) == 4 << 20
    with Underlay(lab, a.host) as plug:
        assert a.pings(b)
        wait_for(lambda: plug.inner(lambda f: ICMP in f), 3, "the echo")
        outer = {t[:3] for t in plug.inner(lambda f: ICMP in f)}
        assert ("fd50::11", "fd50::12", 100) in outer


def test_nothing_answers_on_the_underlay_for_a_strangers_packet(world):
    """A VXLAN packet of a machine that is no peer goes nowhere."""
    lab, b1 = world.lab, world.b1
    text = b"a stranger's"
    inner = bytes(Ether(src="0a:66:66:66:66:66", dst=BROADCAST)
                  / IP(src="10.1.66.66", dst="255.255.255.255") / UDP()
                  / text)
    lab.underlay.ip("addr", "add", "192.168.50.99/24", "dev", "underlay")
    try:
        with b1.wire() as end:
            send_tunnelled(lab.underlay, "192.168.50.99", b1.host.address,
                           [inner])
            assert world.a1.pings(b1.ip4)
            assert not end.holding(text)
    finally:
        lab.underlay.ip("addr", "del", "192.168.50.99/24", "dev", "underlay")

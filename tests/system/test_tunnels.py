# SPDX-License-Identifier: Apache-2.0
"""Tunnels: what `ovs-vsctl show` and `weft peer list` say of them, their
health, their UDP port, and what a peer may make a switch remember."""

import contextlib
import signal

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from host import wait_for
from scene import (LEARNED, constant, learned_flows, ofports, problems,
                   shared_lab, tunnels)
from traffic import (BROADCAST, Endpoint, Underlay, send_tunnelled,
                     transfer)

# Of a peer that is not talked to: three signs of life, one a second.
BFD_NOTICES = 6


@contextlib.contextmanager
def frozen(host):
    """A host whose switch does nothing for a while."""
    host.kill_vswitchd(signal.SIGSTOP)
    try:
        yield
    finally:
        host.kill_vswitchd(signal.SIGCONT)


@pytest.fixture(scope="module")
def lab(request):
    with shared_lab(request, 3) as shared:
        shared.wait_healthy()
        yield shared


@pytest.fixture(scope="module")
def ends(lab):
    return [Endpoint(h, f"n{h.name}") for h in lab.hosts]


def interface(host, port, column):
    return host.ovs_vsctl("get", "Interface", port, column).strip()


def test_one_port_a_peer_named_after_it(lab):
    a = lab["hosta"]
    assert [p for p in sorted(ofports(a)) if p.startswith("vx-")] \
        == ["vx-hostb", "vx-hostc"]
    for peer in (lab["hostb"], lab["hostc"]):
        port = f"vx-{peer.name}"
        assert interface(a, port, "type") == "vxlan"
        assert interface(a, port, "options") \
            == (f'{{key=flow, local_ip="{a.address}", '
                f'remote_ip="{peer.address}"}}')
        assert interface(a, port, "bfd") \
            == ('{check_tnl_key="true", decay_min_rx="1000", '
                'enable="true", min_rx="90", min_tx="90"}')
        assert tunnels(a)[peer.name]["tunnel"] == port


@pytest.mark.guests
def test_a_dead_peer_is_told_and_nobody_else(lab):
    a, c = lab["hosta"], lab["hostc"]
    lab.wait_healthy()
    with frozen(c):
        wait_for(lambda: tunnels(a)["hostc"]["bfd"] != "up", BFD_NOTICES,
                 "the tunnel to hostc is down")
        wait_for(lambda: tunnels(a)["hostb"]["bfd"] == "up"
                 and "BFD is down to hostc" in problems(a)
                 and "hostb" not in problems(a), BFD_NOTICES,
                 "only hostc is told of")
        result = a.weft("status", check=False)
        assert result.returncode == 1 and "hostc" in result.stdout
        assert "down" in a.weft("peer", "list").stdout
    wait_for(lambda: a.weft("status").returncode == 0, 10, "hosta is well")
    lab.wait_healthy()


def test_traffic_to_a_peer_without_bfd_is_sent_all_the_same(lab, ends):
    a, c = lab["hosta"], lab["hostc"]
    c.stop_weftd()                  # It would put that right at once.
    c.ovs_vsctl("set", "Interface", "vx-hosta", "bfd:enable=false")
    try:
        wait_for(lambda: tunnels(a)["hostc"]["bfd"] != "up", BFD_NOTICES,
                 "BFD to hostc is down")
        assert ends[0].pings(ends[2]) and ends[2].pings(ends[0])
    finally:
        c.start_weftd()
    lab.wait_healthy()


def test_another_udp_port_for_a_pair(make_lab):
    """The tunnel between two peers has one port for both ends."""
    lab = make_lab(3)
    ends = [Endpoint(h, f"n{h.name}") for h in lab.hosts]
    text = lab.peers_text().replace("50.12\n", "50.12\nport = 4790\n")
    lab.write_peers(text)
    for host in lab.hosts[:2]:
        wait_for(lambda: "4790" in host.ovs_vsctl("show"), 5,
                 f"{host.name} has a tunnel at port 4790")
    lab.wait_healthy()
    lab.settle()
    for one, other in ((0, 1), (1, 2), (0, 2)):
        # BFD may not have noticed yet that the tunnel is another.
        wait_for(lambda: ends[one].pings(ends[other]), 5,
                 f"{ends[one]} reaches {ends[other]}")
    size = 1 << 20
    assert transfer(ends[0], ends[1], ends[1].ip4, size) == size
    with Underlay(lab, lab["hosta"]) as plug:
        assert ends[0].pings(ends[1].ip4) and ends[0].pings(ends[2].ip4)

        def between(number):
            return {t[:2] for t in plug.inner(
                lambda f: IP in f and ends[0].ip4 in (f[IP].src, f[IP].dst),
                number)}
        a, b, c = (h.address for h in lab.hosts)
        wait_for(lambda: between(4789) == {(a, c), (c, a)}, 3,
                 f"to hostc at 4789: {between(4789)}")
        wait_for(lambda: between(4790) == {(a, b), (b, a)}, 3,
                 f"to hostb at 4790: {between(4790)}")


def test_names_that_do_not_fit_an_interface(make_lab):
    lab = make_lab(2)
    a = lab["hosta"]
    names = ["compute-rack-17-left", "compute-rack-17-right"]
    text = lab.peers_text()
    for i, name in enumerate(names):
        text += f"\n[peer {name}]\naddress = 192.168.50.{201 + i}\n"
    lab.write_peers(text)
    wait_for(lambda: {n: bool(t["tunnel"]) for n, t in tunnels(a).items()}
             == {"hostb": True, names[0]: True, names[1]: True}, 5,
             "both have tunnels")
    ports = [tunnels(a)[name]["tunnel"] for name in names]
    assert len(set(ports)) == 2
    for name, port in zip(names, ports):
        assert len(port) <= 15 and port.startswith("vx-compute")
        assert interface(a, port, "external_ids:weft-peer").strip('"') == name


def flood(count):
    """Frames of as many stations, each with its own MAC."""
    frame = bytearray(bytes(Ether(src="0a:ff:00:00:00:00", dst=BROADCAST)
                            / IP(src="10.1.250.250", dst="255.255.255.255")
                            / UDP(sport=9, dport=9) / b"flood"))
    for i in range(count):
        frame[9:12] = i.to_bytes(3, "big")
        yield bytes(frame)


def test_what_a_peer_makes_a_switch_learn_is_bounded(make_lab):
    lab = make_lab(2)
    bad = lab.add_host("bad", ovs=False)
    lab.write_peers(lab.peers_text() + f"\n[peer bad]\naddress = {bad.address}"
                    "\n")
    a, b = lab.hosts[:2]
    wait_for(lambda: tunnels(a).get("bad", {}).get("tunnel"), 5,
             "bad has a tunnel")
    a1, b1 = Endpoint(a, "a1"), Endpoint(b, "b1")
    limit = constant("LEARN_MAX")
    lab.settle()
    with a1.wire() as wire:
        last = b"the last of the flood"
        send_tunnelled(bad, bad.address, a.address, paced(limit + 500, wire))
        end = (Ether(src="0a:ff:ff:ff:ff:ff", dst=BROADCAST)
               / IP(src="10.1.250.250", dst="255.255.255.255")
               / UDP(sport=9, dport=9) / last)
        send_tunnelled(bad, bad.address, a.address, [end])
        wire.wait(last, 1, 20)
        assert len(wire.holding(b"flood")) > limit
    assert len(learned_flows(a)) >= limit, "the flood was one"
    bad_id = interface(a, "vx-bad", "external_ids:weft-peer-id").strip('"')
    mine = [f for f in learned_flows(a)
            if f.startswith(f"{LEARNED}{int(bad_id):08x},")]
    assert len(mine) == limit
    # Others are learned and reached as ever.
    wait_for(lambda: a1.pings(b1) and b1.pings(a1), 5, "they are reached")
    assert any(b1.mac in flow for flow in learned_flows(a))


def paced(count, wire):
    """Not faster than the switch takes them: none is to be lost."""
    for i, frame in enumerate(flood(count)):
        yield frame
        if i % 64 == 63:
            # Each frame makes the switch look through all of its flows again.
            wire.wait(b"flood", i + 1, 20)

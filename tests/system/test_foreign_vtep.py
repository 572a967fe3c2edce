# SPDX-License-Identifier: Apache-2.0
"""A peer that is no Open vSwitch: a Linux kernel's vxlan device.  It does not
speak BFD, and is served all the same."""

import pytest

from host import wait_for
from scene import problems, shared_lab, tunnels
from traffic import Endpoint, Wire, open_socket, transfer

NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64

[network green]
vni = 200
subnet = 10.1.0.0/16
subnet = fd00:1::/64
"""
IP4, IP6 = "10.1.200.1", "fd00:1::200:1"


class Station:
    """The far host's own interface in a network, as Endpoint's likes."""

    def __init__(self, host, vni, peers):
        self.host = host
        self.netns = None
        self.ip4, self.ip6 = IP4, IP6
        self.ips = [IP4, IP6]
        name = f"vx{vni}"
        script = f"""
            ip link add {name} type vxlan id {vni} dstport 4789 \
                local {host.address} dev eth0
            ip link set {name} mtu 1450 up
            ip addr add {IP4}/16 dev {name}
            ip addr add {IP6}/64 dev {name} nodad
            ethtool -K {name} tx off >/dev/null
        """
        for peer in peers:
            script += (f"bridge fdb append 00:00:00:00:00:00 dev {name} "
                       f"dst {peer.address}\n")
        host.sh(script)

    def pings(self, other):
        return all(self.host.ping(ip) for ip in other.ips)

    def open_socket(self, *args):
        return open_socket(self.host, None, *args)

    listen, connect = Endpoint.listen, Endpoint.connect


@pytest.fixture(scope="module")
def lab(request):
    with shared_lab(request, 2, networks=NETWORKS) as shared:
        shared.wait_healthy()
        far = shared.add_host("far", ovs=False)
        shared.write_peers(shared.peers_text()
                           + f"\n[peer far]\naddress = {far.address}\n")
        for host in shared.hosts[:2]:
            wait_for(lambda: tunnels(host).get("far", {}).get("tunnel"), 5,
                     f"{host.name} has a tunnel to far")
        yield shared


@pytest.fixture(scope="module")
def station(lab):
    return Station(lab["far"], 100, lab.hosts[:2])


@pytest.fixture(scope="module")
def ends(lab):
    made = [Endpoint(h, f"n{h.name}") for h in lab.hosts[:2]]
    lab.settle()
    return made


def test_pings_from_there(station, ends):
    for end in ends:
        assert station.pings(end), str(end)


def test_pings_to_there(station, ends):
    for end in ends:
        end.flush_neighbours()
        assert end.pings(IP4) and end.pings(IP6), str(end)


@pytest.mark.parametrize("address", ["ip4", "ip6"])
def test_tcp_both_ways(station, ends, address):
    size = 1 << 20
    assert transfer(ends[0], station, getattr(station, address),
                    size) == size
    assert transfer(station, ends[0], getattr(ends[0], address),
                    size) == size


def test_it_is_told_that_there_is_no_bfd(lab):
    a = lab["hosta"]
    wait_for(lambda: tunnels(a)["far"]["bfd"] == "down"
             and "BFD is down to far" in problems(a)
             and "traffic is sent anyway" in problems(a), 5, "it is told")


def test_it_hears_a_broadcast_once(station, ends):
    text = b"to the far host, too"
    with Wire(station.host, "vx100") as far, ends[0].wire() as wire:
        wire.send(ends[0].marker(text))
        far.wait(text)
        assert ends[1].pings(ends[0])
        assert len(far.holding(text)) == 1


def test_networks_are_apart_there_as_well(lab, station, ends):
    """It is in blue only: green's endpoints do not find it."""
    green = Endpoint(lab["hosta"], "green", "green")
    assert not green.pings(IP4)


def test_no_packet_is_lost_when_the_agent_is_killed(lab, station, ends):
    a = lab["hosta"]
    with ends[0].pinger(IP4) as pinger:
        a.kill_weftd()
        pinger.wait_answer(20)
        a.start_weftd()
        pinger.wait_answer(50)
    assert pinger.lost == []

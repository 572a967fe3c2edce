# SPDX-License-Identifier: Apache-2.0
"""Hosts with several addresses, or several NICs, in the underlay: from which
address tunnel packets leave, as the wire between the hosts sees it."""

import pytest

from lab import wait_for
from scene import problems
from test_mtu import ping_whole
from traffic import Underlay, one_each, transfer
from weftlib import inside

LISTED, SECOND = "192.168.50.11", "192.168.50.61"
OTHER_NIC, ON_LO = "192.168.50.111", "192.168.60.11"
SIZE = 256 << 10                # Many packets.


def start(lab, text=None):
    lab.write_peers(text or lab.peers_text())
    for host in lab.hosts:
        host.start_weftd()
    lab.wait_healthy(20)
    return one_each(lab)


def assert_talk(ends, *listed):
    """Both ways, and all that is tunnelled, BFD too, has these addresses.
    Returns the MACs that frames came from, on hostb's cable."""
    lab, b = ends[1].host.lab, ends[1].host
    lab.settle()
    with Underlay(lab, b) as plug:
        for one, other in (ends, ends[::-1]):
            assert one.pings(other, 3)
            assert transfer(one, other, other.ip4, SIZE) == SIZE
        outer = {t[:2] for t in plug.tunnelled()}
        assert outer == {listed, listed[::-1]}
        return {frame.src for frame in plug.packets()}


def mac(host, interface):
    return host.path(f"/sys/class/net/{interface}/address").read_text().strip()


@pytest.mark.parametrize("listed, preferred", [
    (LISTED, SECOND),
    pytest.param(SECOND, LISTED, marks=pytest.mark.guests)])
def test_a_nic_with_two_addresses(make_lab, listed, preferred):
    lab = make_lab(weftd=False)
    a, b = lab.hosts
    a.ip("addr", "add", f"{SECOND}/24", "dev", "eth0")
    a.ip("route", "replace", "192.168.50.0/24", "dev", "eth0", "proto",
         "kernel", "scope", "link", "src", preferred)
    assert f"src {preferred}" in a.ip("route", "get", b.address)
    ends = start(lab, lab.peers_text().replace(LISTED, listed))
    assert_talk(ends, listed, b.address)


def second_nic(host, metrics):
    """An eth1 on the same segment, with an address.  'metrics' are those of
    the segment's routes by eth0 and by eth1: the lower one is taken."""
    lab = host.lab
    if lab.guests:
        host.ip("link", "add", "eth1", "link", "eth0", "type", "macvlan",
                "mode", "bridge")
    else:
        plug = f"{host.name}-2"
        lab.ip_batch([f"link add {plug} type veth peer name eth1 netns "
                      f"{host.pid}", f"link set {plug} master underlay up"])
        lab.underlay.sh(f"ethtool -K {plug} tx off >/dev/null")
    # Else each NIC answers ARP for the other one's address, too.
    host.sh("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
    host.run(["ip", "-batch", "-"], stdin=f"""\
addr flush dev eth0
addr add {LISTED}/24 dev eth0 metric {metrics[0]}
link set eth1 up
addr add {OTHER_NIC}/24 dev eth1 metric {metrics[1]}
""")


@pytest.mark.guests(only=True)
def test_the_routes_lead_by_another_nic(make_lab):
    """The kernel's datapath follows them, with the listed address, even with
    one of lo, as of hosts that route.  The MTU is the least of the NICs in
    use, and not lo's."""
    lab = make_lab(mtu=9000, weftd=False)
    a, b = lab.hosts
    second_nic(a, (100, 50))
    a.ip("link", "set", "eth1", "mtu", "1500")
    a.ip("addr", "add", f"{ON_LO}/32", "dev", "lo")
    b.ip("route", "add", f"{ON_LO}/32", "via", OTHER_NIC)
    ends = start(lab)
    assert inside(a, ends[0].netns)["mtu"] == 1450
    assert mac(a, "eth1") in assert_talk(ends, LISTED, b.address)

    lab.write_peers(lab.peers_text().replace(LISTED, ON_LO))
    for host in lab.hosts:          # Till then it is healthy as before.
        wait_for(lambda: ON_LO in host.ovs_vsctl(
            "--columns=options", "list", "Interface"), 5,
            f"{host.name}'s tunnel has the new address")
    lab.wait_healthy(20)
    assert mac(a, "eth1") in assert_talk(ends, ON_LO, b.address)
    for mtu in (1500, 9000):
        a.ip("link", "set", "eth1", "mtu", mtu)
        wait_for(lambda: inside(a, ends[0].netns)["mtu"] == mtu - 50, 5,
                 f"endpoints follow eth1 to {mtu}")
        assert ping_whole(a, ends[0].netns, ends[1].ip4, mtu - 50)
        assert not ping_whole(a, ends[0].netns, ends[1].ip4, mtu - 49, 0.1)


def test_a_second_nic_without_a_route(make_lab):
    """The userspace datapath has no other way than by br-phy."""
    lab = make_lab(weftd=False)
    a, b = lab.hosts
    second_nic(a, (50, 100))
    a.ip("route", "del", "192.168.50.0/24", "dev", "eth1")
    ends = start(lab)
    assert mac(a, "br-phy") in assert_talk(ends, LISTED, b.address)


def test_a_second_nic_whose_route_the_switch_takes(make_lab):
    """It goes by the last one, whatever its metric: that is said, and works
    when the route has gone."""
    lab = make_lab(weftd=False)
    a, b = lab.hosts
    second_nic(a, (50, 100))
    assert "dev eth0" in a.ip("route", "get", b.address)
    lab.write_peers(lab.peers_text())
    for host in lab.hosts:
        host.start_weftd()
    wait_for(lambda: f"the route to {b.address} leads by interface eth1, not "
             "by the underlay (Open vSwitch knows no metrics): see \"ip route "
             f"show match {b.address}\"" in problems(a), 10, "it is said")
    text = a.ip("route", "show", "match", b.address)
    assert "dev br-phy" in text and "dev eth1" in text
    a.ip("route", "del", "192.168.50.0/24", "dev", "eth1")
    lab.wait_healthy(20)
    ends = one_each(lab)
    assert_talk(ends, LISTED, b.address)

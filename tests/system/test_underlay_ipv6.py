# SPDX-License-Identifier: Apache-2.0
"""Tunnels by IPv6, and lists with addresses of both families."""

import re

import pytest

from lab import wait_for
from scene import problems
from test_mtu import ping_whole
from test_underlay import cleanup
from traffic import Endpoint, Underlay, one_each, transfer
from weftlib import inside

SECOND = "fd50::61"


def outer_pairs(plug):
    return {t[:2] for t in plug.tunnelled()}


def addresses(host, interface):
    text = host.ip("-6", "-o", "addr", "show", "dev", interface, "scope",
                   "global")
    return re.findall(r"inet6 (\S+)/64", text)


@pytest.mark.guests
def test_an_underlay_of_ipv6(make_lab):
    """A second address, which would be preferred, is not the source."""
    lab = make_lab(underlay="ipv6", weftd=False)
    a, b = lab.hosts
    assert (a.address, b.address) == ("fd50::11", "fd50::12")
    a.run(["ip", "-batch", "-"], stdin=f"""\
addr add {SECOND}/64 dev eth0 nodad
addr change fd50::11/64 dev eth0 preferred_lft 0
""")
    assert f"src {SECOND}" in a.ip("route", "get", b.address)
    for host in lab.hosts:
        host.start_weftd()
    lab.wait_healthy(20)
    ends = one_each(lab)
    lab.settle()
    for host in lab.hosts:
        host.wait_healthy()
        assert inside(host, f"n{host.name}")["mtu"] == 1430
    with Underlay(lab, b) as plug:
        for one, other in (ends, ends[::-1]):
            for to in other.ips:
                assert ping_whole(one.host, one.netns, to, 1430)
                assert not ping_whole(one.host, one.netns, to, 1431, 0.1)
            assert transfer(one, other, other.ip4, 256 << 10) == 256 << 10
        assert outer_pairs(plug) == {(a.address, b.address),
                                     (b.address, a.address)}


def test_an_address_that_comes_to_the_nic(make_lab):
    """Open vSwitch would take the newest: it is put behind the listed one.
    The NIC gets all back in the order in which it had them."""
    lab = make_lab(underlay="ipv6")
    a, b = lab.hosts
    lab.wait_healthy()
    ends = one_each(lab)
    a.ip("addr", "add", f"{SECOND}/64", "dev", "eth0", "nodad")
    wait_for(lambda: addresses(a, "br-phy") == [a.address, SECOND], 5,
             "both are on br-phy, the listed one first")
    lab.settle()
    with Underlay(lab, b) as plug:
        assert ends[0].pings(ends[1], 3) and ends[1].pings(ends[0], 3)
        assert outer_pairs(plug) == {(a.address, b.address),
                                     (b.address, a.address)}
    a.kill_vswitchd()               # And br-phy with it.
    a.start_vswitchd()
    lab.wait_healthy(20)
    wait_for(lambda: addresses(a, "br-phy") == [a.address, SECOND], 5,
             "both are there again")
    cleanup(a)
    wait_for(lambda: addresses(a, "eth0") == [SECOND, a.address], 3,
             "the NIC has them as before")


BEYOND = """\
sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.underlay.accept_dad=0
for address in fe80::1 fd50::1 fd51::1; do
    ip address add $address/64 dev underlay nodad
done
"""


def test_a_router_between(make_lab):
    """The switch sends from an address beside the router's: by a link-local
    one that is not the listed one, which is said; by a global one it is."""
    lab = make_lab(underlay="ipv6", weftd=False)
    a, b = lab.hosts
    lab.underlay.sh(BEYOND)
    b.sh("ip addr flush dev eth0 scope global\n"
         "ip addr add fd51::12/64 dev eth0 nodad\n"
         "ip route add default via fd51::1")
    a.ip("route", "add", "default", "via", "fe80::1", "dev", "eth0")
    lab.write_peers(lab.peers_text().replace(b.address, "fd51::12"))
    for host in lab.hosts:
        host.start_weftd()
    wait_for(lambda: re.search(
        "BFD is down to hostb: Open vSwitch sends to fd51::12 from "
        "fe80::[0-9a-f:]+, which the list does not have: see "
        "\"ovs-appctl ovs/route/show\"", problems(a)), 10, "it is said")
    cleanup(a)
    a.ip("-6", "route", "replace", "default", "via", "fd50::1", "dev", "eth0")
    a.start_weftd()
    lab.wait_healthy(20)
    ends = one_each(lab)
    lab.settle()
    with Underlay(lab, b) as plug:
        assert ends[0].pings(ends[1], 3) and ends[1].pings(ends[0], 3)
        assert outer_pairs(plug) == {(a.address, "fd51::12"),
                                     ("fd51::12", a.address)}


# What each host calls the others by: 4 or 6.
LISTS = {"hosta": {"hosta": 4, "hostb": 4, "hostc": 6},
         "hostb": {"hosta": 4, "hostb": 4, "hostc": 6},
         "hostc": {"hosta": 6, "hostb": 6, "hostc": 6}}


def write_list(lab, host, families, networks):
    text = networks
    for other in lab.hosts:
        if other.name in families:
            address = next(a.ip for a in other.addresses
                           if a.version == families[other.name])
            text += f"\n[peer {other.name}]\naddress = {address}\n"
    path = host.path(f"/etc/weft/{host.name}.conf")
    path.write_text(text)
    return path


def start_with_own_lists(lab, lists):
    for host in lab.hosts:
        write_list(lab, host, lists[host.name], lab.peers_text().split(
            "\n[peer")[0])
        host.start_weftd(f"--directory=file:/etc/weft/{host.name}.conf")


def test_pairs_of_either_family(make_lab):
    """hostc has no address of IPv4 that others send to: each pair has lists
    that agree, and all endpoints the MTU of the larger overhead."""
    lab = make_lab(3, underlay="both", weftd=False)
    start_with_own_lists(lab, LISTS)
    lab.wait_healthy(20)
    ends = one_each(lab)
    lab.settle()
    for host in lab.hosts:
        assert inside(host, f"n{host.name}")["mtu"] == 1430
    for i, one in enumerate(ends):
        for other in ends[:i] + ends[i + 1:]:
            for to in other.ips:
                assert ping_whole(one.host, one.netns, to, 1430), (one, to)
    by = {}
    for host in lab.hosts:
        with Underlay(lab, host) as plug:
            wait_for(lambda: len(outer_pairs(plug)) == 4, 5,
                     "BFD to and from both others")
            by[host.name] = outer_pairs(plug)
    (a4, a6), (b4, b6), (_, c6) = ([str(x.ip) for x in host.addresses]
                                   for host in lab.hosts)
    assert by == {
        "hosta": {(a4, b4), (b4, a4), (a6, c6), (c6, a6)},
        "hostb": {(a4, b4), (b4, a4), (b6, c6), (c6, b6)},
        "hostc": {(a6, c6), (c6, a6), (b6, c6), (c6, b6)},
    }


def test_a_peer_by_ipv6_comes_and_goes(make_lab):
    """While it is listed, all endpoints have the lesser MTU."""
    lab = make_lab(2)
    a, b = lab.hosts
    lab.wait_healthy()              # Never again while the other is listed.
    ends = one_each(lab)
    text = lab.peers_text()
    for more, mtu in (("\n[peer six]\naddress = fd50::99\n", 1430),
                      ("", 1450)):
        lab.write_peers(text + more)
        for end in ends:
            wait_for(lambda: inside(end.host, end.netns)["mtu"] == mtu, 3,
                     f"{end} has an MTU of {mtu}")
        lab.settle()
        assert ping_whole(a, ends[0].netns, ends[1].ip4, mtu)


def test_one_list_with_both_families(make_lab):
    """A pair needs one family: the others talk, and it is said."""
    lab = make_lab(3, underlay="both", weftd=False)
    c6 = lab.hosts[2].addresses[1].ip
    lab.write_peers(lab.peers_text().replace(lab.hosts[2].address, str(c6)))
    for host in lab.hosts:
        host.start_weftd()
    a, b, c = lab.hosts
    for host, other, mine, theirs in ((a, "hostc", "IPv4", "IPv6"),
                                      (c, "hosta", "IPv6", "IPv4")):
        wait_for(lambda: f"BFD is down to {other}: tunnel packets sent" in
                 problems(host) and
                 f"received 0: it is listed by {theirs}, this host by {mine}: "
                 "list both by the same" in problems(host), 15,
                 f"{host.name} says why it does not hear {other}")
    ends = [Endpoint(host, f"n{host.name}") for host in (a, b)]
    lab.settle()
    assert ends[0].pings(ends[1]) and ends[1].pings(ends[0])

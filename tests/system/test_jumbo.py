# SPDX-License-Identifier: Apache-2.0
"""Jumbo frames: NICs whose MTU changes, and an underlay between them that
carries less than they do."""

import pytest

from lab import wait_for
from test_mtu import ping_whole
from traffic import Endpoint, one_each, transfer
from weftlib import inside

LARGE, USUAL = 9000, 1500
SIZE = 256 << 10                # Many packets.


def ends_of(lab):
    lab.wait_healthy(20)
    ends = one_each(lab)
    lab.settle()
    return ends


def set_mtu(lab, mtu):
    for host in lab.hosts:
        host.ip("link", "set", "eth0", "mtu", mtu)


def wait_mtu(ends, mtu):
    for end in ends:
        wait_for(lambda: inside(end.host, end.netns)["mtu"] == mtu, 5,
                 f"{end} has an MTU of {mtu}")
    ends[0].host.lab.settle()


def assert_whole(ends, mtu):
    """Packets of that size pass in one piece, and TCP with them."""
    for one, other in (ends, ends[::-1]):
        for to in other.ips:
            assert ping_whole(one.host, one.netns, to, mtu), (mtu, one, to)
            assert not ping_whole(one.host, one.netns, to, mtu + 1, 0.1)
        assert transfer(one, other, other.ip4, SIZE) == SIZE


@pytest.mark.parametrize("underlay, overhead", [("ipv4", 50), ("ipv6", 70)])
def test_the_nics_become_small_and_large_again(make_lab, underlay, overhead):
    lab = make_lab(underlay=underlay, mtu=LARGE)
    ends = ends_of(lab)
    for mtu in (LARGE, USUAL, LARGE):
        set_mtu(lab, mtu)
        wait_mtu(ends, mtu - overhead)
        assert_whole(ends, mtu - overhead)
    lab.wait_healthy()


def narrow(lab, mtu=USUAL):
    """What is larger does not come through to hostb, nor from it; nobody is
    told."""
    lab.underlay.ip("link", "set", "hostb", "mtu", mtu)


@pytest.mark.guests
def test_an_underlay_that_carries_less_than_the_nics(make_lab):
    """The recipe of docs/underlay.md, "MTU and jumbo frames"."""
    lab = make_lab(mtu=LARGE)
    a, b = lab.hosts
    narrow(lab)
    ends = ends_of(lab)
    wait_mtu(ends, LARGE - 50)
    # All seems well: BFD is up, and small packets pass.
    a.wait_healthy()
    assert ends[0].pings(ends[1]) and ends[1].pings(ends[0])
    assert not ping_whole(a, ends[0].netns, ends[1].ip4, LARGE - 50, 1)
    # The same between the hosts, without Weft: that is to be seen first.
    assert ping_whole(a, None, b.address, USUAL)
    assert not ping_whole(a, None, b.address, USUAL + 1, 1)
    assert not ping_whole(a, None, b.address, LARGE, 1)
    set_mtu(lab, USUAL)
    wait_mtu(ends, USUAL - 50)
    assert_whole(ends, USUAL - 50)
    # The other cure, the switch's.
    narrow(lab, LARGE)
    set_mtu(lab, LARGE)
    wait_mtu(ends, LARGE - 50)
    assert_whole(ends, LARGE - 50)


def test_an_underlay_that_comes_to_carry_less(make_lab):
    """One endpoint has --mtu meanwhile."""
    lab = make_lab(mtu=LARGE)
    a, b = lab.hosts
    ends = ends_of(lab)
    wait_mtu(ends, LARGE - 50)
    assert_whole(ends, LARGE - 50)
    narrow(lab)
    assert not ping_whole(a, ends[0].netns, ends[1].ip4, USUAL - 49, 1)
    small = Endpoint(a, "small", "blue", "--mtu", str(USUAL - 50))
    lab.settle()
    # TCP takes the lesser of the two; the other end's packets are as large
    # as ever.
    for one, other in ((small, ends[1]), (ends[1], small)):
        assert transfer(one, other, other.ip4, SIZE) == SIZE
    assert ping_whole(a, small.netns, ends[1].ip4, USUAL - 50)
    assert not ping_whole(b, ends[1].netns, small.ip4, USUAL - 49, 1)
    narrow(lab, LARGE)
    assert_whole(ends, LARGE - 50)

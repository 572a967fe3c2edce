# SPDX-License-Identifier: Apache-2.0
"""`weft endpoint show` tells what an endpoint was refused.

test_spoof.py has each reason; here is what becomes of the counters, and that
who does nothing wrong has none."""

import signal
import subprocess
import time

import pytest
from scapy.layers.inet6 import ICMPv6ND_RS
from scapy.layers.l2 import Dot1Q

from dhcpclient import Udhcpc
from host import PATIENCE, wait_for
from test_dhcp import NETWORKS
from test_spoof import counted, ip6, link_local, tagged, unicast
from traffic import Endpoint, transfer
from weftlib import bare, lab_fixture

module_lab = lab_fixture(networks=NETWORKS, hosts=1)


@pytest.fixture
def host(module_lab):
    with bare(module_lab):
        yield module_lab.hosts[0]


def refused(e):
    """Reason to frames, of what no honest endpoint sends."""
    counts = counted(e)
    row = e.row()
    return {why: n for why, n in counts.items() if n and why in row["refused"]}


def misbehave(e, other, times=1):
    """A tag once, an address of another's twice, 'times' times."""
    frames = [tagged(unicast(e, other), Dot1Q(vlan=7)),
              *[unicast(e, other, src=other.ip4)] * 2]
    with e.wire() as wire:
        wire.send(*frames * times)
    expected = {"802.1q-tag": times, "source-ipv4": 2 * times}
    return wait_for(lambda: refused(e) == expected and expected, 10,
                    f"{e} was refused {expected}")


@pytest.mark.guests
def test_it_is_told_in_words(host):
    red, blue = Endpoint(host, "red"), Endpoint(host, "blue")
    misbehave(red, blue)
    text = host.weft("endpoint", "show", "red").stdout
    assert "refused  802.1Q tag 1, source IPv4 2\n" in text
    assert "refused" not in host.weft("endpoint", "show", "blue").stdout
    # And so by whoever asks.
    assert "source IPv4 2" in host.ovs_appctl("endpoint/show", "red",
                                              target="weftd")


def test_who_does_nothing_wrong_is_refused_nothing(host):
    red = Endpoint(host, "red", "blue", "--ip", "dhcp")
    blue, green = Endpoint(host, "blue"), Endpoint(host, "green")
    with Udhcpc(host, "red") as client:
        client.wait("bound")
        assert blue.pings(red.ip4) and red.pings(blue.ip4)
        assert red.pings("10.1.0.1") and blue.pings("fd00:1::1")
        assert not red.pings("10.1.9.9")        # Nobody.
        transfer(blue, red, red.ip4, 1 << 20)
        transfer(green, blue, blue.ip6, 1 << 20)
    for e in red, blue, green:
        assert refused(e) == {}


def test_more_than_the_agent_takes(host):
    """Its meter drops what is more; the rest is answered."""
    red = Endpoint(host, "red")
    frame = (ip6(red, src=link_local(red), dst="ff02::2",
                 mac="33:33:00:00:00:02") / ICMPv6ND_RS())
    with red.wire() as wire:
        wire.send(*[frame] * 400)

    def most():
        counts = refused(red)
        assert counts.keys() == {"rate-limit"}
        # A burst of 50, and 100 a second.
        assert 200 <= counts["rate-limit"] < 400
        return True
    wait_for(most, 5, "most are refused")


def test_counters_outlive_the_agent(host):
    red, blue = Endpoint(host, "red"), Endpoint(host, "blue")
    before = misbehave(red, blue)
    host.weft("publish", "8080:red:80")
    assert refused(red) == before
    host.stop_weftd()
    host.start_weftd()
    wait_for(lambda: refused(red) == before, 5, "they are as they were")
    host.kill_weftd()
    with red.wire() as wire:        # Nobody is there, but the switch.
        wire.send(tagged(unicast(red, blue), Dot1Q(vlan=7)))
    host.start_weftd()
    host.wait_healthy()
    wait_for(lambda: refused(red) == {**before, "802.1q-tag": 2}, 5,
             "what came meanwhile counts as well")
    host.weft("unpublish", "8080")


def test_another_endpoint_begins_at_nothing(host):
    red, blue = Endpoint(host, "red"), Endpoint(host, "blue")
    misbehave(red, blue)
    host.weft("detach", "red")
    again = Endpoint(host, "red", make=False)
    assert refused(again) == {}
    misbehave(again, blue)
    assert refused(blue) == {}


def test_a_switch_that_does_not_answer(host):
    """The rest is shown all the same, soon."""
    red = Endpoint(host, "red")
    host.kill("ovs-vswitchd", signal.SIGSTOP)
    try:
        begin = time.monotonic()
        row = red.row()
        assert time.monotonic() - begin < 5 * PATIENCE
        assert row["state"] == "up"
        assert row["uncounted"] == "the switch does not answer"
        assert "refused" not in row and "ignored" not in row
    finally:
        host.kill("ovs-vswitchd", signal.SIGCONT)
    host.wait_healthy()
    wait_for(lambda: refused(red) == {}, 5, "it is counted again")


def test_a_switch_that_ends(host):
    """While it is asked, and before; it begins at nothing again."""
    red, blue = Endpoint(host, "red"), Endpoint(host, "blue")
    misbehave(red, blue)
    host.kill("ovs-vswitchd", signal.SIGSTOP)
    with host.popen(["weft", "endpoint", "show", "red"],
                    stdout=subprocess.PIPE) as process:
        host.kill_vswitchd()
        text, _ = process.communicate(timeout=15)
    assert "uncounted  the switch is not there\n" in text
    assert red.row()["uncounted"] == "the switch is not there"
    host.start_vswitchd()
    wait_for(lambda: red.row()["state"] == "up", 5, "red is up again")
    host.wait_healthy()
    wait_for(lambda: refused(red) == {}, 5, "it begins at nothing")
    misbehave(red, blue)

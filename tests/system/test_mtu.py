# SPDX-License-Identifier: Apache-2.0
"""The MTU of endpoints: what the underlay leaves, and not a byte less."""

import pytest

from lab import wait_for
from weftlib import address, attach, inside, ip_json

OVERHEAD = {"ipv4": 50, "ipv6": 70}
HEADERS = {4: 20 + 8, 6: 40 + 8}        # Of an echo.


def ping_whole(host, netns, to, size, wait=5):
    """Whether an echo whose packet has 'size' bytes passes in one piece."""
    data = size - HEADERS[6 if ":" in to else 4]
    return host.run(["ping", "-n", "-c1", "-W", wait, "-M", "do", "-s", data,
                     to], check=False, netns=netns).returncode == 0


@pytest.mark.parametrize("underlay", ["ipv4", "ipv6"])
@pytest.mark.parametrize("mtu", [1500, 9000])
def test_mtu_follows_the_underlay(make_lab, underlay, mtu):
    lab = make_lab(underlay=underlay, mtu=mtu)
    a, b = lab.hosts
    wanted = mtu - OVERHEAD[underlay]
    for host in lab.hosts:          # br-phy begins with 1500.
        wait_for(lambda: host.weft_json("network", "show", "blue")["mtu"]
                 == wanted, what=f"{host.name} knows its underlay's MTU")
    there = attach(b, "red")
    here = attach(a, "red")
    assert inside(a, "red")["mtu"] == wanted
    assert ip_json(a, "link", "show", here["port"])[0]["mtu"] == wanted
    lab.wait_healthy()
    lab.settle()
    fragments = ("ip[6:2] & 0x3fff != 0" if underlay == "ipv4"
                 else "ip6 proto 44")
    with lab.underlay.capture("underlay", fragments) as seen:
        for version in (4, 6):
            to = address(there, version)
            assert ping_whole(a, "red", to, wanted), f"{wanted} to {to}"
            assert not ping_whole(a, "red", to, wanted + 1, 0.1)
    assert not any(seen), "the underlay has to cut packets"


def test_mtu_follows_a_change_of_the_underlay(lab):
    a, b = lab.hosts
    there = attach(b, "red")
    attach(a, "red")
    attach(a, "fixed", "--mtu", "1300")
    a.ip("link", "set", "eth0", "mtu", "1400")
    wait_for(lambda: inside(a, "red")["mtu"] == 1350,
             what="the endpoint has the new MTU")
    lab.wait_healthy()
    lab.settle()
    assert ping_whole(a, "red", address(there, 4), 1350)
    assert inside(a, "fixed")["mtu"] == 1300
    attach(a, "green")
    assert inside(a, "green")["mtu"] == 1350

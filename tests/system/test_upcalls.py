# SPDX-License-Identifier: Apache-2.0
"""A kernel datapath that loses the packets which its switch is to see: `weft
status` says so, and what to do, until it is cured."""

import pytest

from host import wait_for
from scene import problems
from traffic import Endpoint

NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
"""
LOSES_ALL = "datapath ovs-system loses all packets that it has no flow for"
CURE = '"systemctl restart openvswitch-switch" cures it'
# agent/upcalls.c looks every 5 s, and twice before it compares.
NOTICES = 30
YOUNG = 2                           # Seconds.


@pytest.mark.guests(only=True)
def test_a_bridge_that_was_made_just_after_the_boot(make_lab):
    """Open vSwitch 3.1 counts no processor in the first 10 s of uptime."""
    lab = make_lab(1, weftd=False, networks=NETWORKS)
    host = lab.hosts[0]
    host.kill_vswitchd()
    host.start_vswitchd(age=YOUNG)
    host.start_weftd()
    one, two = Endpoint(host, "one"), Endpoint(host, "two")

    def told():
        one.pings(two, timeout=0.2)
        return LOSES_ALL in problems(host)
    wait_for(told, NOTICES, "status says that packets are lost", 0.5)
    assert CURE in problems(host)
    assert host.weft("status", check=False).returncode == 1
    assert not one.pings(two)

    # What that command does, but for an init system.
    host.kill_vswitchd()
    host.start_vswitchd()
    wait_for(lambda: one.pings(two), 10, "packets pass")
    host.wait_healthy(10)
    assert not problems(host)

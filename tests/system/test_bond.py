# SPDX-License-Identifier: Apache-2.0
"""A host whose underlay is a bond of two NICs, one of which works at a time:
it is one NIC to Weft, and when the other has to do the work nobody notices.

The NICs are veths into a bridge, the switch, that has the host's cable.  When
their far ends are taken down, they have no carrier.
"""

import pytest

from host import wait_for
from scene import problems, shared_lab, tunnels
from test_mtu import ping_whole
from traffic import Endpoint, transfer
from weftlib import inside

pytestmark = pytest.mark.guests(only=True)      # For the kernel's bonding.

# The driver looks for carrier so often, in ms.
MIIMON = 100
NICS = ("nic0", "nic1")
BOND = f"""
modprobe bonding max_bonds=0
ip link add switch type bridge forward_delay 0 mcast_snooping 0
ip link add bond0 type bond mode active-backup miimon {MIIMON}
for nic in {' '.join(NICS)}; do
    ip link add $nic type veth peer name far-$nic
    ip link set far-$nic master switch up
    ip link set $nic master bond0
done
ip addr flush dev eth0
ip link set eth0 master switch
ip link set switch up
ip link set bond0 up
ip addr add "$1" dev bond0
"""


class Scene:
    """Host a gets its bond while all is in use, as by a hand at work."""

    def __init__(self, lab):
        self.a, self.b = lab.hosts
        lab.wait_healthy(60)
        self.red = Endpoint(self.a, "red")
        self.green = Endpoint(self.b, "green")
        self.a.run(["sh", "-ec", BOND, "-", self.a.addresses[0]])

    def active(self):
        return self.a.path("/sys/class/net/bond0/bonding/active_slave"
                           ).read_text().strip()

    def lose(self, nic):
        self.a.ip("link", "set", f"far-{nic}", "down")

    def mend(self, nic):
        self.a.ip("link", "set", f"far-{nic}", "up")
        state = self.a.path(f"/sys/class/net/{nic}/bonding_slave/mii_status")
        wait_for(lambda: state.read_text().strip() == "up", 5,
                 f"{nic} has its carrier again")


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request) as lab:
        yield Scene(lab)


def assert_well(scene):
    for host in (scene.a, scene.b):
        wait_for(lambda: [t["bfd"] for t in tunnels(host).values()] == ["up"],
                 10, f"BFD of {host.name} is up")
        host.wait_healthy()
    # BFD may not have noticed yet what was done just now.
    wait_for(lambda: scene.red.pings(scene.green)
             and scene.green.pings(scene.red), 10, "they reach each other")


def assert_survives(scene, times):
    """The loss of the NIC in use, while the other is there."""
    ips = scene.red.row()["ip"]
    for _ in range(times):
        nic = scene.active()
        other, = set(NICS) - {nic}
        with scene.red.pinger(scene.green.ip4, timeout=20) as pinger:
            pinger.wait_answer(50)
            scene.lose(nic)
            wait_for(lambda: scene.active() == other, 5, f"{other} works")
            pinger.wait_answer(100)
        print(f"{nic} to {other}: {len(pinger.lost)} of {pinger.sent} lost, "
              f"{pinger.longest_gap:.2f} s without an answer")
        assert pinger.longest_gap < 2
        assert_well(scene)
        assert scene.red.row()["ip"] == ips
        scene.mend(nic)


def test_the_bond_takes_over_from_the_nic(scene):
    """Whose address it has: no restart, and no word to weftd."""
    a = scene.a
    assert_well(scene)
    with a.capture("bond0", "udp dst port 4789 and src host "
                   + a.address) as seen:
        assert scene.red.pings(scene.green.ip4)
    assert any("ICMP echo request" in line for line in seen), seen


def test_either_nic_is_lost(scene):
    assert_survives(scene, 2)


def test_the_mtu_is_that_of_the_bond(scene):
    a, red = scene.a, scene.red
    for mtu in (1400, 1500):
        a.ip("link", "set", "bond0", "mtu", str(mtu))
        wait_for(lambda: inside(a, red.netns)["mtu"] == mtu - 50, 5,
                 "the endpoint's MTU follows")
        assert ping_whole(a, red.netns, scene.green.ip4, mtu - 50)


def test_both_nics_are_lost(scene):
    """It is said; with one of them all is well again."""
    for nic in NICS:
        scene.lose(nic)
    wait_for(lambda: "BFD is down to hostb" in problems(scene.a), 10,
             "status tells")
    scene.mend(NICS[1])
    assert_well(scene)
    scene.mend(NICS[0])


def test_the_userspace_datapath_with_a_peer_on_that_of_the_kernel(scene):
    """The last one: nothing is as before."""
    a = scene.a
    a.weft("cleanup", "--yes")
    a._running.pop("weftd")
    wait_for(lambda: not a.is_running("weftd"), 5, "weftd has ended")
    a.start_weftd("--datapath=netdev", "--underlay=bond0",
                  f"--name={a.name}", plain=True)
    scene.red = Endpoint(a, "red", make=False)
    for host in (a, scene.b):
        host.wait_healthy(20)
    assert "datapath netdev" in a.weft("status", check=False).stdout
    assert_well(scene)
    assert transfer(scene.green, scene.red, scene.red.ip4, 1 << 18) == 1 << 18
    assert transfer(scene.red, scene.green, scene.green.ip4,
                    1 << 18) == 1 << 18
    assert_survives(scene, 1)

# SPDX-License-Identifier: Apache-2.0
"""The agent goes and comes back: nobody notices, and what changed meanwhile
is put right."""

import contextlib

import pytest

from host import wait_for
from scene import (GROUPS_OURS, OURS, flow_ages, ofports, our_flows,
                   our_groups, problems, reports, shared_lab,
                   state_of_switch, synced, tunnels, wait_same)
from traffic import Endpoint

SOON = 5


class Scene:
    def __init__(self, lab):
        self.lab = lab
        self.a, self.b = lab.hosts
        self.a1 = Endpoint(self.a, "a1")
        self.a2 = Endpoint(self.a, "a2")
        self.b1 = Endpoint(self.b, "b1")
        lab.wait_healthy()


@pytest.fixture(scope="module")
def scene(request):
    with shared_lab(request) as lab:
        yield Scene(lab)


@contextlib.contextmanager
def pinging(scene):
    """100 times a second, both families, both ways, near and far."""
    a1, a2, b1 = scene.a1, scene.a2, scene.b1
    with contextlib.ExitStack() as stack:
        pingers = [stack.enter_context(p) for p in (
            a1.pinger(b1.ip4), b1.pinger(a1.ip6), a1.pinger(a2.ip4))]
        yield pingers
    assert [p.lost for p in pingers] == [[], [], []]
    assert [p.duplicates for p in pingers] == [0, 0, 0]


def wait_more(pingers, count):
    for pinger in pingers:
        pinger.wait_answer(count)


@pytest.mark.guests
def test_killed_and_started_again_under_traffic(scene):
    a = scene.a
    before = state_of_switch(a)
    durations = flow_ages(a)
    with pinging(scene) as pingers:
        a.kill_weftd()
        wait_more(pingers, 20)
        assert state_of_switch(a) == before
        a.start_weftd()
        synced(a)
        wait_more(pingers, 50)
    assert state_of_switch(a) == before
    # No flow was taken out and put back: each is older than the restart.
    for flow, age in flow_ages(a).items():
        assert age > durations[flow]
    a.wait_healthy()
    assert "deleted" not in reports(a) and "changed" not in reports(a)


def test_started_with_a_bad_peer_file(scene):
    """Nothing is known of what is wanted, so nothing is removed."""
    a, lab = scene.a, scene.lab
    before = state_of_switch(a)
    with pinging(scene) as pingers:
        a.kill_weftd()
        lab.write_peers("[peer hosta\n")
        a.start_weftd()
        wait_for(lambda: "peers.conf:1: " in problems(a), 3, "it is refused")
        wait_more(pingers, 50)
        assert state_of_switch(a) == before
        lab.write_peers(lab.peers_text())
        wait_for(lambda: a.status()["healthy"], SOON, "all is well again")
        wait_more(pingers, 20)
    assert state_of_switch(a) == before


def test_started_without_a_peer_file(scene):
    a, lab = scene.a, scene.lab
    before = state_of_switch(a)
    with pinging(scene) as pingers:
        a.kill_weftd()
        (lab.weft_dir / "peers.conf").unlink()
        a.start_weftd()
        wait_for(lambda: "No such file" in problems(a), 3, "it says so")
        wait_more(pingers, 50)
        assert state_of_switch(a) == before
        lab.write_peers(lab.peers_text())
        wait_for(lambda: a.status()["healthy"], SOON, "all is well again")
    assert state_of_switch(a) == before


# From here on links come and go.  Then the userspace datapath loses a packet
# now and then, whoever makes them, so nothing that was sent is counted.

@pytest.fixture
def extra(scene):
    """One more endpoint, for a test that harms it."""
    endpoint = Endpoint(scene.a, "extra")
    yield endpoint
    scene.a.weft("detach", "extra", check=False)
    scene.a.ip("netns", "del", "extra", check=False)


@contextlib.contextmanager
def while_down(host):
    host.kill_weftd()
    yield
    host.start_weftd()
    synced(host)


def gone(host, endpoint):
    """Nothing is left of it, in the switch, the kernel or weft."""
    return (endpoint.port not in ofports(host)
            and endpoint.port not in host.ip("link")
            and not [f for f in our_flows(host) if endpoint.mac in f]
            and endpoint.name not in host.weft("endpoint", "list").stdout)


def test_an_endpoint_whose_port_was_deleted_meanwhile(scene, extra):
    """Its row was its only record: what is left of it goes."""
    a = scene.a
    with while_down(a):
        a.ovs_vsctl("del-port", extra.port)
    wait_for(lambda: gone(a, extra), SOON, "nothing of it is left")
    assert extra.port in reports(a)


def test_an_endpoint_whose_namespace_was_deleted_meanwhile(scene, extra):
    a = scene.a
    with while_down(a):
        a.ip("netns", "del", "extra")
    wait_for(lambda: gone(a, extra), SOON, "nothing of it is left")
    assert "extra" in reports(a)


def test_an_endpoint_whose_link_was_deleted_meanwhile(scene, extra):
    a = scene.a
    with while_down(a):
        a.ip("link", "del", extra.port)
    wait_for(lambda: extra.pings(scene.b1, timeout=0.2), SOON,
             "it pings again")
    assert extra.port in reports(a)


def test_two_endpoints_whose_rows_were_given_one_address_meanwhile(scene,
                                                                   extra):
    """One of them serves, the other says whose address it is, and comes back
    when that one has gone."""
    a, a2 = scene.a, scene.a2
    with while_down(a):
        address = a.ovs_vsctl("get", "Interface", a2.port,
                              "external_ids:weft-ip").strip()
        a.ovs_vsctl("set", "Interface", extra.port,
                    f"external_ids:weft-ip={address}")
    wait_for(lambda: {a2.row()["state"], extra.row()["state"]}
             == {"up", "down"}, SOON, "one is up and one is down")
    up, down = sorted((a2, extra), key=lambda e: e.row()["state"] == "down")
    assert down.row()["reason"].endswith(f" is taken by endpoint {up.name}")
    scene.a.weft("detach", up.name)
    wait_for(lambda: down.row()["state"] == "up", SOON,
             "the other one serves")
    if up is a2:
        scene.a.weft("detach", "extra")
        scene.a2 = Endpoint(a, "a2", make=False)


def test_stale_flows_and_groups_of_ours_go(scene):
    a = scene.a
    before = state_of_switch(a)
    with while_down(a):
        a.ovs_ofctl("add-flow", "br-weft", f"{OURS}000400000063,table=12,"
                    "priority=100,in_port=99,actions=goto_table:20")
        a.ovs_ofctl("add-group", "br-weft",
                    "group_id=0x57000063,type=all,bucket=bucket_id:1,"
                    "actions=output:1")
        assert state_of_switch(a) != before
    wait_same(a, before)


def test_flows_and_groups_that_lack_come_back(scene):
    a = scene.a
    before = state_of_switch(a)
    with while_down(a):
        a.ovs_ofctl("del-flows", "br-weft", "table=40")
        a.ovs_ofctl("del-groups", "br-weft", "group_id=0x57000064")
    wait_same(a, before)
    wait_for(lambda: scene.a1.pings(scene.b1, timeout=0.2), SOON,
             "they ping again")


def test_a_peer_that_left_the_list_meanwhile(scene):
    a, lab = scene.a, scene.lab
    before = state_of_switch(a)
    lab.write_peers(lab.peers_text()
                    + "\n[peer hostx]\naddress = 192.168.50.201\n")
    wait_for(lambda: tunnels(a).get("hostx", {}).get("tunnel"), SOON,
             "hostx has a tunnel")
    with while_down(a):
        lab.write_peers(lab.peers_text())
    wait_same(a, before)
    wait_for(lambda: scene.a1.pings(scene.b1, timeout=0.2), SOON,
             "they ping again")


def test_a_mass_removal_meanwhile_is_held_back(scene):
    """What a list cut short would remove is known from the ports."""
    a, lab = scene.a, scene.lab
    text = lab.peers_text()
    longer = (text + "\n[peer hostx]\naddress = 192.168.50.201\n"
              + "\n[peer hosty]\naddress = 192.168.50.202\n")
    fewer = our_flows(a)
    lab.write_peers(longer)
    wait_for(lambda: all(ofports(a).get(port) for port
                         in ("vx-hostx", "vx-hosty")), SOON,
             "both have tunnels")
    wait_for(lambda: len(our_flows(a)) == len(fewer) + 16, SOON,
             "both have their eight flows")
    before = state_of_switch(a)
    with scene.a1.pinger(scene.b1.ip4) as pinger:
        a.kill_weftd()
        lab.write_peers(text[:text.index("[peer hostb]")])
        a.start_weftd()
        wait_for(lambda: "weft directory accept" in problems(a), SOON,
                 "it says what is held back and what to do")
        assert state_of_switch(a) == before
    assert pinger.lost == []
    lab.write_peers(longer)
    wait_for(lambda: "held back" not in problems(a), SOON, "it is taken back")
    assert state_of_switch(a) == before
    lab.write_peers(text)
    wait_for(lambda: "vx-hostx" not in ofports(a), SOON, "all is as it was")


def test_a_peer_that_came_meanwhile(scene):
    a, lab = scene.a, scene.lab
    with while_down(a):
        lab.write_peers(lab.peers_text()
                        + "\n[peer hostx]\naddress = 192.168.50.201\n")
    wait_for(lambda: tunnels(a).get("hostx", {}).get("tunnel"), SOON,
             "hostx has a tunnel")
    lab.write_peers(lab.peers_text())
    wait_for(lambda: "hostx" not in tunnels(a), SOON, "it is gone")


def test_a_network_that_changed_its_vni_meanwhile(scene):
    lab = scene.lab
    other = lab.peers_text().replace("vni = 100", "vni = 4242")
    with while_down(scene.a), while_down(scene.b):
        lab.write_peers(other)
    wait_for(lambda: scene.a1.pings(scene.b1, timeout=0.2), SOON,
             "they ping with the new VNI")
    wait_for(lambda: not [f for f in our_flows(scene.a) if "reg0=0x64" in f]
             and str(GROUPS_OURS + 100) not in str(our_groups(scene.a)), SOON,
             "nothing is left of the old one")
    lab.write_peers(lab.peers_text())
    wait_for(lambda: scene.a1.pings(scene.b1, timeout=0.2), SOON,
             "they ping with the old VNI")


@pytest.mark.guests
def test_the_switch_restarts_while_the_agent_is_away(scene):
    a = scene.a
    wanted = state_of_switch(a)
    with while_down(a):
        a.kill_vswitchd()
        a.start_vswitchd()
        assert our_flows(a) == []
    wait_same(a, wanted)
    wait_for(lambda: scene.a1.pings(scene.b1, timeout=0.2), SOON,
             "they ping again")


@pytest.mark.guests
def test_vswitchd_is_killed(scene):
    a = scene.a
    wanted = state_of_switch(a)
    a.kill_vswitchd()
    wait_for(lambda: "ovs-vswitchd running" in problems(a), SOON,
             "status tells")
    a.start_vswitchd()
    wait_same(a, wanted)
    wait_for(lambda: scene.a1.pings(scene.b1, timeout=0.2), SOON,
             "they ping again")
    wait_for(lambda: a.status()["healthy"], SOON, "all is well")
    if a.lends_underlay:
        assert f"{a.address}/24" in a.ip("addr", "show", "br-phy")
        assert a.address not in a.ip("addr", "show", "eth0")


@pytest.mark.guests
def test_no_packet_is_lost_without_the_database(scene):
    """They may be late: vswitchd looks for its database first."""
    a = scene.a
    with scene.a1.pinger(scene.b1.ip4, timeout=10) as pinger:
        a.kill_ovsdb()
        wait_for(lambda: "no connection" in problems(a), SOON, "it is down")
        a.start_ovsdb()
        pinger.wait_answer(100)
    assert pinger.lost == []

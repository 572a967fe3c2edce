# SPDX-License-Identifier: Apache-2.0
"""Somebody takes a part of it away: within 5 s it is there again, or what
has lost its ground is gone, and `weft status` tells.  What is not Weft's
stays as it is, to the byte."""

import json
import signal

import pytest

from host import wait_for
from scene import (OURS, ofports, our_flows, our_groups, problems, reports,
                   shared_lab, state_of_switch)
from traffic import Endpoint

SOON = 5
FOREIGN_FLOW = "cookie=0xf00,table=200,priority=7,ip,nw_dst=192.0.2.1," \
    "actions=drop"
FOREIGN_GROUP = "group_id=7,type=all,bucket=bucket_id:1,actions=in_port"


class Scene:
    def __init__(self, lab):
        self.lab = lab
        self.a, self.b = lab.hosts
        make_foreign(self.a)
        self.a1 = Endpoint(self.a, "a1")
        self.a2 = Endpoint(self.a, "a2")
        self.b1 = Endpoint(self.b, "b1")
        lab.wait_healthy()
        assert self.works()
        self.foreign = foreign(self.a)

    def works(self):
        """All of it: near and far, both families, both ways."""
        return (self.a1.pings(self.b1, timeout=0.2)
                and self.b1.pings(self.a1, timeout=0.2)
                and self.a1.pings(self.a2, timeout=0.2))

    def wait_works(self):
        wait_for(self.works, SOON, "they ping again")
        wait_for(lambda: self.a.status()["healthy"], SOON, "all is well")

    def wait_reported(self, text):
        wait_for(lambda: text in reports(self.a), SOON,
                 f"status tells of {text}: {reports(self.a)!r}")


def make_foreign(host):
    """A bridge, a port, a flow, a group and a queue of somebody else's."""
    host.ovs_vsctl("add-br", "theirs", "--", "set", "Bridge", "theirs",
                   "datapath_type=netdev", "fail_mode=secure",
                   "external_ids:owner=them", "--",
                   "add-port", "theirs", "theirs0", "--", "set", "Interface",
                   "theirs0", "type=internal")
    wait_for(lambda: host.path("/run/openvswitch/br-weft.mgmt").exists(), 3,
             "br-weft")
    host.ovs_vsctl("add-port", "br-weft", "theirs1", "--", "set", "Interface",
                   "theirs1", "type=internal", "external_ids:owner=them")
    make_foreign_flows(host)


def make_foreign_flows(host):
    """Which whoever deletes all flows, or kills vswitchd, deletes as well."""
    host.ovs_ofctl("add-flow", "theirs", FOREIGN_FLOW)
    host.ovs_ofctl("--may-create", "mod-group", "br-weft", FOREIGN_GROUP)
    host.ovs_ofctl("add-flow", "br-weft", FOREIGN_FLOW)


CONFIGURATION = {
    "Bridge": ["_uuid", "name", "external_ids", "ports", "fail_mode",
               "other_config", "datapath_type", "controller"],
    "Port": ["_uuid", "name", "external_ids", "tag", "interfaces"],
    "Interface": ["_uuid", "name", "external_ids", "type", "options",
                  "ofport"],
}


def foreign(host):
    """All that is not Weft's, as text."""
    found = [f for f in host.flows() if not f.startswith(OURS)]
    found += host.flows("theirs")
    found += [line for line in host.ovs_ofctl("dump-groups", "br-weft")
              .splitlines() if "group_id=7," in line]
    for table, columns in CONFIGURATION.items():
        data = json.loads(host.ovs_vsctl(
            "-f", "json", f"--columns={','.join(columns)}", "list", table))
        name = data["headings"].index("name")
        found += sorted(json.dumps(row) for row in data["data"]
                        if row[name].startswith("theirs"))
    return "\n".join(found)


@pytest.fixture(scope="module")
def module_scene(request):
    with shared_lab(request) as lab:
        yield Scene(lab)


@pytest.fixture
def scene(module_scene):
    """Each test leaves all as it was, and what is foreign to the byte."""
    before = shape(module_scene.a)
    yield module_scene
    module_scene.wait_works()
    wait_for(lambda: shape(module_scene.a) == before, SOON,
             "the switch has what it had")
    assert foreign(module_scene.a) == module_scene.foreign


def shape(host):
    """Of the switch.  A port that was made again has another number, so flows
    and buckets are counted only."""
    flows, groups, ports = state_of_switch(host)
    return len(flows), [len(group) for group in groups], sorted(ports)


# The switch.

@pytest.mark.parametrize("match", [
    "", "table=40", f"{OURS}000000000000/0xffff000000000000"])
def test_flows_are_deleted(scene, match):
    a = scene.a
    a.ovs_ofctl("del-flows", "br-weft", *([match] if match else []))
    scene.wait_works()
    scene.wait_reported("somebody changed flows")
    make_foreign_flows(a)


def test_a_flow_of_ours_is_changed(scene):
    a = scene.a
    flow = next(f for f in our_flows(a) if f"dl_dst={scene.a1.mac} " in f)
    match = flow.split(" actions=")[0].replace(" priority", "priority")
    a.kill_weftd(signal.SIGSTOP)    # It would put that right at once.
    try:
        a.ovs_ofctl("--names", "mod-flows", "--strict", "br-weft",
                    match.split(",", 1)[1].replace(" ", "") + ",actions=drop")
        assert flow not in our_flows(a)
    finally:
        a.kill_weftd(signal.SIGCONT)
    wait_for(lambda: flow in our_flows(a), SOON, "it is as it was")
    scene.wait_reported("somebody changed flows")


def test_a_flow_is_added_under_our_cookie(scene):
    a = scene.a
    a.ovs_ofctl("add-flow", "br-weft", f"{OURS}000400000063,table=40,"
                "priority=200,dl_dst=0a:66:66:66:66:66,actions=drop")
    wait_for(lambda: "0a:66:66:66:66:66" not in str(our_flows(a)), SOON,
             "it is gone")
    scene.wait_reported("somebody changed flows")


def test_a_flow_of_another_cookie_takes_the_place_of_ours(scene):
    a = scene.a
    a.ovs_ofctl("add-flow", "br-weft", "cookie=0xbad,table=0,priority=0,"
                "actions=NORMAL")
    wait_for(lambda: "0xbad" not in str(a.flows()), SOON,
             "the table's miss is ours again")


def test_groups_are_deleted(scene):
    a = scene.a
    a.ovs_ofctl("del-groups", "br-weft")
    scene.wait_works()
    wait_for(lambda: len(our_groups(a)) == 2, SOON, "the groups are back")
    scene.wait_reported("somebody changed flows or groups")
    make_foreign_flows(a)


def test_a_groups_buckets_are_changed(scene):
    """No flow changes by that; broadcasts would be lost."""
    a = scene.a
    before = our_groups(a)
    a.ovs_ofctl("mod-group", "br-weft",
                f"group_id={0x57000064},type=all,bucket=drop")
    wait_for(lambda: our_groups(a) == before, SOON, "it is as it was")


def test_fail_mode_is_changed(scene):
    a = scene.a
    a.ovs_vsctl("set-fail-mode", "br-weft", "standalone")
    wait_for(lambda: a.ovs_vsctl("get-fail-mode", "br-weft").strip()
             == "secure", SOON, "it is secure again")
    scene.wait_reported("br-weft")
    make_foreign_flows(a)           # Open vSwitch deletes all flows for that.


def test_a_controller_is_set(scene):
    a = scene.a
    a.ovs_vsctl("set-controller", "br-weft", "tcp:127.0.0.1:6653")
    wait_for(lambda: a.ovs_vsctl("get-controller", "br-weft").strip() == "",
             SOON, "it is gone")
    scene.wait_reported("br-weft")
    make_foreign_flows(a)           # As above.


# The database.

def test_an_endpoints_port_is_deleted(scene):
    scene.a.ovs_vsctl("del-port", scene.a1.port)
    wait_for(lambda: scene.a1.port in ofports(scene.a), SOON,
             "the port is back")
    scene.wait_works()
    scene.wait_reported(f"port {scene.a1.port} was deleted")


def test_a_tunnels_port_is_deleted(scene):
    scene.a.ovs_vsctl("del-port", "vx-hostb")
    wait_for(lambda: ofports(scene.a).get("vx-hostb", -1) > 0, SOON,
             "the port is back")
    scene.wait_works()
    scene.wait_reported("vx-hostb")


@pytest.mark.parametrize("setting", [
    "options:remote_ip=192.168.50.99", "options:key=7",
    "options:local_ip=192.168.50.99", "options:local_ip=nonsense",
    "options:dst_port=4799", "bfd:enable=false", "bfd:check_tnl_key=false"])
def test_a_tunnels_row_is_changed(scene, setting):
    a = scene.a

    def row():
        return a.ovs_vsctl("--columns=type,options,bfd", "list", "Interface",
                           "vx-hostb")
    before = row()
    a.ovs_vsctl("set", "Interface", "vx-hostb", setting)
    wait_for(lambda: row() == before, SOON, "the row is as it was")
    scene.wait_reported("vx-hostb")


@pytest.mark.parametrize("key", ["weft-bridge", "weft-endpoint", "weft-mac",
                                 "weft-ip"])
def test_external_ids_of_an_endpoint_are_removed(scene, key):
    a = scene.a

    def ids():
        return a.ovs_vsctl("get", "Interface", scene.a1.port, "external_ids")
    before = ids()
    a.ovs_vsctl("remove", "Interface", scene.a1.port, "external_ids", key)
    wait_for(lambda: ids() == before, SOON, "they are as they were")
    scene.wait_reported(scene.a1.port)


# The daemons.

@pytest.mark.guests
def test_vswitchd_is_killed(scene):
    a = scene.a
    a.kill_vswitchd()
    wait_for(lambda: "ovs-vswitchd running" in problems(a), SOON,
             "status tells")
    a.start_vswitchd()
    scene.wait_works()
    if a.lends_underlay:
        assert f"{a.address}/24" in a.ip("addr", "show", "br-phy")
        assert a.address not in a.ip("addr", "show", "eth0")
    make_foreign_flows(a)


def test_ovsdb_server_is_killed(scene):
    a = scene.a
    a.kill_ovsdb()
    wait_for(lambda: "no connection to the database" in problems(a), SOON,
             "status tells")
    a.start_ovsdb()
    scene.wait_works()


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


# The bridge, last: what is foreign on it goes with it.

def test_the_bridge_is_deleted(module_scene):
    scene, a = module_scene, module_scene.a
    wanted = our_flows(a)
    a.ovs_vsctl("del-br", "br-weft")
    scene.wait_works()
    assert len(our_flows(a)) == len(wanted)
    scene.wait_reported("br-weft")
    bridges = a.ovs_vsctl("list-br").split()
    assert sorted(bridges) == ["br-phy", "br-weft", "theirs"]


def test_the_underlays_bridge_is_deleted(module_scene):
    scene, a = module_scene, module_scene.a
    a.ovs_vsctl("del-br", "br-phy")
    scene.wait_works()
    assert f"{a.address}/24" in a.ip("addr", "show", "br-phy")


def untouched(host):
    """A bridge of our name that is not ours."""
    return (host.ovs_vsctl("--columns=_uuid,name,ports,fail_mode,external_ids,"
                           "other_config,protocols,datapath_type", "list",
                           "Bridge", "br-weft"),
            host.flows(), host.ovs_ofctl("dump-groups", "br-weft"))


def make_theirs(host):
    host.ovs_vsctl("add-br", "br-weft", "--", "set", "Bridge", "br-weft",
                   "datapath_type=netdev", "fail_mode=secure")
    host.ovs_ofctl("add-flow", "br-weft", "priority=0,actions=NORMAL")
    return untouched(host)


def test_a_foreign_bridge_of_our_name_is_refused(make_lab):
    lab = make_lab(1, weftd=False)
    a = lab.hosts[0]
    before = make_theirs(a)
    a.start_weftd()
    wait_for(lambda: "bridge br-weft exists and is not Weft's" in problems(a),
             SOON, "it is refused")
    assert a.weft("status", check=False).returncode == 1
    assert untouched(a) == before
    a.stop_weftd()
    assert untouched(a) == before
    a.ovs_vsctl("del-br", "br-weft")
    a.start_weftd()
    wait_for(lambda: a.status()["healthy"], SOON, "it has its own now")


def test_a_foreign_bridge_that_takes_the_place_of_ours(make_lab):
    lab = make_lab(1)
    a = lab.hosts[0]
    a.stop_weftd()
    a.ovs_vsctl("del-br", "br-weft")
    before = make_theirs(a)
    a.start_weftd()
    wait_for(lambda: "bridge br-weft exists and is not Weft's" in problems(a),
             SOON, "it is refused")
    assert untouched(a) == before
    a.ovs_vsctl("set", "Bridge", "br-weft", "external_ids:weft-host=hosta")
    wait_for(lambda: a.status()["healthy"], SOON, "it is given to the agent")
    a.ovs_vsctl("remove", "Bridge", "br-weft", "external_ids", "weft-host")
    wait_for(lambda: "bridge br-weft exists and is not Weft's" in problems(a),
             SOON, "it is taken away from the agent")

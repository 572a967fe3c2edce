# SPDX-License-Identifier: Apache-2.0
"""Somebody takes a part of it away: within 5 s it is there again, or what
has lost its ground is gone, and `weft status` tells.  What is not Weft's
stays as it is, to the byte."""

import json

import pytest

from host import wait_for
from scene import (OURS, ofports, our_flows, problems, reports, shared_lab,
                   state_of_switch)
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


# The kernel.

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

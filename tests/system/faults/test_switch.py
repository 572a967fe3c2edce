# SPDX-License-Identifier: Apache-2.0
"""Faults of the switch's tables and of its database's rows: what is ours is
put right, what is not stays as it is, and `weft status` tells."""

import contextlib
import re
import signal

import pytest

from host import wait_for
from scene import (OUR_FLOWS, OURS, asking, our_flows, our_groups, ofports,
                   problems, reports)
from world import SOON, foreign, make_foreign_flows, make_theirs1

FOREIGN_TOP = "cookie=0xbad,table=classify,priority=65535"


@pytest.fixture(scope="module", autouse=True)
def provoked(module_world):
    """Each test changes the switch behind the agent's back; one that sets a
    fail_mode makes it empty its tables, meters too, once more when that is put
    right, and in between the agent fills them."""
    module_world.lab.provoked = True


def port(world, name="blue1"):
    return world[f"hosta/{name}"].endpoint.port


def wait_reported(host, text):
    wait_for(lambda: text in reports(host), SOON,
             f"status tells of {text}: {reports(host)!r}")


# Flows, groups, meters.

@contextlib.contextmanager
def frozen(host):
    """weftd would put right at once what is to be seen broken."""
    host.kill_weftd(signal.SIGSTOP)
    try:
        yield
    finally:
        host.kill_weftd(signal.SIGCONT)


def tables(host):
    meters = host.ovs_ofctl("dump-meters", "br-weft").split("meter=")[1:]
    return our_flows(host), our_groups(host), sorted(meters)


def breaks(host, *command):
    """Something of ours is different after it, and then as it was."""
    before = tables(host)
    with frozen(host):
        host.ovs_ofctl("--names", *command)
        assert tables(host) != before, command
    wait_for(lambda: tables(host) == before, SOON,
             f"{command} is put right")


def match_of(flow):
    """What names it to `mod-flows --strict`."""
    match = flow.split(" actions=")[0].replace(" priority", "priority")
    return match.split(",", 1)[1].replace(" ", "")


@pytest.mark.parametrize("match", [
    "", "table=forward", OUR_FLOWS])
def test_flows_are_deleted(world, match):
    a = world.a
    breaks(a, "del-flows", "br-weft", *([match] if match else []))
    wait_reported(a, "somebody changed flows")
    make_foreign_flows(a)


def test_flows_are_changed(world):
    """Ours by somebody, one under our cookie, one in the place of ours."""
    a = world.a
    flow = next(f for f in our_flows(a)
                if f"dl_dst={world['hosta/blue1'].endpoint.mac} " in f)
    breaks(a, "mod-flows", "--strict", "br-weft",
           f"{match_of(flow)},actions=drop")
    breaks(a, "add-flow", "br-weft", f"{OURS}000400000063,table=forward,"
           "priority=200,dl_dst=0a:66:66:66:66:66,actions=drop")
    breaks(a, "add-flow", "br-weft",
           "cookie=0xbad,table=classify,priority=0,actions=NORMAL")
    assert "0xbad" not in str(a.flows())
    wait_reported(a, "somebody changed flows")


def test_groups_and_meters(world):
    """No flow changes by that, unless it goes with its meter or group."""
    a = world.a
    meter = f"meter={ofports(a)[port(world)]}"
    breaks(a, "mod-group", "br-weft",
           f"group_id={0x57000064},type=all,bucket=drop")
    breaks(a, "del-groups", "br-weft", f"group_id={0x57000000}")
    breaks(a, "del-groups", "br-weft")
    breaks(a, "mod-meter", "br-weft", f"{meter},pktps,band=type=drop,rate=1")
    breaks(a, "del-meter", "br-weft", meter)
    breaks(a, "del-meters", "br-weft")
    wait_reported(a, "somebody changed flows or groups")
    make_foreign_flows(a)


def test_a_change_is_refused(world):
    """A group goes while the agent is about to take a bucket from it."""
    a = world.a
    a.sh("ip netns add other && weft attach other --network red")
    with frozen(a):
        a.ovs_ofctl("del-groups", "br-weft")
        detach = a.popen(["weft", "detach", "other"])
        wait_for(lambda: asking(a), SOON, "weftd is asked")
    assert detach.wait(30) == 0
    assert "refused a change: OFPGMFC_UNKNOWN_GROUP" in a.log()
    a.sh("ip netns del other")
    make_foreign_flows(a)


def test_a_foreign_flow_comes_first(world):
    """It is left, and `weft status` says which one, and how to be rid of it;
    also to a weftd that finds it."""
    a = world.a
    a.ovs_ofctl("--names", "add-flow", "br-weft",
                f"{FOREIGN_TOP},in_port={port(world, 'red2')},actions=drop")

    def told():
        said = problems(a)
        assert "table classify of br-weft has a flow" in said, said
        assert "priority 65535, cookie 0xbad" in said, said
        return re.search(r'"(ovs-ofctl [^"]*)"', said)[1]
    wait_for(told, SOON, "status tells of it")
    assert "hosta/red2>hosta/red1/4" in world.unheard()
    a.kill_weftd()
    a.start_weftd()
    cure = wait_for(told, SOON, "a new weftd tells of it")
    assert "0xbad" in str(a.flows())
    a.sh(cure)


# Rows.

def bridge_row(host, bridge):
    return host.ovs_vsctl("--columns=fail_mode,protocols,datapath_type,"
                          "controller,external_ids,stp_enable,rstp_enable",
                          "list", "Bridge", bridge)


def test_a_bridge_is_changed(world):
    """In any way in which it would not work, or only for those who do not
    look: with another fail_mode isolation would go."""
    a = world.a
    for command in (
            ["set-fail-mode", "br-weft", "standalone"],
            ["del-fail-mode", "br-weft"],
            ["set-controller", "br-weft", "tcp:127.0.0.1:6653"],
            ["set", "Bridge", "br-weft", "protocols=OpenFlow10"],
            ["clear", "Bridge", "br-weft", "protocols"],
            ["set", "Bridge", "br-weft", "datapath_type=system"],
            ["set", "Bridge", "br-weft", "stp_enable=true"],
            ["set", "Bridge", "br-weft", "rstp_enable=true"],
            ["set", "Bridge", "br-phy", "datapath_type=system"],
            ["set-fail-mode", "br-phy", "secure"],
            ["set-controller", "br-phy", "tcp:127.0.0.1:6653"],
            ["del-port", "br-phy", "eth0"]):
        bridge = "br-phy" if "br-phy" in command else "br-weft"
        before = bridge_row(a, bridge)
        a.ovs_vsctl(*command)
        wait_for(lambda: bridge_row(a, bridge) == before
                 and "eth0" in a.ovs_vsctl("list-ports", "br-phy"), SOON,
                 f"{command} is put right")
    wait_reported(a, "bridge br-weft was deleted or changed: put right")
    make_foreign_flows(a)           # Open vSwitch deletes all flows for some.


def test_emergency_reset(world):
    """It takes fail_mode, mirrors and more from all bridges."""
    a = world.a
    a.ovs_vsctl("emer-reset")
    wait_for(lambda: a.ovs_vsctl("get-fail-mode", "br-weft").strip()
             == "secure", SOON, "ours is put right")
    # Which, as this one, empties the tables: it returns when that is done.
    a.ovs_vsctl("set-fail-mode", "theirs", "secure")
    make_foreign_flows(a)


def interface_row(host, name):
    """Without what the host was like before, of which there is more when it
    is written again."""
    text = host.ovs_vsctl("--columns=type,options,bfd,external_ids", "list",
                          "Interface", name)
    return re.sub(r'weft-settings="[^"]*"', "", text)


def put_right(host, name, changes):
    for change in changes:
        before = interface_row(host, name)
        host.ovs_vsctl(*change[:1], "Interface", name, *change[1:])
        wait_for(lambda: interface_row(host, name) == before, SOON,
                 f"{change} of {name} is put right")


def test_a_tunnels_row_is_changed(world):
    changes = [["set", setting] for setting in (
        "options:remote_ip=192.168.50.99", "options:key=7",
        "options:local_ip=192.168.50.99", "options:local_ip=nonsense",
        "options:dst_port=4799", "bfd:enable=false", "type=geneve",
        "external_ids:weft-peer=hostc", "external_ids:weft-peer=nobody",
        "external_ids:weft-external=wh-br-weft",
        "external_ids:weft-bridge=br-other")]
    changes += [["clear", "options"],
                ["remove", "external_ids", "weft-peer"],
                ["remove", "external_ids", "weft-peer-id"],
                ["clear", "external_ids"]]
    put_right(world.a, "vx-hostb", changes)
    wait_reported(world.a, "port vx-hostb was changed: put right")


def test_an_endpoints_row_is_changed(world):
    changes = [["set", "type=internal"],
               ["set", "external_ids:weft-external=wh-br-weft"],
               ["set", "external_ids:weft-endpoint=other"],
               ["set", "external_ids:weft-mac=0a:57:00:00:00:99"]]
    changes += [["remove", "external_ids", f"weft-{key}"]
                for key in ("bridge", "endpoint", "mac", "ip", "network")]
    changes += [["clear", "external_ids"]]
    put_right(world.a, port(world), changes)
    wait_reported(world.a, f"port {port(world)} was")
    put_right(world.a, "wx-br-weft", [
        ["set", "type=internal"], ["clear", "external_ids"],
        ["remove", "external_ids", "weft-external"],
        ["remove", "external_ids", "weft-bridge"]])
    wait_reported(world.a, "port wx-br-weft was changed: put right")


def test_ports_are_deleted(world):
    """One of each, then all at once."""
    a = world.a
    each = [port(world), "vx-hostb", "wx-br-weft"]
    several = [f"vx-{x}" for x in ("hostb", "hostc")] + ["wx-br-weft"] + [
        port(world, name) for name in ("blue1", "blue2", "red1", "red2")]
    for names in [[name] for name in each] + [several]:
        a.ovs_vsctl("--", *" -- ".join(f"del-port {name}"
                                       for name in names).split())
        wait_for(lambda: all(ofports(a).get(name, 0) > 0 for name in names),
                 SOON, f"{names} are back")
        for name in names[:4]:      # Status keeps the last eight.
            wait_reported(a, f"{name} was deleted: made again")


# What somebody else sets, and may.

def test_what_does_no_harm_is_left(world):
    """OpenFlow's output minds no tag; a mirror, a queue and a port of a patch
    to another bridge are somebody's business."""
    a = world.a
    settings = {"tag": "5", "trunks": "7", "vlan_mode": "access"}
    ports = [port(world), port(world, "red1"), "vx-hostb", "wx-br-weft"]
    a.ovs_vsctl(
        "add-br", "second", "--", "set", "Bridge", "second",
        "datapath_type=netdev", "--",
        "add-port", "second", "patch0", "--", "set", "Interface", "patch0",
        "type=patch", "options:peer=patch1", "--",
        "add-port", "br-weft", "patch1", "--", "set", "Interface", "patch1",
        "type=patch", "options:peer=patch0", "--",
        "--id=@theirs", "get", "Port", "theirs1", "--",
        "--id=@mirror", "create", "Mirror", "name=m0", "select_all=true",
        "output_port=@theirs", "--",
        "set", "Bridge", "br-weft", "mirrors=@mirror", "external_ids:x=y")
    a.ovs_vsctl("--id=@qos", "create", "QoS", "type=linux-htb",
                "other_config:max-rate=1000000000", "--",
                "set", "Port", port(world), "qos=@qos", "--",
                "set", "Interface", port(world, "red2"), "ofport_request=77")
    for name in ports:
        a.ovs_vsctl("set", "Port", name,
                    *(f"{key}={value}" for key, value in settings.items()))
    wait_for(lambda: ofports(a)[port(world, "red2")] == 77, SOON,
             "it has another number")
    wait_for(lambda: not world.unheard(), SOON, "all hear each other")
    a.wait_healthy()
    for name in ports:
        assert a.ovs_vsctl("get", "Port", name, *settings).split() == [
            "5", "[7]", "access"]
    assert a.ovs_vsctl("--bare", "--columns=name,select_all", "list",
                       "Mirror").split() == ["m0", "true"]
    assert a.ovs_vsctl("get", "Port", port(world), "qos").strip() != "[]"
    assert "patch1" in a.ovs_vsctl("list-ports", "br-weft")
    assert a.ovs_vsctl("get", "Bridge", "br-weft",
                       "external_ids:x").strip() == "y"

    for name in ports:
        a.ovs_vsctl("clear", "Port", name, *settings, "qos")
    a.ovs_vsctl("clear", "Bridge", "br-weft", "mirrors", "--",
                "remove", "Bridge", "br-weft", "external_ids", "x", "--",
                "--all", "destroy", "QoS", "--",
                "clear", "Interface", port(world, "red2"), "ofport_request",
                "--", "del-port", "patch1", "--", "del-br", "second")


def test_caches_are_emptied(world):
    """Of flows and connections.  Who pings the world beyond begins a new
    connection."""
    ways = [way for way in world.pingers if way[1]]
    with world.lossless(ways=ways):
        for command in (["revalidator/purge"], ["dpctl/del-flows"],
                        ["dpctl/flush-conntrack"]):
            world.a.ovs_appctl(*command)


# The bridges, last: what is foreign on one goes with it.

def test_the_bridges_are_deleted(world):
    a = world.a
    a.ovs_vsctl("del-br", "br-weft")
    wait_for(lambda: "br-weft" in a.ovs_vsctl("list-br"), SOON, "it is back")
    wait_reported(a, "br-weft was deleted")
    make_theirs1(a)
    make_foreign_flows(a)
    world.foreign = foreign(a)
    world.check()
    a.ovs_vsctl("del-br", "br-phy")
    wait_for(lambda: sorted(a.ovs_vsctl("list-br").split())
             == ["br-phy", "br-weft", "theirs"], SOON, "it is back")


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


def wait_refused(host):
    wait_for(lambda: "bridge br-weft exists and is not Weft's"
             in problems(host), SOON, "it is refused")


def test_a_foreign_bridge_of_our_name(make_lab):
    """It is refused, also in the place of ours, until it is given to the
    agent, and when it is taken away again."""
    a = make_lab(1, weftd=False).hosts[0]
    before = make_theirs(a)
    a.start_weftd()
    wait_refused(a)
    assert a.weft("status", check=False).returncode == 1
    assert untouched(a) == before
    a.stop_weftd()
    assert untouched(a) == before
    a.ovs_vsctl("del-br", "br-weft")
    a.start_weftd()
    a.wait_healthy(SOON)            # It has its own now.

    a.stop_weftd()
    a.ovs_vsctl("del-br", "br-weft")
    before = make_theirs(a)
    a.start_weftd()
    wait_refused(a)
    assert untouched(a) == before
    a.ovs_vsctl("set", "Bridge", "br-weft", "external_ids:weft-host=hosta")
    a.wait_healthy(SOON)            # It is given to the agent.
    a.ovs_vsctl("remove", "Bridge", "br-weft", "external_ids", "weft-host")
    wait_refused(a)

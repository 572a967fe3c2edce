# SPDX-License-Identifier: Apache-2.0
"""Faults of ovs-vswitchd, ovsdb-server and the file in which all is."""

import contextlib
import random
import signal
import time

import pytest

from host import PATIENCE, LabError, wait_for
from scene import ofports, problems, reports
from world import (FOREIGN_FLOW, SOON, foreign, make_foreign,
                   make_foreign_flows)

BACK = 0.2                      # Seconds after vswitchd has its ports.
MANY = 20
DATABASE = "/etc/openvswitch/conf.db"
OVS_SAVE = "/usr/share/openvswitch/scripts/ovs-save"


def restart_vswitchd(host):
    host.kill_vswitchd()
    host.start_vswitchd()


# ovs-vswitchd.

def test_vswitchd_is_killed(world):
    """`ovs-vswitchd --detach` returns when it has the ports that its database
    names: so long after that traffic flows again, and br-phy has its address,
    both ways between all that hosta has to do with."""
    a = world.a
    a.kill_vswitchd()
    wait_for(lambda: "ovs-vswitchd running" in problems(a), SOON,
             "status tells")
    a.start_vswitchd()
    back = time.monotonic()
    for pinger in world.pingers.values():
        pinger.wait_answer()
    took = {way: pinger.first_after(back)
            for way, pinger in world.pingers.items()}
    assert max(took.values()) < BACK * PATIENCE, took
    if a.lends_underlay:
        assert f"{a.address}/24" in a.ip("addr", "show", "br-phy")
        assert a.address not in a.ip("addr", "show", "eth0")
    make_foreign_flows(a)


def test_vswitchd_is_killed_again_and_again(world):
    a = world.a
    lives = random.Random(6)
    for _ in range(10):
        restart_vswitchd(a)
        time.sleep(lives.uniform(0, 0.2))
    make_foreign_flows(a)


@pytest.mark.once
def test_vswitchd_stands_still(world):
    """For ten seconds: so long weftd waits for an echo."""
    a = world.a
    a.kill_vswitchd(signal.SIGSTOP)
    try:
        assert a.status()["endpoints"] == "4 of 4 up"
        wait_for(lambda: "ovs-vswitchd running" in problems(a), 12,
                 "status tells")
    finally:
        a.kill_vswitchd(signal.SIGCONT)


def test_flows_are_restored_by_somebody_else(world):
    """As by `ovs-ctl restart`: the flows that there were are saved, vswitchd
    starts without forwarding anything (other_config:flow-restore-wait), they
    are restored, and it is let go.  weftd, which is sooner, does not mind, and
    others' flows come back by that alone.  Of the groups of its bridge, which
    are restored all or none, it has put its own there already."""
    a = world.a
    a.sh(f"{OVS_SAVE} save-flows br-weft br-phy theirs >/run/saved")
    a.kill_ovsdb(signal.SIGTERM)
    a.start_ovsdb()
    a.kill_vswitchd(signal.SIGTERM)
    a.ovs_vsctl("--no-wait", "set", "Open_vSwitch", ".",
                "other_config:flow-restore-wait=true")
    a.start_vswitchd()
    wait_for(lambda: "flow-restore-wait is set" in problems(a), SOON,
             "status tells")
    wait_for(world._same, SOON, "weftd has put its own there")
    a.run(["sh", "/run/saved"], check=False)
    assert FOREIGN_FLOW.split(",")[0] in str(a.flows())
    assert FOREIGN_FLOW.split(",")[0] in str(a.flows("theirs"))
    make_foreign_flows(a)           # The group.
    a.ovs_vsctl("remove", "Open_vSwitch", ".", "other_config",
                "flow-restore-wait=true")


def test_nobody_restores_the_flows(world):
    """vswitchd waits for ever; status says for what."""
    a = world.a
    a.ovs_vsctl("set", "Open_vSwitch", ".",
                "other_config:flow-restore-wait=true")
    restart_vswitchd(a)
    wait_for(lambda: "flow-restore-wait is set" in problems(a), SOON,
             "status tells")
    assert "hosta/red1>hosta/red2/4" in world.unheard()
    a.ovs_vsctl("remove", "Open_vSwitch", ".", "other_config",
                "flow-restore-wait")
    make_foreign_flows(a)


# ovsdb-server.

def wait_found(host):
    """Until vswitchd has found its database: its back-off, which is not ours,
    comes to 8 s if that is lost again and again."""
    host.ovs_vsctl("--timeout=15", "set", "Open_vSwitch", ".",
                   f"external_ids:asked={time.monotonic_ns()}")


def test_ovsdb_is_killed(world):
    """Nothing is lost: what comes while vswitchd looks for its database (the
    userspace datapath does nothing else) is late."""
    a = world.a
    with world.lossless():
        a.kill_ovsdb()
        a.start_ovsdb()


@contextlib.contextmanager
def namespaces(host, names):
    """And nothing is left of what was attached in them."""
    host.weft("netns", "add", *names)
    try:
        yield
    finally:
        host.weft("detach", *names)
        host.weft("netns", "del", *names)


def attach_all(host, names):
    return [host.popen(["weft", "attach", name, "--network", "blue"])
            for name in names]


def count_ports(host, names):
    """Each as often as there is a row, a port and a link of it."""
    ports = host.ovs_vsctl("list-ports", "br-weft").split()
    rows = host.ovs_vsctl("--bare", "--columns=name", "list",
                          "Interface").split()
    links = [line.split(": ")[1].partition("@")[0]
             for line in host.ip("-o", "link").splitlines()]
    return {name: tuple(where.count(f"wf-{name}")
                        for where in (ports, rows, links)) for name in names}


def test_attaches_wait_for_the_database(world):
    """Twenty at once, which meet its end at three different moments; then
    one while it is away."""
    a = world.a
    for moment in (0.03, 0.06, 0.1):
        names = [f"n{i}" for i in range(MANY)]
        with namespaces(a, names):
            attaching = attach_all(a, names)
            time.sleep(moment)
            a.kill_ovsdb()
            a.start_ovsdb()
            assert [p.wait(30) for p in attaching] == [0] * MANY
            assert count_ports(a, names) == dict.fromkeys(names, (1, 1, 1))
    with namespaces(a, ["late"]):
        a.kill_ovsdb()
        wait_for(lambda: "no connection to the database" in problems(a),
                 SOON, "status tells")
        process, = attach_all(a, ["late"])
        time.sleep(0.3)
        assert process.poll() is None
        a.start_ovsdb()
        assert process.wait(30) == 0
        wait_found(a)
        wait_for(lambda: a.ping(world["hosta/blue1"].address(4), "late"),
                 SOON, "it works")


# The file.

def test_the_database_is_damaged(world):
    """One that ovsdb-server refuses is for a person to mend: it was a copy.
    One that lacks its end is read without it."""
    a = world.a
    file = a.path(DATABASE)
    a.kill_ovsdb()
    kept = file.read_bytes()
    for damage in (b"", kept[:40] + b"?" + kept[41:]):
        file.write_bytes(damage)
        with pytest.raises(LabError):
            a.start_ovsdb()
        wait_for(lambda: "no connection to the database" in problems(a),
                 SOON, "status tells")
    file.write_bytes(kept)
    a.start_ovsdb()
    wait_found(a)
    world.check()

    a.kill_ovsdb()
    kept = file.read_bytes()
    file.write_bytes(kept[:kept.rindex(b"OVSDB JSON") + 70])
    a.start_ovsdb()
    wait_found(a)


def make_theirs(world):
    """What is not ours went with the database."""
    world.a.sh("nft delete table inet theirs; ip link del theirs2")
    make_foreign(world.a)
    world.foreign = foreign(world.a)


def empty(host):
    host.kill_ovsdb()
    host.path(DATABASE).unlink()
    host.start_ovsdb()
    wait_found(host)


def test_the_database_is_emptied(world):
    """Under an agent that runs: it knows, and writes all of it again."""
    a = world.a
    empty(a)
    wait_for(lambda: "wf-blue1" in ofports(a), SOON, "it is written again")
    make_theirs(world)


def test_the_database_is_emptied_while_the_agent_is_away(world):
    """Nobody knows what was attached: nothing is left of it, and the host is a
    peer again as after its installation, if it is set up as it was then: the
    address of its NIC, which went with br-phy, and forwarding, of which nobody
    knows any more that it was off."""
    a = world.a
    a.stop_weftd()
    empty(a)
    wait_for(lambda: "br-weft" not in a.ovs_vsctl("list-br")
             and not a.path("/proc/1/net/dev").read_text().count("br-phy"),
             SOON, "vswitchd has removed all")
    a.ip("addr", "add", f"{a.address}/24", "dev", "eth0")
    a.ip("route", "add", "default", "via", "192.168.50.1")
    a.sh("echo 0 >/proc/sys/net/ipv4/ip_forward\n"
         "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
    a.start_weftd()
    a.wait_healthy()
    assert a.weft_json("endpoint", "list") == []
    wait_for(lambda: "wf-" not in a.ip("link"), SOON, "no link is left")
    assert "not in the database any more: removed" in reports(a)
    for member in world.ends.values():
        if member.host is a:
            member.attach(make=False)
    a.weft("publish", "8080:blue1:80")
    make_theirs(world)

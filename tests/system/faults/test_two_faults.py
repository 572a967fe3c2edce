# SPDX-License-Identifier: Apache-2.0
"""A second fault before the first one is mended: somebody's hands in the row
of a port whose link is being made again, a port and its link gone at once, a
name used again before the switch has let go of who had it.  Such a moment is
short; here vswitchd or the database stands still in it."""

import contextlib
import json
import signal
import socket
import time

import pytest

from host import wait_for
from scene import problems
from world import SOON

AGAIN = ["weft", "attach", "again", "--network", "red"]


@pytest.fixture(scope="module", autouse=True)
def provoked(module_world):
    module_world.lab.provoked = True


@contextlib.contextmanager
def still(host):
    """vswitchd stands still, and sees all that happened at once."""
    host.kill_vswitchd(signal.SIGSTOP)
    try:
        yield
        time.sleep(0.2)             # So that weftd has done what it could.
    finally:
        host.kill_vswitchd(signal.SIGCONT)


PORTS = ["wf-blue1", "wx-br-weft"]


@pytest.mark.parametrize("name", PORTS)
@pytest.mark.parametrize("change", [
    ["remove", "external_ids", "weft-endpoint", "weft-external"],
    ["remove", "external_ids", "weft-bridge"],
    ["set", "external_ids:weft-endpoint=other"],
    ["clear", "external_ids"],
    ["set", "type=internal"],
    ["set", 'type=""'],
    []], ids=" ".join)
def test_a_row_while_its_link_is_made_again(world, name, change):
    """Without a change it is deleted."""
    a = world.a
    with still(a):
        a.ip("link", "del", name)
        wait_for(lambda: "weft-reopen" in a.ovs_vsctl(
            "get", "Interface", name, "type"), SOON, "it is being closed")
        if change:
            a.ovs_vsctl("--no-wait", change[0], "Interface", name, *change[1:])
        else:
            a.ovs_vsctl("--no-wait", "del-port", name)


@pytest.mark.parametrize("name", PORTS)
@pytest.mark.parametrize("how", [
    "ovs-vsctl --no-wait del-port NAME",
    "ovs-vsctl --no-wait del-port NAME; ip link del NAME",
    "ip link del NAME; ovs-vsctl --no-wait del-port NAME"])
def test_a_port_and_its_link(world, name, how):
    with still(world.a):
        world.a.sh(how.replace("NAME", name))


@pytest.mark.parametrize("how", ["lost", "killed before", "killed between"])
def test_a_name_is_used_again(world, how):
    """Before vswitchd has let go of the link that had it: by an agent that has
    lost it, and by the next one."""
    a = world.a
    with world.extra(a, "again", "red") as again:
        with still(a):
            if how == "lost":
                wait_for(lambda: "ovs-vswitchd running" in problems(a), 15,
                         "weftd gives it up")
            else:
                a.kill_weftd()
                a.start_weftd()
            a.weft("detach", "again")
            wait_for(lambda: "eth0" not in a.ip("link", netns="again"), SOON,
                     "its link does not wait for the switch")
            if how == "killed between":
                a.kill_weftd()
                a.start_weftd()
            attach = a.popen(AGAIN)
            wait_for(lambda: "has not let go" in a.weft(
                "endpoint", "show", "again", check=False).stdout, SOON,
                "it waits for the switch")
        assert attach.wait(30) == 0
        wait_for(lambda: again.pings(world["hosta/red1"].address(4)), SOON,
                 "what is attached now is what the switch has open")


class Database(socket.socket):
    """A client's connection, RFC 7047."""

    def __init__(self, host):
        super().__init__(socket.AF_UNIX)
        self.settimeout(SOON)
        self.connect(str(host.path("/run/openvswitch/db.sock")))

    def send_operation(self, **operation):
        self.sendall(json.dumps({
            "id": 0, "method": "transact",
            "params": ["Open_vSwitch", operation]}).encode())

    def answer(self):
        return json.loads(self.recv(65536))["result"][0]


@pytest.mark.parametrize("key", ["weft-mac", "weft-bridge"])
def test_a_row_while_it_is_written(world, key):
    """What the agent wrote and what somebody made of it come to it as one
    change."""
    a = world.a
    a.netns("again")
    with Database(a) as database:
        database.send_operation(op="comment", comment="")
        database.answer()           # So it is connected.
        a.kill_ovsdb(signal.SIGSTOP)
        try:
            attach = a.popen(AGAIN)
            wait_for(lambda: "wf-again" in a.ip("link"), SOON,
                     "its link is made")
            time.sleep(0.2)
            database.send_operation(
                op="mutate", table="Interface",
                where=[["name", "==", "wf-again"]],
                mutations=[["external_ids", "delete", ["set", [key]]]])
        finally:
            a.kill_ovsdb(signal.SIGCONT)
        assert database.answer() == {"count": 1}
    assert attach.wait(30) == 0
    a.weft("detach", "again")
    a.ip("netns", "del", "again")

# SPDX-License-Identifier: Apache-2.0
"""What the agent was amid of when it was killed, and what happened while it
could not see: found by test_random.py, told here once."""

import contextlib

from world import make_foreign_flows

CLOSED = "type=weft-reopen"     # What the agent closes a port with.


@contextlib.contextmanager
def while_down(host):
    host.kill_weftd()
    yield
    host.start_weftd()


def test_killed_between_closing_a_port_and_opening_it(world):
    """Of endpoints and of the way out; with the link still to be made, or
    made already."""
    a = world.a
    with while_down(a):
        for port in ("wf-blue1", "wf-red1", "wx-br-weft"):
            a.ovs_vsctl("set", "Interface", port, CLOSED)
        a.ip("link", "del", "wf-red1")
        a.ip("link", "del", "wx-br-weft")
    world.check()
    with while_down(a):
        a.ovs_vsctl("set", "Interface", "wx-br-weft", CLOSED)


def test_ports_deleted_while_the_database_was_out_of_reach(world):
    """weftd waits a second before it connects again; then its copy of the
    database is made anew, and must not keep what is not there."""
    a = world.a
    a.kill_ovsdb()
    a.start_ovsdb()
    a.ovs_vsctl("del-port", "wf-blue2", "--", "del-port", "vx-hostb")
    world.check()
    with while_down(a):             # It was not only a memory of the agent's.
        pass
    make_foreign_flows(a)

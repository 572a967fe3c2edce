# SPDX-License-Identifier: Apache-2.0
"""weft detach: nothing is left, and what it had can be used at once."""

from lab import wait_for
from weftlib import (address, assert_pings, assert_traces, attach,
                     attach_again, dweller, endpoints, lab_fixture,
                     links, refused, traces)

shared = lab_fixture()


def test_nothing_is_left(hosts):
    a, b = hosts
    attach(b, "red")
    a.weft("netns", "add", "red")
    before = traces(a, "red")
    gone = attach(a, "red")
    assert_pings(b, "red", gone)
    assert gone["port"] in str(traces(a)["groups"]), "or it shows nothing"
    result = a.weft("detach", "red")
    assert (result.stdout, result.stderr) == ("", "")
    for version in (4, 6):
        assert not b.ping(address(gone, version), "red")
    assert_traces(a, before, "red")


def test_flows_and_row_are_gone_when_it_returns(hosta):
    """Only the link's deletion may be late."""
    before = traces(hosta)
    attach(hosta, "red")
    hosta.weft("detach", "red")
    after = traces(hosta)
    for part in ("rows", "flows", "groups", "endpoints"):
        assert after[part] == before[part]


def test_others_stay(hosts):
    a, b = hosts
    attach(b, "red")
    attach(a, "red")
    stays = attach(a, "green")
    a.weft("detach", "red")
    assert list(endpoints(a)) == ["green"]
    assert_pings(b, "red", stays)
    a.weft("netns", "exec", "red", "true")
    assert "red" in a.weft("netns", "list").stdout.split()


def test_detach_is_idempotent(hosta):
    attach(hosta, "red")
    for _ in range(3):
        assert hosta.weft("detach", "red").returncode == 0
    hosta.weft("detach", "never-was")


def test_detach_several(hosta):
    for name in ("red", "green", "black"):
        attach(hosta, name)
    hosta.weft("detach", "red", "never-was", "black")
    assert list(endpoints(hosta)) == ["green"]


def test_detach_all(hosta):
    before = traces(hosta)
    for name in ("red", "green"):
        attach(hosta, name)
    assert hosta.weft("detach", "--all").stdout == "2 detached\n"
    assert_traces(hosta, before)
    assert hosta.weft_json("detach", "--all") == {"detached": 0}


def test_address_and_mac_are_free_at_once(hosts):
    a, b = hosts
    attach(b, "red")
    what = ("--ip", "10.1.200.7/16", "--ip", "fd00:1::7/64",
            "--mac", "02:00:00:00:00:99")
    assert_pings(b, "red", attach(a, "red", *what))
    said = refused(a, "attach", "red", "--name", "x", "--ifname", "eth1",
                   *what)
    assert "taken" in said
    a.weft("netns", "add", "green")
    a.weft("detach", "red")
    assert_pings(b, "red", attach_again(hosts, a, "green", *what))


def test_address_can_move_to_the_other_host(hosts):
    """The peers' switches follow, though they had learned it elsewhere."""
    a, b = hosts
    attach(a, "green")
    what = "--ip", "10.1.200.7/16", "--ip", "fd00:1::7/64"
    assert_pings(a, "green", attach(b, "red", *what))
    b.weft("detach", "red")
    attach(b, "green")
    moved = attach_again(hosts, a, "red", *what)
    assert_pings(b, "green", moved)
    assert_pings(a, "green", moved)
    a.weft("detach", "red")
    assert_pings(a, "green", attach_again(hosts, b, "red", *what))


def test_attach_right_after_detach(hosts):
    """The deferred deletion of the old link does not hit the new one."""
    a, b = hosts
    attach(b, "red")
    first = attach(a, "red")
    for _ in range(5):
        a.weft("detach", "red")
        again = attach_again(hosts, a, "red")
        assert {**again, "ofport": 0} == {**first, "ofport": 0}
        assert_pings(b, "red", again)
    index = links(a)[first["port"]]
    assert links(a)[first["port"]] == index
    assert_pings(b, "red", again)


def test_detach_of_an_endpoint_whose_process_still_runs(hosts):
    a, b = hosts
    attach(b, "red")
    attach(a, "red")
    with dweller(a, "red"):
        a.weft("detach", "red")
        wait_for(lambda: "eth0" not in links(a, "red"), 5,
                 "the interface has left the namespace")

# SPDX-License-Identifier: Apache-2.0
"""weft netns: the namespaces that `ip netns` knows.  weft who: what is at the
other end of an interface."""

import json

import pytest

from lab import wait_for
from weftlib import (address, assert_traces, attach, dweller,
                     endpoints, lab_fixture, links, refused, traces)

shared = lab_fixture()


def ip_netns(host):
    return sorted(line.split()[0]
                  for line in host.ip("netns", "list").splitlines())


def weft_netns(host):
    return host.weft("netns", "list").stdout.split()


def test_the_same_namespaces_as_ip_netns(hosta):
    assert weft_netns(hosta) == []
    hosta.weft("netns", "add", "red", "green")
    hosta.ip("netns", "add", "black")
    assert weft_netns(hosta) == ip_netns(hosta) == ["black", "green", "red"]
    assert hosta.weft_json("netns", "list") == ["black", "green", "red"]
    hosta.ip("netns", "del", "red")
    hosta.weft("netns", "del", "black")
    assert weft_netns(hosta) == ip_netns(hosta) == ["green"]


def test_ip_netns_can_use_what_weft_made(hosta):
    hosta.weft("netns", "add", "red")
    own = hosta.sh("readlink /proc/self/ns/net")
    theirs = hosta.ip("netns", "exec", "red", "readlink", "/proc/self/ns/net")
    assert theirs != own
    assert hosta.weft("netns", "exec", "red", "readlink",
                      "/proc/self/ns/net").stdout == theirs


def test_exec_is_in_the_namespace(hosta):
    hosta.ip("netns", "add", "red")
    attach(hosta, "red")
    shown = hosta.weft("netns", "exec", "red", "ls", "/sys/class/net").stdout
    assert set(shown.split()) == {"lo", "eth0"}


def test_exec_hands_everything_on(hosta):
    hosta.weft("netns", "add", "red")
    result = hosta.weft("netns", "exec", "red", "sh", "-c",
                        'cat; echo "$1" >&2; exit 7', "sh", "--json",
                        stdin="in\n", check=False)
    assert (result.returncode, result.stdout, result.stderr) == (
        7, "in\n", "--json\n")


def test_exec_of_what_is_not_there(hosta):
    hosta.weft("netns", "add", "red")
    assert "nobody" in refused(hosta, "netns", "exec", "nobody", "true")
    assert "no-command" in refused(hosta, "netns", "exec", "red",
                                   "no-command")
    refused(hosta, "netns", "exec", "red", code=2)


def test_add_is_idempotent(hosta):
    hosta.weft("netns", "add", "red")
    hosta.sh("ip netns exec red ip link add mine type bridge")
    hosta.weft("netns", "add", "red", "green")
    assert weft_netns(hosta) == ["green", "red"]
    assert "mine" in links(hosta, "red"), "it is still the same one"


@pytest.mark.parametrize("name", ["a/b", "..", "pid:7", ""])
def test_names_that_no_namespace_can_have(hosta, name):
    refused(hosta, "netns", "add", name)
    assert weft_netns(hosta) == []


def test_options_are_no_names(hosta):
    hosta.weft("netns", "add", "red", "--json")
    refused(hosta, "netns", "add", "--bogus", code=2)
    refused(hosta, "netns", "del", "red", "--bogus", code=2)
    assert weft_netns(hosta) == ["red"]
    hosta.weft("netns", "del", "red", "--json")
    assert weft_netns(hosta) == []


def test_del_is_idempotent(hosta):
    hosta.weft("netns", "add", "red")
    for _ in range(2):
        hosta.weft("netns", "del", "nobody", "red")
        assert weft_netns(hosta) == []


def test_del_detaches(hosts):
    a, b = hosts
    attach(b, "red")
    before = traces(a)
    gone = attach(a, "red")
    attach(a, "red", "--name", "red2", "--ifname", "eth1")
    a.weft("netns", "del", "red")
    assert endpoints(a) == {}
    assert_traces(a, before)
    assert not b.ping(address(gone, 4), "red")
    # Detached, not found out later: nothing had to be repaired.
    assert not [r for r in a.status()["reports"] if "red" in r["text"]]


def test_del_detaches_though_a_process_stays(hosta):
    """Who sits in a namespace keeps it, but not its place on the network."""
    before = traces(hosta)
    hosta.weft("netns", "add", "red")
    with dweller(hosta, "red"):
        endpoint = attach(hosta, "red")
        hosta.weft("netns", "del", "red")
        assert_traces(hosta, before)
        hosta.weft("netns", "add", "red")
        assert attach(hosta, "red")["ip"] == endpoint["ip"]


def test_netns_needs_no_daemon(hosta):
    hosta.stop_weftd()
    try:
        hosta.weft("netns", "add", "red")
        assert weft_netns(hosta) == ["red"]
        hosta.weft("netns", "exec", "red", "true")
        hosta.weft("netns", "del", "red")
        assert weft_netns(hosta) == []
    finally:
        hosta.start_weftd()
    hosta.wait_healthy()


# Who.

def who(host, ifname):
    """As told in text and in JSON, which must say the same."""
    told = host.weft_json("who", ifname)
    text = host.weft("who", ifname).stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for key, value in told.items():
        if value != []:
            first = value[0] if isinstance(value, list) else value
            assert f"{key} {first}" in lines
    return told


def sleeps(host, pid):
    """Until what was started has become the sleep that it is to be."""
    wait_for(lambda: host.sh(f"cat /proc/{pid}/comm") == "sleep\n",
             what=f"process {pid} sleeps")


def test_who_is_behind_a_port_of_ours(hosta):
    endpoint = attach(hosta, "red")
    with dweller(hosta, "red") as pid:
        sleeps(hosta, pid)
        told = who(hosta, endpoint["port"])
    assert told["netns"] == "red"
    assert told["processes"] == [f"{pid} (sleep)"]
    assert told["peer"] == "eth0"
    assert told["peer-mac"] == endpoint["mac"]
    assert told["endpoint"] == "red on network blue"
    assert told["ofport"] == endpoint["ofport"]
    assert told["kind"] == "veth" and told["link"] == "up"
    assert told["ifindex"] == links(hosta)[endpoint["port"]]


def test_who_is_behind_a_foreign_veth(hosta):
    hosta.weft("netns", "add", "red")
    hosta.ip("link", "add", "mine", "type", "veth", "peer", "name", "yours",
             "netns", "red")
    told = who(hosta, "mine")
    assert (told["netns"], told["peer"]) == ("red", "yours")
    assert told["processes"] == [] and told["link"] == "down"
    assert "endpoint" not in told and "ofport" not in told
    hosta.ip("link", "del", "mine")     # It may outlive its peer's namespace.


def test_who_is_behind_a_veth_with_both_ends_here(hosta):
    hosta.ip("link", "add", "mine", "type", "veth", "peer", "name", "yours")
    told = who(hosta, "mine")
    assert told["peer"] == "yours" and "netns" not in told
    hosta.ip("link", "del", "mine")


def test_who_is_behind_a_namespace_without_a_name(hosta):
    pid = hosta.sh("unshare -n sleep 300 >/dev/null 2>&1 & echo $!").strip()
    sleeps(hosta, pid)              # In a namespace of its own.
    port = hosta.weft_json("attach", f"pid:{pid}")["port"]
    told = who(hosta, port)
    assert told["netns"] == f"/proc/{pid}/ns/net"
    assert told["processes"] == [f"{pid} (sleep)"]
    hosta.sh(f"kill {pid}")


def test_who_of_other_interfaces(hosta):
    assert "peer" not in who(hosta, "lo")
    assert who(hosta, "br-weft")["kind"] == "tun"
    assert "nothere" in refused(hosta, "who", "nothere")
    assert "who IFNAME" in refused(hosta, "who", code=2)
    assert "who IFNAME" in refused(hosta, "who", "lo", "eth0", code=2)
    assert json.loads(hosta.weft("who", "--json", "lo").stdout)["name"] == "lo"

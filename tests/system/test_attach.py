# SPDX-License-Identifier: Apache-2.0
"""weft attach: what the endpoint is made of, from the three ways to name a
namespace to the first packet."""

import re

import pytest

from lab import wait_for
from weftlib import (address, assert_pings, assert_traces, attach,
                     attach_again, endpoints, flows, inside, ip_json,
                     lab_fixture, links, refused, rows, traces)

shared = lab_fixture()


def start(host, *command):
    """Starts a command that stays, and returns its pid inside the host."""
    words = " ".join(command)
    return int(host.sh(f"{words} >/dev/null 2>&1 & echo $!"))


def unnamed(host):
    """A process in a namespace of its own, which has no name."""
    pid = start(host, "unshare", "--net", "sleep", "300")
    own = host.sh("readlink /proc/1/ns/net")
    wait_for(lambda: host.sh(f"readlink /proc/{pid}/ns/net") != own,
             what="unshare has made its namespace")
    return pid


# What there is.

def test_attach_makes_the_interface(hosta):
    endpoint = attach(hosta, "red")
    link = inside(hosta, "red")
    assert link["address"] == endpoint["mac"]
    assert "UP" in link["flags"]
    # What the kernel calls its state, it brings up to date a little later.
    wait_for(lambda: inside(hosta, "red")["operstate"] == "UP")
    held = {f"{a['local']}/{a['prefixlen']}": a for a in link["addr_info"]}
    for ip in endpoint["ip"]:
        assert not held[ip].get("tentative"), held[ip]
        assert held[ip]["scope"] == "global"
    assert {k for k in held if not k.startswith("fe80")} == set(endpoint["ip"])
    assert endpoint["state"] == "up" and endpoint["ofport"] > 0


def test_attach_sets_lo_up(hosta):
    hosta.ip("netns", "add", "red")
    assert not hosta.ping("127.0.0.1", "red")
    hosta.weft("attach", "red")
    assert hosta.ping("127.0.0.1", "red")
    assert hosta.ping("::1", "red")


def test_attach_makes_on_link_routes(hosta):
    attach(hosta, "red")
    for family, subnet in (("-4", "10.1.0.0/16"), ("-6", "fd00:1::/64")):
        routes = {r["dst"]: r
                  for r in ip_json(hosta, family, "route", netns="red")}
        assert routes[subnet]["dev"] == "eth0"
        assert "gateway" not in routes[subnet]
        assert "default" not in routes


def test_attach_leaves_the_namespace_otherwise_alone(hosta):
    attach(hosta, "red")
    assert set(links(hosta, "red")) == {"lo", "eth0"}


def test_attach_shows_in_ovs_vsctl(hosta):
    endpoint = attach(hosta, "red")
    ports = hosta.ovs_vsctl("list-ports", "br-weft").split()
    assert endpoint["port"] in ports
    ids = hosta.ovs_vsctl("get", "interface", endpoint["port"],
                          "external_ids")
    for word in ("red", "blue", endpoint["mac"], *endpoint["ip"]):
        assert word in ids


def test_attach_prints_the_endpoint(hosta):
    hosta.weft("netns", "add", "red")
    text = hosta.weft("attach", "red").stdout
    shown = hosta.weft("endpoint", "show", "red").stdout
    assert text == re.sub(r"ignored .*\n", "", shown)  # Of what it sent.
    for word in ("red", "blue", "10.1.11.", "eth0", "up"):
        assert word in text


# The first packet.

@pytest.mark.guests
def test_first_packet_passes_to_the_other_host(hosts):
    a, b = hosts
    there = attach(b, "red")
    attach(a, "red")
    assert_pings(a, "red", there)


def test_first_packet_passes_from_the_other_host(hosts):
    a, b = hosts
    attach(b, "red")
    assert_pings(b, "red", attach(a, "red"))


def test_first_packet_passes_on_one_host(hosta):
    attach(hosta, "red")
    assert_pings(hosta, "red", attach(hosta, "green"))


def test_first_packet_with_a_chosen_mac(hosts):
    a, b = hosts
    attach(b, "red")
    assert_pings(b, "red", attach(a, "red", "--mac", "02:12:34:56:78:9a"))
    there = b.ip("neigh", "show", netns="red")
    assert there.count("02:12:34:56:78:9a") == 2, there


def test_peer_hears_of_an_address_that_moved(hosts):
    """The same address with another MAC: caches are put right at once."""
    a, b = hosts
    attach(b, "red")
    ips = "--ip", "10.1.11.77/16", "--ip", "fd00:1::77/64"
    old = "of nobody"
    for mac in ("02:00:00:00:00:01", "02:00:00:00:00:02"):
        moved = attach_again(hosts, a, "red", *ips, "--mac", mac)
        # It is told twice: the first time the switch may have no routes.
        wait_for(lambda: old not in b.ip("neigh", "show", netns="red"), 3,
                 f"{old} is forgotten")
        assert_pings(b, "red", moved)
        a.weft("detach", "red")
        old = mac


# The ways to name a namespace.

@pytest.mark.guests
@pytest.mark.parametrize("netns", ["red", "/run/netns/red",
                                   "/var/run/netns/red"])
def test_namespace_by_name_or_path(hosta, netns):
    hosta.netns("red")
    endpoint = hosta.weft_json("attach", netns)
    assert endpoint["name"] == "red"
    assert inside(hosta, "red")["address"] == endpoint["mac"]
    again = hosta.weft_json("attach", "red")
    assert again == endpoint, "the same namespace by its name is the same"


@pytest.mark.guests
def test_namespace_by_pid(hosts):
    a, b = hosts
    attach(b, "red")
    pid = unnamed(a)
    endpoint = a.weft_json("attach", f"pid:{pid}")
    assert endpoint["name"] == f"pid-{pid}"
    assert endpoint["netns"] == f"/proc/{pid}/ns/net"
    shown = a.run(["nsenter", "-t", pid, "-n", "ip", "addr", "show", "dev",
                   "eth0"]).stdout
    assert endpoint["mac"] in shown
    assert_pings(b, "red", endpoint)
    a.sh(f"kill {pid}")


def test_namespace_by_proc_path(hosta):
    pid = unnamed(hosta)
    endpoint = hosta.weft_json("attach", f"/proc/{pid}/ns/net", "--name",
                               "mine")
    assert endpoint["name"] == "mine"
    hosta.sh(f"kill {pid}")


def test_two_interfaces_in_one_namespace(hosts):
    a, b = hosts
    attach(b, "red")
    first = attach(a, "red")
    second = attach(a, "red", "--name", "red2", "--ifname", "eth1")
    assert set(links(a, "red")) == {"lo", "eth0", "eth1"}
    assert not set(first["ip"]) & set(second["ip"])
    assert first["mac"] != second["mac"]


# What can be chosen.

def test_chosen_addresses(hosta):
    endpoint = attach(hosta, "red", "--ip", "10.1.200.7/16", "--ip",
                      "fd00:1::7/64", "--ip", "10.1.200.8/16")
    assert endpoint["ip"] == ["10.1.200.7/16", "fd00:1::7/64",
                              "10.1.200.8/16"]
    attach(hosta, "green")
    for to in ("10.1.200.7", "10.1.200.8", "fd00:1::7"):
        assert hosta.ping(to, "green"), to


def test_one_family_only(hosta):
    endpoint = attach(hosta, "red", "--ip", "10.1.200.7/16")
    assert endpoint["ip"] == ["10.1.200.7/16"]
    held = [a["local"] for a in inside(hosta, "red")["addr_info"]
            if a["scope"] == "global"]
    assert held == ["10.1.200.7"]


def test_automatic_addresses_beside_a_chosen_one(hosta):
    endpoint = attach(hosta, "red", "--ip", "10.1.200.7/16", "--ip", "auto")
    assert endpoint["ip"][0] == "10.1.200.7/16"
    assert len(endpoint["ip"]) == 3


def test_automatic_addresses_differ_everywhere(hosts):
    ips = []
    for host in hosts:
        for name in ("red", "green"):
            ips += attach(host, name)["ip"]
    assert len(set(ips)) == 8, ips
    for host in hosts:
        net = host.weft_json("network", "show", "blue")
        assert net["slice"][0].split(".")[2] in ("11", "12")


def test_chosen_name_mac_ifname_mtu(hosta):
    endpoint = attach(hosta, "red", "--name=web.1", "--mac",
                      "02:00:00:00:00:99", "--ifname", "net0", "--mtu=1300")
    assert endpoint["name"] == "web.1"
    assert endpoint["ifname"] == "net0"
    link = inside(hosta, "red", "net0")
    assert link["address"] == endpoint["mac"] == "02:00:00:00:00:99"
    assert link["mtu"] == 1300
    assert list(endpoints(hosta)) == ["web.1"]


def test_names_up_to_the_limit(hosts):
    """Longer than an interface's name may be, and alike in its beginning."""
    a, b = hosts
    attach(b, "red")
    names = ["a-rather-long-endpoint-name-0" + d for d in "12"]
    ports = []
    for name in names:
        endpoint = attach(a, "n" + name[-1], "--name", name)
        ports.append(endpoint["port"])
        assert len(endpoint["port"]) <= 15
        assert_pings(b, "red", endpoint)
    assert len(set(ports)) == 2
    assert set(names) == set(endpoints(a))


# Again.

def state(host, netns, ifname="eth0"):
    return (rows(host), links(host), inside(host, netns, ifname),
            flows(host))


def test_repeat_changes_nothing(hosta):
    args = "--ip", "10.1.200.7/16", "--mac", "02:00:00:00:00:99"
    endpoint = attach(hosta, "red", *args)
    wait_for(lambda: "fe80:" in (text := str(inside(hosta, "red")))
             and "tentative" not in text and "'operstate': 'UP'" in text,
             what="the kernel's own link-local address is settled")
    before = state(hosta, "red")
    assert attach(hosta, "red", *args) == endpoint
    assert attach(hosta, "red") == endpoint
    assert attach(hosta, "red", "--network", "blue", "--name", "red",
                  "--ifname", "eth0") == endpoint
    assert state(hosta, "red") == before


# Conflicts: one line, exit 1, nothing left.

@pytest.fixture
def taken(hosta):
    """Endpoint red, namespace green beside it; checks that nothing moves."""
    attach(hosta, "red", "--ip", "10.1.200.7/16", "--ip", "fd00:1::7/64",
           "--mac", "02:00:00:00:00:99")
    hosta.weft("netns", "add", "green")
    before = traces(hosta, "red", "green")
    yield hosta
    assert_traces(hosta, before, "red", "green")


@pytest.mark.parametrize("args, words", [
    ("green --ip 10.1.200.7/16", "10.1.200.7 taken red"),
    ("green --ip 10.1.200.8/16 --ip fd00:1::7/64", "fd00:1::7 taken red"),
    ("green --ip 10.2.0.1/16", "10.2.0.1 subnet blue"),
    ("green --ip fd00:2::1/64", "fd00:2::1 subnet blue"),
    ("green --ip 10.1.200.0/8", "10.1.200.0/8 /16"),
    ("green --ip 10.1.255.255/32", "10.1.255.255 broadcast"),
    ("green --ip 10.1.0.0/32", "10.1.0.0 network"),
    ("green --mac 02:00:00:00:00:99", "02:00:00:00:00:99 taken red"),
    ("green --mtu 1451", "1451 1450 underlay"),
    ("green --network pink", "pink peers.conf blue"),
    ("green --name red", "red exists another namespace"),
    ("green --ifname lo", "lo exists green --ifname"),
    ("red --name red2", "eth0 red --ifname"),
    ("red --ip 10.1.200.9/16", "red exists addresses"),
    ("red --mac 02:00:00:00:00:98", "red exists MAC"),
    ("red --mtu 1300", "red exists MTU"),
    ("red --ifname eth1", "red exists interface"),
    ("nobody", "nobody no such namespace"),
    ("/etc/passwd", "/etc/passwd not network namespace"),
    ("/etc", "/etc not network namespace"),
    ("/no/where", "/no/where no such"),
    ("/proc/self/ns/mnt", "not network namespace"),
    ("pid:1", "own network namespace"),
    ("/proc/self/ns/net", "own network namespace"),
    ("pid:4194305", "4194305 no such process"),
])
def test_conflict(taken, args, words):
    said = refused(taken, "attach", *args.split())
    for word in words.split():
        assert word in said, said


@pytest.mark.parametrize("ip, why", [
    ("10.1.0.0/16", "network address"),
    ("10.1.255.255/16", "broadcast address"),
    ("fd00:1::/64", "anycast"),
    ("224.0.0.1/16", "multicast"),
    ("127.0.0.1/16", "loopback"),
    ("ff02::1/64", "multicast"),
])
def test_address_that_no_host_can_have(taken, ip, why):
    said = refused(taken, "attach", "green", "--ip", ip, code=2)
    assert ip in said and why in said


def test_fifo_in_place_of_a_namespace(taken):
    taken.sh("mkfifo /run/fifo")
    said = refused(taken, "attach", "/run/fifo")
    assert "not a network namespace" in said
    taken.sh("rm /run/fifo")


def test_plain_file_among_the_namespaces(taken):
    """`ip netns add` that was cut short leaves such a file."""
    taken.sh("touch /run/netns/stale")
    said = refused(taken, "attach", "stale")
    assert "not a network namespace" in said
    assert "stale" not in taken.weft("netns", "list").stdout
    taken.sh("rm /run/netns/stale")


def test_interface_that_somebody_else_made_inside(taken):
    taken.ip("-netns", "green", "link", "add", "eth0", "type", "bridge")
    try:
        said = refused(taken, "attach", "green")
        assert "eth0 exists" in said and "--ifname" in said
    finally:
        taken.ip("-netns", "green", "link", "del", "eth0")


def test_foreign_link_under_the_name_of_our_port(hosta):
    """It stays as it is; the endpoint gets another one."""
    hosta.ip("link", "add", "wf-red", "type", "bridge")
    before = links(hosta)["wf-red"]
    endpoint = attach(hosta, "red")
    assert links(hosta)["wf-red"] == before
    assert endpoint["port"] != "wf-red"
    hosta.weft("detach", "red")
    assert links(hosta)["wf-red"] == before
    hosta.ip("link", "del", "wf-red")


def test_neighbours_survive_a_conflict(hosts):
    a, b = hosts
    there = attach(b, "red")
    attach(a, "red")
    a.weft("netns", "add", "green")
    refused(a, "attach", "green", "--ip", address(there, 4) + "/8")
    refused(a, "attach", "green", "--name", "red")
    assert_pings(a, "red", there)

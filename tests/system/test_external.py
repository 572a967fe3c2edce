# SPDX-License-Identifier: Apache-2.0
"""What the way out needs of the host: set, kept, and taken back."""

import pytest

from host import wait_for
from scene import problems, reports, shared_lab
from test_nat import NETWORKS, OUT4
from traffic import Endpoint

LINK, PORT = "wh-br-weft", "wx-br-weft"
SLOTS = 32749                   # Transit addresses that there are.
PLAIN = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
"""


@pytest.fixture
def host(request):
    with shared_lab(request, hosts=1, networks=NETWORKS, outside=True) as lab:
        lab.wait_healthy()
        yield lab.hosts[0]


def sysctl(host, name):
    return host.sh(f"cat /proc/sys/net/{name}").strip()


def links(host):
    return host.sh("ls /sys/class/net").split()


def table(host):
    return host.run(["nft", "list", "table", "inet", "weft"],
                    check=False).stdout


def test_kept_against_others(host):
    e = Endpoint(host, "blue1", "blue")
    wait_for(lambda: e.pings(OUT4), 5, "the way out is there")

    before = table(host)
    guard = host.sh("nft list table netdev weft")
    host.sh("nft flush ruleset")
    wait_for(lambda: table(host) == before, 5, "the table is there again")
    wait_for(lambda: host.run(["nft", "list", "table", "netdev", "weft"],
                              check=False).stdout == guard, 5,
             "and the underlay's")
    assert "inet weft" in reports(host)
    assert e.pings(OUT4)

    host.sh("echo 0 >/proc/sys/net/ipv4/ip_forward")
    wait_for(lambda: sysctl(host, "ipv4/ip_forward") == "1", 5)

    host.ip("link", "del", PORT)
    wait_for(lambda: e.pings(OUT4), 5, "the link is made again")
    host.ovs_vsctl("del-port", PORT)
    wait_for(lambda: e.pings(OUT4), 5, "the port is made again")
    host.wait_healthy()


def test_idle_when_all_is_well(host):
    """What is looked at again and again is not set again: each event would
    wake the switch, and each advertisement the workloads."""
    e = Endpoint(host, "blue1", "blue")
    wait_for(lambda: e.pings(OUT4), 5, "the way out is there")
    wait_for(lambda: "tentative" not in host.ip("address"), 5,
             "duplicate address detection is over")
    with host.capture("eth0", "ip6 multicast and ip6[40] = 134", netns="blue1") as seen:
        events = host.run(["timeout", "5", "ip", "-o", "monitor", "link",
                           "address", "route", "rule"], check=False).stdout
    assert not events
    assert not [line for line in seen if line]


def test_foreign_policy_is_told_of_and_left(host):
    host.sh("nft add table ip strict; nft 'add chain ip strict road "
            "{ type filter hook forward priority 0; policy drop; }'")
    wait_for(lambda: "chain road of nftables table ip strict" in problems(host),
             5)
    host.sh(f"nft add rule ip strict road iifname {LINK} accept;"
            f"nft add rule ip strict road oifname {LINK} accept")
    wait_for(lambda: host.status()["healthy"], 5)
    assert Endpoint(host, "blue1", "blue").pings(OUT4)


def test_nothing_else_is_forwarded(host):
    """Forwarding was off before: what is not ours stays where it is."""
    router = host.lab["router"]
    router.ip("route", "add", "10.77.0.0/16", "via", "192.168.50.11")
    host.netns("foreign")
    host.sh("ip link add f0 type veth peer name eth0 netns foreign\n"
            "ip addr add 10.77.0.1/16 dev f0; ip link set f0 up\n"
            "ip -n foreign addr add 10.77.0.2/16 dev eth0\n"
            "ip -n foreign link set eth0 up\n"
            "ip -n foreign route add default via 10.77.0.1")
    assert router.ping("10.77.0.1")
    assert not router.ping("10.77.0.2")


def test_networks_take_over_from_each_other(host):
    """A prefix of their router, and the transit address: what the one adds is
    not what the other deletes."""
    def text(*taker):
        return "[router r]\nnetworks = one, two\n" + "".join(f"""
[network {name}]
vni = {vni}
subnet = {subnet}.0.0/16
gateway = {subnet}.0.1
{"external = nat" if name in taker else ""}
{f"route = 10.77.0.0/16 via {subnet}.0.9" if name == taker[0] else ""}
""" for name, vni, subnet in (("one", 7, "10.7"), ("two", 7 + SLOTS, "10.8")))
    for taker in (["one"], ["two"], ["one"], ["two", "one"], ["two"],
                  ["one", "two"]):
        host.lab.write_peers(host.lab.peers_text(NETWORKS + text(*taker)))

        def in_force():
            nets = {n["name"]: n for n in host.weft_json("network", "list")}
            return all(bool(nets[name].get("route")) == (name == taker[0])
                       and (nets[name].get("external") == "nat")
                       == (name in taker)
                       for name in ("one", "two"))
        wait_for(in_force, 5, f"{taker} is in force")
        wait_for(lambda: host.status()["healthy"], 5)
        host.settle()               # The switch has what was sent to it.
        host.kill_weftd()
        host.start_weftd()
        wait_for(lambda: "flows read" in host.log().rpartition("opened log")[
            2], 5, "the agent has read the switch")
        read = host.log().rpartition("opened log")[2]
        assert "flows read, 0 changes" in read, read


def test_goes_with_the_last_network_that_has_one(host):
    assert sysctl(host, "ipv4/ip_forward") == "1"
    host.lab.write_peers(host.lab.peers_text(PLAIN))
    host.weft("directory", "accept", check=False)
    wait_for(lambda: LINK not in links(host) and not table(host), 5)
    wait_for(lambda: sysctl(host, "ipv4/ip_forward") == "0"
             and sysctl(host, "ipv6/conf/all/forwarding") == "0", 3,
             "nor does it forward")
    assert PORT not in host.ovs_vsctl("list-ports", "br-weft")
    host.lab.write_peers(host.lab.peers_text(NETWORKS))
    e = Endpoint(host, "blue1", "blue")
    wait_for(lambda: e.pings(OUT4), 5, "the way out is back")


def test_cleanup_takes_all_back(host):
    host.sh("nft add table ip mine")
    Endpoint(host, "blue1", "blue")
    host.kill_weftd()
    host.start_weftd()
    host.wait_healthy()
    host.weft("cleanup", "--yes")
    host._running.pop("weftd", None)
    wait_for(lambda: LINK not in links(host), 3)
    assert sysctl(host, "ipv4/ip_forward") == "0"
    assert sysctl(host, "ipv6/conf/all/forwarding") == "0"
    assert host.sh("nft list ruleset").split() == "table ip mine { }".split()

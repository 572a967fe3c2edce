# SPDX-License-Identifier: Apache-2.0
"""The routes of namespaces: they follow the list, and nothing else does."""

import pytest

from host import wait_for
from scene import reports, shared_lab
from traffic import Endpoint
from weftlib import bare, ip_json

PROTOCOL = "87"
HEAD = """\
[network green]
vni = 200
subnet = 10.2.0.0/16
subnet = fd00:2::/64

[network two]
vni = 300
subnet = 10.5.0.0/16
subnet = fd00:5::/64
subnet = 10.6.0.0/16
subnet = fd00:6::/64
external = nat
route = 10.9.0.0/16 via 10.5.0.7

[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
"""
ROUTER = """
[router core]
networks = blue, green
"""
ROUTES = ("route = 10.9.0.0/16 via 10.1.200.7",
          "route = fd09::/64 via fd00:1::7")
VIA = {"10.9.0.0/16 via 10.1.200.7", "fd09::/64 via fd00:1::7"}


def networks(*keys):
    """The peer file's head, with these keys for network blue.  Without a
    gateway, no router needs one of it."""
    routed = any(key.startswith("gateway") for key in keys)
    return HEAD + "\n".join(keys) + "\n" + (ROUTER if routed else "")


def gateways(n):
    return f"gateway = 10.1.0.{n}", f"gateway = fd00:1::{n:x}"


def defaults(n):
    return {f"default via 10.1.0.{n}", f"default via fd00:1::{n:x}"}


def write(lab, *keys):
    lab.write_peers(lab.peers_text(networks(*keys)))


def ours(e):
    """The routes of the agent in the namespace of an endpoint."""
    return {f"{r['dst']} via {r['gateway']}" for family in ("-4", "-6")
            for r in ip_json(e.host, family, "route", "show", "proto",
                             PROTOCOL, netns=e.netns)}


def wait_routes(e, wanted, timeout=3):
    def same():
        assert ours(e) == wanted
        return True
    wait_for(same, timeout, f"{e} has the routes {wanted}")


def wait_advised(e):
    wait_for(lambda: "default" in e.ip("-6", "route", "show", "proto", "ra"),
             10, "a router advertisement has come")


@pytest.fixture(scope="module")
def module_lab(request):
    with shared_lab(request, networks=networks(*gateways(1), *ROUTES)) as lab:
        lab.wait_healthy()
        yield lab


@pytest.fixture
def lab(module_lab):
    """Without endpoints, and with the list as it was at first."""
    with bare(module_lab):
        yield module_lab
    write(module_lab, *gateways(1), *ROUTES)
    for host in module_lab.hosts:
        wait_for(lambda: "10.1.0.1" in host.weft_json(
            "network", "show", "blue")["gateway"], 3,
            "the first list is in force again")


def test_attach_gives_routes_of_our_protocol(lab):
    e = Endpoint(lab.hosts[0], "first")
    assert ours(e) == defaults(1) | VIA


def test_gateway_moves(lab):
    e, other = (Endpoint(host, "moves") for host in lab.hosts)
    with e.pinger(other.ip4) as ping:
        write(lab, *gateways(254), *ROUTES)
        wait_routes(e, defaults(254) | VIA)
    assert not ping.lost
    wait_for(lambda: e.pings("10.1.0.254") and e.pings("fd00:1::fe"), 5,
             "the gateway answers")


def test_gateway_goes_and_comes(lab):
    e = Endpoint(lab.hosts[0], "goes")
    wait_advised(e)
    write(lab)
    wait_routes(e, set())
    wait_for(lambda: "default" not in e.ip("-6", "route"), 3,
             "the advertised default route goes as well")
    write(lab, *gateways(1), *ROUTES)
    wait_routes(e, defaults(1) | VIA)


def test_route_changes_goes_and_comes(lab):
    e = Endpoint(lab.hosts[0], "changes")
    write(lab, *gateways(1), "route = 10.9.0.0/16 via 10.1.200.8",
          "route = fd09::/64 via fd00:1::8")
    wait_routes(e, defaults(1) | {"10.9.0.0/16 via 10.1.200.8",
                                  "fd09::/64 via fd00:1::8"})
    write(lab, *gateways(1))
    wait_routes(e, defaults(1))
    write(lab, *gateways(1), "route = 0.0.0.0/0 via 10.1.200.7")
    wait_routes(e, {"default via 10.1.200.7", "default via fd00:1::1"})


def test_router_advertisements_are_not_in_the_way(lab):
    """They bring another default route by the same gateway."""
    e = Endpoint(lab.hosts[0], "advised")
    wait_advised(e)
    write(lab, *gateways(2))
    wait_routes(e, defaults(2))
    assert "default" in e.ip("-6", "route", "show", "proto", "ra")


@pytest.mark.parametrize("version", [4, 6])
def test_no_packet_is_lost_while_the_gateway_moves(lab, version):
    """Over the very route that changes: one is always there."""
    e = Endpoint(lab.hosts[0], "steady")
    other = Endpoint(lab.hosts[1], "beyond", "green")
    to = other.ip4 if version == 4 else other.ip6
    # What router advertisements have brought would be another way.
    e.host.sh("sysctl -qw net.ipv6.conf.eth0.accept_ra=0;"
              "ip -6 route flush proto ra || true", netns=e.netns)
    with e.pinger(to, interval=0.002) as ping:
        for n in (254, 1, 253, 1):
            write(lab, *gateways(n))
            wait_routes(e, defaults(n))
            ping.wait_answer(50)
    assert not ping.lost


def test_what_others_made_stays(lab):
    e = Endpoint(lab.hosts[0], "mixed")
    theirs = ("10.8.0.0/16 via 10.1.200.7 dev eth0",
              "10.9.0.0/16 via 10.1.200.9 dev eth0 metric 50",
              "fd08::/64 via fd00:1::7 dev eth0")
    for route in theirs:
        e.ip("route", "add", *route.split())
    e.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    e.ip("addr", "add", "10.77.0.1/24", "dev", "veth0")
    e.ip("link", "set", "veth0", "up")
    e.ip("link", "set", "veth1", "up")
    # Their carrier, which comes a moment later, changes routes as well.
    wait_for(lambda: all(link["operstate"] == "UP" for link in ip_json(
        e.host, "link", netns=e.netns) if link["ifname"] in (
            "eth0", "veth0", "veth1")), 5, "the links have a carrier")
    e.ip("route", "add", "10.76.0.0/16", "via", "10.77.0.2", "dev", "veth0",
         "proto", PROTOCOL)         # Not by our link.
    def others():
        return [line for family in ("-4", "-6") for line in sorted(e.ip(
            family, "route", "show").splitlines())
            if f"proto {PROTOCOL}" not in line or "dev veth0" in line]
    before = [line for line in others() if "proto ra" not in line]
    assert len(before) > 5
    write(lab, *gateways(2), "route = 10.8.0.0/16 via 10.1.200.8")
    # 10.8.0.0/16 has a way already: whoever made it keeps it.
    wait_routes(e, defaults(2) | {"10.76.0.0/16 via 10.77.0.2"})
    assert [line for line in others() if "proto ra" not in line] == before


def test_renamed_interface_is_found(lab):
    e = Endpoint(lab.hosts[0], "renamed")
    e.ip("link", "set", "eth0", "down")
    e.ip("link", "set", "eth0", "name", "lan0")
    e.ip("link", "set", "lan0", "up")
    write(lab, *gateways(2), ROUTES[0])
    # The kernel has taken the IPv6 address; the subnet is advertised.
    wait_routes(e, defaults(2) | {"10.9.0.0/16 via 10.1.200.7"}, 10)


def test_what_cannot_be_set_is_told(lab):
    e = Endpoint(lab.hosts[0], "down")
    e.ip("link", "set", "eth0", "down")
    write(lab, *gateways(2))
    wait_for(lambda: "endpoint down: could not bring its routes in "
             "/run/netns/down up to date" in reports(e.host), 3,
             "the agent tells of it")
    assert reports(e.host).count("endpoint down") == 1
    e.ip("link", "set", "eth0", "up")
    wait_routes(e, defaults(2), 10)     # IPv6 when it knows its subnet again.
    assert reports(e.host).count("endpoint down") == 1


def test_one_family_is_not_in_the_way_of_the_other(lab):
    e = Endpoint(lab.hosts[0], "flushed")
    e.ip("-6", "addr", "flush", "dev", "eth0", "scope", "global")
    e.ip("-6", "route", "flush", "dev", "eth0")
    write(lab, "gateway = 10.1.0.2", "gateway = fd00:1::2", *ROUTES)
    wait_for(lambda: "default via 10.1.0.2" in ours(e), 3,
             "IPv4's default route is there")


def test_list_changes_while_the_agent_is_away(lab):
    host = lab.hosts[0]
    e = Endpoint(host, "away")
    host.kill_weftd()
    write(lab, *gateways(2))
    host.start_weftd()
    host.wait_healthy()
    wait_routes(e, defaults(2))
    host.kill_weftd()
    write(lab)
    host.start_weftd()
    host.wait_healthy()
    wait_routes(e, set())


def test_link_made_again_has_the_routes_of_now(lab):
    e = Endpoint(lab.hosts[0], "again")
    write(lab, *gateways(2))
    wait_routes(e, defaults(2))
    e.host.ip("link", "del", e.port)
    wait_for(lambda: "made again" in reports(e.host)
             and e.row()["state"] == "up", 3, "the link is back")
    wait_routes(e, defaults(2))
    write(lab, *gateways(3))
    wait_routes(e, defaults(3))


def test_dhcp_and_taps_are_left_alone(lab):
    write(lab, "dhcp = on", *gateways(1))
    host = lab.hosts[0]
    wait_for(lambda: host.weft_json("network", "show", "blue")["dhcp"], 3,
             "DHCP is on")
    e = Endpoint(host, "client", "blue", "--ip", "dhcp")
    e.ip("addr", "add", f"{e.ip4}/16", "dev", "eth0")
    e.ip("route", "add", "default", "via", "10.1.0.1", "proto", PROTOCOL)
    host.weft("tap", "guest", "--network", "blue")
    before = host.ip("route")
    write(lab, "dhcp = on", *gateways(2))
    other = Endpoint(host, "static")
    wait_routes(other, defaults(2))
    assert ours(e) == {"default via 10.1.0.1"}
    assert host.ip("route") == before


@pytest.mark.parametrize("ip4, ip6", [
    ("10.6.0.7/16", "fd00:6::7/64"),
    ("10.6.1.7/24", "fd00:6::1:7/112"),
    ("10.6.1.8/32", "fd00:6::1:8/128")])
def test_second_subnet_and_longer_prefixes(lab, ip4, ip6):
    """Its own subnet's gateway, a neighbour whatever the prefix."""
    e = Endpoint(lab.hosts[0], "second", "two", "--ip", ip4, "--ip", ip6)
    assert ours(e) == {"default via 10.6.0.1", "default via fd00:6::1",
                       "10.9.0.0/16 via 10.5.0.7"}
    assert e.pings("10.6.0.1") and e.pings("fd00:6::1")

# SPDX-License-Identifier: Apache-2.0
"""Clients that people use get what their endpoint has, from the gateway."""

import time
from pathlib import Path

import pytest

from dhcpclient import Dhclient, Dhclient6, Dhcpcd, Udhcpc
from host import wait_for
from traffic import Endpoint
from weftlib import bare, inside, lab_fixture

GATEWAY, GATEWAY6 = "10.1.0.1", "fd00:1::1"
NETWORKS = f"""\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
gateway = {GATEWAY}
gateway = {GATEWAY6}
external = nat
dhcp = on
dns = {GATEWAY}
dns = {GATEWAY6}
route = 10.9.0.0/16 via 10.1.0.7
"""
LEASE_TIME = 86400

module_lab = lab_fixture(networks=NETWORKS, outside=True)


@pytest.fixture
def lab(module_lab):
    with bare(module_lab):
        yield module_lab


@pytest.fixture(autouse=True)
def machine_unchanged():
    """Clients like to write here."""
    paths = [Path("/etc/resolv.conf"), Path("/etc/dhcpcd.duid"),
             Path("/etc/hostname"), *Path("/var/lib/dhcp").glob("*"),
             *Path("/var/lib/dhcpcd").glob("*")]

    def look():
        return {p: p.read_bytes() if p.is_file() else None for p in paths}
    before = look()
    yield
    assert look() == before


def endpoint(host, netns, *args):
    return Endpoint(host, netns, "blue", "--ip", "dhcp", *args)


def global_addresses(e, version):
    family = {4: "inet", 6: "inet6"}[version]
    return [a["local"] for a in inside(e.host, e.netns, e.ifname)["addr_info"]
            if a["family"] == family and a["scope"] == "global"]


def mtu_of(lab):
    return lab["hosta"].weft_json("network", "show", "blue")["mtu"]


def test_nothing_is_set_inside_until_a_client_asks(lab):
    red = endpoint(lab["hosta"], "red")
    assert red.ip4 and red.ip6
    link = inside(red.host, "red")
    assert not [a for a in link["addr_info"]
                if a["family"] == "inet"], link


def test_udhcpc(lab):
    red = endpoint(lab["hosta"], "red")
    with Udhcpc(red.host, "red") as client:
        lease = client.wait("bound")
        assert lease["ip"] == red.ip4
        assert lease["mask"] == "16"
        assert lease["router"] == lease["serverid"] == lease["dns"] == GATEWAY
        assert lease["domain"] == "blue"
        assert lease["hostname"] == "red"
        assert int(lease["mtu"]) == mtu_of(lab)
        assert int(lease["lease"]) == LEASE_TIME
        routes = lease["staticroutes"].split()
        assert dict(zip(routes[::2], routes[1::2])) == {
            "10.9.0.0/16": "10.1.0.7", "0.0.0.0/0": GATEWAY}
        assert global_addresses(red, 4) == [red.ip4]
        assert red.pings(GATEWAY)

        assert client.renew()["ip"] == red.ip4
        client.release()
        assert global_addresses(red, 4) == []
        assert client.renew()["ip"] == red.ip4


@pytest.mark.guests
def test_dhclient(lab):
    red = endpoint(lab["hosta"], "red")
    with Dhclient(red.host, "red") as client:
        lease = client.wait("BOUND")
        assert lease["new_ip_address"] == red.ip4
        assert lease["new_subnet_mask"] == "255.255.0.0"
        for key in ("routers", "dhcp_server_identifier",
                    "domain_name_servers"):
            assert lease[f"new_{key}"] == GATEWAY, key
        assert lease["new_domain_name"] == "blue"
        assert lease["new_host_name"] == "red"
        assert int(lease["new_interface_mtu"]) == mtu_of(lab)
        assert int(lease["new_dhcp_lease_time"]) == LEASE_TIME
        assert (int(lease["new_dhcp_renewal_time"])
                < int(lease["new_dhcp_rebinding_time"]) < LEASE_TIME)
        assert lease["new_rfc3442_routes"] == "16 10 9 10 1 0 7 0 10 1 0 1"
        assert global_addresses(red, 4) == [red.ip4]
        assert red.pings(GATEWAY)

        assert client.renew()["new_ip_address"] == red.ip4
        client.release()
        assert global_addresses(red, 4) == []
    with Dhclient(red.host, "red") as client:
        assert client.wait("BOUND")["new_ip_address"] == red.ip4


def test_dhclient_6(lab):
    red = endpoint(lab["hosta"], "red")
    with Dhclient6(red.host, "red") as client:
        lease = client.wait("BOUND6", timeout=15)
        assert lease["new_ip6_address"] == red.ip6
        assert lease["new_dhcp6_name_servers"] == GATEWAY6
        assert lease["new_dhcp6_domain_search"].rstrip(".") == "blue"
        assert red.ip6 in global_addresses(red, 6)
        # The route is the router advertisement's.
        wait_for(lambda: red.pings(GATEWAY6), 10, "the gateway answers")

        assert client.renew()["new_ip6_address"] == red.ip6
        client.release()
        assert red.ip6 not in global_addresses(red, 6)
    with Dhclient6(red.host, "red") as client:
        assert client.wait("BOUND6", timeout=15)["new_ip6_address"] == red.ip6


def test_a_client_that_makes_up_its_link_local_address(lab):
    """As NetworkManager does (RFC 7217)."""
    a, b = lab.hosts
    red, green = endpoint(a, "red"), Endpoint(b, "green", "blue")
    for args in (["addrgenmode", "random"], ["down"], ["up"]):
        a.ip("link", "set", "eth0", *args, netns="red")
    with Dhclient6(a, "red") as client:
        assert client.wait("BOUND6", timeout=15)["new_ip6_address"] == red.ip6
        own = [i["local"] for i in inside(a, "red", "eth0")["addr_info"]
               if i["scope"] == "link"]
        assert own and not own[0].startswith("fe80::857:")
        wait_for(lambda: red.pings(GATEWAY6), 10, "the gateway answers")
        # From the link-local address, to the one of the router advertisement.
        a.run(["ip", "-6", "neighbour", "flush", "dev", "eth0"], netns="red")
        routes = a.ip("-6", "route", "show", "default", netns="red")
        router = routes.split(" via ")[1].split()[0]
        a.run(["ping", "-6", "-c1", "-W1", f"{router}%eth0"],
              netns="red", check=False)
        wait_for(lambda: "0e:57:00:00:00:01" in a.ip(
            "-6", "neighbour", "show", router, netns="red"), 3,
            "the router has its MAC")
        lab.settle()
        assert red.pings(green.ip6)


def test_dhcpcd(lab):
    red = endpoint(lab["hosta"], "red")
    with Dhcpcd(red.host, "red") as client:
        lease = client.wait("BOUND", "REBOOT", timeout=15)
        assert lease["new_ip_address"] == red.ip4
        assert lease["new_subnet_cidr"] == "16"
        assert lease["new_routers"] == GATEWAY
        assert lease["new_domain_name_servers"] == GATEWAY
        assert lease["new_domain_name"] == "blue"
        assert lease["new_host_name"] == "red"
        assert int(lease["new_interface_mtu"]) == mtu_of(lab)
        assert (lease["new_classless_static_routes"]
                == f"10.9.0.0/16 10.1.0.7 0.0.0.0/0 {GATEWAY}")
        lease = client.wait("BOUND6", timeout=20)
        assert lease["new_dhcp6_ia_na1_ia_addr1"] == red.ip6
        assert lease["new_dhcp6_name_servers"] == GATEWAY6
        assert global_addresses(red, 4) == [red.ip4]
        assert red.ip6 in global_addresses(red, 6)
        assert inside(red.host, "red")["mtu"] == mtu_of(lab)
        assert red.pings(GATEWAY) and red.pings(GATEWAY6)

        assert client.renew()["new_ip_address"] == red.ip4
        client.release()
        assert global_addresses(red, 4) == []


def test_two_hosts_have_their_own_gateway_and_reach_each_other(lab):
    a, b = lab.hosts
    red, green = endpoint(a, "red"), endpoint(b, "green")
    assert red.ip4 != green.ip4
    with Udhcpc(a, "red") as one, Udhcpc(b, "green") as two, \
            lab.underlay.capture("underlay", "udp port 4789 and "
                                 "(udp[50:2] = 67 or udp[50:2] = 68)") as seen:
        assert one.wait("bound")["ip"] == red.ip4
        assert two.wait("bound")["ip"] == green.ip4
        wait_for(lambda: red.pings(green.ip4), 5, "red reaches green")
        assert green.pings(red.ip4)
    # 8 of UDP, 8 of VXLAN, 14 of Ethernet, 20 of IP: no DHCP left its host.
    assert not [line for line in seen if line]


def test_an_answer_while_weftd_is_away_comes_when_it_is_back(lab):
    red = endpoint(lab["hosta"], "red")
    red.host.stop_weftd()
    with Udhcpc(red.host, "red") as client:
        time.sleep(1)
        assert client.event("bound") is None
        red.host.start_weftd()
        assert client.wait("bound", timeout=15)["ip"] == red.ip4

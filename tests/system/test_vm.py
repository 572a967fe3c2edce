# SPDX-License-Identifier: Apache-2.0
"""Real virtual machines, one on each host, behind their hosts' NAT: a lease by
DHCP, each other across the tunnel, and a server outside."""

import contextlib

import pytest

from guest import Guest
from scene import shared_lab
from test_nat import OUT4, server, underlay

NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
gateway = 10.1.0.1
external = nat
dhcp = on
dns = 10.1.0.1
"""


@pytest.fixture(scope="module")
def machines(request):
    with shared_lab(request, hosts=2, networks=NETWORKS,
                    outside=True) as lab, contextlib.ExitStack() as stack:
        guests = []
        for number, host in enumerate(lab.hosts, 1):
            words = host.weft("tap", f"vm{number}", "--network", "blue",
                              "--print", "qemu").stdout.split()
            guests.append(stack.enter_context(
                Guest(host, words, name=f"vm{number}")))
        lab.wait_healthy()
        yield list(zip(lab.hosts, guests))


def leased(host, name):
    ips = host.weft_json("endpoint", "show", name)["ip"]
    return next(ip for ip in ips if ":" not in ip)


def test_lease_is_the_address_of_the_endpoint(machines):
    for number, (host, guest) in enumerate(machines, 1):
        guest.wait_lease()
        address = leased(host, f"vm{number}")
        assert address in guest.sh("ip addr show eth0")
        assert "default via 10.1.0.1" in guest.sh("ip route")
        assert "mtu 1450" in guest.sh("ip link show eth0")
        assert guest.ping("10.1.0.1")


def test_machines_reach_each_other_across_the_tunnel(machines):
    (hosta, one), (hostb, two) = machines
    one.wait_lease(), two.wait_lease()
    other = leased(hostb, "vm2").split("/")[0]
    mine = leased(hosta, "vm1").split("/")[0]
    assert one.ping(other) and two.ping(mine)
    assert one.sh(f"wget -q -O - http://{other}/").strip() == "vm2"
    assert two.sh(f"wget -q -O - http://{mine}/").strip() == "vm1"


def test_outside_sees_the_host(machines):
    host, guest = machines[0]
    guest.wait_lease()
    with server(host.lab["outside"], OUT4, 8000):
        said = guest.sh(f"nc {OUT4} 8000 </dev/null")
    assert said == underlay(host, 4)


def test_published_port_leads_into_the_machine(machines):
    host, guest = machines[0]
    guest.wait_lease()
    host.weft("publish", "8080:vm1:80")
    out = machines[1][0].run(
        ["bash", "-c", "exec 3<>/dev/tcp/192.168.50.11/8080; "
         "printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"]).stdout
    assert out.endswith("\nvm1\n")


def test_machine_outlives_the_agent(machines):
    host, guest = machines[0]
    guest.wait_lease()
    host.kill_weftd()
    host.start_weftd()
    host.wait_healthy()
    assert guest.ping(leased(machines[1][0], "vm2").split("/")[0])

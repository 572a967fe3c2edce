# SPDX-License-Identifier: Apache-2.0
"""What `weft status` says when BFD to a peer is down, and that it says no more
of it when what was in the way has gone."""

import contextlib

import pytest

from host import wait_for
from scene import problems, shared_lab, tunnels

TABLE = "bridge weft_test"
NOTICED = 15


@pytest.fixture(scope="module")
def lab(request):
    with shared_lab(request, 2, underlay="both") as shared:
        shared.wait_healthy()
        yield shared


@contextlib.contextmanager
def firewall(lab, *ways):
    """On the underlay, from one host to the other."""
    rules = "".join(f"add rule {TABLE} forward ip saddr {a.address} "
                    f"ip daddr {b.address} udp dport 4789 drop\n"
                    for a, b in ways)
    lab.underlay.run(["nft", "-f", "-"], stdin=(
        f"add table {TABLE}\nadd chain {TABLE} forward "
        "{ type filter hook forward priority 0; }\n" + rules))
    try:
        yield
    finally:
        lab.underlay.run(["nft", "delete", "table", *TABLE.split()])
        lab.wait_healthy()


def says(host, *texts):
    def said():
        text = problems(host)
        for wanted in texts:
            assert wanted in text
        return True
    wait_for(said, NOTICED, f"{host.name} says {texts}")


def test_a_firewall_between(lab):
    a, b = lab.hosts
    with firewall(lab, (a, b), (b, a)):
        for host, peer in ((a, "hostb"), (b, "hosta")):
            says(host, f"BFD is down to {peer}: tunnel packets sent ",
                 ", received 0: is UDP 4789 open in the firewalls between?",
                 "it was up until")
        row = tunnels(a)["hostb"]
        assert row["sent"] > 0 and row["received"] == 0
    wait_for(lambda: a.status()["problems"] == [] == b.status()["problems"])
    wait_for(lambda: "sent" not in tunnels(a)["hostb"])


def test_a_firewall_one_way(lab):
    a, b = lab.hosts
    with firewall(lab, (a, b)):
        says(a, "BFD is down to hostb: tunnel packets sent ",
             ": it does not hear this host: is UDP 4789 open in the "
             "firewalls on the way there?")
        says(b, "BFD is down to hosta: tunnel packets sent ", ", received 0: ",
             "UDP 4789 open in the firewalls between?")
        assert tunnels(a)["hostb"]["received"] > 0


@pytest.mark.parametrize("address, question", [
    ("192.168.50.99", "ARP"), ("fd50::99", "neighbour discovery")])
def test_a_host_that_is_not_there(lab, address, question):
    """Not said of one behind a firewall: see above."""
    a, b = lab.hosts
    text = lab.peers_text()
    lab.write_peers(text + f"\n[peer dead]\naddress = {address}\n")
    try:
        says(a, "BFD is down to dead: tunnel packets sent ",
             f", received 0: {address} does not answer {question}: is that "
             "host up, and on this network?")
        wait_for(lambda: "hostb" not in problems(a))
    finally:
        lab.write_peers(text)
    lab.wait_healthy()


def test_a_host_that_died(make_lab):
    """It answered until then."""
    a, b = make_lab().hosts
    a.wait_healthy()
    b.power_off()
    says(a, f"{b.address} does not answer ARP: is that host up, and on this "
         "network? (it was up until")


def test_no_way_to_a_peer(lab):
    """No route, and one that leads by another interface."""
    a = lab.hosts[0]
    a.ip("link", "add", "other", "type", "veth", "peer", "other1")
    a.ip("link", "set", "other", "up")
    a.ip("addr", "add", "198.51.100.1/24", "dev", "other")
    text = lab.peers_text()
    lab.write_peers(text + "\n[peer nowhere]\naddress = 203.0.113.9\n"
                    "\n[peer elsewhere]\naddress = 198.51.100.9\n")
    try:
        says(a, "BFD is down to nowhere: no route to 203.0.113.9: see \"ip "
             "route get 203.0.113.9\"",
             "BFD is down to elsewhere: the route to 198.51.100.9 leads by "
             "interface other, not by the underlay")
        wait_for(lambda: "hostb" not in problems(a))
    finally:
        lab.write_peers(text)
        a.ip("link", "del", "other")
    lab.wait_healthy()

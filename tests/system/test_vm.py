# SPDX-License-Identifier: Apache-2.0
"""Virtual machines: one on each of two hosts, on taps that weft made.  They
configure themselves by DHCP, reach each other across the tunnel, and the world
through the NAT of their host."""

import shlex
import socket

import pytest

from conftest import BUILD
from guest import Guest
from lab import Lab, wait_for
from outside import OUTSIDE
from traffic import open_socket
from weftlib import address

GATEWAY = "10.1.0.1"
NETWORKS = f"""\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
gateway = {GATEWAY}
external = nat
dhcp = on
dns = {GATEWAY}
"""
PORT = 7000                         # Of the server beyond the router.


class Machine:
    """A guest and the endpoint that its tap is."""

    def __init__(self, host, name, stack):
        self.host = host
        self.name = name
        line = host.weft("tap", name, "--network", "blue", "--print",
                         "qemu").stdout
        assert line.count("\n") == 1 and line.endswith("\n"), line
        self.guest = stack(Guest(host, shlex.split(line), build=BUILD,
                                 name=name, wait=False))

    @property
    def row(self):
        return self.host.weft_json("endpoint", "show", self.name)

    @property
    def ip(self):
        return address(self.row, 4)


@pytest.fixture(scope="module")
def machines(request):
    failed = request.session.testsfailed
    lab = Lab(2, build=BUILD, networks=NETWORKS, outside=True)
    guests = []

    def stack(guest):
        guests.append(guest)
        return guest
    try:
        lab.wait_healthy(60)
        made = [Machine(host, f"vm{n}", stack)
                for n, host in enumerate(lab.hosts, 1)]
        for machine in made:
            machine.guest.wait_ready()
            machine.guest.wait_lease()
            print(f"{machine.name} booted in "
                  f"{machine.guest.boot_time:.1f} s")
        yield made
    finally:
        for guest in guests:
            guest.close()
        lab.close(request.session.testsfailed > failed)


def ways(machines):
    """(from, to), both ways."""
    one, two = machines
    return (one, two), (two, one)


@pytest.mark.guests
def test_the_lease_is_what_the_endpoint_has(machines):
    for machine in machines:
        lease = machine.guest.lease()
        assert f"{lease['ip']}/{lease['mask']}" in machine.row["ip"]
        assert lease["router"] == lease["dns"] == lease["serverid"] == GATEWAY
        assert lease["domain"] == "blue"
        network = machine.host.weft_json("network", "show", "blue")
        assert int(lease["mtu"]) == network["mtu"]
        link = machine.guest.sh("ip link show eth0")
        assert machine.row["mac"] in link
        assert f"mtu {network['mtu']} " in link
    assert machines[0].ip != machines[1].ip


@pytest.mark.guests
def test_they_reach_each_other_across_the_tunnel(machines):
    for one, two in ways(machines):
        assert one.guest.ping(two.ip, count=3), one.guest.sh(
            "ip addr; ip route; ip neigh")


@pytest.mark.guests
def test_packets_of_the_whole_mtu_pass(machines):
    for one, two in ways(machines):
        mtu = int(one.guest.lease()["mtu"])
        one.guest.run(f"ping -c 1 -W 10 -s {mtu - 28} {two.ip}")


@pytest.mark.guests
def test_tcp_between_them(machines):
    """With the checksums as a virtual NIC leaves them.  (-T of Debian's
    wget of busybox ends in a segmentation fault.)"""
    for one, two in ways(machines):
        assert one.guest.sh(f"timeout 20 wget -q -O - http://{two.ip}/"
                            ) == f"{two.name}\n"


@pytest.mark.guests
def test_more_than_one_segment_of_tcp(machines):
    size = 1 << 20
    one, two = machines
    two.guest.run(f"head -c {size} /dev/urandom >/www/large")
    wanted = two.guest.sh("md5sum </www/large")
    assert one.guest.sh(f"timeout 50 wget -q -O - http://{two.ip}/large | "
                        "md5sum", timeout=60) == wanted


@pytest.mark.guests
def test_the_gateway_answers(machines):
    for machine in machines:
        assert machine.guest.ping(GATEWAY)


@pytest.mark.guests
def test_the_server_outside_sees_the_address_of_the_host(machines):
    lab = machines[0].host.lab
    for machine in machines:
        with open_socket(lab["outside"], None, socket.AF_INET,
                         socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((OUTSIDE[0], PORT))
            server.listen()
            server.settimeout(10)
            # It connects while this end waits, and answers when told.
            machine.guest.run(
                f"(echo hello {machine.name} | nc -w 10 {OUTSIDE[0]} {PORT} "
                ">/tmp/answer; echo $? >/tmp/done) >/dev/null 2>&1 &")
            accepted, peer = server.accept()
            with accepted:
                accepted.settimeout(10)
                assert peer[0] == machine.host.address
                said = b""
                while not said.endswith(b"\n"):
                    more = accepted.recv(100)
                    assert more, said
                    said += more
                assert said == f"hello {machine.name}\n".encode()
                accepted.sendall(b"welcome\n")
            wait_for(lambda: machine.guest.run("cat /tmp/done", check=False)
                     .stdout.strip() == "0", 10, "nc ends")
            assert machine.guest.sh("cat /tmp/answer") == "welcome\n"


@pytest.mark.guests
def test_ping_and_udp_reach_outside(machines):
    lab = machines[0].host.lab
    for machine in machines:
        assert machine.guest.ping(OUTSIDE[0], count=2)
        with open_socket(lab["outside"], None, socket.AF_INET,
                         socket.SOCK_DGRAM) as server:
            server.bind((OUTSIDE[0], 53))
            server.settimeout(10)
            # Of the guest's programs that one sends UDP.
            machine.guest.run(f"nslookup -type=a hello.test {OUTSIDE[0]} "
                              ">/tmp/names 2>&1 &")
            query, peer = server.recvfrom(1000)
            assert b"\5hello\4test\0" in query
            assert peer[0] == machine.host.address
            # Its flags: an answer, and there is no such name.
            server.sendto(query[:2] + b"\x81\x83" + query[4:], peer)
            wait_for(lambda: "NXDOMAIN" in machine.guest.sh("cat /tmp/names"),
                     10, "the answer arrives")


def test_a_guest_that_boots_again_has_the_same_address(machines):
    """qemu closes the tap and opens it again: the endpoint stays."""
    machine, other = machines
    before = machine.row["ip"]
    ip = machine.ip
    words = shlex.split(machine.host.weft(
        "tap", machine.name, "--network", "blue", "--print", "qemu").stdout)
    machine.guest.close()
    assert not other.guest.ping(ip, timeout=1)
    with Guest(machine.host, words, build=BUILD,
               name=machine.name) as guest:
        assert guest.wait_lease()["ip"] == ip
        assert machine.row["ip"] == before
        assert other.guest.ping(ip, count=2)

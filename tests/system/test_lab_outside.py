# SPDX-License-Identifier: Apache-2.0
"""The lab's own way out: hosts reach the server beyond the router over the
bridge that holds their NIC, whatever weftd has done to it."""

import ipaddress
import socket
import threading

import pytest

from lab import LabError, wait_for
from outside import OUTSIDE
from traffic import open_socket
from weftlib import ip_json, lab_fixture

lab = lab_fixture(underlay="both", outside=True, outside_mtu=1400)

families = pytest.mark.parametrize(
    "family, address", list(zip((socket.AF_INET, socket.AF_INET6), OUTSIDE)),
    ids=("ipv4", "ipv6"))


def underlay_address(host, address):
    """The host's own, of the family of 'address'."""
    version = ipaddress.ip_address(address).version
    return next(str(a.ip) for a in host.addresses if a.version == version)


@families
def test_a_host_reaches_outside_over_br_phy(lab, family, address):
    for host in lab.hosts:
        route, = ip_json(host, "route", "get", address)
        assert route["dev"] == "br-phy", route
        assert host.ping(address, count=2), f"{host.name}, {address}"


@families
def test_the_server_sees_who_connects(lab, family, address):
    host = lab["hosta"]
    with open_socket(lab["outside"], None, family,
                     socket.SOCK_STREAM) as server:
        server.bind((address, 7000))
        server.listen()
        server.settimeout(5)
        with open_socket(host, None, family, socket.SOCK_STREAM) as client:
            client.settimeout(5)
            client.connect((address, 7000))
            accepted, peer = server.accept()
            with accepted:
                assert peer[0] == underlay_address(host, address)
                # More than fits the narrow segment in one packet.
                data = bytes(range(256)) * 4096
                sender = threading.Thread(target=client.sendall,
                                          args=(data,))
                sender.start()
                accepted.settimeout(5)
                got = b""
                while len(got) < len(data):
                    more = accepted.recv(1 << 16)
                    assert more, f"{len(got)} bytes came"
                    got += more
                sender.join()
                assert got == data


@families
def test_the_server_answers_by_udp(lab, family, address):
    host = lab["hostb"]
    with open_socket(lab["outside"], None, family,
                     socket.SOCK_DGRAM) as server, \
            open_socket(host, None, family, socket.SOCK_DGRAM) as client:
        server.settimeout(5)
        client.settimeout(5)
        server.bind((address, 7001))
        client.sendto(b"hello", (address, 7001))
        data, peer = server.recvfrom(100)
        assert (data, peer[0]) == (b"hello", underlay_address(host, address))
        server.sendto(b"and back", peer)
        assert client.recvfrom(100)[0] == b"and back"


@families
def test_what_is_too_long_for_the_narrow_segment_is_told(lab, family,
                                                         address):
    host = lab["hosta"]
    overhead = 28 if family == socket.AF_INET else 48

    def ping(length):
        return host.run(["ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s",
                         length - overhead, address], check=False)
    assert ping(1400).returncode == 0
    too_long = ping(1401)
    assert too_long.returncode != 0
    assert "1400" in too_long.stdout + too_long.stderr


@families
def test_an_address_that_the_router_does_not_know_gets_no_answer(
        lab, family, address):
    """As that of an overlay, if nobody translates it."""
    foreign = "10.1.0.77/32" if family == socket.AF_INET else "fd00:1::77/128"
    host = lab["hosta"]
    host.ip("addr", "add", foreign, "dev", "lo",
            *(["nodad"] if family == socket.AF_INET6 else []))
    try:
        result = host.run(["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1",
                           "-I", foreign.partition("/")[0], address],
                          check=False)
        assert result.returncode == 1, result
    finally:
        host.ip("addr", "del", foreign, "dev", "lo")
    assert host.ping(address)


def test_names_beyond_are_taken(lab):
    for name in ("router", "outside"):
        with pytest.raises(LabError, match="not usable"):
            lab.add_host(name)


def test_the_tunnels_are_as_ever(lab):
    lab.wait_healthy()


def test_with_an_ipv4_underlay_only(make_lab):
    lab = make_lab(hosts=1, outside=True)
    wait_for(lambda: lab["hosta"].ping(OUTSIDE[0]), 5, "br-phy leads out")
    assert lab["hosta"].ping("outside")
    assert lab["outside"].ping("192.168.50.11")


def test_with_an_ipv6_underlay_only(make_lab):
    lab = make_lab(hosts=1, outside=True, underlay="ipv6")
    wait_for(lambda: lab["hosta"].ping(OUTSIDE[1]), 5, "br-phy leads out")

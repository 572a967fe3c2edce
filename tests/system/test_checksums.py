# SPDX-License-Identifier: Apache-2.0
"""What is said of packets that a NIC has damaged."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from lab import wait_for
from traffic import Endpoint


def test_wrong_checksums_are_told_where_they_arrive(lab):
    a, b = (Endpoint(host, "red") for host in lab.hosts)
    lab.wait_healthy()
    lab.settle()
    assert a.pings(b)
    with a.wire() as wire:
        for layer in (TCP(chksum=1), UDP(chksum=1), ICMP(chksum=1)):
            wire.send(Ether(src=a.mac, dst=b.mac)
                      / IP(src=a.ip4, dst=b.ip4) / layer)
        for layer in (TCP(chksum=1), UDP(chksum=1),
                      ICMPv6EchoRequest(cksum=1)):
            wire.send(Ether(src=a.mac, dst=b.mac)
                      / IPv6(src=a.ip6, dst=b.ip6) / layer)
    wait_for(lambda: b.row().get("wrong_checksums") == 6, 3,
             f"b tells of six: {b.row()}")
    text = b.host.weft("endpoint", "show", "red").stdout
    assert "ethtool -K NIC tx off" in text
    assert "wrong_checksums" not in a.row()
    assert a.pings(b)

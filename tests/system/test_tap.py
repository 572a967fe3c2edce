# SPDX-License-Identifier: Apache-2.0
"""Taps, without a machine behind them: test_vm.py has real ones."""

import fcntl
import os
import struct

import pytest

from host import wait_for
from namespaces import CLONE_NEWNET, syscall
from scene import TOP, ofports
from test_external import links
from traffic import Endpoint
from weftlib import bare, lab_fixture, refused

lab = lab_fixture(hosts=2)
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000


@pytest.fixture
def hosts(lab):
    with bare(lab) as hosts:
        yield hosts


def open_tap(host, name):
    """As qemu does."""
    with open("/proc/thread-self/ns/net") as home, \
            open(f"/proc/{host.pid}/ns/net") as there:
        syscall("setns", there.fileno(), CLONE_NEWNET)
        try:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack(
                "16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
            return fd
        finally:
            syscall("setns", home.fileno(), CLONE_NEWNET)


def test_tap_is_made_and_goes(hosts):
    host = hosts[0]
    row = host.weft_json("tap", "vm1", "--owner", "nobody")
    assert row["port"] == "wf-vm1" and row["kind"] == "tap"
    assert row["owner"] == 65534 and row["state"] == "up"
    assert "tap" in host.ip("-d", "link", "show", "wf-vm1")
    assert "(tap)" in host.weft("endpoint", "list").stdout
    assert host.weft_json("tap", "vm1") == row
    host.weft("detach", "vm1")
    wait_for(lambda: "wf-vm1" not in links(host), 3, "the tap is gone")
    assert "wf-vm1" not in ofports(host)


def test_words_for_qemu(hosts):
    out = hosts[0].weft("tap", "vm1", "--print", "qemu").stdout
    mac = hosts[0].weft_json("endpoint", "show", "vm1")["mac"]
    assert out == (
        "-netdev tap,id=vm1,ifname=wf-vm1,script=no,downscript=no,"
        f"vnet_hdr=off -device virtio-net-pci,netdev=vm1,mac={mac}\n")


def test_id_for_qemu_begins_with_a_letter(hosts):
    out = hosts[0].weft("tap", "7of9", "--print", "qemu").stdout
    assert "id=vm-7of9," in out and "netdev=vm-7of9," in out


def test_misuse(hosts):
    host = hosts[0]
    refused(host, "tap", "a b", code=2)
    refused(host, "tap", "vm1", "--owner", "no-such-user", code=2)
    refused(host, "tap", "vm1", "--print", "xen", code=2)
    refused(host, "tap", "vm1", "--ifname", "eth0", code=2)


def test_frames_pass_and_the_agent_may_go(hosts):
    a, b = hosts
    row = a.weft_json("tap", "vm1")
    far = Endpoint(b, "far")
    fd = open_tap(a, "wf-vm1")
    try:
        from scapy.layers.inet import ICMP, IP
        from scapy.layers.l2 import Ether
        mine = row["ip"][0].split("/")[0]
        frame = bytes(Ether(src=row["mac"], dst=far.mac)
                      / IP(src=mine, dst=far.ip4) / ICMP(id=9))
        for restart in (False, True):
            if restart:
                a.kill_weftd()
                a.start_weftd()
                a.wait_healthy()

            def answered():
                os.write(fd, frame)
                try:
                    while True:
                        got = Ether(os.read(fd, 2000))
                        if ICMP in got and got[ICMP].type == 0:
                            return True
                except BlockingIOError:
                    return False
            wait_for(answered, 5, "an answer comes out of the tap", 0.05)
    finally:
        os.close(fd)


def test_deleted_tap_is_made_again(hosts):
    host = hosts[0]
    row = host.weft_json("tap", "vm1")
    host.ip("link", "del", "wf-vm1")
    wait_for(lambda: "wf-vm1" in links(host)
             and host.weft_json("endpoint", "show", "vm1")["state"] == "up",
             5, "the tap is up again")
    again = host.weft_json("endpoint", "show", "vm1")
    assert (again["mac"], again["ip"]) == (row["mac"], row["ip"])


def test_tap_of_a_program_is_taken_over(hosts):
    host = hosts[0]
    host.ip("tuntap", "add", "wf-vm2", "mode", "tap")
    assert host.weft_json("tap", "vm2")["port"] == "wf-vm2"
    assert "weft br-weft vm2" in host.ip("link", "show", "wf-vm2")


def test_scripts_for_qemu(hosts):
    """qemu makes the tap, then calls the script with its name."""
    host = hosts[0]
    fd = open_tap(host, "wf-vm3")
    try:
        mac = "02:00:00:00:00:33"
        host.run([TOP / "agent" / "qemu" / "weft-ifup", "wf-vm3"],
                 env={"WEFT_MAC": mac, "WEFT_NETWORK": "blue"})
        row = host.weft_json("endpoint", "show", "vm3")
        assert row["mac"] == mac and row["state"] == "up"
        host.run([TOP / "agent" / "qemu" / "weft-ifdown", "wf-vm3"])
        assert "vm3" not in host.weft("endpoint", "list").stdout
    finally:
        os.close(fd)
    assert host.run([TOP / "agent" / "qemu" / "weft-ifup", "tap0"],
                    check=False).returncode == 1

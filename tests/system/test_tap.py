# SPDX-License-Identifier: Apache-2.0
"""Taps, without a machine behind them: test_vm.py has real ones."""

import contextlib
import struct
import subprocess
import threading

import pytest

from host import wait_for
from scene import TOP, ofports
from test_external import links
from traffic import Endpoint
from weftlib import bare, lab_fixture, refused

lab = lab_fixture(hosts=2)

# On the host: frames of the tap and of stdin, each with its length before it.
HOLDER = """
import fcntl, os, struct, sys, threading
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(),
                                         0x1002))
def out(frame):
    os.write(1, struct.pack(">H", len(frame)) + frame)
out(b"")
def read():
    while True:
        out(os.read(tap, 2000))
threading.Thread(target=read, daemon=True).start()
while size := sys.stdin.buffer.read(2):
    os.write(tap, sys.stdin.buffer.read(struct.unpack(">H", size)[0]))
"""


@pytest.fixture
def hosts(lab):
    with bare(lab) as hosts:
        yield hosts


class Tap:
    """Opens a tap, as qemu does, during a `with`."""

    def __init__(self, host, name):
        self._process = host.popen(
            ["/usr/bin/python3", "-c", HOLDER, name], text=False,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._frames = []
        assert self._read() == b"", f"{name} cannot be opened"
        self._reader = threading.Thread(target=self._gather)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    def send(self, frame):
        self._process.stdin.write(struct.pack(">H", len(frame)) + frame)
        self._process.stdin.flush()

    def frames(self):
        """Those that have come out since this was last asked."""
        frames, self._frames = self._frames, []
        return frames

    def _gather(self):
        while (frame := self._read()) is not None:
            self._frames.append(frame)

    def _read(self):
        size = self._process.stdout.read(2)
        if len(size) < 2:
            return None
        return self._process.stdout.read(struct.unpack(">H", size)[0])


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


@pytest.mark.guests
def test_frames_pass_and_the_agent_may_go(hosts):
    a, b = hosts
    row = a.weft_json("tap", "vm1")
    far = Endpoint(b, "far")
    with Tap(a, "wf-vm1") as tap:
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
                tap.send(frame)
                return any(ICMP in got and got[ICMP].type == 0
                           for got in map(Ether, tap.frames()))
            wait_for(answered, 5, "an answer comes out of the tap", 0.05)


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
    with Tap(host, "wf-vm3"):
        mac = "02:00:00:00:00:33"
        host.run([TOP / "agent" / "qemu" / "weft-ifup", "wf-vm3"],
                 env={"WEFT_MAC": mac, "WEFT_NETWORK": "blue"})
        row = host.weft_json("endpoint", "show", "vm3")
        assert row["mac"] == mac and row["state"] == "up"
        host.run([TOP / "agent" / "qemu" / "weft-ifdown", "wf-vm3"])
        assert "vm3" not in host.weft("endpoint", "list").stdout
    assert host.run([TOP / "agent" / "qemu" / "weft-ifup", "tap0"],
                    check=False).returncode == 1

# SPDX-License-Identifier: Apache-2.0
"""The guests themselves, without weft: a tap with a plain address."""

import os
import subprocess
import sys

import pytest

import lab as command
from guest import Guest
from host import LabError
from weftlib import lab_fixture

lab = lab_fixture(hosts=1)

TAP = "guest0"
WORDS = ["-netdev", f"tap,id=n0,ifname={TAP},script=no,downscript=no,"
         "vnet_hdr=off", "-device",
         "virtio-net-pci,netdev=n0,mac=02:00:00:00:00:07"]


@pytest.fixture(scope="module")
def guest(lab):
    host = lab["hosta"]
    host.sh(f"ip tuntap add {TAP} mode tap; ip addr add 10.9.0.1/24 dev {TAP};"
            f" ip link set {TAP} up")
    with Guest(host, WORDS, name="smoke", address="10.9.0.2/24",
               gateway="10.9.0.1") as guest:
        print(f"booted in {guest.boot_time:.1f} s")
        yield guest


def test_its_network_works(lab, guest):
    assert "02:00:00:00:00:07" in guest.sh("ip link show eth0")
    assert guest.ping("10.9.0.1")
    assert lab["hosta"].ping("10.9.0.2", timeout=5)


def test_it_serves_its_name(lab, guest):
    host = lab["hosta"]
    text = host.run(
        ["bash", "-c", "exec 3<>/dev/tcp/10.9.0.2/80; "
         "printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"]).stdout
    assert text.endswith("\nsmoke\n"), text


def test_run_tells_output_and_exit_code(guest):
    assert guest.sh("echo one; echo two >&2; hostname") == "one\ntwo\nsmoke\n"
    assert guest.run("printf 'no newline'; exit 7",
                     check=False).returncode == 7
    with pytest.raises(LabError, match="exit 1"):
        guest.run("false")
    text = guest.sh("seq 20000")
    assert text.splitlines() == [str(n) for n in range(1, 20001)]
    assert guest.run("cat", check=False).stdout == ""
    assert guest.lease() is None


def test_a_lab_that_stays_has_no_guests_for_hosts(lab):
    """They would end with the command.  What is up by that name stays up."""
    result = subprocess.run(
        [sys.executable, "-B", command.__file__, "up", "--name", lab.name],
        env={**os.environ, "WEFT_LAB": "guests"}, text=True,
        capture_output=True, timeout=30, check=False)
    assert result.returncode == 1, result
    assert not result.stdout
    assert result.stderr.startswith("lab: up: virtual machines end with")
    assert result.stderr.count("\n") == 1, result.stderr
    assert lab["hosta"].ping("127.0.0.1")

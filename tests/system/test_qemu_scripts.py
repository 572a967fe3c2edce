# SPDX-License-Identifier: Apache-2.0
"""A virtual machine whose tap qemu makes, and weft-ifup attaches."""

import pytest

from conftest import BUILD
from guest import Guest
from host import wait_for
from scene import TOP
from test_external import links
from weftlib import address, attach, bare, endpoints, lab_fixture

NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
gateway = 10.1.0.1
dhcp = on

[network green]
vni = 200
subnet = 10.2.0.0/16
gateway = 10.2.0.1
dhcp = on
"""
lab = lab_fixture(hosts=2, networks=NETWORKS)
SCRIPTS = TOP / "agent" / "qemu"
MAC = "02:00:00:00:00:44"


@pytest.fixture
def hosts(lab):
    with bare(lab) as hosts:
        yield hosts


def boot(host, monkeypatch, more=""):
    """qemu is told the network by its environment, as its scripts are."""
    usual = host.environment
    monkeypatch.setattr(host, "environment", lambda extra=None: {
        **usual(extra), "WEFT_NETWORK": "green", "WEFT_MAC": MAC})
    return Guest(host, [
        "-netdev", f"tap,id=n0,ifname=wf-vm1,script={SCRIPTS}/weft-ifup,"
        f"downscript={SCRIPTS}/weft-ifdown{more}", "-device",
        f"virtio-net-pci,netdev=n0,mac={MAC}"], build=BUILD, name="vm1")


def said(host):
    return (host.log_dir / "guest-vm1.log").read_text(errors="replace")


def test_machine(hosts, monkeypatch):
    one, two = hosts
    far = attach(two, "red", "--network", "green")
    with boot(one, monkeypatch, ",vnet_hdr=off") as guest:
        row = one.weft_json("endpoint", "show", "vm1")
        assert row["mac"] == MAC and row["network"] == "green"
        assert guest.wait_lease()["ip"] == address(row, 4)
        assert guest.ping(address(far, 4), count=2)
        assert two.run(["timeout", "20", "busybox", "wget", "-q", "-O", "-",
                        f"http://{address(row, 4)}/"],
                       netns="red").stdout == "vm1\n"
        assert "TCP will not pass" not in said(one)
        guest._process.terminate()
        wait_for(lambda: guest._process.poll() is not None, 10, "qemu ends")
    wait_for(lambda: "vm1" not in endpoints(one), 5, "it is detached")
    wait_for(lambda: "wf-vm1" not in links(one), 5, "and so is its tap")


def test_vnet_hdr_is_told(hosts, monkeypatch):
    with boot(hosts[0], monkeypatch):
        assert "TCP will not pass: add vnet_hdr=off" in said(hosts[0])

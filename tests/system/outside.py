# SPDX-License-Identifier: Apache-2.0
"""What lies beyond the underlay of a lab: a router and a server.

    hosta eth0 --+
    hostb eth0 --+-- underlay -- eth0 router eth1 -- eth0 outside
                                 192.168.50.1        203.0.113.10
                                 fd50::1             2001:db8:113::10

The router knows both of its segments and nothing else: an answer to an
address of an overlay, which somebody failed to translate, ends there.

lab.py makes it for Lab(outside=True).
"""

import ipaddress
import socket
from pathlib import Path

from host import Node
from namespaces import (MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC,
                        mount, sleep_forever, spawn_init)

NAMES = ("router", "outside")
SEGMENT = [ipaddress.ip_network(n)
           for n in ("203.0.113.0/24", "2001:db8:113::/64")]
ROUTER, SERVER = 1, 10          # Of each segment, as nth_address() has it.
# A router whose own address is still tentative forwards nothing.
SETTINGS = (("ipv6/conf/all/disable_ipv6", 0),
            ("ipv6/conf/default/disable_ipv6", 0),
            ("ipv6/conf/default/accept_dad", 0))
FORWARDING = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")


def nth_address(net, number):
    """With last digits that read the same in both families."""
    index = number if net.version == 4 else int(str(number), 16)
    return ipaddress.ip_interface(f"{net[index]}/{net.prefixlen}")


# The server's, as a test names them.
OUTSIDE = [str(nth_address(net, SERVER).ip) for net in SEGMENT]


def default_routes(subnets):
    """What `ip -batch` takes to lead a host of the underlay to the router."""
    return [f"route add default via {nth_address(net, ROUTER).ip} dev eth0"
            for net in subnets]


def make(lab, subnets, mtu, outside_mtu):
    """The nodes, joined to the underlay of the lab.  'subnets' and 'mtu' are
    the underlay's, 'outside_mtu' that of the other segment."""
    router, outside = nodes = [
        _node(lab, name, forwarding=name == "router") for name in NAMES]
    lab.ip_batch([
        f"link add router mtu {mtu} type veth peer name eth0 mtu {mtu}"
        f" netns {router.pid}",
        "link set router master underlay up",
        f"link add beyond mtu {outside_mtu} type veth peer name eth0"
        f" mtu {outside_mtu} netns {outside.pid}",
        f"link set beyond netns {router.pid} name eth1",
    ])
    # As elsewhere in the lab: whole checksums only, and no packet that is
    # larger than the wire.
    lab.underlay.sh("ethtool -K router tx off >/dev/null")
    _setup(router, {"eth0": [nth_address(net, ROUTER) for net in subnets],
                    "eth1": [nth_address(net, ROUTER) for net in SEGMENT]})
    _setup(outside, {"eth0": [nth_address(net, SERVER) for net in SEGMENT]},
           default_routes(SEGMENT))
    return nodes


def _node(lab, name, forwarding):
    def setup():
        tmpfs = MS_NOSUID | MS_NODEV
        socket.sethostname(name)
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        mount("run", "/run", "tmpfs", tmpfs, "mode=755")
        mount("proc", "/proc", "proc", tmpfs | MS_NOEXEC)
        mount("sysfs", "/sys", "sysfs", tmpfs | MS_NOEXEC)
        for key, value in (*SETTINGS, *((key, int(forwarding))
                                        for key in FORWARDING)):
            Path(f"/proc/sys/net/{key}").write_text(str(value))

    pid = spawn_init(setup,
                     lambda: sleep_forever(f"weft-lab/{lab.name}/{name}"),
                     within=lab.underlay.pid)
    return Node(lab, name, pid)


def _setup(node, addresses, routes=()):
    batch = ["link set lo up"]
    for link, given in addresses.items():
        batch.append(f"link set {link} up")
        batch += [f"addr add {a} dev {link}"
                  + (" nodad" if a.version == 6 else "") for a in given]
    node.sh("".join(f"ethtool -K {link} tx off >/dev/null\n"
                    for link in addresses)
            + "ip -batch - <<'.'\n" + "\n".join([*batch, *routes]) + "\n.\n")

# SPDX-License-Identifier: Apache-2.0
"""What lies beyond the underlay of a lab: a router, and a server outside.

    hosts -- underlay -- router -- 203.0.113.0/24, 2001:db8:113::/64 -- outside

The router knows no overlay: an answer to an untranslated address gets lost.
Hosts have their default routes by it.
"""

import socket

from host import Node
from namespaces import (MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC,
                        mount, sleep_forever, spawn_init)

ROUTER = {4: "192.168.50.1", 6: "fd50::1"}
EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}
SEGMENT = {4: ("203.0.113.1/24", "203.0.113.10/24"),
           6: ("2001:db8:113::1/64", "2001:db8:113::10/64")}


def make_outside(lab, subnets, mtu=1500):
    """The nodes router and outside of a lab."""
    router, outside = (_make_node(lab, name) for name in ("router", "outside"))
    lab._ip_batch([
        f"link add router mtu 1500 type veth peer name eth0"
        f" netns {router.pid}", "link set router master underlay up",
        f"link add to-outside mtu {mtu} type veth peer name eth0"
        f" mtu {mtu} netns {outside.pid}",
        f"link set to-outside netns {router.pid} name eth1"])
    for number in (4, 6):
        near, far = SEGMENT[number]
        router.ip("addr", "add", near, "dev", "eth1", *_nodad(number))
        outside.ip("addr", "add", far, "dev", "eth0", *_nodad(number))
    for subnet in subnets:
        router.ip("addr", "add", f"{ROUTER[subnet.version]}/"
                  f"{subnet.prefixlen}", "dev", "eth0",
                  *_nodad(subnet.version))
    router.sh("echo 1 >/proc/sys/net/ipv4/ip_forward\n"
              "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding\n"
              "ip link set eth0 up; ip link set eth1 up; ip link set lo up\n"
              "ethtool -K eth0 tx off >/dev/null")
    outside.sh("ip link set lo up; ip link set eth0 up\n"
               "ip route add default via 203.0.113.1\n"
               "ip -6 route add default via 2001:db8:113::1")
    lab.underlay.sh("ethtool -K router tx off >/dev/null")
    return router, outside


def default_routes(subnets):
    """Lines of `ip -batch` for a host."""
    return [f"route add {EVERYTHING[s.version]} via {ROUTER[s.version]}"
            for s in subnets]


def _nodad(number):
    return ["nodad"] if number == 6 else []


def _make_node(lab, name):
    pid = spawn_init(lambda: _setup(name), lambda: sleep_forever(
        f"weft-lab/{lab.name}/{name}"), within=lab.underlay.pid)
    return Node(lab, name, pid)


def _setup(name):
    socket.sethostname(name)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    mount("proc", "/proc", "proc", flags)
    mount("sysfs", "/sys", "sysfs", flags)

# SPDX-License-Identifier: Apache-2.0
"""The floor of the scale benchmark: the same tunnels and flows written by
hand, with ovs-vsctl and ovs-ofctl, on a host whose weftd only prepared the
switch and was stopped.  scale.py uses it.
"""

import ipaddress
import re
import time

from attach import Lines, progress
from lab import LabError
from scale_agent import (BRIDGE, LEARNED, LOCATED, OUTPUT, Times,
                         add_times, one_more)
from scale_world import NETWORK, SUBNETS, VNI, World

COOKIE = 0xf100f                # None of weftd's.
FIRST_PORT = 2000               # Of the tunnels made here.
REPLICATE = 56


def peers_text(host, far):
    return (f"[network {NETWORK}]\nvni = {VNI}\n"
            + "".join(f"subnet = {s}\n" for s in SUBNETS)
            + f"[peer {host.name}]\naddress = {host.address}\n"
            + f"[peer far]\naddress = {far.address}\n")


class Floor:
    """'measured' is the host, with its weftd in the way of files."""

    def __init__(self, measured, world):
        self.measured = measured
        self.host = measured.host
        self.world = World(world.n_hosts, world.n_endpoints,
                           measured.far.host.address)
        self.ids = {}           # Of a host, as REG_OUT has it; = its ofport.
        self.flows = None
        self._next = FIRST_PORT

    def close(self):
        if self.flows:
            self.flows.close()

    def prepare(self):
        """Leaves the switch with two endpoints and the far host's tunnel."""
        m = self.measured
        m.start()
        m.wait_answer()
        m.attach()
        m.wait_flows({OUTPUT: 3}, 30, m.check)
        m.kill(15)
        flows = self.host.ovs_ofctl("--no-names", "dump-flows", BRIDGE,
                                    f"table={OUTPUT}")
        port = self.host.ovs_vsctl("get", "interface", "vx-far", "ofport")
        found = re.search(rf"reg2=(\w+) .*output:{port.strip()}\b", flows)
        if not found:
            raise LabError(f"no flow to the far host's tunnel in\n{flows}")
        self.ids["far"] = int(found[1], 0)
        # With a file, what nobody knows goes to every peer: not here.
        self.host.ovs_ofctl("del-flows", BRIDGE, f"table={REPLICATE}")
        self.flows = Lines(self.host, [m.programs / "scale_flows", BRIDGE])
        self.flows.receive(10)

    def endpoint_flows(self, row):
        head = f"cookie={COOKIE},priority=100,reg0={VNI}"
        to = f"set_field:{self.ids[row['host']]}->reg2"
        mac = f"set_field:0x{row['mac'].replace(':', '')}->xreg6"
        v6 = row["ipv6"]
        return (f"table={LEARNED},{head},dl_dst={row['mac']} actions={to}\n"
                f"table={LOCATED},{head},reg5={ipv4_number(row['ipv4'])} "
                f"actions={to},{mac}\n"
                f"table={LOCATED},{head},xxreg2={ipv6_number(v6)} "
                f"actions={to},{mac}\n")

    def peer_flows(self, number):
        head = f"cookie={COOKIE},priority=100"
        return (f"table=0,{head},in_port={number} "
                f"actions=set_field:{number}->reg1,goto_table:4\n"
                f"table={OUTPUT},{head},reg1=0,reg2={number} "
                "actions=move:NXM_NX_REG0[0..23]->NXM_NX_TUN_ID[0..23],"
                f"output:{number}\n")

    def add_ports(self, hosts, bfd=True):
        """Their tunnels in one transaction; returns the seconds until all
        are open: ovs-vsctl waits for that."""
        argv = []
        for name, address in hosts:
            number = self.ids[name] = self._next
            self._next += 1
            argv += ["--", "add-port", BRIDGE, f"fl{number}",
                     "--", "set", "interface", f"fl{number}", "type=vxlan",
                     "options:key=flow", f"options:remote_ip={address}",
                     f"ofport_request={number}"]
            if bfd:
                argv.append("bfd:enable=true")
        begin = time.monotonic()
        self.host.ovs_vsctl(*argv, timeout=300)
        return time.monotonic() - begin

    def add_flows(self, text):
        """In one bundle of an open connection; returns when it was sent and
        acknowledged, in ns."""
        path = "/run/scale.flows"
        self.host.path(path).write_text(text)
        self.flows.send(path)
        _, _, parsed, end = self.flows.receive(300).split()
        return int(parsed), int(end)

    def by_command(self, text):
        """The same by ovs-ofctl; returns when it began and ended, in ns."""
        begin = time.monotonic_ns()
        self.host.run(["ovs-ofctl", "-O", "OpenFlow15", "--bundle",
                       "add-flows", BRIDGE, "-"], stdin=text, timeout=300)
        return begin, time.monotonic_ns()

    def switch_load(self, seconds):
        before, begin = self.measured.switch_cpu(), time.monotonic()
        time.sleep(seconds)
        return ((self.measured.switch_cpu() - before)
                / (time.monotonic() - begin))

    def run(self, rounds, seconds):
        """All of it; the figures."""
        others = [h for h in self.world.hosts if h[0] != "far"]
        result = {"load, no tunnels": self.switch_load(min(5, seconds))}
        progress(f"floor: {len(others)} tunnels by hand")
        result["tunnels s"] = self.add_ports(others)
        time.sleep(3)
        result["load, tunnels with BFD"] = self.switch_load(seconds)

        rows = [self.world.endpoint() for _ in range(self.world.n_endpoints)]
        text = "".join(self.peer_flows(self.ids[name]) for name, _ in others)
        text += "".join(map(self.endpoint_flows, rows))
        progress(f"floor: {text.count(chr(10))} flows in one bundle")
        cpu = self.measured.switch_cpu()
        begin, end = self.add_flows(text)
        result["flows"] = text.count("\n")
        result["flows s"] = (end - begin) / 1e9
        result["flows, switch CPU s"] = self.measured.switch_cpu() - cpu

        progress("floor: one more endpoint, one more tunnel")
        for name, add, n in (
                ("one more endpoint", self.add_flows, rounds),
                ("one more endpoint, ovs-ofctl", self.by_command, 10)):
            times = Times()
            for _ in range(n):
                add_times(times, *one_more(
                    self.measured, self.world.endpoint("far"),
                    lambda row, add=add: add(self.endpoint_flows(row))))
            result[name] = times.figures()
        times = Times()
        for _ in range(min(rounds, 10)):
            host = self.world.peer()

            def put(row, host=host):
                begin = time.monotonic_ns()
                self.add_ports([host])
                text = (self.peer_flows(self.ids[host[0]])
                        + self.endpoint_flows(row))
                return begin, self.add_flows(text)[1]
            add_times(times, *one_more(self.measured,
                                       self.world.endpoint(host[0]), put))
        result["one more tunnel"] = times.figures()
        return result


def ipv4_number(text):
    return int(ipaddress.ip_address(text))


def ipv6_number(text):
    return hex(int(ipaddress.ip_address(text)))

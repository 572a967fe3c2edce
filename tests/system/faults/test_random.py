# SPDX-License-Identifier: Apache-2.0
"""Thousands of random steps: attach, detach, publish, changes of the peer file
and faults, on three hosts; in between all is compared with a model, and the
flows with what compile makes of that model at once (tests/golden).

The seed is printed.  The same walk again, or a longer one:

    WEFT_TEST_SEED=N WEFT_TEST_STEPS=100000 make check-system \\
        PYTEST_FLAGS='-s faults/test_random.py'
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import BUILD
from host import wait_for
from lab import Lab
from scene import LEARNED, OURS
from world import SOON, flat, hear, resources

STEPS = int(os.environ.get("WEFT_TEST_STEPS", 2500))
SEED = int(os.environ.get("WEFT_TEST_SEED", time.time()))
BETWEEN = 50                    # Steps from one comparison to the next.
ROOMS = 8                       # Namespaces of a host.
# Endpoints of a host.  Each may know each of its network, and all hosts of the
# machine share one neighbour table of 1,024 entries (gc_thresh3).
ENDPOINTS_MAX = 12
PORT = 4242
BASE = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
external = nat
[network red]
vni = 200
subnet = 10.1.0.0/16
[network grey]
vni = 16777215
subnet = 10.3.0.0/16
subnet = fd00:3::/64
gateway = 10.3.0.1
"""
NETWORKS = ("blue", "red", "grey")


class Refused(Exception):
    pass


class Client:
    """Speaks to a host's weftd as `weft` does, on one connection."""

    def __init__(self, host):
        self._host = host
        self._socket = None
        self._pid = None

    def ask(self, method, *args):
        """The answer, or Refused with the message."""
        pid = self._host.daemon_pid("weftd")
        if pid != self._pid:
            self.close()
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(20)
            self._socket.connect(str(self._host.path(
                f"/run/openvswitch/weftd.{pid}.ctl")))
            self._pid = pid
        self._socket.sendall(json.dumps({
            "id": 1, "method": method, "params": [*args, "--json"]}).encode())
        text = ""
        while True:
            data = self._socket.recv(1 << 20)
            assert data, f"{self._host.name}: weftd ended amid {method} {args}"
            text += data.decode()
            with contextlib.suppress(ValueError):
                answer = json.loads(text)
                break
        if answer["error"]:
            raise Refused(answer["error"].strip())
        return json.loads(answer["result"]) if answer["result"] else None

    def close(self):
        if self._socket:
            self._socket.close()
        self._socket = self._pid = None


class Model:
    """Of one host: what there should be."""

    def __init__(self, host):
        self.host = host
        self.client = Client(host)
        self.endpoints = {}         # Name to what attach answered.
        self.publishes = {}         # Host port to (endpoint, port).
        for i in range(ROOMS):
            host.netns(f"room{i}")

    def forget(self, name):
        del self.endpoints[name]
        self.publishes = {port: p for port, p in self.publishes.items()
                          if p[0] != name}


class Walk:
    def __init__(self, lab, rng):
        self.lab = lab
        self.rng = rng
        self.models = [Model(host) for host in lab.hosts]
        self.ghosts = set()         # Peers that are not there.
        self.spares = set()         # Networks that nobody is on.
        self.taken = 0
        self.done = []              # The steps, for a failure's message.
        self.no_wait = []           # For ovs-vsctl.

    # Steps.  Each returns what it did, or None if there was nothing to do.

    STEPS = {"attach": 30, "detach": 22, "attach_again": 4,
             "attach_otherwise": 4, "attach_many": 3, "publish": 4,
             "unpublish": 3, "ghost": 4, "spare": 4, "kill_agent": 3,
             "stop_agent": 1, "delete_port": 3, "delete_tunnel": 1,
             "delete_link": 3, "delete_inner_link": 2, "link_down": 2,
             "delete_flows": 2, "delete_groups": 1, "change_ids": 2,
             "delete_room": 3, "bad_peers": 2, "flush_rules": 1,
             "kill_switch": 0.4, "kill_database": 0.4, "several": 5}
    # What can be done though a daemon stands still: any, or one whose
    # database does not.
    LINKS = ("delete_link", "delete_inner_link", "link_down", "flush_rules")
    ROWS = ("delete_port", "delete_tunnel", "change_ids")
    # Of an endpoint's row.
    RECORD = {"weft-ip", "weft-mac", "weft-network", "weft-endpoint",
              "weft-bridge"}

    def step(self):
        names = list(self.STEPS)
        while True:
            name = self.rng.choices(names, self.STEPS.values())[0]
            model = self.rng.choice(self.models)
            did = getattr(self, name)(model)
            if did is not None:
                self.taken += 1
                self.done.append(f"{self.taken} {model.host.name} {name} "
                                 f"{did}")
                return

    def _a(self, model):
        """One of its endpoints."""
        return (self.rng.choice(sorted(model.endpoints))
                if model.endpoints else None)

    def attach(self, model):
        if len(model.endpoints) >= ENDPOINTS_MAX:
            return None
        # A namespace on two networks of the same addresses is confused by
        # nature.
        room = self.rng.randrange(ROOMS)
        network = NETWORKS[room % len(NETWORKS)]
        name = f"e{self.taken}"
        ifname = f"i{self.taken % 100000}"
        args = [f"room{room}", "--network", network, "--name", name,
                "--ifname", ifname]
        if self.rng.random() < 0.3:
            number = self.lab.hosts.index(model.host) + 1
            low = self.rng.randrange(2, 200)
            args += ["--ip", f"10.3.{250 + number}.{low}/16" if network == "grey"
                     else f"10.1.{250 + number}.{low}/16"]
        try:
            row = model.client.ask("attach", *args)
        except Refused as e:
            # Somebody has the address, and the message says so.
            assert "--ip" in args and " is taken by " in str(e), (args, e)
            return f"refused: {e}"
        model.endpoints[name] = row
        return args

    def attach_again(self, model):
        name = self._a(model)
        if name is None:
            return None
        row = model.endpoints[name]
        again = model.client.ask("attach", row["netns"], "--network",
                                 row["network"], "--name", name, "--ifname",
                                 row["ifname"])
        same = ("name", "network", "ip", "mac", "netns", "ifname")
        assert [again[k] for k in same] == [row[k] for k in same]
        return name

    def attach_otherwise(self, model):
        name = self._a(model)
        if name is None:
            return None
        row = model.endpoints[name]
        other = NETWORKS[NETWORKS.index(row["network"]) - 1]
        with pytest.raises(Refused, match=name):
            model.client.ask("attach", row["netns"], "--network", other,
                             "--name", name, "--ifname", row["ifname"])
        return name

    def attach_many(self, model):
        if len(model.endpoints) + 4 > ENDPOINTS_MAX:
            return None
        names = [f"m{self.taken}-{i}" for i in range(4)]
        model.client.ask("attach/many", "\n".join(
            f"room{2 + i % 2 * 3} --network grey --name {name} --ifname "
            f"m{self.taken % 10000}-{i}" for i, name in enumerate(names)))
        for name in names:
            model.endpoints[name] = model.client.ask("endpoint/show", name)
        return names

    def detach(self, model):
        name = self._a(model)
        if name is None:
            return None
        model.client.ask("detach", name)
        model.forget(name)
        return name

    def publish(self, model):
        names = [n for n, row in sorted(model.endpoints.items())
                 if row["network"] == "blue"]
        port = self.rng.randrange(20000, 20010)
        if not names or port in model.publishes:
            return None
        name = self.rng.choice(names)
        model.client.ask("publish", f"{port}:{name}:80")
        model.publishes[port] = name, 80
        return f"{port} {name}"

    def unpublish(self, model):
        if not model.publishes:
            return None
        port = self.rng.choice(sorted(model.publishes))
        model.client.ask("unpublish", str(port))
        del model.publishes[port]
        return port

    def _toggle(self, things, thing):
        things.symmetric_difference_update({thing})
        self.lab.write_peers(self.peers())
        return sorted(things)

    def ghost(self, _model):
        return self._toggle(self.ghosts, self.rng.randrange(3))

    def spare(self, _model):
        return self._toggle(self.spares, self.rng.randrange(3))

    def peers(self):
        text = BASE + "".join(
            f"[network spare{n}]\nvni = {1000 + n}\nsubnet = 10.{9 + n}.0.0/16"
            "\n" for n in sorted(self.spares))
        text = self.lab.peers_text(text)
        return text + "".join(
            f"\n[peer away{n}]\naddress = 192.168.50.{201 + n}\n"
            for n in sorted(self.ghosts))

    def bad_peers(self, _model):
        """Refused whole; then the right one again."""
        text = self.peers()
        cut = self.rng.randrange(len(text))
        bad = text[:cut] + "\n[peer hosta]\naddress = 300.1.1.1\n"
        self.lab.write_peers(bad)
        time.sleep(self.rng.random() / 50)
        self.lab.write_peers(text)
        return cut

    def _wait_recorded(self, model):
        """Until the agent has written again what somebody took from a row: it
        is the only record, of which the next agent knows."""
        def recorded():
            data = json.loads(model.host.ovs_vsctl(
                "-f", "json", "--columns=name,external_ids", "list",
                "Interface"))["data"]
            whole = {name for name, ids in data
                     if self.RECORD <= {key for key, _ in ids[1]}}
            lacks = [row["port"] for row in model.endpoints.values()
                     if row["port"] not in whole]
            assert not lacks, lacks
            return True
        wait_for(recorded, SOON, f"{model.host.name} has all its rows")

    def kill_agent(self, model):
        self._wait_recorded(model)
        model.host.kill_weftd()
        model.host.start_weftd()
        return ""

    def stop_agent(self, model):
        """With something that happens while it is away."""
        self._wait_recorded(model)
        model.host.stop_weftd()
        name = self._a(model)
        how = self.rng.choice(["nothing", "port", "link"])
        if name is None or how == "nothing":
            name = None
        elif how == "port":
            self._vsctl(model, "--if-exists", "del-port",
                        model.endpoints[name]["port"])
            model.forget(name)      # Its row was its only record.
        else:
            self._ip(model, "link", "del", model.endpoints[name]["port"])
        model.host.start_weftd()
        return f"{how} {name}"

    def delete_port(self, model):
        name = self._a(model)
        if name is None:
            return None
        self._vsctl(model, "--if-exists", "del-port",
                    model.endpoints[name]["port"])
        return name

    def delete_tunnel(self, model):
        port = "vx-" + self.rng.choice([h.name for h in self.lab.hosts
                                        if h is not model.host])
        self._vsctl(model, "--if-exists", "del-port", port)
        return port

    def _vsctl(self, model, *args):
        """The row may be gone for the moment."""
        model.host.run(["ovs-vsctl", *self.no_wait, *args], check=False)

    def _ip(self, model, *args, netns=None):
        """It may be just being made again."""
        return model.host.run(["ip", *args], check=False,
                              netns=netns).returncode

    def delete_link(self, model):
        name = self._a(model)
        if name is None:
            return None
        self._ip(model, "link", "del", model.endpoints[name]["port"])
        return name

    def delete_inner_link(self, model):
        name = self._a(model)
        if name is None:
            return None
        row = model.endpoints[name]
        self._ip(model, "link", "del", row["ifname"],
                 netns=row["netns"].rpartition("/")[2])
        return name

    def link_down(self, model):
        name = self._a(model)
        if name is None:
            return None
        self._ip(model, "link", "set", model.endpoints[name]["port"], "down")
        return name

    def delete_flows(self, model):
        match = self.rng.choice([[], ["table=12"], ["table=40"],
                                 [f"{OURS}000400000000/0xffffffff00000000"]])
        model.host.ovs_ofctl("del-flows", "br-weft", *match)
        return match

    def delete_groups(self, model):
        model.host.ovs_ofctl("del-groups", "br-weft")
        return ""

    def change_ids(self, model):
        name = self._a(model)
        if name is None:
            return None
        key = self.rng.choice(sorted(self.RECORD))
        self._vsctl(model, "remove", "Interface",
                    model.endpoints[name]["port"], "external_ids", key)
        return f"{name} {key}"

    def delete_room(self, model):
        """With what is in it; another of that name comes at once."""
        room = f"room{self.rng.randrange(ROOMS)}"
        path = f"/run/netns/{room}"
        model.host.ip("netns", "del", room)
        inside = [n for n, row in model.endpoints.items()
                  if row["netns"] == path]

        def gone():
            listed = {row["name"] for row in
                      model.client.ask("endpoint/list")}
            return not listed & set(inside)
        # The kernel takes its time to clear a namespace away.
        wait_for(gone, 4 * SOON, f"what was in {room} is gone: {inside}")
        for name in inside:
            model.forget(name)
        model.host.netns(room)
        return f"{room} {inside}"

    def flush_rules(self, model):
        model.host.sh("nft flush ruleset")
        return ""

    def kill_switch(self, model):
        model.host.kill_vswitchd()
        model.host.start_vswitchd()
        return ""

    def kill_database(self, model):
        model.host.kill_ovsdb()
        model.host.start_ovsdb()
        return ""

    def several(self, model):
        """Faults at once: of those that come while a daemon stands still it
        sees only what they made together, or its successor does."""
        host = model.host
        daemon = self.rng.choice(["ovs-vswitchd", "weftd", "ovsdb-server"])
        dies = self.rng.random() < 0.3
        steps = self.LINKS
        if daemon == "ovs-vswitchd" or daemon == "weftd" and not dies:
            steps += self.ROWS
        if daemon == "weftd":
            self._wait_recorded(model)
        did = [f"{daemon} {'dies' if dies else 'stands still'}"]
        host.kill(daemon, signal.SIGSTOP)
        self.no_wait = ["--no-wait"]
        try:
            for _ in range(self.rng.randrange(2, 5)):
                name = self.rng.choice(steps)
                did.append(f"{name} {getattr(self, name)(model)}")
                time.sleep(self.rng.random() / 10)
        finally:
            self.no_wait = []
            if dies:
                host.kill(daemon)
            else:
                host.kill(daemon, signal.SIGCONT)
        if dies:
            {"ovs-vswitchd": host.start_vswitchd, "weftd": host.start_weftd,
             "ovsdb-server": host.start_ovsdb}[daemon]()
        return ", ".join(did)

    # Comparisons.

    def compare(self):
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._compare_host, self.models))
        wait_for(self._right_ones_hear, SOON, "who hears whom")

    def _compare_host(self, model):
        wait_for(lambda: self._same(model), SOON,
                 f"{model.host.name} is as the model")

    def _same(self, model):
        host = model.host
        same = ("name", "network", "ip", "mac", "netns", "ifname")
        rows = host.weft_json("endpoint", "list")
        down = {row["name"]: row.get("reason") for row in rows
                if row["state"] != "up"}
        assert not down, f"down: {down}"
        found = {row["name"]: [row[k] for k in same] for row in rows}
        wanted = {name: [row[k] for k in same]
                  for name, row in model.endpoints.items()}
        assert found == wanted, differences(found, wanted)
        published = {p["hostport"]: (p["endpoint"], p["port"])
                     for p in host.weft_json("publish", "list")}
        assert published == model.publishes
        interfaces = self._interfaces(host)
        ports = {row["port"] for row in model.endpoints.values()}
        peers = {f"vx-{h.name}" for h in self.lab.hosts if h is not host}
        peers |= {f"vx-away{n}" for n in self.ghosts}
        assert {n for n in interfaces if n[:3] in ("wf-", "vx-")} == (
            ports | peers)
        links = {line.split(":")[1].split("@")[0].strip() for line in
                 host.ip("-o", "link").splitlines()}
        assert {n for n in links if n.startswith("wf-")} == ports
        self._compare_flows(model, interfaces)
        rules = host.sh("nft list table inet weft")
        for port in range(20000, 20010):
            assert (f"dport {port} " in rules) == (port in model.publishes)
        return True

    @staticmethod
    def _interfaces(host):
        """Name to (OpenFlow port, peer id)."""
        data = json.loads(host.ovs_vsctl(
            "-f", "json", "--columns=name,ofport,external_ids", "list",
            "Interface"))["data"]
        return {name: (ofport if isinstance(ofport, int) else 0,
                       dict(ids[1]).get("weft-peer-id"))
                for name, ofport, ids in data}

    def _compare_flows(self, model, interfaces):
        unopened = [name for name, (port, _) in interfaces.items()
                    if port <= 0]
        assert not unopened, unopened
        text = self.peers()
        text += f"#! external {interfaces['wx-br-weft'][0]}\n"
        for name, (port, peer) in interfaces.items():
            if peer is not None:
                text += f"#! peer {peer} {port}\n"
        for name, row in model.endpoints.items():
            text += "".join(f"#! publish {host_port} {port}\n" for
                            host_port, (endpoint, port) in
                            model.publishes.items() if endpoint == name)
            text += (f"#! endpoint {row['network']} "
                     f"{interfaces[row['port']][0]} {row['mac']} "
                     f"{' '.join(row['ip'])}\n")
        wanted = compiled(text)
        found = sorted(self._observed(model.host, interfaces))
        lacks = [f for f in wanted if f not in found]
        extra = [f for f in found if f not in wanted]
        assert not lacks and not extra, f"lacks {lacks}, too many {extra}"

    @staticmethod
    def _observed(host, interfaces):
        """As tests/golden writes it: tables by name, ports by number."""
        def number(match):
            return str(interfaces[match[1].strip('"')][0])
        for flow in host.flows():
            if flow.startswith(OURS) and not flow.startswith(LEARNED):
                flow = re.sub(r'(?<=in_port=)("[^"]*"|[a-z][^, ]*)', number,
                              flow)
                flow = re.sub(r'(?<=output:)("[^"]*"|[a-z][^, ]*)', number,
                              flow)
                yield flow.partition(", ")[2].replace(", ", ",")

    def _right_ones_hear(self):
        """Everybody sends to everybody's address; only those of the same
        network hear it."""
        sockets = {}
        with contextlib.ExitStack() as stack:
            for model in self.models:
                for name, row in model.endpoints.items():
                    s = stack.enter_context(model.host.open_socket(
                        row["netns"].rpartition("/")[2], socket.AF_INET,
                        socket.SOCK_DGRAM))
                    address = row["ip"][0].partition("/")[0]
                    try:
                        s.setsockopt(socket.SOL_SOCKET,
                                     socket.SO_BINDTODEVICE,
                                     row["ifname"].encode())
                        s.bind((address, PORT))
                    except OSError as e:    # It is just being made again.
                        raise AssertionError(f"inside {name}: {e}") from e
                    s.setblocking(False)
                    room = f"{model.host.name} {row['netns']}"
                    sockets[f"{model.host.name}/{name}"] = (
                        s, row["network"], address, room)
            wanted = {name: set() for name in sockets}
            for source, (s, network, _, room) in sockets.items():
                for target, (_, other, address, at) in sockets.items():
                    # Within one namespace it is the kernel's own affair.
                    if network == other and room != at:
                        with contextlib.suppress(OSError):
                            s.sendto(f"{source} {network}".encode(),
                                     (address, PORT))
                        wanted[target].add(f"{source} {network}")
            heard = hear({name: [s[0]] for name, s in sockets.items()},
                         wanted)
        for target in sockets:
            strange = heard[target] - wanted[target]
            if strange:
                raise RuntimeError(f"{target} hears {sorted(strange)}")
        lacks = {t: wanted[t] - heard[t] for t in sockets
                 if wanted[t] - heard[t]}
        assert not lacks, lacks
        return True


def differences(found, wanted):
    return [(name, found.get(name), wanted.get(name))
            for name in sorted(found.keys() | wanted.keys())
            if found.get(name) != wanted.get(name)]


def compiled(scenario):
    """The flows of a scenario, compiled at once, sorted."""
    golden = os.path.join(BUILD, "tests", "golden", "golden")
    text = subprocess.run([golden, "/dev/stdin"], input=scenario, text=True,
                          capture_output=True, check=True).stdout
    return sorted(line.replace(", ", ",") for line in text.splitlines()
                  if line.startswith("table="))


def test_random_steps():
    print(f"seed {SEED}, {STEPS} steps")
    rng = random.Random(SEED)
    with Lab(3, build=BUILD, networks=BASE, outside=True) as lab:
        lab.provoked = True
        lab.wait_healthy()
        walk = Walk(lab, rng)
        before = [resources(host) for host in lab.hosts]
        began = time.monotonic()
        try:
            while walk.taken < STEPS:
                for _ in range(BETWEEN):
                    walk.step()
                walk.compare()
        except BaseException:
            print(f"seed {SEED}; the last steps:", *walk.done[-200:],
                  sep="\n")
            raise
        print(f"{walk.taken} steps in {time.monotonic() - began:.0f} s")
        for model, was in zip(walk.models, before):
            model.client.ask("detach", "--all")
            model.client.close()
            wait_for(lambda m=model, w=was: flat(m.host, w), SOON,
                     f"nothing is left in the weftd of {model.host.name}")

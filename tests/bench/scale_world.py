# SPDX-License-Identifier: Apache-2.0
"""The world of the scale benchmark: a real clustered directory, and rows of
hosts and endpoints that exist nowhere else.

scale.py and scale_directory.py use it.  Knows nothing of weftd.
"""

import contextlib
import ipaddress
import json
import os
import re
import select
import socket
import subprocess
import time
from pathlib import Path

from lab import LabError, wait_for

TOP = Path(__file__).resolve().parents[2]
SCHEMA = TOP / "ovsdb" / "weft.ovsschema"
CLIENT_PORT, RAFT_PORT = 6650, 6651
NETWORK, VNI = "flat", 100
SUBNETS = ("10.0.0.0/12", "fd00:1::/64")
FIRST_IPV4 = int(ipaddress.ip_address("10.0.4.0"))  # Of what is simulated.
FIRST_IPV6 = int(ipaddress.ip_address("fd00:1::1:0:0"))
# The simulated hosts' underlay: behind one router that drops it all, so that
# nobody is asked by ARP for each of a thousand addresses that nobody has.
UNDERLAY = ipaddress.ip_network("100.64.0.0/12")
FAR_PEERS = 0x0f0000            # Of UNDERLAY: addresses that the far host has.
NETWORK_MAX = 1 << 19           # Endpoints that a network has room for.
ROWS = 1000                     # Of a transaction.
TICKS = os.sysconf("SC_CLK_TCK")


class Database:
    """A connection to an ovsdb-server, RFC 7047, for one database.

    'path' is that of a unix socket; of a host of the lab, with the host's
    /proc/PID/root in front.
    """

    def __init__(self, path, name="Weft"):
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._buffer = b""
        self._id = 0
        self.sent = self.replied = 0    # Times of the last transaction, ns.

    def close(self):
        self._socket.close()

    def fileno(self):
        return self._socket.fileno()

    def transact(self, *operations, database=None):
        """The results; LabError if one of them is an error."""
        self.send(*operations, database=database)
        return self.receive()

    def send(self, *operations, database=None):
        self._id += 1
        message = json.dumps({
            "id": self._id, "method": "transact",
            "params": [database or self.name, *operations]}).encode()
        self.sent = time.monotonic_ns()
        self._socket.sendall(message)

    def receive(self):
        """The results of what was sent."""
        while True:
            data = self._message()
            self.replied = time.monotonic_ns()
            answer = json.loads(data)
            if answer.get("id") == self._id:
                break
            if answer.get("method") == "echo":
                self._socket.sendall(json.dumps({
                    "id": answer["id"], "result": answer["params"],
                    "error": None}).encode())
        for result in answer["result"] or [{"error": answer["error"]}]:
            if result and result.get("error"):
                raise LabError(f"ovsdb-server: {result}")
        return answer["result"]

    def select(self, table, where=(), columns=None, database=None):
        operation = {"op": "select", "table": table, "where": list(where)}
        if columns:
            operation["columns"] = columns
        return self.transact(operation, database=database)[0]["rows"]

    def _message(self):
        """One message.  The server ends none with a newline, but sends the
        next only after something was asked, or for a probe."""
        depth_known = 0
        while True:
            end = self._end(depth_known)
            if end:
                message, self._buffer = self._buffer[:end], self._buffer[end:]
                return message
            depth_known = len(self._buffer)
            if not select.select([self._socket], [], [], 60)[0]:
                raise LabError("ovsdb-server: no answer in 60 s")
            data = self._socket.recv(1 << 20)
            if not data:
                raise LabError("ovsdb-server closed the connection")
            self._buffer += data

    def _end(self, known):
        if len(self._buffer) == known or not self._buffer.endswith(b"}"):
            return 0
        with contextlib.suppress(ValueError):
            return json.JSONDecoder().raw_decode(self._buffer.decode())[1]
        return 0


def insert(table, **row):
    return {"op": "insert", "table": table, "row": row}


def ovsdb_set(values):
    return ["set", list(values)]


class Server:
    """One ovsdb-server with the directory, on a host of the lab."""

    def __init__(self, host, folder=None, name="weft-directory"):
        self.host = host
        self.name = name
        # The host's /var/lib/openvswitch lies in memory.
        self.file = f"{folder or '/var/lib/openvswitch'}/{host.name}.db"
        self.socket = f"/run/openvswitch/{name}.sock"
        self.remote = f"tcp:{host.address}:{CLIENT_PORT}"
        self._known = {}        # VmRSS and such, when it was last asked.

    def create(self, first=None):
        """An empty database: of a cluster, joining that of 'first'."""
        own = f"tcp:{self.host.address}:{RAFT_PORT}"
        if first:
            self.host.run(["ovsdb-tool", "join-cluster", self.file, "Weft",
                           own, f"tcp:{first.host.address}:{RAFT_PORT}"])
        else:
            self.host.run(["ovsdb-tool", "create-cluster", self.file, SCHEMA,
                           own])

    def start(self, source=None):
        """'source' is what a relay relays; else the database is served."""
        self.host.run([
            "ovsdb-server", "--detach", "--no-chdir",
            f"--pidfile=/run/openvswitch/{self.name}.pid",
            f"--unixctl=/run/openvswitch/{self.name}.ctl",
            f"--log-file=/var/log/openvswitch/{self.name}.log",
            "-vconsole:off", f"--remote=punix:{self.socket}",
            f"--remote=ptcp:{CLIENT_PORT}", source or self.file])

    def stop(self):
        self.host.kill(self.name, 15)

    def connect(self):
        return Database(self.host.path(self.socket))

    def pid(self):
        return self.host.daemon_pid(self.name)

    def state(self):
        """The row of _Server about it: connected, leader and so on."""
        db = self.connect()
        try:
            rows = db.select("Database", [["name", "==", "Weft"]],
                             database="_Server")
        finally:
            db.close()
        return rows[0] if rows else {"connected": False, "leader": False}

    def memory(self):
        return memory(self.host, self.pid())

    def cpu(self):
        return cpu_seconds(self.host, self.pid())

    def file_size(self):
        return self.host.path(self.file).stat().st_size

    def compact(self):
        """Begins to; the process that waits for the end of it."""
        return self.host.popen(
            ["ovs-appctl", "-t", f"/run/openvswitch/{self.name}.ctl",
             "ovsdb-server/compact"], stdout=subprocess.DEVNULL)


class Cluster:
    """Three of them in a Raft cluster; joined and with a leader."""

    def __init__(self, hosts, folder=None):
        self.servers = [Server(host, folder) for host in hosts]
        first = self.servers[0]
        for server in self.servers:
            server.create(None if server is first else first)
            server.start()
        wait_for(lambda: all(s.state()["connected"] for s in self.servers),
                 30, "the cluster is joined")
        self.leader = wait_for(self._leader, 30, "there is a leader")

    @property
    def remotes(self):
        return ",".join(s.remote for s in self.servers)

    def followers(self):
        return [s for s in self.servers if s is not self.leader]

    def stop(self):
        for server in self.servers:
            server.stop()

    def _leader(self):
        return next((s for s in self.servers if s.state()["leader"]), None)


class World:
    """What stands in the directory: 'hosts' other hosts with 'endpoints'.

    The last host is the one that has something at its address: 'far'.  Of
    more than 'network' endpoints, so many go into each network.
    """

    def __init__(self, hosts, endpoints, far, network=NETWORK_MAX):
        self.n_hosts = hosts
        self.n_endpoints = endpoints
        self.network = network
        self.hosts = [(f"sim{i:05}", str(UNDERLAY[0x100 + i]))
                      for i in range(hosts - 1)] + [("far", far)]
        self._next = 0
        self._next_peer = 0

    def endpoint(self, host=None, vni=VNI):
        """The row of a new endpoint, of that host, or of each in turn."""
        i, self._next = self._next, self._next + 1
        return {
            "network": vni,
            "mac": "0a:58:" + ":".join(f"{i >> s & 255:02x}"
                                       for s in (24, 16, 8, 0)),
            "part": 0,
            "ipv4": str(ipaddress.IPv4Address(FIRST_IPV4 + i)),
            "ipv6": str(ipaddress.IPv6Address(FIRST_IPV6 + i)),
            "name": f"e{i}",
            "host": host or self.hosts[i % len(self.hosts)][0]}

    def peer(self):
        """Name and address of one more host; the far host has the address."""
        i, self._next_peer = self._next_peer, self._next_peer + 1
        return f"near{i}", str(UNDERLAY[FAR_PEERS + i])

    @staticmethod
    def create(db):
        """The network, and nobody in it."""
        db.transact(insert("Directory", dead_after=0),
                    insert("Network", name=NETWORK, vni=VNI,
                           subnet=ovsdb_set(SUBNETS)))

    def operations(self):
        """All hosts, then all endpoints."""
        now = int(time.time())
        for name, address in self.hosts:
            yield insert("Host", name=name, address=address, version="1.0")
            yield insert("Heartbeat", host=name, seen=now)
        for i in range(self.n_endpoints):
            yield insert("Endpoint",
                         **self.endpoint(vni=VNI + i // self.network))

    def fill(self, db):
        """Puts them in.  Returns rows and seconds."""
        begin = time.monotonic()
        batch, n = [], 0
        for operation in self.operations():
            batch.append(operation)
            n += 1
            if len(batch) == ROWS:
                db.transact(*batch)
                batch = []
        if batch:
            db.transact(*batch)
        return n, time.monotonic() - begin


# What the kernel tells of a process of a host.

def memory(host, pid):
    """VmRSS and VmHWM, in MB."""
    text = host.path(f"/proc/{pid}/status").read_text()
    return [int(re.search(rf"^{name}:\s*(\d+)", text, re.M)[1]) / 1024
            for name in ("VmRSS", "VmHWM")]


def cpu_seconds(host, pid):
    """Of all its threads, to the nanosecond; those that ended lost."""
    total = 0
    for task in host.path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def median(values):
    return quantile(values, 0.5)


def quantile(values, part):
    values = sorted(values)
    if not values:
        return None
    return values[min(len(values) - 1, int(part * len(values)))]

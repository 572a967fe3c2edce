# SPDX-License-Identifier: Apache-2.0
"""The shared directory of a lab, in place of one peers.conf: one ovsdb-server
beside the hosts, or a Raft cluster on the first three of them.

    Lab(directory="tcp")        directory eth0 -- underlay, 192.168.50.2
        The server is on a machine of its own, lab["directory"], and open to
        everybody by TCP.
    Lab(directory="cluster")    hosta, hostb, hostc
        One server each, with TLS; what comes by the network has the role
        weft-host, so a host writes its own rows only.

lab.directory is a Directory.  A test breaks it, or one of its servers:

    lab.directory.stop(), kill(), pause(), resume(), start()
    lab.directory.leader().kill()
    lab.directory.servers[2].pause()

and looks into it, or writes, as root does on a server, past all roles:

    lab.directory.rows("Endpoint", "mac", "host")
    lab.directory.transact({"op": "delete", "table": "Network", "where": []})

Files and ports are those that `weft directory` uses.  Servers are made with
Open vSwitch's own tools, so that tests of faults need nothing else.
"""

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

from host import CommandFailed, LabError, wait_for
from namespaces import process_stat

__all__ = ["KINDS", "Directory", "parse_networks"]

KINDS = ("tcp", "cluster")
NAME = "directory"              # Of the machine with the one server.
NUMBER = 2                      # Of its address.
SERVERS = 3                     # Of a cluster.
PORT, RAFT_PORT = 6650, 6651
SCHEMA = Path(__file__).resolve().parents[2] / "ovsdb" / "weft.ovsschema"

DAEMON = "weft-directory"       # What its pid, ctl, sock and log are called.
RUN = "/run/openvswitch"
DATABASE = "/var/lib/weft/directory.db"
TLS = "/etc/weft/tls"
TLS_OPTIONS = [f"--private-key={TLS}/host-key.pem",
               f"--certificate={TLS}/host.pem", f"--ca-cert={TLS}/ca.pem"]

ROLE = "weft-host"
# Table: the column with the owner's name, what else the owner may update.
PERMISSIONS = {"Host": ("name", ["address", "port", "version"]),
               "Heartbeat": ("host", ["seen"]),
               "Endpoint": ("host", []),
               "Claim": ("host", [])}


class Server:
    """One ovsdb-server, on a host of the lab."""

    def __init__(self, directory, host):
        self.directory = directory
        self.host = host

    @property
    def name(self):
        return self.host.name

    @property
    def unix(self):
        """Its unix socket, for whoever is not on its host."""
        return f"unix:{self.host.path(f'{RUN}/{DAEMON}.sock')}"

    @property
    def remote(self):
        """How weftd reaches it."""
        return self._address("ssl" if self.directory.tls else "tcp", PORT)

    @property
    def port(self):
        """What it listens to for that, after the scheme."""
        any_address = "[::]" if ":" in self.host.address else "0.0.0.0"
        return f"{PORT}:{any_address}"

    @property
    def raft(self):
        return self._address("ssl", RAFT_PORT)

    def _address(self, scheme, port):
        a = self.host.address
        return f"{scheme}:{f'[{a}]' if ':' in a else a}:{port}"

    def is_running(self):
        return self.host.is_running(DAEMON)

    def answers(self):
        """Whether it runs and is not paused."""
        stat = self.is_running() and process_stat(
            self.host.daemon_pid(DAEMON), self.host.path("/proc"))
        return bool(stat) and stat[0] != "T"

    def start(self):
        """In a cluster it may not have joined yet: see wait_connected()."""
        remotes = [f"punix:{RUN}/{DAEMON}.sock"]
        if self.directory.tls:
            remotes.append("db:Weft,Directory,connections")
        else:
            remotes.append(f"ptcp:{self.port}")
        self.host._start(DAEMON, " ".join([
            "ovsdb-server --detach --no-chdir",
            f"--pidfile={RUN}/{DAEMON}.pid --unixctl={RUN}/{DAEMON}.ctl",
            f"--log-file=/var/log/openvswitch/{DAEMON}.log",
            *(f"--remote={remote}" for remote in remotes),
            *(TLS_OPTIONS if self.directory.tls else []), DATABASE]))

    def stop(self):
        self.host.kill(DAEMON, signal.SIGTERM)

    def kill(self):
        self.host.kill(DAEMON, signal.SIGKILL)

    def pause(self):
        """Frozen: connections stay, and nothing is answered."""
        self.host.kill(DAEMON, signal.SIGSTOP)

    def resume(self):
        self.host.kill(DAEMON, signal.SIGCONT)

    def appctl(self, *args, **options):
        return self.host.ovs_appctl(*args, target=f"{RUN}/{DAEMON}.ctl",
                                    **options)

    def role(self):
        """In its cluster: "leader", "follower", "candidate", or None of a
        server that does not answer."""
        if not self.answers():
            return None
        try:
            text = self.appctl("-T", "2", "cluster/status", "Weft")
        except LabError:
            return None
        return re.search(r"^Role: (\S+)", text, re.MULTILINE)[1]

    def wait_connected(self, timeout=30):
        """Until it serves the database: it is in a cluster with a leader."""
        _run(["ovsdb-client", f"--timeout={timeout}", "wait", self.unix,
              "Weft", "connected"])

    def log(self):
        return self.host.log(DAEMON)

    # Its file.

    def create(self, source=SCHEMA, first=None):
        """Makes its database anew, of the schema or of a backup; in a cluster
        it joins 'first', if that is given."""
        if not self.directory.clustered:
            command = f"ovsdb-tool create {DATABASE} {SCHEMA}"
            if source != SCHEMA:
                command = f"cat >{DATABASE}"
        elif first:
            command = (f"ovsdb-tool join-cluster {DATABASE} Weft {self.raft}"
                       f" {first.raft}")
        else:
            command = (f"cat >{RUN}/source\n"
                       f"ovsdb-tool create-cluster {DATABASE} {RUN}/source"
                       f" {self.raft}\nrm {RUN}/source")
        self.host.sh(f"rm -f {DATABASE} {Path(DATABASE).parent}/.*.~lock~\n"
                     + command, stdin=Path(source).read_text())


class Directory:
    """All of it, whether it is one server or a cluster."""

    def __init__(self, lab, kind):
        if kind not in KINDS:
            raise LabError(f"{kind}: a directory is {' or '.join(KINDS)}")
        self.lab = lab
        self.kind = kind
        self.clustered = self.tls = kind == "cluster"
        self.servers = []
        self.host = None        # The machine of its own, if there is one.
        self._ca = lab.dir / "ca"
        self._columns = json.loads(SCHEMA.read_text())["tables"]

    @property
    def remote(self):
        """What weftd's --directory is given."""
        return ",".join(server.remote for server in self.servers)

    def weftd_options(self, host):
        return [f"--directory={self.remote}", f"--address={host.address}",
                *(TLS_OPTIONS if self.tls else [])]

    # Faults, of all servers.

    def start(self):
        """Starts what does not run; returns when the database is served."""
        for server in self.servers:
            if not server.is_running():
                server.start()
        for server in self.servers:
            server.wait_connected()

    def stop(self):
        self._each(Server.stop)

    def kill(self):
        self._each(Server.kill)

    def pause(self):
        self._each(Server.pause)

    def resume(self):
        self._each(Server.resume)

    def _each(self, action):
        for server in self.servers:
            if server.is_running():
                action(server)

    def leader(self, timeout=10):
        """The server that leads the cluster, or the only one."""
        if not self.clustered:
            return self.servers[0]
        return wait_for(
            lambda: next((s for s in self.servers if s.role() == "leader"),
                         None), timeout, "a server leads the cluster")

    def __getitem__(self, name):
        for server in self.servers:
            if server.name == name:
                return server
        raise LabError(f"no server of the directory is on {name}")

    # Its contents.

    def transact(self, *ops, by=None, check=True, timeout=10):
        """The results of one transaction.  Those of 'by', a host, go over the
        network with its certificate, so with its rights.  An operation that
        fails raises LabError unless 'check' is off."""
        request = json.dumps(["Weft", *ops])
        command = ["ovsdb-client", f"--timeout={timeout}"]
        leader = self.leader(timeout)
        if by:
            text = by.run([*command, *(TLS_OPTIONS if self.tls else []),
                           "transact", leader.remote, request],
                          timeout=timeout + 5).stdout
        else:
            text = _run([*command, "transact", leader.unix, request])
        results = json.loads(text)
        errors = [r for r in results if r and "error" in r]
        if check and errors:
            raise LabError(f"the directory refused {request}: {errors}")
        return results

    def rows(self, table, *columns, where=(), by=None):
        """Rows as dictionaries of 'columns', or of all.  A set is a sorted
        list, an optional value None or the value."""
        select = {"op": "select", "table": table, "where": list(where)}
        if columns:
            select["columns"] = list(columns)
        result, = self.transact(select, by=by)
        return [{name: self._value(table, name, value)
                 for name, value in row.items()} for row in result["rows"]]

    def _value(self, table, column, value):
        kind = self._columns[table]["columns"].get(column, {}).get("type")
        if isinstance(value, list) and value[0] == "map":
            return {key: _atom(v) for key, v in value[1]}
        if not isinstance(kind, dict) or kind.get("max", 1) == 1:
            return None if value == ["set", []] else _atom(value)
        is_set = isinstance(value, list) and value[0] == "set"
        return sorted(map(_atom, value[1] if is_set else [value]))

    def load(self, text):
        """Adds the networks, routers and peers of a peer file's text."""
        ops = [{"op": "insert", "table": table, "row": row}
               for table, row in parse_networks(text)]
        if ops:
            self.transact(*ops)

    def backup(self):
        """Writes all that is in it to a new file, and returns its path."""
        number = len(list(self.lab.dir.glob("backup*")))
        path = self.lab.dir / f"backup{number}.db"
        path.write_text(_run(["ovsdb-client", "--timeout=10", "backup",
                              self.leader().unix, "Weft"]))
        return path

    def restore(self, path):
        """Puts a backup into the running database, in one transaction."""
        with open(path, encoding="utf-8") as file:
            _run(["ovsdb-client", "--timeout=10", "restore",
                  self.leader().unix, "Weft"], stdin=file)

    def replace_db(self, path):
        """Stops it and starts it with the file of a backup() in place of its
        own: for its clients, another database of the same name."""
        self._each(Server.stop)
        self._create(path)

    # What the lab does with it.

    def make(self):
        """The machine with the one server, before there are hosts."""
        self.host = self.lab._spawn_host(NAME, NUMBER, ovs=False)
        self.lab._plug([self.host])
        self.host._end(self.host._begin(self.host._network_script(False)),
                       NAME)
        self.servers = [Server(self, self.host)]
        self._create()
        self.transact(*_settings(self.servers[0]))

    def welcome(self, hosts):
        """Gives new hosts what they need; the first ones are the servers."""
        if self.tls:
            for host in hosts:
                self.certify(host.name, host.path(TLS))
        if not self.servers:
            self.servers = [Server(self, host) for host in hosts[:SERVERS]]
            self._create()
            self.transact(*_settings(self.servers[0]))

    def certify(self, name, where):
        """A key and a certificate of that name, as host-key.pem, host.pem and
        ca.pem in the directory 'where'."""
        where = Path(where)
        if not self._ca.exists():
            self._ca.mkdir(mode=0o700)
            _openssl("req", "-x509", *NEW_KEY, "-days", "30",
                     "-subj", "/CN=the lab's authority",
                     "-keyout", self._ca / "ca-key.pem",
                     "-out", self._ca / "ca.pem")
        request = self._ca / "request.pem"
        _openssl("req", *NEW_KEY, "-subj", f"/CN={name}",
                 "-keyout", where / "host-key.pem", "-out", request)
        _openssl("x509", "-req", "-in", request, "-days", "30",
                 "-CA", self._ca / "ca.pem", "-CAcreateserial",
                 "-CAkey", self._ca / "ca-key.pem",
                 "-out", where / "host.pem")
        shutil.copy(self._ca / "ca.pem", where / "ca.pem")

    def _create(self, source=SCHEMA):
        first, *others = self.servers
        first.create(source)
        first.start()
        first.wait_connected()
        for server in others:
            server.create(first=first)
            server.start()
        for server in others:
            server.wait_connected()

    def state(self):
        host = self.host
        return {"kind": self.kind,
                "servers": [server.name for server in self.servers],
                "host": host and host.state()}

    def restore_state(self, state, host):
        self.host = host
        hosts = {h.name: h for h in self.lab.hosts + ([host] if host else [])}
        self.servers = [Server(self, hosts[n]) for n in state["servers"]]


def parse_networks(text):
    """The rows that a peer file stands for, as (table, row).  It is taken to
    be one that weftd accepts."""
    rows = []
    for line in text.splitlines():
        line = re.split(r"(?:^|\s)[;#]", line)[0].strip()
        section = re.fullmatch(r"\[(network|router|peer) (\S+)\]", line)
        if section:
            kind, name = section.groups()
            table = {"peer": "Host"}.get(kind, kind.title())
            rows.append((table, {"name": name}))
            if kind == "peer":
                rows[-1][1]["version"] = ""
        elif line:
            key, _, value = (part.strip() for part in line.partition("="))
            _add_key(rows[-1][1], key.replace("-", "_"), value)
    return rows


def _add_key(row, key, value):
    if key in ("subnet", "gateway", "dns", "route", "networks"):
        values = re.split(r"[,\s]+", value) if key == "networks" else [value]
        row.setdefault(key, ["set", []])[1].extend(values)
    elif key in ("vni", "port"):
        row[key] = int(value)
    elif key == "dhcp":
        row[key] = value == "on"
    elif key != "slice":        # A directory needs none.
        row[key] = value


def _settings(server):
    """The rows that stand in every directory: settings, listeners, rights."""
    settings = {"dead_after": 0}
    ops = [{"op": "insert", "table": "Directory", "row": settings}]
    if server.directory.tls:
        settings["connections"] = ["named-uuid", "listener"]
        ops.append({"op": "insert", "table": "Connection",
                    "uuid-name": "listener",
                    "row": {"target": f"pssl:{server.port}", "role": ROLE}})
    permissions = []
    for table, (owner, update) in PERMISSIONS.items():
        name = f"may_{table.lower()}"
        permissions.append([table, ["named-uuid", name]])
        ops.append({"op": "insert", "table": "RBAC_Permission",
                    "uuid-name": name,
                    "row": {"table": table, "authorization": owner,
                            "insert_delete": True,
                            "update": ["set", update]}})
    ops.append({"op": "insert", "table": "RBAC_Role",
                "row": {"name": ROLE, "permissions": ["map", permissions]}})
    return ops


def _atom(value):
    """The text of a UUID, or the value itself."""
    return value[1] if isinstance(value, list) else value


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*args):
    _run(["openssl", *map(str, args)])


def _run(argv, stdin=subprocess.DEVNULL):
    result = subprocess.run(argv, stdin=stdin, text=True, capture_output=True,
                            check=False)
    if result.returncode:
        raise CommandFailed(result, "the directory")
    return result.stdout

#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A lab: several hosts on this one machine, each with an Open vSwitch and a
weftd of its own, joined by an underlay segment.

The system tests use it as a module, ./quickstart as a command.

What a host is
    A set of namespaces (mount, network, UTS, PID) held by one process, the
    host's init.  Inside, the default paths of Open vSwitch and of weft are
    the host's own: /run is fresh; /etc is the machine's with a layer of its
    own above; the database lives in memory; the logs of /var/log/openvswitch
    lie in the lab's directory; and /etc/weft is ONE directory that all hosts
    of the lab share, as they would by NFS or by a configuration tool.  So
    `weft status` or `ovs-vsctl show` need no option and no environment.

Who keeps whom alive
    The lab's init is the first process of the lab's PID namespace.  It owns
    the underlay's network namespace, and the PID namespaces of all hosts lie
    inside its own:

        owner (a test, `lab.py up`)
          | lifeline: a pipe that the init reads from
        the lab's init          network namespace with the bridge `underlay`
          +- hosta's init       eth0 <-> hosta on that bridge, 192.168.50.11
          |    +- ovsdb-server, ovs-vswitchd, weftd, whatever is run there
          +- hostb's init       eth0 <-> hostb on that bridge, 192.168.50.12

    When the owner ends, however that happens, the lifeline closes, the init
    removes the lab's directory and ends; the kernel then kills everything in
    its PID namespace and drops what only they held: links, mounts, network
    namespaces.  Nothing of a lab is ever visible in the machine's own
    namespaces but the processes and /run/weft-lab/NAME.  `lab.py up` cuts
    its lab loose at the end; `lab.py down` kills that one process.
"""

import argparse
import contextlib
import ipaddress
import json
import os
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import directory as shared
import guesthost
import outside as beyond
from host import (OVS_DAEMONS, CommandFailed, Host, LabError, Node,
                  make_run_dir, remove_run_dir, setup_host, wait_for)
from namespaces import (MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC,
                        PR_SET_NAME, NamespaceError, kill_and_wait, mount,
                        process_alive, sleep_forever, spawn_init, syscall)
from outside import default_routes, nth_address

__all__ = ["CommandFailed", "Host", "Lab", "LabError", "Node", "wait_for"]

LABS = Path("/run/weft-lab")
TOP = Path(__file__).resolve().parents[2]
UNDERLAYS = {
    "ipv4": ["192.168.50.0/24"],
    "ipv6": ["fd50::/64"],
    "both": ["192.168.50.0/24", "fd50::/64"],
}
NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
"""
MAX_HOSTS = 200                 # The addresses that an underlay has for them.
NAME_CHARACTERS = set(string.ascii_letters + string.digits + "-_")


class Lab:
    """Makes a lab at once, and removes it at close().

    hosts       how many, named hosta, hostb and so on
    name        unique on the machine; made up if not given
    build       where weft and weftd were built
    networks    text for the top of peers.conf; all hosts are its peers
    underlay    "ipv4", "ipv6" or "both" (IPv4 is then the peers' address)
    mtu         of the underlay
    nat         give every host an eth1 with the same 10.0.2.15/24 and a
                default route over it, as Vagrant does
    weftd       start the agents; else only the switches
    outside     a router, the hosts' way out, and a server behind it:
                lab["router"] and lab["outside"].  See outside.py.
    outside_mtu of the segment between those two
    directory   "tcp" or "cluster": the hosts share a database, which
                self.directory is, in place of peers.conf.  See directory.py.
    guests      whether hosts are virtual machines with the kernel's datapath
                (guesthost.py) instead of namespaces with the userspace one;
                if not said, as $WEFT_LAB has it: "guests" or nothing
    """

    def __init__(self, hosts=2, name=None, build=None, networks=NETWORKS,
                 underlay="ipv4", mtu=1500, nat=False, weftd=True,
                 outside=False, outside_mtu=1500, directory=None,
                 guests=None):
        if os.geteuid() != 0:
            raise LabError("a lab needs root")
        if not 0 <= hosts <= MAX_HOSTS:
            raise LabError(f"a lab has at most {MAX_HOSTS} hosts")
        if nat and outside:
            raise LabError("nat and outside: a host has one default route")
        if directory == "cluster" and hosts < shared.SERVERS:
            raise LabError(f"a cluster has {shared.SERVERS} hosts or more")
        self.name = name or f"lab{os.getpid()}-{time.monotonic_ns() % 10**9}"
        self.dir = _lab_dir(self.name)
        self.build = Path(build or TOP / "_build").resolve()
        self.hosts = []
        self.beyond = []        # The nodes of outside.py.
        self.directory = (shared.Directory(self, directory) if directory
                          else None)
        self.weft_dir = self.dir / "weft"
        self.guests = (os.environ.get("WEFT_LAB") == "guests"
                       if guests is None else guests)
        # A test changes the switch behind its agent's back, so that the
        # switch may have to refuse what the agent asks for.
        self.provoked = False
        self._subnets = [ipaddress.ip_network(n) for n in UNDERLAYS[underlay]]
        self._mtu = mtu
        self._nat = nat
        self._outside = outside
        self._outside_mtu = outside_mtu
        self._number = 11       # Of the next host, in its addresses.
        self._lifeline = None
        self._made = False
        self._closed = False
        try:
            self._create()
            self.add_hosts([_host_name(i) for i in range(hosts)],
                           networks=networks, weftd=weftd)
        except (LabError, NamespaceError) as e:
            self._remove(keep=bool(self.hosts))
            if self.kept:
                raise LabError(f"{e}\nlogs: {self.kept}") from e
            raise
        except BaseException:
            self._remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close(failed=kind is not None)
        if self.kept:
            print(f"lab {self.name}: logs in {self.kept}", file=sys.stderr)

    def __getitem__(self, name):
        if name == "underlay":
            return self.underlay
        nodes = self.hosts + self.beyond + self._directory_hosts()
        for node in nodes:
            if node.name == name:
                return node
        raise LabError(f"no host {name} in lab {self.name}: there are "
                       + ", ".join(n.name for n in nodes) + " and underlay")

    # Making.

    def add_host(self, name=None, ovs=True, weftd=True):
        """One more host, in the peer file if it has an Open vSwitch."""
        name = name or _host_name(len(self.hosts))
        return self.add_hosts([name], ovs, weftd)[0]

    def add_hosts(self, names, ovs=True, weftd=True, networks=None):
        for name in names:
            if (name in [h.name for h in self.hosts]
                    or name in ("underlay", shared.NAME, *beyond.NAMES)
                    or not 0 < len(name) <= 11):
                raise LabError(f"{name}: not usable as a host's name")
        machines = (guesthost.pool().take(len(names), self.build)
                    if ovs and self.guests else [None] * len(names))
        added = [self._make_host(name, ovs, machine)
                 for name, machine in zip(names, machines)]
        self._plug(added)
        self._name_hosts()
        if networks is not None:
            self._networks = networks
        if ovs and not self.directory:
            self.write_peers(self.peers_text())
        routes = default_routes(self._subnets) if self._outside else ()
        scripts = {}
        for host in added:
            scripts[host] = host._network_script(self._nat, routes)
            if ovs:
                scripts[host] += (f"{host._ovsdb_script()}\n"
                                  f"{host._vswitchd_script()}\n")
        if self.directory:
            # Some of these hosts may be its servers, and weftd looks for it.
            self._run_scripts(scripts)
            self.directory.welcome(added)
            if networks is not None:
                self.directory.load(networks)
            scripts = dict.fromkeys(added, "")
        if ovs and weftd:
            for host in added:
                scripts[host] += host._weftd_script() + "\n"
        self._run_scripts(scripts)
        self._write_state()
        return added

    def _run_scripts(self, scripts):
        """Host to script, all at the same time."""
        begun = [host._begin(script) for host, script in scripts.items()]
        for host, process in zip(scripts, begun):
            host._end(process, "the host")

    def peers_text(self, networks=None):
        """A peers.conf of the networks and of all hosts with a switch."""
        text = self._networks if networks is None else networks
        for host in self.hosts:
            if host.ovs:
                text += f"\n[peer {host.name}]\naddress = {host.address}\n"
        return text

    def write_peers(self, text):
        """Replaces the one /etc/weft/peers.conf of all hosts, atomically."""
        new = self.weft_dir / ".peers.conf.new"
        if isinstance(text, bytes):
            new.write_bytes(text)
        else:
            new.write_text(text)
        new.rename(self.weft_dir / "peers.conf")
        for host in self.hosts:
            host.take_peers(self.weft_dir / "peers.conf")

    def wait_healthy(self, timeout=10):
        """Until every weftd calls itself healthy: its tunnels are up."""
        for host in self.hosts:
            if host.ovs:
                host.wait_healthy(timeout)

    def settle(self):
        """Until no link that came or went disturbs traffic any more."""
        for host in self.hosts:
            host.settle()

    def _create(self):
        _sweep()
        try:
            make_run_dir(self.dir)
        except FileExistsError:
            raise LabError(f"there is a lab {self.name} already") from None
        self._made = True
        self.weft_dir.mkdir()
        (self.weft_dir / "tls").mkdir()
        reading, self._lifeline = os.pipe()
        try:
            pid = spawn_init(self._setup_underlay,
                             lambda: self._outlive(reading),
                             lifeline=reading)
        finally:
            os.close(reading)
        self.underlay = Node(self, "underlay", pid)
        self._write_state()
        self.ip_batch(["link set lo up",
                        f"link add underlay mtu {self._mtu} type bridge"
                        " forward_delay 0 mcast_snooping 0",
                        "link set underlay up"])
        if self._outside:
            self.beyond = beyond.make(self, self._subnets, self._mtu,
                                      self._outside_mtu)
        if self.directory and not self.directory.clustered:
            self.directory.make()

    def _outlive(self, lifeline):
        """The lab's init: stays as long as its owner, or longer if told."""
        syscall("prctl", PR_SET_NAME, b"weft-lab", 0, 0, 0)
        if os.read(lifeline, 1):
            sleep_forever(f"weft-lab/{self.name}")
        remove_run_dir(self.dir)

    def _setup_underlay(self):
        socket.sethostname("underlay")
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)

    def _make_host(self, name, ovs, machine):
        host = self._spawn_host(name, self._number, ovs, machine)
        self._number += 1
        self.hosts.append(host)
        return host

    def _spawn_host(self, name, number, ovs, machine=None):
        (self.dir / name).mkdir()
        addresses = [nth_address(net, number) for net in self._subnets]
        if machine:
            return guesthost.GuestHost(self, name, machine, addresses)
        pid = spawn_init(
            lambda: setup_host(name, self.dir / name, self.weft_dir),
            lambda: sleep_forever(f"weft-lab/{self.name}/{name}"),
            within=self.underlay.pid)
        return Host(self, name, pid, addresses, ovs)

    def _directory_hosts(self):
        """The machine of the directory, if it has one of its own."""
        host = self.directory and self.directory.host
        return [host] if host else []

    def _plug(self, hosts):
        """Cables from the hosts to the underlay."""
        batch = []
        for host in hosts:
            mtu = f"mtu {self._mtu}"
            name, pid = host.plug
            batch += [f"link add {host.name} {mtu} type veth peer name {name}"
                      f" {mtu} netns {pid}",
                      f"link set {host.name} master underlay up"]
            if self._nat and name == "eth0":
                batch += [f"link add nat-{host.name} type veth peer name eth1"
                          f" netns {host.pid}",
                          f"link set nat-{host.name} up"]
        self.ip_batch(batch)
        # As in _network_script(): whole checksums only.
        self.underlay.sh("".join(f"ethtool -K {host.name} tx off >/dev/null\n"
                                 for host in hosts))
        for host in hosts:
            host.plugged()

    def ip_batch(self, lines):
        """Lines for `ip -batch`, on the underlay."""
        # Only the network namespace: the pids in it are those out here.
        result = subprocess.run(
            ["nsenter", f"--net=/proc/{self.underlay.pid}/ns/net",
             "ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True,
            capture_output=True, check=False)
        if result.returncode:
            raise CommandFailed(result, self.name)

    def _name_hosts(self):
        """Every host knows all of them by name."""
        hosts = self.hosts + self._directory_hosts()
        text = "127.0.0.1 localhost\n::1 localhost\n" + "".join(
            f"{a.ip} {h.name}\n" for h in hosts for a in h.addresses)
        if self._outside:
            text += "".join(f"{a} outside\n" for a in beyond.OUTSIDE)
        for host in hosts:
            with contextlib.suppress(FileNotFoundError):    # Its plug is out.
                host.path("/etc/hosts").write_text(text)

    # Ending.

    def close(self, failed=False):
        """Removes the lab.  Raises LabError if a daemon of it had crashed or
        a sanitizer had something to say; then, and when the caller says that
        it 'failed', the logs are kept and self.kept tells where."""
        if self._closed:
            return
        # All at once, and so below: what is emulated takes its time.
        with ThreadPoolExecutor() as threads:
            problems = sum(threads.map(lambda host: list(host._problems()),
                                       self.hosts + self._directory_hosts()),
                           [])
        self._remove(keep=failed or bool(problems))
        if problems:
            raise LabError("\n".join(problems) + f"\nlogs: {self.kept}")

    def _remove(self, keep=False):
        self._closed = True
        self.kept = None
        try:
            with ThreadPoolExecutor() as threads:
                list(threads.map(lambda host: host.release(keep),
                                 self.hosts))
        finally:
            self._remove_namespaces(keep)

    def _remove_namespaces(self, keep):
        node = getattr(self, "underlay", None)
        if node:
            kill_and_wait(node.pid, node.started)
        if self._lifeline is not None:
            os.close(self._lifeline)
        if keep:
            parent = Path(os.environ.get("WEFT_TEST_LOGS")
                          or os.environ.get("TMPDIR") or "/tmp")
            parent.mkdir(parents=True, exist_ok=True)
            self.kept = parent / f"weft-{self.name}"
            shutil.rmtree(self.kept, ignore_errors=True)
            shutil.move(self.dir, self.kept)
        if self._made:
            remove_run_dir(self.dir)

    # The lab that outlives its maker, for the command.

    def _write_state(self):
        state = {
            "pid": self.underlay.pid, "started": self.underlay.started,
            "build": str(self.build),
            "beyond": [{"name": n.name, "pid": n.pid, "started": n.started}
                       for n in self.beyond],
            "hosts": [host.state() for host in self.hosts],
            "directory": self.directory and self.directory.state(),
        }
        new = self.dir / ".state.new"
        new.write_text(json.dumps(state, indent=1) + "\n")
        new.rename(self.dir / "state")

    def keep(self):
        """Lets the lab live on when its maker ends."""
        os.write(self._lifeline, b"k")

    @classmethod
    def find(cls, name):
        """The lab of that name that is up."""
        state = _state(name)
        if not state or not process_alive(state["pid"], state["started"]):
            raise LabError(f"lab {name} is not up")
        self = cls.__new__(cls)
        self.name = name
        self.build = Path(state["build"])
        self.dir = _lab_dir(name)
        self.weft_dir = self.dir / "weft"
        self.underlay = Node(self, "underlay", state["pid"],
                             state["started"])
        self.hosts = [_host_of(self, h) for h in state["hosts"]]
        self.beyond = [Node(self, n["name"], n["pid"], n["started"])
                       for n in state["beyond"]]
        self.directory = None
        if state["directory"]:
            kept = state["directory"]
            self.directory = shared.Directory(self, kept["kind"])
            self.directory.restore_state(
                kept, kept["host"] and _host_of(self, kept["host"]))
        self._closed = True     # Its end is not ours.
        return self


def _host_of(lab, state):
    return Host(lab, state["name"], state["pid"],
                [ipaddress.ip_interface(a) for a in state["addresses"]],
                state["ovs"], state["started"])


def _host_name(index):
    """hosta to hostz, then hostaa and so on."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = string.ascii_lowercase[letter] + letters
    return "host" + letters


def _lab_dir(name):
    if not name or not set(name) <= NAME_CHARACTERS:
        raise LabError(f"{name}: a lab's name is made of letters, digits, "
                       "- and _")
    return LABS / name


def _state(name):
    try:
        return json.loads((_lab_dir(name) / "state").read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def names():
    """The labs of this machine, up or fallen."""
    try:
        return sorted(p.name for p in LABS.iterdir() if p.is_dir())
    except FileNotFoundError:
        return []


def down(name):
    """Removes a lab, up or fallen.  Returns whether there was one."""
    directory = _lab_dir(name)
    there = directory.is_dir()
    state = _state(name)
    if state:
        kill_and_wait(state["pid"], state["started"])
    remove_run_dir(directory)
    return there


def _sweep():
    """Removes what labs left whose init was killed."""
    for name in names():
        state = _state(name)
        if state and not process_alive(state["pid"], state["started"]):
            down(name)


# --- the command -----------------------------------------------------------

def _up(args):
    if os.environ.get("WEFT_LAB") == "guests":
        raise LabError("up: virtual machines end with the process that booted "
                       "them, and so cannot stay; unset WEFT_LAB")
    down(args.name)
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab(
            hosts=args.hosts, name=args.name, build=args.build,
            underlay=args.underlay, mtu=args.mtu, nat=args.nat,
            weftd=args.weftd, outside=args.outside,
            outside_mtu=args.outside_mtu, directory=args.directory))
        if args.wait:
            try:
                lab.wait_healthy(30)
            except AssertionError as e:
                raise LabError(str(e)) from e
        lab.keep()
        stack.pop_all()
    return 0


def _down(args):
    down(args.name)
    return 0


def _exec(args):
    node = Lab.find(args.name)[args.host]
    command = args.command or ["bash", "-i"]
    if command[0] == "--":
        command = command[1:]
    here = os.getcwd()
    if not os.path.isdir(f"/proc/{node.pid}/root{here}"):
        here = "/"
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvpe("nsenter", node.argv(command, directory=here),
               node.environment())


def _list(args):
    for name in names():
        state = _state(name)
        up = state and process_alive(state["pid"], state["started"])
        print(f"{name:20} {'up' if up else 'fallen'}"
              + (f", {len(state['hosts'])} hosts" if up else ""))
    return 0


def _status(args):
    lab = Lab.find(args.name)
    print(f"lab {lab.name}: peers.conf and logs are in {lab.dir}")
    if lab.directory:
        down = [s.name for s in lab.directory.servers if not s.is_running()]
        print(f"  directory  {lab.directory.remote}"
              + "".join(f", down on {name}" for name in down))
    if lab.beyond:
        print(f"  outside    {', '.join(beyond.OUTSIDE)}, behind router")
    for host in lab.hosts:
        daemons = [f"{daemon} {'runs' if host.is_running(daemon) else 'down'}"
                   for daemon in OVS_DAEMONS + ("weftd",)] if host.ovs else []
        print(f"  {host.name:10} "
              + ", ".join([str(a.ip) for a in host.addresses] + daemons))
    return 0


def main(argv):
    parser = argparse.ArgumentParser(
        prog="lab.py", description="Several hosts on this one machine, each "
        "with its own Open vSwitch and weftd.")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default="quickstart", metavar="LAB")
    commands = parser.add_subparsers(dest="verb", required=True,
                                     metavar="COMMAND")

    def command(verb, function, text):
        sub = commands.add_parser(verb, parents=[named], help=text)
        sub.set_defaults(function=function)
        return sub

    up = command("up", _up, "make a lab that stays; an old one goes first")
    up.add_argument("--hosts", type=int, default=2, metavar="N")
    up.add_argument("--build", metavar="DIR",
                    help="where weft and weftd were built")
    up.add_argument("--underlay", choices=sorted(UNDERLAYS), default="ipv4")
    up.add_argument("--mtu", type=int, default=1500)
    up.add_argument("--nat", action="store_true",
                    help="an eth1 with the same 10.0.2.15 on every host")
    up.add_argument("--outside", action="store_true",
                    help="a router, and a server called outside behind it")
    up.add_argument("--outside-mtu", type=int, default=1500, metavar="MTU",
                    help="of the segment between those two")
    up.add_argument("--directory", nargs="?", const="tcp",
                    choices=shared.KINDS,
                    help="a database in place of peers.conf: one server"
                    " (tcp), or three of the hosts")
    up.add_argument("--no-weftd", dest="weftd", action="store_false",
                    help="only the switches")
    up.add_argument("--wait", action="store_true",
                    help="until the tunnels between the hosts are up")
    command("down", _down, "remove it")
    run = command("exec", _exec, "run a command on a host")
    run.add_argument("host", metavar="HOST",
                     help="a host's name, underlay, router, outside or"
                     " directory")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
    shell = command("shell", _exec, "a shell on a host")
    shell.add_argument("host", metavar="HOST")
    shell.set_defaults(command=None)
    command("list", _list, "the labs of this machine")
    command("status", _status, "one lab's hosts and their daemons")
    args = parser.parse_args(argv)
    if os.geteuid() != 0:
        print("lab: namespaces need root", file=sys.stderr)
        return 1
    try:
        return args.function(args)
    except (LabError, NamespaceError) as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))

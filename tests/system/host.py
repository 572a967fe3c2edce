# SPDX-License-Identifier: Apache-2.0
"""One host of a lab: the commands that run in it and the daemons that it
keeps.  lab.py makes hosts and joins them.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from namespaces import (MNT_DETACH, MS_BIND, MS_NODEV, MS_NOEXEC,
                        MS_NOSUID, MS_PRIVATE, MS_REC, NamespaceError,
                        kill_and_wait, mount, process_alive, process_stat,
                        socket_in, syscall)

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OVS_DAEMONS = ("ovsdb-server", "ovs-vswitchd")
DAEMONS = (*OVS_DAEMONS, "weft-directory", "weftd")
# Under sanitizers, side by side, what takes a second may take three.
PATIENCE = float(os.environ.get("WEFT_TEST_PATIENCE", 1))


class LabError(Exception):
    """The lab, or a command in it, did not do what was asked."""


class CommandFailed(LabError):
    def __init__(self, result, where):
        self.returncode = result.returncode
        self.stdout = result.stdout
        self.stderr = result.stderr
        text = f"{where}: {shlex.join(result.args)}: exit {result.returncode}"
        for output in (result.stdout, result.stderr):
            if output and output.strip():
                text += "\n" + output.rstrip()
        super().__init__(text)


def wait_for(predicate, timeout=5.0, what="", interval=0.02):
    """Calls 'predicate' until it returns something true, and returns that.

    A predicate that raises AssertionError, LabError or LookupError (what it
    looks for is not in the list) counts as "not yet"; its last complaint is
    part of the message.  It is a limit for what has failed, not a measurement:
    see $WEFT_TEST_PATIENCE.  The last call begins after it.
    """
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        value, error = None, None
        late = time.monotonic() >= deadline
        try:
            value = predicate()
        except (AssertionError, LabError, LookupError) as e:
            error = e
        if value:
            return value
        if late:
            what = what or getattr(predicate, "__name__", "the condition")
            last = f"got {value!r}" if error is None else repr(error)
            raise AssertionError(
                f"not within {timeout:g} s: {what}; last: {last}") from error
        time.sleep(interval)


def make_run_dir(directory):
    """Below a directory that goes with the last one in it: another lab that
    ends may take it away between the two steps.

    Raises FileExistsError.
    """
    while True:
        with contextlib.suppress(FileExistsError):
            directory.parent.mkdir(mode=0o755)
        with contextlib.suppress(FileNotFoundError):
            directory.mkdir()
            return


def remove_run_dir(directory):
    """If it is there."""
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):
        directory.parent.rmdir()


class Process(subprocess.Popen):
    """A command inside a host.

    nsenter, outside, waits for the command, inside.  A signal is meant for
    the command; nsenter then ends the way it did.
    """

    def __init__(self, argv, **options):
        super().__init__(argv, start_new_session=True, **options)

    def __exit__(self, kind, value, traceback):
        if kind:                    # Nobody tells it to end any more.
            self.kill()
        super().__exit__(kind, value, traceback)

    def send_signal(self, sig):
        self.poll()
        if self.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if sig != signal.SIGKILL:
                for entry in os.scandir("/proc"):
                    stat = entry.name.isdigit() and process_stat(entry.name)
                    if stat and stat[1] == self.pid:
                        os.kill(int(entry.name), sig)
                        return
            os.killpg(self.pid, sig)


class Node:
    """A set of namespaces in which commands can be run."""

    def __init__(self, lab, name, pid, started=None):
        self.lab = lab
        self.name = name
        self.pid = pid
        self.started = started or process_stat(pid)[2]

    def argv(self, argv, netns=None, directory="/"):
        """The command line that runs 'argv' in here."""
        if not process_alive(self.pid, self.started):
            raise LabError(f"{self.name} of lab {self.lab.name} is gone")
        net = f"=/proc/{self.pid}/root/run/netns/{netns}" if netns else ""
        return ["nsenter", f"--target={self.pid}", "--mount", "--uts",
                "--pid", f"--net{net}", f"--wdns={directory}", "--",
                *map(str, argv)]

    def environment(self, extra=None):
        """A clean one: no OVS_* of the caller's gets in."""
        env = {"PATH": f"{self.lab.build}:{SYSTEM_PATH}", "HOME": "/root",
               "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        for name in ("TERM", "COLUMNS", "LINES"):
            if name in os.environ:
                env[name] = os.environ[name]
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            given = os.environ.get(name)
            env[name] = ((given + ":" if given else "")
                         + "log_path=/var/log/openvswitch/sanitizer"
                           ":print_stacktrace=1")
        env.update(extra or {})
        return env

    def popen(self, argv, netns=None, env=None, **options):
        """Starts a command; pipes are text unless told otherwise."""
        if not options.get("encoding"):
            options.setdefault("text", True)
        options.setdefault("stdin", subprocess.DEVNULL)
        return Process(self.argv(argv, netns), env=self.environment(env),
                       **options)

    def run(self, argv, check=True, timeout=30, stdin=None, netns=None,
            env=None):
        """Runs a command to its end and returns its CompletedProcess.

        'stdin' is text for its standard input, 'netns' a named namespace of
        this host.  Raises CommandFailed unless it exits 0 or 'check' is off.
        """
        with self.popen(argv, netns, env, stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired as e:
                process.kill()
                out, err = process.communicate()
                raise LabError(
                    f"{self.name}: {shlex.join(map(str, argv))}: not done "
                    f"within {timeout:g} s\n{out}{err}") from e
        result = subprocess.CompletedProcess(
            [str(a) for a in argv], process.returncode, out, err)
        if check and result.returncode:
            raise CommandFailed(result, self.name)
        return result

    def sh(self, script, **options):
        """Runs a shell script and returns what it printed."""
        return self.run(["sh", "-ec", script], **options).stdout

    def ip(self, *args, **options):
        return self.run(["ip", *args], **options).stdout

    def path(self, path):
        """Where the owner finds a file of this host."""
        return Path(f"/proc/{self.pid}/root{path}")

    def open_socket(self, netns, *args):
        """socket.socket(*args) inside a named namespace of this host, or
        with None in its own."""
        return socket_in(f"/proc/{self.pid}/root/run/netns/{netns}" if netns
                         else f"/proc/{self.pid}/ns/net", *args)

    @contextlib.contextmanager
    def capture(self, interface, *args, netns=None):
        """The packets that pass an interface during a `with`: a list of
        tcpdump's lines, filled at its end.  'args' are tcpdump's."""
        lines = []
        with self.popen(["tcpdump", "-n", "-l", "--immediate-mode", "-i",
                         interface, *args], netns, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE) as process:
            said = ""
            while "listening on" not in said:
                line = process.stderr.readline()
                said += line
                if not line:
                    raise LabError(f"{self.name}: tcpdump: {said}")
            try:
                yield lines
                time.sleep(0.3)         # What has passed is still on its way.
            finally:
                process.terminate()
                lines += process.communicate(timeout=10)[0].splitlines()

    def ping(self, address, netns=None, count=1, timeout=1):
        """Whether 'count' echoes to 'address' were all answered."""
        return self.run(["ping", "-n", "-q", "-i", "0.2", "-c", count, "-W",
                         timeout * PATIENCE, address], check=False,
                        netns=netns, timeout=30 + count).returncode == 0


class Host(Node):
    """A host of the lab.  Without 'ovs' it is a bare machine with an eth0: a
    foreign VTEP, say."""

    DATAPATH = ("--datapath=netdev", "--underlay=eth0")     # For weftd.
    VSWITCHD = ("--disable-system",)
    lends_underlay = True           # To br-phy.

    def __init__(self, lab, name, pid, addresses, ovs, started=None):
        super().__init__(lab, name, pid, started)
        self.addresses = addresses      # IPv4Interface or IPv6Interface.
        self.ovs = ovs
        self.log_dir = lab.dir / name   # Kept if the test fails.
        self._running = {}              # Daemon to (pid, start time).

    @property
    def address(self):
        """The address that the peer file names."""
        return str(self.addresses[0].ip)

    @property
    def logs(self):
        """Where its daemons' logs can be read."""
        return self.log_dir

    def state(self):
        """What the lab's state file says of it."""
        return {"name": self.name, "pid": self.pid, "started": self.started,
                "addresses": [str(a) for a in self.addresses],
                "ovs": self.ovs}

    def netns(self, name):
        """A plain namespace of that name, without weft.  Returns the name."""
        self.ip("netns", "add", name)
        self.ip("link", "set", "lo", "up", netns=name)
        return name

    # The switch and its database.

    def ovs_vsctl(self, *args, **options):
        return self.run(["ovs-vsctl", *args], **options).stdout

    def ovs_ofctl(self, *args, **options):
        return self.run(["ovs-ofctl", "--protocols=OpenFlow15", *args],
                        **options).stdout

    def ovs_appctl(self, *args, target=None, **options):
        target = ["-t", target] if target else []
        return self.run(["ovs-appctl", *target, *args], **options).stdout

    def flows(self, bridge="br-weft"):
        """The flows of a bridge, one a line, without counters, by name."""
        text = self.ovs_ofctl("--no-stats", "--names", "--sort",
                              "dump-flows", bridge)
        return [line.strip() for line in text.splitlines()]

    def start_ovsdb(self):
        self._start("ovsdb-server", self._ovsdb_script())

    def start_vswitchd(self, *args):
        self._start("ovs-vswitchd", self._vswitchd_script(*args))

    def kill_ovsdb(self, sig=signal.SIGKILL):
        self.kill("ovsdb-server", sig)

    def kill_vswitchd(self, sig=signal.SIGKILL):
        self.kill("ovs-vswitchd", sig)

    def settle(self):
        """Waits until the switch has done with the links that came and went.

        At each, vswitchd forgets the routes of its tunnels for a moment, and
        drops what meets that moment, for as long as its cache of flows keeps
        it: a property of the userspace datapath, not of weft.
        """
        if not self.is_running("ovs-vswitchd"):
            return
        if self.is_running("weftd"):
            wait_for(lambda: not self._links_without_port(), 10,
                     f"links of {self.name} are gone")
        # A whole round of vswitchd's main loop takes place between these two.
        self.sh("ovs-appctl version && ovs-appctl version &&"
                "ovs-appctl revalidator/purge")

    def _links_without_port(self):
        """The links of endpoints that were detached and are to go."""
        text = self.path("/proc/1/net/dev").read_text()
        ours = re.findall(r"^ *(wf-[^:]*):", text, re.MULTILINE)
        ports = ours and self.ovs_vsctl("--bare", "--columns=name", "list",
                                        "Interface").split()
        return set(ours).difference(ports)

    # The agent.

    def weft(self, *args, **options):
        """Runs weft; returns the CompletedProcess."""
        return self.run(["weft", *args], **options)

    def weft_json(self, *args, **options):
        result = self.weft(*args, "--json", **options)
        try:
            return json.loads(result.stdout)
        except ValueError:
            raise CommandFailed(result, self.name) from None

    def status(self):
        """`weft status` as a value, healthy or not."""
        return self.weft_json("status", check=False)

    def wait_healthy(self, timeout=10):
        def healthy():
            status = self.status()
            assert status["healthy"], status["problems"]
            return True
        wait_for(healthy, timeout, f"{self.name} is healthy")

    def start_weftd(self, *args, check=True, plain=False):
        """Starts weftd as on a real host; 'args' follow the usual ones, or
        when 'plain' stand alone behind --pidfile --detach --log-file.

        Returns the CompletedProcess of the command that put itself into the
        background; with 'check' off, also when it failed.
        """
        return self._start("weftd", self._weftd_script(*args, plain=plain),
                           check)

    def stop_weftd(self, timeout=10):
        """Asks it to end, as an init system does."""
        self.kill("weftd", signal.SIGTERM, timeout)

    def kill_weftd(self, sig=signal.SIGKILL):
        self.kill("weftd", sig)

    def hypervisor(self):
        """The words for qemu, of the processor that a machine on it has."""
        return ["-accel", "tcg", "-cpu", "qemu64"]

    # Any daemon.

    def daemon_pid(self, daemon):
        """Its pid inside the host by its pidfile, or None."""
        try:
            return int(self.path(f"/run/openvswitch/{daemon}.pid")
                       .read_text())
        except (FileNotFoundError, ValueError):
            return None

    def is_running(self, daemon):
        pid = self.daemon_pid(daemon)
        stat = pid and process_stat(pid, self.path("/proc"))
        return bool(stat) and stat[0] not in "ZX"

    def kill(self, daemon, sig=signal.SIGKILL, timeout=10):
        """Signals a daemon; waits until it is gone if the signal ends it."""
        sig = signal.Signals(sig)
        known = self._running.get(daemon)
        pid = known[0] if known else self.daemon_pid(daemon)
        stat = pid and process_stat(pid, self.path("/proc"))
        if not stat:
            raise LabError(f"{self.name}: no {daemon} is running")
        ends = sig in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT,
                       signal.SIGABRT, signal.SIGSEGV)
        if ends:
            self._running.pop(daemon, None)
        self.sh(f"kill -{sig.value} {pid}")
        if ends:
            proc = self.path("/proc")
            wait_for(lambda: not process_alive(pid, stat[2], proc), timeout,
                     f"{daemon} of {self.name} ends by {sig.name}", 0.005)

    def forget_daemons(self):
        """Those that have ended were to end: nobody complains of them."""
        for daemon in list(self._running):
            if not process_alive(*self._running[daemon], self.path("/proc")):
                del self._running[daemon]

    def power_off(self):
        """Ends the host as if its plug were pulled.  It stays a peer."""
        self._running.clear()
        kill_and_wait(self.pid, self.started)

    def log(self, daemon="weftd"):
        """The text of a daemon's log file."""
        try:
            return (self.logs / f"{daemon}.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    # What the lab does with it.

    @property
    def plug(self):
        """The name of its end of the cable, and a pid in the namespace."""
        return "eth0", self.pid

    def plugged(self):
        """The cable is there."""

    def take_peers(self, path):
        """The lab's peer file, there, is new: here it is the same file."""

    def release(self, keep):
        """The lab is about to be removed, but for its logs if 'keep'."""

    def _ovsdb_script(self):
        return (
            "test -e /etc/openvswitch/conf.db || ovsdb-tool create\n"
            "ovsdb-server --pidfile --detach --no-chdir --log-file"
            " --remote=punix:/run/openvswitch/db.sock\n"
            "ovs-vsctl --no-wait init")

    def _vswitchd_script(self, *args):
        return ("ovs-vswitchd --pidfile --detach --no-chdir --log-file "
                + shlex.join([*self.VSWITCHD, *args]))

    def weftd_argv(self, *args):
        """The command line of a weftd as it is on this host."""
        argv = ["weftd", *self.DATAPATH, f"--name={self.name}"]
        if self.lab.directory:
            argv += self.lab.directory.weftd_options(self)
        return [*argv, *map(str, args)]

    def _weftd_script(self, *args, plain=False):
        usual = [] if plain else self.weftd_argv()[1:]
        return ("weftd --pidfile --detach --no-chdir --log-file "
                + shlex.join([*usual, *args]))

    def _network_script(self, nat, routes=()):
        batch = ["link set lo up", "link set eth0 up"]
        batch += [f"addr add {a} dev eth0" + (" nodad" if a.version == 6
                                              else "")
                  for a in self.addresses]
        if nat:
            batch += ["link set eth1 up", "addr add 10.0.2.15/24 dev eth1",
                      "route add default via 10.0.2.2"]
        batch += routes
        script = "ip -batch - <<'.'\n" + "\n".join(batch) + "\n.\n"
        if not self.ovs:
            # The kernel would send its tunnel packets with the outer
            # checksum unfinished, and the other side reads from AF_PACKET.
            script += "ethtool -K eth0 tx off >/dev/null\n"
        return script

    def _begin(self, script):
        # Where a core, if the machine makes any, is found with the logs.
        script = "cd /var/log/openvswitch\n" + script
        return self.popen(["sh", "-ec", script], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)

    def _end(self, process, what, check=True, timeout=60):
        """Waits for _begin()'s process and notes which daemons now run."""
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise LabError(f"{self.name}: {what} does not come up") from None
        result = subprocess.CompletedProcess([what], process.returncode, out,
                                             err)
        if check and result.returncode:
            result.stderr += self._log_tail("weftd")
            raise CommandFailed(result, self.name)
        if not result.returncode:
            for daemon in DAEMONS:
                pid = self.daemon_pid(daemon)
                stat = pid and process_stat(pid, self.path("/proc"))
                if stat and daemon not in self._running:
                    self._running[daemon] = pid, stat[2]
        return result

    def _start(self, daemon, script, check=True):
        if check and self.is_running(daemon):
            raise LabError(f"{self.name}: {daemon} is running already")
        if not self.is_running(daemon):
            self._running.pop(daemon, None)
        return self._end(self._begin(script), daemon, check)

    def _log_tail(self, daemon):
        return "\n".join(self.log(daemon).splitlines()[-10:])

    def _problems(self):
        """Daemons that ended unasked, and what the sanitizers reported."""
        for daemon, (pid, started) in list(self._running.items()):
            if not process_alive(pid, started, self.path("/proc")):
                del self._running[daemon]
                yield (f"{self.name}: {daemon} ended without being asked to"
                       f"\n{self._log_tail(daemon)}")
        for line in self.log().splitlines():
            if ("|ofswitch|WARN|" in line and "refused" in line
                    and not self.lab.provoked):
                yield f"{self.name}: {line}"
        for core in self.logs.glob("core*"):
            yield f"{self.name}: {core.name}"
        if "weftd" in self._running:
            try:
                self.kill("weftd", signal.SIGCONT)
                self.stop_weftd()
            except (LabError, AssertionError) as e:
                yield f"{self.name}: {e}"
        for report in sorted(self.logs.glob("sanitizer*")):
            text = report.read_text(errors="replace")
            if text.strip():
                yield f"{self.name}: {report.name}\n{text}"


def setup_host(name, log_dir, weft_dir):
    """What a host's init does first.  The top of lab.py tells what for."""
    tmpfs = MS_NOSUID | MS_NODEV
    socket.sethostname(name)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    # The layers above lie on a tmpfs that nobody can see later.
    mount("layers", log_dir, "tmpfs", tmpfs, "mode=755")
    for target in ("/etc", "/var/lib"):
        upper, work = (log_dir / f"{part}{target.replace('/', '-')}"
                       for part in ("upper", "work"))
        (upper / "weft").mkdir(parents=True)
        work.mkdir()
        mount("overlay", target, "overlay", 0,
              f"lowerdir={target},upperdir={upper},workdir={work}")
    syscall("umount2", os.fsencode(log_dir), MNT_DETACH)
    mount(weft_dir, "/etc/weft", None, MS_BIND)
    mount("tls", "/etc/weft/tls", "tmpfs", tmpfs, "mode=755")
    mount("weft", "/var/lib/weft", "tmpfs", tmpfs, "mode=755")
    for path in ("/etc/openvswitch", "/var/lib/openvswitch",
                 "/var/log/openvswitch"):
        if not os.path.isdir(path):
            raise NamespaceError(f"no {path}: apt-get install "
                                 "openvswitch-switch")
    mount("openvswitch", "/etc/openvswitch", "tmpfs", tmpfs, "mode=755")
    mount("openvswitch", "/var/lib/openvswitch", "tmpfs", tmpfs, "mode=755")
    mount(log_dir, "/var/log/openvswitch", None, MS_BIND)
    mount("run", "/run", "tmpfs", tmpfs, "mode=755")
    for path in ("/run/openvswitch", "/run/lock"):
        os.mkdir(path)
    Path("/etc/hostname").write_text(name + "\n")
    mount("proc", "/proc", "proc", tmpfs | MS_NOEXEC)
    mount("sysfs", "/sys", "sysfs", tmpfs | MS_NOEXEC)
    # What this machine does to its own packets is no business of a host.
    for key, value in (("ipv4/ip_forward", "0"),
                       ("ipv6/conf/all/disable_ipv6", "0"),
                       ("ipv6/conf/default/disable_ipv6", "0")):
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/{key}").write_text(value)

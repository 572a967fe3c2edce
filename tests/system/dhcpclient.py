# SPDX-License-Identifier: Apache-2.0
"""DHCP clients that people use, in a named namespace of a host.

Each runs with a script, a configuration and a directory of the test's own:
nothing of the machine's /etc or /var/lib is read or written.  What a client
tells its script is kept, one file an event: client.event("BOUND").
"""

import contextlib
import shlex
import signal
import subprocess

from host import wait_for

PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class Client:
    """Runs during a `with`.  'version' is 4 or 6."""

    version = 4

    def __init__(self, host, netns, ifname="eth0"):
        self.host = host
        self.netns = netns
        self.ifname = ifname
        self.dir = f"/run/client-{netns}-{self.name}{self.version}"
        self._process = None

    def __enter__(self):
        self.host.sh(f"rm -rf {self.dir}; mkdir {self.dir}")
        # Renamed, as somebody may read an event while it is written.
        self._write("script", self.SCRIPT.format(
            dir=self.dir, path=PATH, ifname=self.ifname,
            event="{ echo event=yes; env; } >$dir/new.$$; "
                  'mv $dir/new.$$ "$dir/event-$event"'))
        self.host.sh(f"chmod 755 {self.dir}/script")
        for name, text in self.FILES.items():
            self._write(name, text)
        self.prepare()
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    FILES = {}

    def prepare(self):
        pass

    def start(self):
        self._process = self.host.popen(
            ["sh", "-c", f"exec {shlex.join(self.argv())} >>{self.dir}/log "
             "2>&1"], self.netns)

    def stop(self, sig=signal.SIGTERM):
        """Ends the client; what it holds it goes on holding."""
        if self._process:
            self._process.send_signal(sig)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    def signal(self, sig):
        self._process.send_signal(sig)

    def event(self, name):
        """The variables of the last event of that name, or None."""
        with contextlib.suppress(FileNotFoundError):
            text = self.host.path(f"{self.dir}/event-{name}").read_text()
            return dict(line.split("=", 1) for line in text.splitlines()
                        if "=" in line)
        return None

    def wait(self, *names, timeout=10):
        """Until one of the events has come; its variables."""
        def come():
            return next(filter(None, map(self.event, names)), None)
        try:
            return wait_for(come, timeout, f"{self.name}: {' or '.join(names)}"
                            f" in {self.netns}")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.log()}") from None

    def forget(self):
        """The events so far."""
        self.host.sh(f"rm -f {self.dir}/event-*")

    def log(self):
        return self.host.path(f"{self.dir}/log").read_text(errors="replace")

    def _write(self, name, text):
        self.host.path(f"{self.dir}/{name}").write_text(text)


class Udhcpc(Client):
    """Busybox's.  Events: deconfig, bound, renew, nak, leasefail."""

    name = "udhcpc"
    SCRIPT = """\
#!/bin/sh
PATH={path} dir={dir} event=$1
case $event in
deconfig)
    ip addr flush dev {ifname} scope global
    ip link set {ifname} up ;;
bound | renew)
    ip addr replace "$ip/$mask" dev {ifname}
    [ -z "$mtu" ] || ip link set {ifname} mtu "$mtu"
    [ -z "$router" ] || ip route replace default via "${{router%% *}}" ;;
esac
{event}
"""

    def argv(self):
        return ["busybox", "udhcpc", "-f", "-i", self.ifname, "-s",
                f"{self.dir}/script", "-t", "5", "-T", "1", "-A", "1",
                "-O", "mtu", "-O", "staticroutes", "-O", "hostname"]

    def renew(self):
        self.forget()
        self.signal(signal.SIGUSR1)
        return self.wait("renew", "bound")

    def release(self):
        self.forget()
        self.signal(signal.SIGUSR2)
        self.wait("deconfig")


class Dhclient(Client):
    """ISC's.  Events: PREINIT, BOUND, RENEW, REBOOT, RELEASE and so on; with
    a 6 behind them for DHCPv6."""

    name = "dhclient"
    SCRIPT = """\
#!/bin/sh
PATH={path} dir={dir} event=$reason
case $event in
PREINIT*)
    ip link set {ifname} up ;;
BOUND | RENEW | REBIND | REBOOT)
    ip addr replace "$new_ip_address/$new_subnet_mask" dev {ifname}
    [ -z "$new_routers" ] ||
        ip route replace default via "${{new_routers%% *}}" ;;
BOUND6 | RENEW6 | REBIND6)
    ip addr replace "$new_ip6_address/$new_ip6_prefixlen" dev {ifname} nodad ;;
RELEASE | EXPIRE | STOP)
    ip -4 addr flush dev {ifname} ;;
RELEASE6 | EXPIRE6 | STOP6 | DEPREF6)
    ip -6 addr flush dev {ifname} scope global ;;
esac
{event}
"""
    FILES = {"conf": """\
option rfc3442-routes code 121 = array of unsigned integer 8;
timeout 10;
retry 5;
initial-interval 1;
backoff-cutoff 2;
request subnet-mask, routers, domain-name-servers, domain-name, host-name,
    interface-mtu, rfc3442-routes, dhcp6.name-servers, dhcp6.domain-search;
"""}

    def argv(self, *more):
        d = self.dir
        return ["dhclient", f"-{self.version}", "-v", *more, "-cf",
                f"{d}/conf", "-sf", f"{d}/script", "-lf", f"{d}/leases", "-pf",
                f"{d}/pid", self.ifname]

    def start(self):
        self._process = self.host.popen(
            ["sh", "-c", f"exec {shlex.join(self.argv('-d'))} "
             f">>{self.dir}/log 2>&1"], self.netns)

    def prepare(self):
        """DHCPv6 speaks from a link-local address that is nobody else's."""
        if self.version == 6:
            self.host.ip("link", "set", self.ifname, "up", netns=self.netns)

            def ready():
                text = self.host.ip("-6", "addr", "show", "dev", self.ifname,
                                    "scope", "link", netns=self.netns)
                return "inet6" in text and "tentative" not in text
            wait_for(ready, 5, f"{self.netns} has a link-local address")

    def renew(self):
        """Starts again, with the lease that is on file."""
        self.stop()
        self.forget()
        self.start()
        return self.wait(*(("REBOOT", "BOUND") if self.version == 4 else
                           ("REBIND6", "RENEW6", "BOUND6")))

    def release(self):
        self.forget()
        self.host.run(self.argv("-r"), netns=self.netns, timeout=15)
        self.stop()
        self.wait("RELEASE" if self.version == 4 else "RELEASE6")


class Dhclient6(Dhclient):
    version = 6


class Dhcpcd(Client):
    """Both families in one.  Events: BOUND, RENEW, REBOOT, RELEASE;
    ROUTERADVERT, BOUND6 and so on."""

    name = "dhcpcd"
    SCRIPT = """\
#!/bin/sh
PATH={path} dir={dir} event=$reason
{event}
"""
    FILES = {"conf": """\
clientid
noipv4ll
noarp
timeout 10
option domain_name_servers, domain_name, host_name, interface_mtu
option classless_static_routes
require dhcp_server_identifier
"""}

    def prepare(self):
        # Its identifier and leases; seen by the host alone.
        self.host.sh("mountpoint -q /var/lib/dhcpcd || "
                     "mount -t tmpfs dhcpcd /var/lib/dhcpcd; "
                     "rm -f /var/lib/dhcpcd/*.lease*")
        if self.host.run(["test", "-d", "/run/dhcpcd"],
                         check=False).returncode:
            self.host.sh("mkdir /run/dhcpcd")

    def argv(self, *more):
        return ["dhcpcd", *(more or ["-B", "-d"]), "-f", f"{self.dir}/conf",
                "-c", f"{self.dir}/script", self.ifname]

    def renew(self):
        self.forget()
        self.host.run(self.argv("-N"), netns=self.netns)
        renewed = self.wait("RENEW", "REBOOT", "REBIND", "BOUND")
        # It renews all three, and loses a signal that comes while a script
        # runs: the next thing asked of it is to find it idle.
        self.wait("RENEW6")
        self.wait("ROUTERADVERT")
        return renewed

    def release(self):
        self.forget()
        self.host.run(self.argv("-k"), netns=self.netns, check=False)
        self.wait("RELEASE", "STOP")     # As of 9.4 only the latter.
        self.stop()

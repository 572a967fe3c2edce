#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a Debian with the package in a virtual machine, twice.

    boot.py --dir DIR

DIR has the weft_*.deb of tests/package/build.sh, and keeps a root with systemd
and Debian's kernel in a tar archive for the next run.  The machine is one
host; its switch is the kernel's.  All is emulated (TCG), so slow; no time is
looked at that is not a promise.  Needs root, mke2fs, mmdebstrap and qemu.
Prints a line for each test, and how many passed; they build on each other, so
the first that fails is the last.
"""

import argparse
import base64
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "package"))
import package                                        # noqa: E402
from package import Failed, run                       # noqa: E402

QEMU = "qemu-system-x86_64"
INCLUDE = ("systemd-sysv", "udev", "dbus", "linux-image-cloud-amd64",
           "openvswitch-switch", "iproute2", "iputils-ping", "nftables",
           "libcap-ng0", "libevent-core-2.1-7", "libinih1", "libmnl0",
           "libnftables1")
BOOT_TIME = 300                         # Seconds, on a busy machine.
ADDRESS = "192.168.50.11"
PEERS = f"""\
[network blue]
vni = 100
subnet = 10.1.0.0/16

[peer hosta]
address = {ADDRESS}
"""
# CAP_NET_ADMIN, CAP_SYS_PTRACE and CAP_SYS_ADMIN, and a filter.
LEAST = ("CapBnd: 0000000000281000 CapEff: 0000000000281000 "
         "CapPrm: 0000000000281000 NoNewPrivs: 1 Seccomp: 2").split()
TESTS = []

# Takes one command a line, in base64, and answers on the second serial line.
SHELL = """\
#!/bin/bash
stty raw -echo
echo "<shell ready $(cat /proc/sys/kernel/random/boot_id)>"
while read -r number command; do
    (eval "$(echo "$command" | base64 -d)") </dev/null 2>&1
    echo "<shell $number $?>"
done
"""
FILES = {
    "usr/local/sbin/shell": SHELL,
    "etc/systemd/system/shell.service": """\
[Unit]
After=basic.target
[Service]
ExecStart=/usr/local/sbin/shell
StandardInput=tty
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
[Install]
WantedBy=multi-user.target
""",
    "etc/systemd/network/nic.network": f"""\
[Match]
Type=ether
Kind=!*
[Network]
Address={ADDRESS}/24
LinkLocalAddressing=no
""",
    "etc/hostname": "hosta\n",
    "etc/hosts": "127.0.0.1 localhost hosta\n",
    "etc/fstab": "",
}


def test(function):
    TESTS.append(function)
    return function


def wait_for(predicate, timeout, what):
    end = time.monotonic() + timeout
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"not within {timeout} s: {what}")
        time.sleep(0.2)


class Machine:
    """The virtual machine, and a root shell in it."""

    def __init__(self, there, directory, deb):
        image, kernel, initrd = self._disk(there, directory, deb)
        self.console = there / "console"
        self._said = b""
        self._number = 0
        self._heard = threading.Condition()
        self._process = subprocess.Popen(
            [QEMU, "-accel", "tcg,thread=multi", "-cpu", "qemu64,+rdrand",
             "-smp", "2", "-m", "768", "-nodefaults", "-nographic",
             "-serial", f"file:{self.console}", "-serial", "stdio",
             "-drive", f"file={image},if=virtio,format=raw,cache=unsafe",
             "-nic", "user,restrict=on,model=virtio-net-pci,"
             "mac=0a:57:ff:00:00:01", "-device", "virtio-rng-pci",
             "-kernel", kernel, "-initrd", initrd, "-append",
             "root=/dev/vda rw console=ttyS0 loglevel=4 "
             "random.trust_cpu=on systemd.show_status=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, bufsize=0)
        threading.Thread(target=self._read, daemon=True).start()

    @staticmethod
    def _disk(there, directory, deb):
        root = there / "root"
        root.mkdir()
        run("tar", "-C", root, "--numeric-owner", "-xf",
            package.bare(directory, "boot", INCLUDE))
        for name, text in FILES.items():
            (root / name).write_text(text)
        (root / "usr/local/sbin/shell").chmod(0o755)
        shutil.copy(deb, root / "root/weft.deb")
        run("chroot", root, "systemctl", "enable", "shell", "systemd-networkd")
        kernel = there / "vmlinuz"
        initrd = there / "initrd"
        shutil.copy(next(root.glob("boot/vmlinuz-*")), kernel)
        shutil.copy(next(root.glob("boot/initrd.img-*")), initrd)
        image = there / "disk"
        run("mke2fs", "-q", "-t", "ext4", "-d", root, image, "2G")
        shutil.rmtree(root)
        return image, kernel, initrd

    def _read(self):
        while data := self._process.stdout.read(1 << 16):
            with self._heard:
                self._said += data
                self._heard.notify_all()

    def _take(self, pattern, timeout, what):
        with self._heard:
            found = self._heard.wait_for(
                lambda: re.search(pattern, self._said), timeout)
            if not found:
                raise Failed(f"not within {timeout} s: {what}\n"
                             + self._said[-2000:].decode(errors="replace")
                             + self.console.read_text(
                                 errors="replace")[-2000:])
            before = self._said[:found.start()]
            self._said = self._said[found.end():]
            return found, before.decode(errors="replace").replace("\r", "")

    def wait_booted(self):
        """Until it takes commands and has started all that it starts."""
        self._take(rb"<shell ready [^>]*>\r?\n", BOOT_TIME, "boot")
        self.sh("systemctl is-system-running --wait || true",
                timeout=BOOT_TIME)

    def run(self, command, timeout=60):
        """Its exit code and what it printed."""
        self._number += 1
        self._process.stdin.write(b"%d %s\n" % (
            self._number, base64.b64encode(command.encode())))
        found, said = self._take(rb"<shell %d (\d+)>\r?\n" % self._number,
                                 timeout, command)
        return int(found[1]), said

    def sh(self, command, timeout=60):
        code, said = self.run(command, timeout)
        if code:
            raise Failed(f"{command}: exit {code}\n{said}")
        return said

    def reboot(self):
        self.run("systemctl reboot --no-block")
        self.wait_booted()

    def show(self, *names, unit="weft"):
        """Properties of a unit."""
        said = self.sh(f"systemctl show {unit} -p {','.join(names)}")
        values = dict(line.split("=", 1) for line in said.splitlines())
        return [values[name] for name in names]

    def pid(self):
        return self.show("MainPID")[0]

    def wait_status(self, pattern):
        wait_for(lambda: re.search(pattern, self.show("StatusText")[0]), 30,
                 f"the status is {pattern}")

    def kill(self):
        self._process.kill()
        self._process.wait(10)


class Ping:
    """Runs from red to green during its `with`; then nothing is lost."""

    def __init__(self, machine):
        self.machine = machine

    def __enter__(self):
        to = re.search(r"inet ([\d.]+)", self.machine.sh(
            "nsenter --net=/run/netns/green ip -4 -o address show eth0"))[1]
        self.machine.sh(
            "nsenter --net=/run/netns/red ping -n -i 0.1 -W 2 "
            f"{to} >/tmp/ping 2>&1 & echo $! >/tmp/ping.pid; sleep 1")

    def __exit__(self, kind, *_):
        self.machine.sh("sleep 1; kill -INT $(cat /tmp/ping.pid); sleep 1")
        said = self.machine.sh("tail -n 3 /tmp/ping")
        sent, received = map(int, re.search(
            r"(\d+) packets transmitted, (\d+) received", said).groups())
        # The last one may have been on its way.
        if not kind and (received < 10 or sent - received > 1):
            raise Failed(f"{sent} sent, {received} received\n{said}")


def table(machine):
    return machine.sh("weft endpoint list --json")


@test
def installation(m):
    """The package is installed, the service runs, and says what to do."""
    m.sh("DEBIAN_FRONTEND=noninteractive dpkg -i /root/weft.deb", 120)
    state, kind = m.show("ActiveState", "Type")
    if (state, kind) != ("active", "notify"):
        raise Failed(f"weft.service is {state}, {kind}")
    m.wait_status(r"peers\.conf: No such file or directory: write it")
    said = m.sh("systemctl status weft --no-pager")
    if "write it" not in said or "peers.conf" not in said:
        raise Failed(said)
    m.sh("journalctl -u weft | grep -q 'No such file or directory: write it'")


@test
def attach(m):
    """Namespaces by the template, endpoints on the kernel's datapath."""
    m.sh(f"cat >/etc/weft/peers.conf <<'.'\n{PEERS}.")
    m.wait_status("^healthy")
    m.sh("systemctl enable --now weft-netns@red weft-netns@green")
    m.sh("weft attach red --network blue && weft attach green")
    if "system@ovs-system" not in m.sh("ovs-appctl dpif/show"):
        raise Failed("this is not the kernel's datapath")
    m.wait_status("endpoints 2 of 2 up")
    with Ping(m):
        m.sh("sleep 1")


@test
def sandbox(m):
    """A namespace made later is seen; a machine's tap is made."""
    m.sh("weft netns add late && weft attach late && weft tap vm1")
    m.sh("weft detach late vm1 && weft netns del late")
    if m.run("ls /run/netns/late")[0] == 0:
        raise Failed("the namespace is still there")
    said = m.sh("grep -hE '^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):' "
                f"/proc/{m.pid()}/task/*/status | sort -u").split()
    if said != LEAST:
        raise Failed(f"its threads have: {said}")


@test
def group(m):
    """Members of the group weft may ask, others may not."""
    as_user = "setpriv --reuid=nobody --clear-groups --regid="
    m.sh(f"{as_user}weft weft endpoint list | grep -q red")
    if m.run(f"{as_user}nogroup weft endpoint list")[0] != 1:
        raise Failed("anybody may ask")


@test
def reload(m):
    """A reload is one, of the same process."""
    before = m.pid()
    m.sh("systemctl reload weft")
    if m.pid() != before or m.show("ActiveState") != ["active"]:
        raise Failed("it was no reload")


@test
def killed(m):
    """kill -9: it is started again, nothing is lost."""
    before = m.pid()
    with Ping(m):
        m.sh(f"kill -9 {before}")
        wait_for(lambda: m.show("NRestarts", "ActiveState")
                 == ["1", "active"], 30, "it is started again")
        m.wait_status("endpoints 2 of 2 up")
    if m.pid() == before:
        raise Failed("it was not killed")


@test
def watchdog(m):
    """A weftd that hangs is ended and started again, nothing is lost."""
    m.sh("mkdir -p /run/systemd/system/weft.service.d && printf "
         "'[Service]\\nWatchdogSec=3\\n' "
         ">/run/systemd/system/weft.service.d/test.conf && "
         "systemctl daemon-reload && systemctl restart weft")
    before = m.pid()
    with Ping(m):
        m.sh(f"kill -STOP {before}")
        wait_for(lambda: m.pid() not in ("0", before)
                 and m.show("ActiveState") == ["active"], 40,
                 "the watchdog bites")
    m.sh("journalctl -u weft | grep -qi 'watchdog timeout'")


@test
def stopped(m):
    """Stopped and started, nothing is lost."""
    with Ping(m):
        m.sh("systemctl stop weft; sleep 2")
        if m.show("ActiveState", "Result") != ["inactive", "success"]:
            raise Failed("it did not stop well")
    with Ping(m):
        m.sh("systemctl start weft; sleep 1")
    m.wait_status("endpoints 2 of 2 up")


@test
def switch(m):
    """It outlives a restart of Open vSwitch, and mends what that broke."""
    before = m.pid()
    m.sh("systemctl restart openvswitch-switch")
    # What the datapath lost while nobody took it is told for a while.
    m.wait_status("endpoints 2 of 2 up")
    with Ping(m):
        m.sh("sleep 1")
    if m.pid() != before:
        raise Failed("weftd was started again")


@test
def directory(m):
    """A server of the shared directory is a service, too."""
    m.sh(f"weft directory init --address {ADDRESS}", 120)
    m.sh("weft network add blue vni=100 subnet=10.1.0.0/16")
    # The first start is by hand; the service takes over.
    m.sh("systemctl start weft-directory && systemctl restart weft")
    m.wait_status("^healthy")
    if m.show("ActiveState", unit="weft-directory") != ["active"]:
        raise Failed("the service is not active")
    wait_for(lambda: [e["published"] for e in json.loads(table(m))]
             == [True, True], 20, "the endpoints are published")
    m.sh("systemctl restart weft-directory && weft directory status")
    with Ping(m):
        m.sh("sleep 1")


@test
def rebooted(m):
    """After a reboot all is back without a hand, with the same addresses."""
    before = table(m)
    m.reboot()
    print("  " + m.sh(
        "cut -d' ' -f1 /proc/uptime; systemctl show -p ActiveEnterTimestamp"
        "Monotonic --value ovs-vswitchd weft; ovs-dpctl show | grep lost; "
        "ps -eLo comm | grep -c ^handler; grep -h 'threads' "
        "/var/log/openvswitch/ovs-vswitchd.log | tail -n 4").strip().replace(
            "\n", "\n  "))
    for unit in ("weft-netns@red", "weft-directory"):
        if m.show("ActiveState", unit=unit) != ["active"]:
            raise Failed(f"{unit} is not active")
    m.wait_status("endpoints 2 of 2 up")
    wait_for(lambda: table(m) == before, 20, "the endpoints are as before: "
             f"{before}\n{table(m)}")
    with Ping(m):
        m.sh("sleep 1")
    m.wait_status("^healthy")


@test
def cleanup(m):
    """weft cleanup takes all that is ours, and the service stays ended."""
    m.sh("weft cleanup --yes")
    wait_for(lambda: m.show("ActiveState") == ["inactive"], 20, "it ends")
    m.sh("sleep 3")
    if m.show("ActiveState") != ["inactive"]:
        raise Failed("it was started again")
    left = m.sh("ovs-vsctl show; ip -o link")
    if re.search("br-weft|wf-|vx-|wx-", left):
        raise Failed(left)


@test
def purge(m):
    """A purge leaves nothing."""
    m.sh("systemctl disable --now weft-netns@red weft-netns@green; "
         "weft netns del red green")
    m.sh("DEBIAN_FRONTEND=noninteractive dpkg --purge weft", 120)
    left = m.sh("find / -xdev -iname '*weft*' ! -path '/root/*'; "
                "find /run /etc -iname '*weft*'; grep weft /etc/group; true")
    if left.strip():
        raise Failed(left)


def why_not():
    """Why nothing can be booted, or None."""
    for program, name in ((QEMU, "qemu-system-x86"),
                          ("mmdebstrap", "mmdebstrap"),
                          ("mke2fs", "e2fsprogs")):
        if not shutil.which(program):
            return f"no {program}: apt-get install {name}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dir", type=Path, required=True)
    args = parser.parse_args()
    lacking = why_not()
    if lacking:
        print(f"skipped: {lacking}")
        return 0
    args.dir = args.dir.resolve()
    deb = next(args.dir.glob("weft_*.deb"), None)
    if not deb:
        print(f"boot: no weft_*.deb in {args.dir}: run build.sh",
              file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(143))
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="boot.", dir=args.dir) as there:
        machine = None
        began = time.monotonic()
        try:
            machine = Machine(Path(there), args.dir, deb)
            machine.wait_booted()
            print(f"booted after {time.monotonic() - began:.0f} s")
            for function in TESTS:
                function(machine)
                passed += 1
                print(f"passed {function.__name__}: {function.__doc__} "
                      f"({time.monotonic() - began:.0f} s)")
                sys.stdout.flush()
        except (Failed, OSError) as e:
            failed = 1
            name = TESTS[passed].__name__
            print(f"FAILED {name}: {TESTS[passed].__doc__}\n{e}")
            if machine:
                for look in ("weft status", "journalctl -u weft -n 30 "
                             "--no-pager", "ip -o link"):
                    try:
                        print(machine.run(look, 30)[1])
                    except Failed:
                        break
        finally:
            if machine:
                machine.kill()
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())

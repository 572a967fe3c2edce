# SPDX-License-Identifier: Apache-2.0
"""A tiny virtual machine on a host of a lab, for a port that qemu opens.

    words = ["-netdev", "tap,id=n0,ifname=wf-vm1,script=no,downscript=no,"
             "vnet_hdr=off", "-device", "virtio-net-pci,netdev=n0,mac=.."]
    with Guest(host, words) as guest:
        lease = guest.wait_lease()
        guest.run("ping -c 1 10.1.12.1")

It is Debian's kernel with Debian's busybox and nothing else, in memory; the
machine's own kernel has no part in it, so all is emulated and slow (TCG).
eth0 has what its DHCP client was given (or what 'address' says), port 80
serves the guest's name by HTTP, and the serial line takes one command after
the other.  Needs qemu-system-x86, busybox-static and, for the kernel's
package, which is downloaded once for a build tree and not installed, apt.
"""

import base64
import gzip
import os
import re
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from host import LabError, wait_for

KERNEL = "linux-image-cloud-amd64"      # Depends on the one of today's ABI.
MODULES = ("virtio_pci", "virtio_net")
BUSYBOX = ("/bin/busybox", "/usr/bin/busybox")
BOOT_TIME = 120                         # Seconds, at the very most.
LINE_MAX = 4000                         # Of a terminal, canonical mode.

INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
dmesg -n 1
word() { sed -n "s/.*\\bweft\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }
hostname "$(word name)"
while read -r module; do insmod "/modules/$module"; done </modules/order
hostname >/www/index.html
httpd -p 80 -h /www
ip link set lo up
ip link set eth0 up
address=$(word ip)
if [ "$address" ]; then
    ip addr add "$address" dev eth0
    gateway=$(word gateway)
    [ -z "$gateway" ] || ip route add default via "$gateway"
else
    udhcpc -f -i eth0 -s /lease.sh -O mtu -O staticroutes -t 3 -T 1 -A 1 \\
        -x "hostname:$(hostname)" >/tmp/udhcpc.log 2>&1 &
fi
exec /console.sh <>/dev/ttyS0 >&0 2>&1
"""

# One command a line, in base64: "NUMBER COMMAND".  The answer is its output
# and a line with the number and the exit code.
CONSOLE = """\
#!/bin/busybox sh
stty -echo -onlcr
echo '<weft-guest ready>'
while read -r number command; do
    command=$(echo "$command" | base64 -d)
    (eval "$command") </dev/null 2>&1
    echo "<weft-guest $number $?>"
done
"""

# What udhcpc calls with the lease in its environment.
LEASE = """\
#!/bin/busybox sh
case $1 in
deconfig)
    rm -f /tmp/lease
    ip addr flush dev eth0
    ip link set eth0 up
    ;;
bound | renew)
    [ -z "$mtu" ] || ip link set eth0 mtu "$mtu"
    ip addr replace "$ip/$mask" dev eth0 2>/dev/null ||
        ip addr add "$ip/$mask" dev eth0
    if [ "$staticroutes" ]; then    # RFC 3442: the router does not count.
        set -- $staticroutes
        while [ $# -ge 2 ]; do
            ip route replace "$1" via "$2" dev eth0
            shift 2
        done
    elif [ "$router" ]; then
        ip route replace default via "${router%% *}" dev eth0
    fi
    {
        [ -z "$domain" ] || echo "search $domain"
        for server in $dns; do echo "nameserver $server"; done
    } >/etc/resolv.conf
    env | grep -E '^(ip|mask|router|dns|domain|mtu|staticroutes|serverid)=' \\
        >/tmp/lease.new
    echo "lease=$lease" >>/tmp/lease.new
    mv /tmp/lease.new /tmp/lease
    ;;
esac
"""

SCRIPTS = {"init": INIT, "console.sh": CONSOLE, "lease.sh": LEASE}


class Guest:
    """Boots at once; ready for run() when made, or without 'wait' after
    wait_ready().  Ends with its `with`.

    host        on which qemu runs
    words       qemu's, for the network: -netdev and -device
    build       in which the kernel and its files are kept
    name        the guest's, and what httpd says
    address     "10.0.0.2/24": set it, and do not ask for a lease;
    gateway     the default route then
    """

    def __init__(self, host, words, build=None, name="guest", address=None,
                 gateway=None, memory=128, wait=True):
        kernel, initramfs = files(build or host.lab.build)
        qemu = shutil.which("qemu-system-x86_64")
        if not qemu:
            raise LabError("no qemu: apt-get install qemu-system-x86")
        cmdline = ("console=ttyS0 quiet loglevel=1 panic=-1 "
                   f"weft.name={name}")
        if address:
            cmdline += f" weft.ip={address}"
        if gateway:
            cmdline += f" weft.gateway={gateway}"
        self.host = host
        self.name = name
        self.began = time.monotonic()
        self._number = 0
        self._said = b""
        self._heard = threading.Condition()
        self._ended = False
        # Kept, as the logs of the host are, if a test fails.
        self._log = open(host.log_dir / f"guest-{name}.log", "wb")
        self._process = host.popen(
            [qemu, *host.hypervisor(), "-m", memory,
             "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio",
             "-global", "virtio-net-pci.romfile=",
             "-kernel", kernel, "-initrd", initramfs, "-append", cmdline,
             *words],
            text=False, bufsize=0, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def wait_ready(self):
        try:
            self._take(rb"<weft-guest ready>\r?\n", BOOT_TIME, "boot")
        except BaseException:
            self.close()
            raise
        self.boot_time = time.monotonic() - self.began

    def close(self):
        """Ends it as if its plug were pulled."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()

    def run(self, command, check=True, timeout=30):
        """Runs a shell command; returns its CompletedProcess, of which
        'stdout' has both outputs.  Raises unless it exits 0 or 'check' is
        off."""
        self._number += 1
        line = b"%d %s\n" % (self._number,
                             base64.b64encode(command.encode()))
        if len(line) > LINE_MAX:
            raise LabError(f"{self.name}: a command of {len(command)} bytes "
                           "is too long")
        self._process.stdin.write(line)
        match = self._take(rb"<weft-guest %d (\d+)>\r?\n" % self._number,
                           timeout, command)
        code = int(match[1])
        output = self._before.decode(errors="replace")
        if check and code:
            raise LabError(f"{self.name} on {self.host.name}: {command}: "
                           f"exit {code}\n{output}")
        return subprocess.CompletedProcess([command], code, output, "")

    def sh(self, command, **options):
        """Runs a shell command and returns what it printed."""
        return self.run(command, **options).stdout

    def ping(self, address, count=1, timeout=5):
        return self.run(f"ping -c {count} -W {timeout} {address}",
                        check=False).returncode == 0

    def lease(self):
        """What its DHCP client was given, as udhcpc calls it; or None."""
        result = self.run("cat /tmp/lease", check=False)
        if result.returncode:
            return None
        return dict(line.split("=", 1)
                    for line in result.stdout.splitlines())

    def wait_lease(self, timeout=20):
        try:
            return wait_for(self.lease, timeout, f"{self.name} has a lease",
                            0.1)
        except AssertionError as e:
            raise AssertionError(f"{e}\n" + self.sh(
                "cat /tmp/udhcpc.log; ip addr; ip route", check=False)
            ) from None

    def _read(self):
        while True:
            try:
                data = os.read(self._process.stdout.fileno(), 1 << 16)
            except OSError:
                data = b""
            if data:
                self._log.write(data)
                self._log.flush()
            with self._heard:
                self._said += data
                self._ended = not data
                self._heard.notify_all()
                if self._ended:
                    return

    def _take(self, pattern, timeout, what):
        """Waits for what matches; what comes before is self._before."""
        with self._heard:
            self._heard.wait_for(lambda: self._ended
                                 or re.search(pattern, self._said), timeout)
            match = re.search(pattern, self._said)
            if not match:
                raise LabError(
                    f"{self.name} on {self.host.name}: "
                    + ("qemu ended during: " if self._ended
                       else f"not done within {timeout:g} s: ") + what
                    + "\n" + self._said[-2000:].decode(errors="replace"))
            self._before = self._said[:match.start()]
            self._said = self._said[match.end():]
            return match


# --- what it boots ---------------------------------------------------------

def files(build, name="initramfs", modules=MODULES, scripts=SCRIPTS):
    """The paths of a kernel and of an initramfs with these modules and
    scripts, made where lacking."""
    directory = Path(build) / "guest"
    kernel = directory / "vmlinuz"
    busybox = next((b for b in BUSYBOX if os.path.exists(b)), None)
    if not busybox:
        raise LabError("no busybox: apt-get install busybox-static")
    directory.mkdir(parents=True, exist_ok=True)
    if not kernel.exists() or not (directory / "lib").exists():
        _get_kernel(directory)
    order = []
    for module in modules:
        _add_module(directory, module, order)
    initramfs = directory / name
    new = _initramfs(order, Path(busybox).read_bytes(), scripts)
    if not initramfs.exists() or initramfs.read_bytes() != new:
        _replace(initramfs, new)
    return kernel, initramfs


def modules_directory(build):
    """Where files() has put /lib/modules/VERSION of its kernel."""
    return next((Path(build) / "guest" / "lib" / "modules").iterdir())


def _replace(path, data):
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as new:
        new.write(data)
    os.rename(new.name, path)


def _command(*argv, cwd=None):
    result = subprocess.run(argv, cwd=cwd, text=True, capture_output=True,
                            env={**os.environ, "LC_ALL": "C"}, check=False)
    if result.returncode:
        raise LabError("no kernel for guests: " + " ".join(argv) + ":\n"
                       + (result.stderr or result.stdout).strip())
    return result.stdout


def _get_kernel(directory):
    """Takes Debian's kernel and its modules."""
    if not shutil.which("apt-get"):
        raise LabError(f"no kernel for guests: this is no Debian, and they "
                       f"boot that of its package {KERNEL}")
    found = re.search(r"^\s*Depends: (linux-image-\S+)",
                      _command("apt-cache", "depends", KERNEL), re.M)
    if not found:
        raise LabError(f"no kernel for guests: apt-cache knows no {KERNEL}; "
                       "try apt-get update")
    with tempfile.TemporaryDirectory(dir=directory) as there:
        # As the caller: apt's own user may not write here.
        _command("apt-get", "-q", "-o", "APT::Sandbox::User=root",
                 "download", found[1], cwd=there)
        package = next(Path(there).glob("*.deb"))
        _command("dpkg-deb", "-x", str(package), f"{there}/x")
        shutil.rmtree(directory / "lib", ignore_errors=True)
        shutil.move(f"{there}/x/lib", directory / "lib")
        version = next((directory / "lib" / "modules").iterdir()).name
        _command("depmod", "-b", str(directory), version)
        # Last: it says that all is there.
        _replace(directory / "vmlinuz",
                 next(Path(there).glob("x/boot/vmlinuz-*")).read_bytes())


def _add_module(there, name, order):
    """To the paths of 'order', behind all that it needs."""
    path = next((p for p in there.glob("lib/modules/*/kernel/**/*.ko")
                 if p.stem.replace("-", "_") == name), None)
    if path is None or path in order:
        return                      # Built in, or there.
    needs = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
    for need in needs[1].decode().split(","):
        if need:
            _add_module(there, need.replace("-", "_"), order)
    order.append(path)


def _initramfs(modules, busybox, scripts):
    """A cpio archive of the form "newc", packed."""
    entries = [(name, stat.S_IFDIR | 0o755, b"")
               for name in ("bin", "dev", "etc", "modules", "proc", "sys",
                            "tmp", "www")]
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, busybox))
    entries += [(name, stat.S_IFREG | 0o755, text.encode())
                for name, text in scripts.items()]
    entries += [(f"modules/{path.name}", stat.S_IFREG | 0o644,
                 path.read_bytes()) for path in modules]
    entries.append(("modules/order", stat.S_IFREG | 0o644, "".join(
        path.name + "\n" for path in modules).encode()))
    archive = b""
    for number, (name, mode, data) in enumerate(
            [*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                  len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08x" % f for f in fields)
        archive += _padded(header + name.encode() + b"\0") + _padded(data)
    return gzip.compress(archive, 1, mtime=0)


def _padded(data):
    return data + bytes(-len(data) % 4)

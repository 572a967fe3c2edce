# SPDX-License-Identifier: Apache-2.0
"""Hosts of a lab that are virtual machines: Debian's own kernel, and so the
kernel's datapath of Open vSwitch.

A GuestHost is a Host to the tests: what they do with the one they do with the
other.  Its machine sees the files of this one, read-only with a layer of its
own above, so it has the same programs and the same build tree.  The kernel
and its modules are those of guest.py.  All is emulated (TCG): slow.

Booting costs seconds, so machines outlive the lab that they were booted for.
A Pool, one a process, has them in namespaces of its own, kept by a lifeline
as a lab's are: nothing survives an interrupt.

    the pool's init         network namespace
      +- qemu               wire0 (tap) - cable0 (bridge) - hosta's lab
      |                     talk0 (tap): commands, to guestchannel.py
      +- virtiofsd          the files

When its lab ends, a guest is reset: everything that ran there is killed, and
datapath, links, namespaces, rules and state are removed.
"""

import atexit
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path, PurePosixPath

import guest
import guestchannel
from host import (Host, LabError, Node, make_run_dir, remove_run_dir,
                  wait_for)
from namespaces import (MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC,
                        kill_and_wait, mount, process_alive, sleep_forever,
                        spawn_init)

POOLS = Path("/run/weft-guests")
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
QEMU = "qemu-system-x86_64"
MODULES = ("virtio_pci", "virtio_net", "virtiofs", "overlay")
PORT = 22
MEMORY = 512                    # MB.
# With AMD's virtualization, so that a machine in a guest is emulated once.
CPU = "qemu64,+rdrand,+svm,+npt"
BOOT_TIME = 120                # Seconds, at the very most.
# Before that, a switch of Debian's gets no handler threads, and each packet
# that would have to go to one is lost.
UPTIME = 11
MTU_MAX = 9216

INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
word() { sed -n "s/.*\\bweft\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }
while read -r module; do insmod "/modules/$module"; done </modules/order
mkdir /machine /layers /new
mount -t virtiofs -o ro machine /machine
mount -t tmpfs layers /layers
mkdir /layers/upper /layers/work
mount -t overlay overlay /new -o \
    lowerdir=/machine,upperdir=/layers/upper,workdir=/layers/work
modules=$(word modules) channel=$(word channel)
address=$(word address) port=$(word port)
rm -rf /new/lib/modules /new/run /new/etc/modprobe.d
mkdir -p /new/lib/modules /new/run /new/var/log/openvswitch
ln -s "$modules" /new/lib/modules/
for there in proc sys dev; do mount --move /$there /new/$there; done
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts
mount -t tmpfs shm /new/dev/shm
mount -t tmpfs run /new/run
exec switch_root /new /bin/sh -c '
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
# The second NIC is not of the host.
touch /run/command-netns
unshare --net=/run/command-netns true
ip link set eth1 netns /run/command-netns
nsenter --net=/run/command-netns ip link set lo up
nsenter --net=/run/command-netns ip addr add "$2" dev eth1
nsenter --net=/run/command-netns ip link set eth1 up
exec 9</run/command-netns
umount /run/command-netns
rm /run/command-netns
exec /usr/bin/python3 -B "$1" serve "$3"
' - "$channel" "$address" "$port"
"""

# The directories that a host has of its own.
OWN = """\
own="/etc/weft /var/lib/weft /etc/openvswitch /var/lib/openvswitch
    /var/log/openvswitch"
"""

# What a host has of its own, as setup_host() makes it for a namespace.
FRESH = OWN + """\
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/openvswitch /run/lock $own
# Which makes /dev/net/tun.
modprobe -q tun
for at in $own; do
    mount -t tmpfs -o mode=755 weft $at
done
mkdir /etc/weft/tls
echo "$1" >/etc/hostname
sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.disable_ipv6=0 \
    net.ipv6.conf.default.disable_ipv6=0
"""

# What the lab of the other day left.  Fails if anything cannot be removed.
RESET = OWN + """\
ovs-dpctl dump-dps 2>/dev/null | while read -r dp; do
    ovs-dpctl del-dp "$dp"
done
for link in $(ls /sys/class/net); do
    case $link in
    lo | eth0) ;;
    *) ip link del "$link" 2>/dev/null || true ;;
    esac
done
tc qdisc del dev eth0 root 2>/dev/null || true
tc qdisc del dev eth0 ingress 2>/dev/null || true
ip -batch - <<.
addr flush dev lo
link set eth0 down
addr flush dev eth0
.
ip -4 route flush table all 2>/dev/null || true
ip -6 route flush table all 2>/dev/null || true
nft flush ruleset
umount $own
for ns in /run/netns/*; do umount "$ns" 2>/dev/null || true; done
umount -l /run
modprobe -qr vport_vxlan vport_geneve openvswitch vxlan || true
modprobe -qr bonding kvm_amd || true
left=$(ls /sys/class/net | grep -vx -e lo -e eth0) || true
[ -z "$left" ] || { echo "left: $left" >&2; exit 1; }
"""


def why_not():
    """Why there can be no guests, or None."""
    if os.geteuid() != 0:
        return "not root"
    if not shutil.which(QEMU):
        return f"no {QEMU}: apt-get install qemu-system-x86"
    if not os.path.exists(VIRTIOFSD):
        return f"no {VIRTIOFSD}: apt-get install qemu-system-common"
    return None


class GuestPath:
    """A path in a guest: what tests use of pathlib.Path."""

    def __init__(self, host, path):
        self._host = host
        self._path = PurePosixPath(path)
        self.name = self._path.name

    def __str__(self):
        return str(self._path)

    def __truediv__(self, name):
        return GuestPath(self._host, self._path / str(name))

    def glob(self, pattern):
        return [GuestPath(self._host, p)
                for p in self._host.machine.call("glob", str(self), pattern)]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **options: self._host.machine.call(
            name, str(self), *map(_plain, args), **options)


def _plain(value):
    return str(value) if isinstance(value, GuestPath) else value


class Machine:
    """One that qemu runs: files and commands, but no host of a lab yet."""

    def __init__(self, pool, number, build):
        kernel, initramfs = guest.files(build, "initramfs-host", MODULES,
                                        {"init": INIT})
        self.pool = pool
        self.number = number
        self.address = f"169.254.{number}.2"
        self.booted = time.monotonic()
        self.console = pool.dir / f"console{number}"
        mac = f"0a:57:ff:00:{number:02x}"
        files = pool.dir / f"files{number}"
        wire, talk, cable = (f"{word}{number}"
                             for word in ("wire", "talk", "cable"))
        pool.node.sh(f"""
            ip tuntap add {wire} mode tap vnet_hdr
            ip tuntap add {talk} mode tap vnet_hdr
            ip link add {cable} type bridge forward_delay 0 mcast_snooping 0
            ip link set {wire} mtu {MTU_MAX} master {cable} up
            ip link set {cable} up
            ip addr add 169.254.{number}.1/24 dev {talk}
            ip link set {talk} up""")
        self._files = pool.node.popen(
            [VIRTIOFSD, f"--socket-path={files}", "-o", "source=/", "-o",
             "cache=always", "-o", "sandbox=chroot", "-o", "log_level=err"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(files.exists, 10, "virtiofsd listens")
        words = {"modules": guest.modules_directory(build).resolve(),
                 "channel": Path(guestchannel.__file__).resolve(),
                 "address": f"{self.address}/24", "port": PORT}
        cmdline = ("console=ttyS0 quiet loglevel=4 panic=-1 "
                   "random.trust_cpu=on "
                   + " ".join(f"weft.{k}={v}" for k, v in words.items()))
        self._qemu = pool.node.popen(
            [QEMU, "-accel", "tcg", "-cpu", CPU, "-m", MEMORY,
             "-object", f"memory-backend-memfd,id=m,size={MEMORY}M,share=on",
             "-machine", "q35,memory-backend=m", "-nodefaults", "-nographic",
             "-no-reboot", "-serial", f"file:{self.console}",
             "-chardev", f"socket,id=f,path={files}",
             "-device", "vhost-user-fs-pci,chardev=f,tag=machine",
             "-netdev", f"tap,id=n0,ifname={wire},script=no,downscript=no",
             "-device", f"virtio-net-pci,netdev=n0,mac={mac}:01,romfile=",
             "-netdev", f"tap,id=n1,ifname={talk},script=no,downscript=no",
             "-device", f"virtio-net-pci,netdev=n1,mac={mac}:02,romfile=",
             "-device", "virtio-rng-pci",
             "-kernel", kernel, "-initrd", initramfs, "-append", cmdline],
            stdout=subprocess.DEVNULL,
            stderr=open(pool.dir / f"qemu{number}", "wb"))

    def wait_ready(self):
        """Until it takes commands, and is old enough for a switch."""
        def ready():
            if self._qemu.poll() is not None:
                raise RuntimeError(self._said("qemu ended"))
            try:
                return float(self.call("read_text", "/proc/uptime").split()[0])
            except OSError:
                return None
        try:
            uptime = wait_for(ready, BOOT_TIME, "a guest boots", 0.1)
        except (AssertionError, RuntimeError) as e:
            raise LabError(self._said(str(e))) from None
        time.sleep(max(0, UPTIME - uptime))

    def _said(self, text):
        for path in (self.pool.dir / f"qemu{self.number}", self.console):
            if path.exists():
                text += "\n" + path.read_text(errors="replace")[-3000:]
        return text

    def alive(self):
        return self._qemu.poll() is None

    def kill(self):
        for process in (self._qemu, self._files):
            if process.poll() is None:
                process.kill()
            process.wait(10)
        self.pool.node.sh("".join(
            f"ip link del {word}{self.number}\n"
            for word in ("wire", "talk", "cable")))

    def connect(self):
        connection = self.pool.node.open_socket(
            None, socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.settimeout(3 if not self.alive() else 20)
            connection.connect((self.address, PORT))
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        return connection

    def call(self, function, *args, **options):
        if not self.alive():
            raise FileNotFoundError("the guest is powered off")
        return guestchannel.call(self.connect(), function, args, options)

    def argv(self, argv, netns, directory):
        return ["nsenter", f"--net=/proc/{self.pool.node.pid}/ns/net",
                "/usr/bin/python3", "-BIS", guestchannel.__file__, "exec",
                self.address, str(PORT), netns or "", directory, "--",
                *map(str, argv)]


class GuestHost(Host):
    """A host of a lab that is a guest of this machine."""

    DATAPATH = ("--datapath=system",)
    VSWITCHD = ()
    lends_underlay = False

    def __init__(self, lab, name, machine, addresses):
        # pid and start are those of its qemu: what power_off() ends.
        self.machine = machine
        self.may_lose = False       # Upcalls: with a dead switch all are.
        super().__init__(lab, name, machine._qemu.pid, addresses, True)
        machine.call("hostname", name)
        self.run(["sh", "-ec", FRESH, "-", name])

    @property
    def logs(self):
        return self.path("/var/log/openvswitch")

    def argv(self, argv, netns=None, directory="/"):
        if not process_alive(self.pid, self.started):
            raise LabError(f"{self.name} of lab {self.lab.name} is gone")
        return self.machine.argv(argv, netns, directory)

    def path(self, path):
        return GuestPath(self, path)

    def open_socket(self, netns, *args):
        return guestchannel.RemoteSocket(self.machine.connect, netns, args)

    def kill(self, daemon, *args, **options):
        if daemon == "ovs-vswitchd":
            self.may_lose = True
        super().kill(daemon, *args, **options)

    def start_vswitchd(self, *args, age=None):
        """With 'age', for a switch that takes the host to be up for as many
        seconds."""
        script = self._vswitchd_script(*args)
        if age is not None:
            self.may_lose = True
            uptime = float(self.path("/proc/uptime").read_text().split()[0])
            script = ("unshare --time --fork --monotonic "
                      f"{int(age - uptime)} {script}")
        self._start("ovs-vswitchd", script)

    def hypervisor(self):
        self.run(["modprobe", "kvm-amd"])
        return ["-accel", "kvm", "-cpu", "host"]

    def ping(self, address, netns=None, count=1, timeout=1):
        # An answer that is emulated takes its time.
        return super().ping(address, netns, count, 3 * timeout)

    def power_off(self):
        self._running.clear()
        self.machine.kill()

    def lost(self):
        """The upcalls that the datapath lost, by datapath."""
        text = self.sh("ovs-dpctl show")
        return [line.strip() for line in text.splitlines()
                if "lost:" in line]

    def _problems(self):
        if not self.machine.alive():
            return
        if not self.may_lose:
            for line in self.lost():
                if not line.endswith("lost:0"):
                    yield f"{self.name}: the datapath lost upcalls: {line}"
        yield from super()._problems()

    @property
    def plug(self):
        return f"plug{self.machine.number}", self.machine.pool.node.pid

    def plugged(self):
        self.machine.pool.node.sh(
            f"ip link set plug{self.machine.number} "
            f"master cable{self.machine.number} up")

    def take_peers(self, path):
        # Written there: inotify does not tell of what happened elsewhere.
        new = self.path("/etc/weft/.peers.conf.new")
        new.write_bytes(path.read_bytes())
        new.rename("/etc/weft/peers.conf")

    def release(self, keep):
        if keep and self.machine.alive():
            for log in self.logs.glob("*.log"):
                (self.log_dir / log.name).write_bytes(log.read_bytes())
            (self.log_dir / "dmesg").write_text(self.sh("dmesg"))
        pool().give(self.machine)

    def _network_script(self, nat, routes=()):
        mtu = self.lab._mtu
        script = f"ip link set eth0 mtu {mtu}\n"
        if nat:
            script += ("ip link add eth1 type veth peer name nat\n"
                       "ip link set nat up\n")
        return script + super()._network_script(nat, routes)


class Pool:
    """The machines of this process."""

    def __init__(self):
        lacking = why_not()
        if lacking:
            raise LabError(f"no guests: {lacking}")
        self.name = "guests"
        self.dir = POOLS / str(os.getpid())
        self.build = None
        self._machines = []         # All that were booted.
        self._free = []
        self._number = 0
        remove_run_dir(self.dir)
        make_run_dir(self.dir)
        reading, self._lifeline = os.pipe()
        try:
            pid = spawn_init(self._setup, lambda: self._outlive(reading),
                             lifeline=reading)
        finally:
            os.close(reading)
        self.node = Node(self, "guests", pid)
        atexit.register(self.close)

    def _setup(self):
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)

    def _outlive(self, lifeline):
        if os.read(lifeline, 1):
            sleep_forever("weft-guests")
        remove_run_dir(self.dir)

    def take(self, count, build):
        """As many machines, ready."""
        self.build = self.build or build
        taken = [self._free.pop() for _ in range(min(count,
                                                     len(self._free)))]
        while len(taken) < count:
            self._number += 1
            taken.append(Machine(self, self._number, build))
            self._machines.append(taken[-1])
        for machine in taken:
            machine.wait_ready()
        return taken

    def give(self, machine):
        """Takes one back that a lab had."""
        try:
            if machine.alive():
                machine.call("reset")
                node = subprocess.run(
                    machine.argv(["sh", "-ec", RESET], None, "/"),
                    env=self.node.environment(), text=True,
                    capture_output=True, timeout=60, check=False)
                if not node.returncode:
                    self._free.append(machine)
                    return
                machine.kill()
                raise LabError("a guest cannot be reset: " + node.stderr)
        finally:
            if machine not in self._free and machine in self._machines:
                self._machines.remove(machine)

    def close(self):
        os.close(self._lifeline)
        kill_and_wait(self.node.pid, self.node.started)
        remove_run_dir(self.dir)


_pool = None


def pool():
    global _pool
    if _pool is None:
        _pool = Pool()
    return _pool


if __name__ == "__main__":
    # For ./quickstart.
    print(why_not() or "", end="")

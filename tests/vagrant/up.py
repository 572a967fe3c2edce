#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Brings the lab of vagrant/ up for real, uses it and destroys it.

    up.py --dir DIR --deb PACKAGE [--box FILE]

The provider is libvirt, with a libvirtd of its own: in namespaces (PIDs,
network, mounts) whose first process ends with this one, whatever ends it, and
takes all with it.  So nothing of the machine's is touched, nor is a libvirtd
that runs here.  DIR keeps the box for the next run; what else is made there is
removed.  All is emulated (TCG) and takes minutes.  Needs root, and
tests/vagrant/packages.  Prints a line for each test, and how many passed; they
build on each other, so the first that fails is the last.
"""

import argparse
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/system"))
import namespaces                                     # noqa: E402

# Where libvirtd and Vagrant write, so each is a directory of our own there.
OWN = ("/run", "/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt",
       "/var/log/libvirt", "/root")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun")
# Neither a service nor cgroups, nor what would shut qemu off from /dev.
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
LIBVIRTD_CONF = 'auth_unix_rw = "none"\nauth_unix_ro = "none"\n'
# The user's part of each Vagrantfile.  "open" asks for no rules of iptables.
VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.provider :libvirt do |libvirt|
    libvirt.management_network_mode = "open"
  end
end
"""
HOSTS = {"host1": "red", "host2": "green", "host3": "yellow"}
GREEN = """
[network green]
vni = 200
subnet = 10.2.0.0/16
"""
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Failed(Exception):
    """One line or more on what was not as it should be."""


class World:
    """The namespaces, with a libvirtd; gone after its `with`."""

    def __init__(self, directory):
        self._stack = contextlib.ExitStack()
        self.path = Path(tempfile.mkdtemp(prefix="up.", dir=directory))
        self._stack.callback(shutil.rmtree, self.path)
        self.lab = self.path / "vagrant"
        self.log = self.path / "libvirtd.log"
        shutil.copytree(TREE / "vagrant", self.lab,
                        ignore=shutil.ignore_patterns(".vagrant", "*.box"))

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.push(self._stack.pop_all())
            lifeline, self._held = os.pipe()
            stack.callback(os.close, self._held)
            pid = namespaces.spawn_init(self._setup,
                                        lambda: os.read(lifeline, 1),
                                        lifeline=lifeline)
            os.close(lifeline)
            started = namespaces.process_stat(pid)[2]
            stack.callback(namespaces.kill_and_wait, pid, started)
            self.pid = pid
            self._start_libvirtd()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _setup(self):
        mount = namespaces.mount
        mount("none", "/", None,
              namespaces.MS_REC | namespaces.MS_PRIVATE)
        for number, at in enumerate(OWN):
            own = self.path / f"own{number}"
            own.mkdir()
            os.makedirs(at, exist_ok=True)
            mount(own, at, None, namespaces.MS_BIND)
        mount("proc", "/proc", "proc")
        mount("sysfs", "/sys", "sysfs")
        self._devices()
        Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
        Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF)
        Path("/root/.vagrant.d").mkdir()
        Path("/root/.vagrant.d/Vagrantfile").write_text(VAGRANTFILE)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def _devices(self):
        """A /dev without kvm: it need not run what Debian's kernel needs."""
        dev = self.path / "dev"
        dev.mkdir()
        mount = namespaces.mount
        mount("dev", dev, "tmpfs", 0, "mode=755")
        for name in DEVICES:
            (dev / name).parent.mkdir(exist_ok=True)
            (dev / name).touch()
            mount(f"/dev/{name}", dev / name, None, namespaces.MS_BIND)
        for name, kind, data in (("pts", "devpts", "newinstance,ptmxmode=666"),
                                 ("shm", "tmpfs", "mode=1777")):
            (dev / name).mkdir()
            mount(kind, dev / name, kind, 0, data)
        (dev / "ptmx").symlink_to("pts/ptmx")
        (dev / "fd").symlink_to("/proc/self/fd")
        mount(dev, "/dev", None, namespaces.MS_BIND | namespaces.MS_REC)

    def _words(self, *argv):
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", "--uts",
                "--pid", f"--wd={self.lab}", *map(str, argv)]

    def _environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                "LC_ALL": "C.UTF-8", "VAGRANT_DEFAULT_PROVIDER": "libvirt",
                "VAGRANT_CHECKPOINT_DISABLE": "1",
                "WEFT_DEB": str(self.path / "weft.deb")}

    def _start_libvirtd(self):
        with open(self.log, "wb") as log:
            subprocess.Popen(self._words("libvirtd"), stdout=log, stderr=log,
                             stdin=subprocess.DEVNULL,
                             env=self._environment())
        wait_for(lambda: self.run("virsh", "-q", "uri", check=False)[0] == 0,
                 60, "libvirtd answers", self.log)

    def run(self, *argv, check=True, timeout=120):
        """Its exit code and what it printed."""
        result = subprocess.run(
            self._words(*argv), stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
            env=self._environment(), check=False)
        if check and result.returncode:
            raise Failed(f"{' '.join(map(str, argv))}: exit "
                         f"{result.returncode}\n{result.stdout[-4000:]}")
        return result.returncode, result.stdout

    def ssh(self, host, command, **options):
        return self.run("vagrant", "ssh", host, "--", command, **options)


def wait_for(predicate, timeout, what, log=None):
    end = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > end:
            raise Failed(f"not within {timeout} s: {what}"
                         + (f"\n{log.read_text()[-2000:]}" if log else ""))
        time.sleep(0.2)


def links():
    """The machine's interfaces."""
    return {entry["ifname"] for entry in json.loads(subprocess.run(
        ["ip", "-j", "link"], capture_output=True, text=True,
        check=True).stdout)}


def make_box(box):
    if not box.exists():
        said = subprocess.run([TREE / "vagrant/make-box", box], text=True,
                              stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT)
        if said.returncode:
            raise Failed(f"make-box: {said.stdout[-3000:]}")


# --- the tests -------------------------------------------------------------

@test
def up(world, args):
    """vagrant up --provider=libvirt makes three hosts of the box."""
    make_box(args.box)
    world.run("vagrant", "box", "add", "--name", "weft-debian12", args.box)
    world.run("vagrant", "up", "--provider=libvirt", timeout=900)


@test
def status(world, _):
    """vagrant ssh HOST -- weft status is healthy, on each."""
    for host in HOSTS:
        wait_for(lambda: world.ssh(host, "weft status", check=False)[0] == 0,
                 20, f"{host} is healthy")
    print(world.ssh("host1", "weft status")[1])


@test
def ping(world, _):
    """Each namespace reaches each other one, and loses nothing."""
    addresses = {}
    for host in HOSTS:
        found = json.loads(world.ssh(host, "weft endpoint list --json")[1])
        addresses[host] = found[0]["ip"][0].split("/")[0]
    for a, b in itertools.permutations(HOSTS, 2):
        said = world.ssh(a, f"sudo ip netns exec {HOSTS[a]} "
                            f"ping -q -c 5 -i 0.2 -W 5 {addresses[b]}")[1]
        if " 0% packet loss" not in said:
            raise Failed(f"{a} to {b}:\n{said}")
        print(f"  {a} ({addresses[a]}) to {b} ({addresses[b]}):",
              said.splitlines()[3])


@test
def shared(world, _):
    """A change of the one peers.conf, made here, is in force on each host."""
    with open(world.lab / "shared/peers.conf", "a", encoding="utf-8") as file:
        file.write(GREEN)
    for host in HOSTS:
        wait_for(lambda: "green" in world.ssh(host, "weft network list")[1],
                 10, f"{host} has the network green")
    print(world.ssh("host3", "weft network list")[1])


@test
def destroy(world, _):
    """vagrant destroy -f leaves no machine, network or disk."""
    world.run("vagrant", "destroy", "-f")
    left = [line for what in ("list --all --name", "net-list --all --name",
                              "vol-list default")
            for line in world.run("virsh", "-q",
                                  *what.split())[1].split("\n")
            # The box and the network of every machine are kept by Vagrant.
            if line.strip() and "_vagrant_box_image" not in line
            and line.strip() not in ("vagrant-libvirt", "default")]
    if left:
        raise Failed("left: " + " ".join(left))


def run_all(args):
    passed = 0
    before = links()
    began = time.monotonic()
    with World(args.dir) as world:
        shutil.copy(args.deb, world.path / "weft.deb")
        for function in TESTS:
            start = time.monotonic()
            try:
                function(world, args)
            except (Failed, OSError, subprocess.SubprocessError) as e:
                print(f"FAILED {function.__name__}: {function.__doc__}\n{e}")
                return passed, 1
            passed += 1
            print(f"passed {function.__name__}: {function.__doc__} "
                  f"{time.monotonic() - start:.0f} s", flush=True)
    if links() != before:
        print(f"FAILED: links came or went: {links() ^ before}")
        return passed, 1
    print(f"all of it took {time.monotonic() - began:.0f} s")
    return passed, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--deb", type=Path, required=True)
    parser.add_argument("--box", type=Path)
    args = parser.parse_args()
    args.dir = args.dir.resolve()
    args.dir.mkdir(parents=True, exist_ok=True)
    args.box = (args.box or args.dir / "libvirt.box").resolve()
    # What one that was killed could not remove.
    for left in args.dir.glob("up.*"):
        shutil.rmtree(left)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(143))
    passed, failed = run_all(args)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())

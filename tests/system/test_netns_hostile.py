# SPDX-License-Identifier: Apache-2.0
"""What is given in place of a namespace, by somebody who means harm: weftd
does not wait for it, says in one line why not, and never puts an interface
into the host's own namespace or into one that was not asked for."""

import contextlib
import subprocess
import time

import pytest

from controlclient import Client, request
from host import PATIENCE
from lab import wait_for
from weftlib import (attach, bare, dweller, endpoints, ip_json,
                     lab_fixture, links, refused)

IFNAME = "inside0"              # The host has an eth0 of its own.
ROUNDS = 200

shared = lab_fixture(hosts=1)


@pytest.fixture
def host(shared):
    with bare(shared) as (host,):
        host.sh("mkdir -p /run/hostile; chmod 777 /run/hostile")
        yield host
        host.sh("cd /run/hostile; umount bound mnt-uts 2>/dev/null || true;"
                "rm -rf *")


def refused_soon(host, netns, *words):
    """One line, at once, and nobody had to wait."""
    begin = time.monotonic()
    said = refused(host, "attach", netns, "--network=blue", "--name=x",
                   "--ifname", IFNAME)
    assert time.monotonic() - begin < 5 * PATIENCE
    for word in words:
        assert word in said, said
    assert len(said) < 300 and said.isprintable(), said
    assert IFNAME not in links(host)


@contextlib.contextmanager
def process(host, script, netns=None):
    """A Python script in the host; what it prints first."""
    with host.popen(["/usr/bin/python3", "-c", script], netns=netns,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        try:
            yield p.stdout.readline().strip()
        finally:
            p.kill()


MAKE = """
cd /run/hostile
touch file; mkdir folder; mkfifo fifo; ln -s file link; ln -s loop loop
ln -s nowhere dangling; ln -s fifo link-to-fifo
mknod null c 1 3; mknod tape c 9 0; mknod block b 7 0
ln -s /proc/1/ns/mnt link-to-mnt
touch mnt-uts; mount --bind /proc/1/ns/uts mnt-uts
"""


def test_what_is_no_network_namespace(host):
    host.sh(MAKE)
    no = "not a network namespace"
    for name in ("file", "folder", "fifo", "link", "link-to-fifo", "null",
                 "tape", "block", "link-to-mnt", "mnt-uts"):
        refused_soon(host, f"/run/hostile/{name}", name, no)
    for path in (f"/proc/1/ns/{kind}" for kind in (
            "mnt", "uts", "ipc", "pid", "user", "cgroup", "time", ".")):
        refused_soon(host, path, path, no)
    for path in ("/dev/stdin", "/proc/self/fd/1", "/dev/ptmx", "/",
                 "/run/openvswitch/db.sock", "/proc/kmsg"):
        refused_soon(host, path, no)
    refused_soon(host, "/run/hostile/dangling", "no such network namespace")
    refused_soon(host, "/run/hostile/loop", "symbolic links")
    refused_soon(host, "/run/hostile/file/x", "no such network namespace")


def test_names_that_are_too_much(host):
    refused_soon(host, "/run/" + "\u00e9" * 1900, "/run/\u00e9", "...")
    refused_soon(host, "/" + "x/" * 2040, "...")
    for netns in ("/run/" + "x" * 5000, "red\n", "/run/\x1b[2J", "re\x7fd"):
        said = refused(host, "attach", netns, "--network=blue", code=2)
        assert len(said) < 300 and said.isprintable(), said
        # Not only the command looks at it.
        with Client(host) as client:
            client.sendall(request("attach", netns, "--network=blue"))
            error = client.answer()["error"]
            assert len(error) < 300 and error[:-1].isprintable(), error
            assert error.count("\n") == 1
            client.sendall(request("detach/netns", netns))
            assert client.answer()["error"] is None
            client.sendall(request("who", netns))
            error = client.answer()["error"]
            assert len(error) < 300 and error[:-1].isprintable(), error


def test_own_namespace_under_any_name(host):
    host.netns("red")               # So that there is a /run/netns.
    host.sh("""
        cd /run/hostile
        touch bound /run/netns/bound
        mount --bind /proc/1/ns/net bound
        mount --bind /proc/1/ns/net /run/netns/bound
        ln -s /proc/1/ns/net link
        ln -s link chain
        ln -s /run/hostile/chain /run/netns/chain
    """)
    try:
        weftd = host.daemon_pid("weftd")
        vswitchd = host.daemon_pid("ovs-vswitchd")
        for netns in ("pid:1", f"pid:{weftd}", f"pid:{vswitchd}",
                      "/proc/1/ns/net", "/proc/1/task/1/ns/net",
                      "//proc/./1//ns/net", "/proc/self/ns/net",
                      "/proc/thread-self/ns/net", f"/proc/{weftd}/ns/net",
                      "/run/hostile/bound", "/run/hostile/link",
                      "/run/hostile/chain", "bound", "chain",
                      "/run/netns/bound", "/var/run/netns/chain",
                      "/run/netns/../hostile/link"):
            refused_soon(host, netns, "the host's own network namespace")
    finally:
        host.sh("umount /run/netns/bound; rm /run/netns/bound "
                "/run/netns/chain")


ZOMBIE = """
import os, sys
pid = os.fork() or os._exit(0)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(pid, flush=True)
sys.stdin.readline()
"""
THREAD = """
import sys, threading
t = threading.Thread(target=sys.stdin.readline)
t.start()
print(t.native_id, flush=True)
"""


def test_processes_that_are_none(host):
    host.netns("red")
    for script in (ZOMBIE, THREAD):
        with process(host, script, "red") as pid:
            refused_soon(host, f"pid:{pid}", pid, "no such process")
    assert IFNAME not in links(host, "red")


@pytest.mark.parametrize("restarted", [False, True])
def test_path_that_leads_elsewhere_later(host, restarted):
    """The endpoint was asked for the namespace that the path led to then.
    Its owner cannot have another's namespace changed by it."""
    host.netns("red")
    host.netns("green")
    host.ip("link", "add", IFNAME, "type", "veth", "peer", "name", "other",
            netns="green")
    path = "/run/hostile/link"
    host.sh(f"ln -s /run/netns/red {path}")
    words = ("--network=blue", "--name=x", "--ifname", IFNAME)
    made = host.weft_json("attach", path, *words)
    assert host.weft_json("attach", path, *words) == made
    host.sh(f"ln -sfn /run/netns/green {path}")
    if restarted:
        host.stop_weftd()
        host.start_weftd()
        host.wait_healthy()
    said = refused(host, "attach", path, *words)
    assert "detach it first" in said

    def mtus(netns):
        return [link["mtu"] for link in ip_json(host, "link", netns=netns)
                if link["ifname"] != "lo"]
    assert mtus("red") == [1450] and mtus("green") == [1500, 1500]
    host.ip("link", "set", "eth0", "mtu", "1400")
    try:
        host.ip("link", "set", "br-phy", "mtu", "1400")
        wait_for(lambda: "mtu 1350" in host.ip(
            "link", "show", "dev", made["port"]), 5, "the MTU follows")
        time.sleep(0.1)
        assert mtus("green") == [1500, 1500]
    finally:
        host.ip("link", "set", "eth0", "mtu", "1500")
        host.ip("link", "set", "br-phy", "mtu", "1500")

    # Its end inside is deleted by who owns the namespace.
    host.ip("link", "del", IFNAME, netns="green")
    host.ip("link", "del", IFNAME, netns="red")
    wait_for(lambda: not endpoints(host), 5, "the endpoint is detached")
    assert IFNAME not in links(host, "green")


SWAP = """
import itertools, os, sys
os.chdir("/run/hostile")
os.mkfifo("fifo")
def rename(name, target):
    if target:
        os.symlink(target, name)
    else:
        os.link("fifo", name)
    os.rename(name, "ns")
targets = ["/run/netns/red", None, "/proc/1/ns/net", "/run/netns/red", "/etc"]
rename("new", targets[0])
print("swapping", flush=True)
for target in itertools.cycle(targets):
    rename("new", target)
"""
REFUSALS = ("not a network namespace", "the host's own network namespace",
            "in the namespace that this was before")


def test_path_that_is_changed_all_the_time(host):
    """Whatever it leads to when weftd looks: it is that, or a refusal."""
    host.netns("red")
    outcomes = {}
    with dweller(host, "red") as red, process(host, SWAP) as said, \
            Client(host) as client:
        assert said == "swapping"

        def ask(*words):
            begin = time.monotonic()
            client.sendall(request(*words))
            answer = client.answer()
            assert time.monotonic() - begin < 5 * PATIENCE, words
            return answer

        def has_it(pid):
            text = host.path(f"/proc/{pid}/net/dev").read_text()
            return IFNAME + ":" in text

        for _ in range(ROUNDS):
            answer = ask("attach", "/run/hostile/ns", "--network=blue",
                         "--name=x", "--ifname", IFNAME)
            error = answer["error"]
            outcome = next((r for r in REFUSALS if r in (error or "")), error)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            assert has_it(red) == (error is None), error
            assert not has_it(1)
            assert ask("status", "--json")["error"] is None
            assert ask("detach", "x")["error"] is None
            wait_for(lambda: not has_it(red), 10)
    assert set(outcomes) <= {None, *REFUSALS}, outcomes
    assert outcomes[None] > 10 and len(outcomes) > 2, outcomes
    attach(host, "red", "--network=blue")
    host.wait_healthy()

# SPDX-License-Identifier: Apache-2.0
"""What weftd tells the service manager, which is a socket of this test."""

import contextlib
import os
import signal
import socket
import subprocess
import time

import pytest

from host import wait_for
from namespaces import process_stat
from weftlib import bare, lab_fixture

lab = lab_fixture(hosts=2)
SOCKET = "/run/notify"
WATCHDOG_S = 1


class Manager:
    """Starts a weftd the way systemd does, and keeps what it is told."""

    def __init__(self, host, *args):
        self.host = host
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        path = host.path(SOCKET)
        path.unlink(missing_ok=True)
        # A socket's path has 107 bytes at most, and this one is longer.
        directory = os.open(path.parent, os.O_PATH)
        self.socket.bind(f"/proc/self/fd/{directory}/{path.name}")
        os.close(directory)
        self.told = []
        usual = [*host.DATAPATH, f"--name={host.name}"]
        # WATCHDOG_PID is the daemon's, which only the shell knows.
        self.process = host.popen(
            ["sh", "-c", 'export WATCHDOG_PID=$$; exec weftd --pidfile '
             '--no-chdir --log-file "$@"', "weftd", *usual, *args],
            env={"NOTIFY_SOCKET": SOCKET,
                 "WATCHDOG_USEC": str(WATCHDOG_S * 1000000)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def receive(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.socket.recv(65536).decode()
                self.told += text.split("\n")
        return self.told

    def wait(self, line, timeout=10):
        wait_for(lambda: line in self.receive(), timeout, f"told {line}")

    def status(self):
        lines = [t for t in self.receive() if t.startswith("STATUS=")]
        return lines[-1] if lines else ""

    def forget(self):
        self.receive()
        self.told = []

    def signal(self, sig):
        pid = self.host.daemon_pid("weftd")
        assert process_stat(pid, self.host.path("/proc"))
        self.host.sh(f"kill -{sig.value} {pid}")

    def end(self):
        if self.process.poll() is None:
            with contextlib.suppress(Exception):
                self.signal(signal.SIGCONT)
                self.signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.socket.close()


@pytest.fixture
def manage(lab):
    with bare(lab) as hosts:
        hosts[0].stop_weftd()
        managers = []

        def start(*args):
            managers.append(Manager(hosts[0], *args))
            return managers[-1]

        yield start
        for manager in managers:
            manager.end()
        for host in hosts:
            for daemon, start_it in (("ovsdb-server", host.start_ovsdb),
                                     ("ovs-vswitchd", host.start_vswitchd),
                                     ("weftd", host.start_weftd)):
                if not host.is_running(daemon):
                    start_it()


def test_ready_means_that_attach_works(manage):
    manager = manage()
    manager.wait("READY=1")
    host = manager.host
    host.netns("red")
    # No waiting in between: a unit that comes after weft.service does so.
    host.weft("--timeout=5", "attach", "red", "--network", "blue")
    host.weft("detach", "--all")
    assert manager.status().startswith("STATUS=")
    assert host.weft("status", check=False).stdout


def test_status_says_what_weft_status_says(manage, lab):
    healthy = "STATUS=healthy: tunnels 1 of 1 up, endpoints 0 of 0 up"
    manager = manage()
    manager.wait("READY=1")
    host, other = lab.hosts
    wait_for(lambda: manager.status() == healthy, 20, "the line follows")
    other.kill_vswitchd(signal.SIGTERM)
    wait_for(lambda: "BFD is down" in manager.status(), 20,
             "the line follows")
    assert manager.status().startswith("STATUS=NOT healthy: tunnels 0 of 1 ")
    problem = host.status()["problems"][0]
    assert problem.split(":")[0] in manager.status()
    other.start_vswitchd()
    wait_for(lambda: manager.status() == healthy, 20, "the line follows")


def test_reload(manage):
    manager = manage()
    manager.wait("READY=1")
    manager.forget()
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.signal(signal.SIGHUP)
    manager.wait("READY=1")
    told = manager.told
    at = told.index("RELOADING=1")
    assert told.index("READY=1") > at
    key, usec = told[at + 1].split("=")
    ended = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert key == "MONOTONIC_USEC" and began <= int(usec) <= ended


def test_watchdog_hears_a_daemon_that_lives(manage):
    manager = manage()
    manager.wait("READY=1")
    manager.forget()
    manager.wait("WATCHDOG=1", 3 * WATCHDOG_S)
    manager.signal(signal.SIGSTOP)
    pid, proc = manager.host.daemon_pid("weftd"), manager.host.path("/proc")
    wait_for(lambda: process_stat(pid, proc)[0] == "T", what="it stands still")
    manager.forget()
    time.sleep(3 * WATCHDOG_S)
    assert not manager.receive()
    manager.signal(signal.SIGCONT)
    manager.wait("WATCHDOG=1", 3 * WATCHDOG_S)


def test_stop(manage):
    manager = manage()
    manager.wait("READY=1")
    manager.signal(signal.SIGTERM)
    assert manager.process.wait(10) == 0
    assert "STOPPING=1" in manager.receive()


def test_ready_without_a_switch(manage, lab):
    """The boot does not hang on an Open vSwitch that is away."""
    host = lab.hosts[0]
    host.kill_vswitchd(signal.SIGTERM)
    host.kill_ovsdb(signal.SIGTERM)
    manager = manage()
    manager.wait("READY=1", 15)
    assert "is ovsdb-server running?" in manager.status()


def test_ready_without_a_peer_file(manage):
    """As after the installation: it waits, and says what for."""
    manager = manage("--directory=file:/etc/peers-to-come.conf")
    manager.wait("READY=1", 4)
    assert "/etc/peers-to-come.conf" in manager.status()
    host = manager.host
    host.sh("cp /etc/weft/peers.conf /etc/peers-to-come.conf")
    wait_for(lambda: "of 1 up" in manager.status(), 10,
             "the file is found")


def test_nobody_to_tell(lab):
    """Without NOTIFY_SOCKET it runs as ever; an empty one counts as none."""
    with bare(lab) as hosts:
        hosts[0].stop_weftd()
        with hosts[0].popen(
                ["weftd", "--pidfile", "--no-chdir", "--log-file",
                 *hosts[0].DATAPATH, "--name=hosta"],
                env={"NOTIFY_SOCKET": ""}) as process:
            hosts[0].wait_healthy()
            process.terminate()
            assert process.wait(10) == 0
        hosts[0].start_weftd()

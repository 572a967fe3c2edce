# SPDX-License-Identifier: Apache-2.0
"""Faults of the agent: nobody notices.

What happens when it is killed in the middle of its work is in
test_syscalls.py.
"""

import contextlib
import re
import signal
import subprocess
import time

import pytest

from host import PATIENCE, wait_for
from scene import LEARNED, OUR_FLOWS, OURS, flow_ages, problems, synced
from weftlib import cpu_ticks, endpoints, refused

SOON = 5
FROZEN = 60                     # Seconds.
SECOND = ("--pidfile=/run/second.pid", "--unixctl=/run/second.ctl")
MAX_IDLE = 10                   # Seconds; vswitchd's other_config:max-idle.
OLD_TABLES = 100                # How far they were from those of today.
OLD_GROUP = "group_id=0x57000063,type=all,bucket=bucket_id:1,actions=output:1"


def wait_more(pingers, count):
    for pinger in pingers.values():
        pinger.wait_answer(count)


@contextlib.contextmanager
def untouched(host):
    """No flow is taken out, nor put in the place of one that was the same."""
    before = flow_ages(host)
    yield
    for flow, age in flow_ages(host).items():
        assert age > before[flow], flow


# It goes and comes back.

def test_killed_while_idle(world):
    with world.lossless() as pingers, untouched(world.a):
        world.a.kill_weftd()
        wait_more(pingers, 20)
        world.a.start_weftd()
        synced(world.a)


def test_restarted(world):
    with world.lossless() as pingers, untouched(world.a):
        world.a.stop_weftd()
        wait_more(pingers, 20)
        world.a.start_weftd()
        synced(world.a)


@contextlib.contextmanager
def another_version(lab, directory):
    """Its programs come first in PATH."""
    ours = subprocess.run([lab.build / "weftd", "--version"], check=True,
                          capture_output=True, text=True).stdout.split()[1]
    theirs = re.sub(r"\d", "9", ours)
    for name in ("weft", "weftd"):
        program = directory / name
        code = (lab.build / name).read_bytes()
        program.write_bytes(code.replace(f"{ours}\0".encode(),
                                         f"{theirs}\0".encode()))
        program.chmod(0o755)
    build, lab.build = lab.build, directory
    try:
        yield theirs
    finally:
        lab.build = build


def change_flows(host, *lines):
    host.run(["ovs-ofctl", "--protocols=OpenFlow15", "--bundle", "add-flows",
              "br-weft", "-"], stdin="\n".join(lines) + "\n")


def flows_of_ours(host):
    return [line.strip() for line in
            host.ovs_ofctl("--no-stats", "dump-flows", "br-weft").splitlines()
            if line.strip().startswith(OURS)]


def table(flow):
    """Its number."""
    match = re.search(r" table=(\d+), ", flow.partition("actions=")[0])
    return int(match[1]) if match else 0


def in_old_tables(host):
    return [f for f in flows_of_ours(host) if table(f) >= OLD_TABLES]


def make_old(host):
    """The flows and groups of a version whose tables had other numbers: those
    of today, with one that leads there."""
    def shift(flow):
        flow = re.sub(r"((?:^|[ (,])table=|goto_table:|resubmit\(,)(\d+)",
                      lambda m: m[1] + str(int(m[2]) + OLD_TABLES), flow)
        return flow if "table=" in flow.partition("actions=")[0] else (
            flow.replace(" ", f" table={OLD_TABLES}, ", 1))
    change_flows(host, f"delete table=0, {OUR_FLOWS}",
                 f"add {OURS}000100000000, priority=0 "
                 f"actions=goto_table:{OLD_TABLES}",
                 *(f"add {shift(flow)}" for flow in flows_of_ours(host)
                   if LEARNED not in flow.partition(",")[0]
                   and table(flow) < OLD_TABLES))
    host.ovs_ofctl("--may-create", "mod-group", "br-weft", OLD_GROUP)
    time.sleep(1)                   # The switch's cache follows.


def forget_today(host):
    """As if the old one had run for long: nothing is in the tables of today,
    nor does the switch's cache know of them."""
    tables = {table(flow) for flow in flows_of_ours(host)}
    change_flows(host, *(f"delete table={n}, {OUR_FLOWS}" for n in tables
                         if 0 < n < OLD_TABLES))
    host.ovs_appctl("revalidator/purge", target="ovs-vswitchd")
    assert host.flows() and not [
        f for f in host.flows() if f.startswith(OURS)
        and "table=forward," in f]


def test_upgraded(world, tmp_path):
    """What the newer one finds was made for another pipeline: it changes all
    of it under the traffic.  What the old one had stays as long as the
    switch's cache knows of it, for whoever goes back."""
    a = world.a
    with another_version(world.lab, tmp_path) as version:
        with world.lossless() as pingers:
            a.stop_weftd()
            make_old(a)
            forget_today(a)
            wait_more(pingers, 20)      # The older one has worked, too.
            a.start_weftd()
            assert f"weftd {version}" in a.log().rpartition("opened log")[2]
            synced(a)
            wait_more(pingers, 50)
            # And back, and forth.
            a.stop_weftd()
            make_old(a)
            wait_more(pingers, 20)
            began = time.monotonic()
            a.start_weftd()
            synced(a)
            a.wait_healthy(SOON)
            wait_for(lambda: not in_old_tables(a), MAX_IDLE + 10,
                     "what the old one had is gone")
            assert time.monotonic() - began > MAX_IDLE
            world.check()
            a.stop_weftd()
    with world.lossless():
        a.start_weftd()
        synced(a)


# It stands still.

def timed(run, *args):
    began = time.monotonic()
    return run(*args), time.monotonic() - began


@pytest.mark.once
def test_frozen_for_a_minute(world):
    """Whoever asks is told that it takes too long, and what he asked for
    happens when it goes on."""
    a = world.a
    a.netns("extra")
    with world.lossless() as pingers:
        a.kill_weftd(signal.SIGSTOP)
        thawed = time.monotonic() + FROZEN + 1
        with a.popen(["weft", "status"], stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE) as patient:
            late = ("weftd has not finished in time; it goes on: see \"weft "
                    "status\", or give a longer --timeout")
            for command in (["status"], ["endpoint", "list"],
                            ["attach", "extra", "--network", "blue"]):
                text, took = timed(refused, a, "-T", "2", *command)
                assert text == late and 1.9 < took < 4 * PATIENCE, (text, took)
            second_agent_gives_way(world)
            out, err = patient.communicate(timeout=FROZEN + 10)
            assert (out, err) == ("", f"weft: {late}\n")
            assert patient.returncode == 1
        time.sleep(max(thawed - time.monotonic(), 0))
        wait_more(pingers, 5)
    with world.lossless(links=a):
        a.kill_weftd(signal.SIGCONT)
        wait_for(lambda: endpoints(a).get("extra", {}).get("state") == "up",
                 SOON, "what was asked for is done")
        a.wait_healthy(SOON)
    a.weft("detach", "extra")
    a.ip("netns", "del", "extra")


def test_more_commands_than_may_wait(world):
    """While it stands still: none hangs longer than it was told to."""
    a = world.a
    with world.lossless():
        a.kill_weftd(signal.SIGSTOP)
        commands = [a.popen(["weft", "-T", "2", "status"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                    for _ in range(30)]
        for command in commands:
            out, err = command.communicate(timeout=10 * PATIENCE)
            assert command.returncode == 1 and not out
            assert err.startswith("weft: ") and err.count("\n") == 1, err
        a.kill_weftd(signal.SIGCONT)
        a.wait_healthy(SOON)


# There are two.

def second_agent_gives_way(world):
    """Another one for the bridge of the host ends by itself."""
    a = world.a
    result = a.run(a.weftd_argv(*SECOND), check=False)
    assert result.returncode == 1
    assert "another weftd serves bridge br-weft" in result.stderr


def test_a_second_agent_gives_way(world):
    with world.lossless(), untouched(world.a):
        second_agent_gives_way(world)


def test_a_second_agent_takes_over(world):
    """When the first one ends while the second is about to give way."""
    a = world.a
    with world.lossless(), untouched(a):
        with a.popen(a.weftd_argv(*SECOND),
                     stderr=subprocess.PIPE) as second:
            wait_for(a.path("/run/second.ctl").exists, SOON, "it runs")
            a.kill_weftd()
            wait_for(lambda: a.weft("-t", "/run/second.ctl", "status",
                                    check=False).returncode == 0,
                     SOON, "it serves the bridge")
            second.send_signal(signal.SIGTERM)
            second.communicate(timeout=10)
            assert second.returncode == 0
        a.start_weftd()


# It gets nothing.

@contextlib.contextmanager
def full(host, directory):
    """The tmpfs there has no byte left."""
    used = host.run(["df", "-k", "--output=used",
                     directory]).stdout.split()[-1]
    host.sh(f"mount -o remount,size={used}k {directory}")
    try:
        yield
    finally:
        host.sh(f"mount -o remount,size=50% {directory}")


def fill_database(host):
    """Also the end of the last page of its file."""
    for size in (4000, 1000, 300, 100, 30, 10, 3, 1):
        host.ovs_vsctl("--no-wait", "set", "Open_vSwitch", ".",
                       f"external_ids:filler={'x' * size}", check=False)


def test_database_on_a_full_disk(world):
    a = world.a
    with world.extra(a) as extra, world.lossless(links=a):
        a.netns("more")
        with full(a, "/etc/openvswitch"):
            fill_database(a)
            ticks = cpu_ticks(a)
            text, took = timed(refused, a, "attach", "more", "--network",
                               "blue")
            assert text.startswith("endpoint more: the database refuses it: ")
            assert "No space left on device" in text and took < 3 * PATIENCE
            assert "more" not in endpoints(a)
            wait_for(lambda: "wf-more" not in a.ip("-o", "link"), SOON,
                     "its link has gone")
            text, took = timed(refused, a, "detach", "extra")
            assert text.startswith("endpoint extra: the database refuses the "
                                   "change: ") and took < 3 * PATIENCE
            assert "tries again" in text
            assert "No space left on device" in problems(a)
            time.sleep(1)
            assert cpu_ticks(a) - ticks < 30 * PATIENCE
        wait_for(lambda: "extra" not in endpoints(a), SOON,
                 "the detach is done")
        extra.host.weft("attach", "more", "--network", "blue")
        a.weft("detach", "more")
        a.ip("netns", "del", "more")
        a.ovs_vsctl("remove", "Open_vSwitch", ".", "external_ids", "filler")


def test_pidfile_on_a_full_disk(world):
    """It says so and does not start; nothing else is noticed."""
    a = world.a
    with world.lossless():
        a.stop_weftd()
        with full(a, "/run"):
            a.sh("head -c 100000 /dev/zero >/run/fill || true")
            result = a.start_weftd(check=False)
            assert result.returncode == 1
            assert "weftd.pid" in result.stderr
            assert "No space left on device" in result.stderr
        a.sh("rm /run/fill")
        a.start_weftd()


def test_log_on_a_full_disk(world):
    """What cannot be written is lost, and nothing else."""
    a = world.a
    log = "/var/log/openvswitch"
    with world.lossless(links=a):
        a.sh(f"mount -t tmpfs -o size=16k tmpfs {log}")
        try:
            a.ovs_appctl("vlog/reopen", target="weftd")
            a.sh(f"head -c 100000 /dev/zero >{log}/fill || true")
            with world.extra(a):
                a.wait_healthy(SOON)
            a.stop_weftd()
            a.start_weftd()
            a.wait_healthy(SOON)
        finally:
            a.sh(f"umount -l {log}")
        a.ovs_appctl("vlog/reopen", target="weftd")


def limit(host, what, value):
    """Of its weftd; the hard limit stays."""
    pid = host.daemon_pid("weftd")
    host.sh(f"prlimit --pid {pid} --{what}={value}:")


def test_no_descriptors_left(world):
    """None, then one, then two: it refuses, rests, and goes on when there are
    some again."""
    a = world.a
    a.stop_weftd()                  # Which may have one free below others, so
    a.start_weftd()                 # that a limit there is below poll()'s.
    synced(a)                       # All that it opens is open.
    fds = host_fds(a)
    free = next(n for n in range(len(fds) + 1) if n not in fds)
    a.netns("extra")
    with world.lossless(links=a):
        try:
            limit(a, "nofile", free)
            refused(a, "-T", "1", "status")
            ticks = cpu_ticks(a)
            time.sleep(1)
            assert cpu_ticks(a) - ticks < 8 * PATIENCE
            for more in range(1, 8):
                limit(a, "nofile", free + more)
                attach_or_refuse(a, "extra")
        finally:
            limit(a, "nofile", 1024)
        # The last detach may be still on its way.
        wait_for(lambda: a.weft("attach", "extra", "--network", "blue"), SOON,
                 "it goes on")
        a.weft("detach", "extra")
        a.ip("netns", "del", "extra")
        wait_for(lambda: len(host_fds(a)) <= len(fds), SOON,
                 "no descriptor is left open")


def attach_or_refuse(host, name):
    result = host.weft("-T", "1", "attach", name, "--network", "blue",
                       check=False)
    if result.returncode:
        assert result.stderr.startswith("weft: "), result.stderr
        assert result.stderr.count("\n") == 1, result.stderr
    host.weft("-T", "1", "detach", name, check=False)


def host_fds(host):
    pid = host.daemon_pid("weftd")
    return {int(p.name) for p in host.path(f"/proc/{pid}/fd").iterdir()}


@pytest.mark.once
def test_no_memory(world):
    """It aborts (a sanitizer has an allocator of its own); --monitor, where no
    init system does it, starts it again."""
    a = world.a
    with world.lossless():
        a.stop_weftd()
        a.start_weftd("--monitor")
        first = a.daemon_pid("weftd")
        limit(a, "core", 0)
        limit(a, "as", 1)
        # More than is free in what it has.
        text = refused(a, "attach", "--file", "-", stdin="".join(
            f"nowhere{n} --network blue\n" for n in range(20000)))
        assert text.startswith("weftd ended before it answered"), text
        wait_for(lambda: a.daemon_pid("weftd") not in (None, first), SOON,
                 "it was started again")
        a.wait_healthy(SOON)
        a.forget_daemons()
        a.sh(f"kill {a.daemon_pid('weftd')}")
        wait_for(lambda: not a.is_running("weftd"), SOON, "it ends")
        a.start_weftd()

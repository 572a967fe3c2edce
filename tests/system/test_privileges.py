# SPDX-License-Identifier: Apache-2.0
"""What weftd may do once it runs, and that it is enough: of a process that
root started, not more than weft.service lets it have."""

import contextlib
import re
import signal

import pytest

from lab import wait_for
from scene import TOP, problems
from weftlib import (assert_pings, attach, endpoints, lab_fixture,
                     refused)

shared = lab_fixture()
# From linux/capability.h.
NUMBERS = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_PTRACE": 19,
           "CAP_SYS_ADMIN": 21}
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups "


def allowed():
    """The set that the unit names."""
    unit = (TOP / "agent/systemd/weft.service.in").read_text()
    return re.search("^CapabilityBoundingSet=(.*)", unit, re.M)[1].split()


def mask(names):
    return sum(1 << NUMBERS[name] for name in names)


def threads(host):
    """What the kernel says of each thread, by its name."""
    task = host.path(f"/proc/{host.daemon_pid('weftd')}/task")
    all_of = [dict(re.findall(r"^(\w+):\s*(.*)$", each.read_text(), re.M))
              for each in task.glob("*/status")]
    by_name = {status["Name"].rstrip("0123456789"): status
               for status in all_of}
    # One that begins has the name of its maker yet.
    assert set(by_name) == {"weftd", "reaper", "urcu"}, by_name.keys()
    assert len(all_of) == len(by_name)
    return by_name


def assert_least(host, have=None):
    have = mask(allowed()) if have is None else have
    wanted = [0, have, have, have, 0]
    for thread, status in wait_for(lambda: threads(host)).items():
        assert [int(status[s], 16) for s in SETS] == wanted, thread
        assert status["NoNewPrivs"] == "1", thread


def start_with(host, bounding):
    """weftd as root of a container that has only so much."""
    script = host._weftd_script()
    host._start("weftd", f"setpriv --bounding-set={bounding} {script}")


def process(host, command):
    """A process in a network namespace of its own; its pid in the host."""
    pid = int(host.sh(f"{command} sleep 300 >/dev/null 2>&1 & echo $!"))
    own = host.sh("readlink /proc/1/ns/net")
    wait_for(lambda: host.sh(f"readlink /proc/{pid}/ns/net") != own,
             what="it has a namespace of its own")
    return pid


# What it keeps.

def test_every_thread_has_what_the_unit_allows_and_no_more(hosta):
    attach(hosta, "red")
    assert_least(hosta)


def test_a_start_by_the_monitor_is_no_other(hosta):
    """What starts weftd again after a crash keeps all that root has, reads
    nothing, and each weftd that it starts gives it up."""
    hosta.stop_weftd()
    hosta.start_weftd("--monitor")
    try:
        hosta.wait_healthy()
        assert_least(hosta)
        before = hosta.daemon_pid("weftd")
        hosta._running.pop("weftd")
        hosta.sh(f"ulimit -c 0; kill -ABRT {before}")
        wait_for(lambda: hosta.daemon_pid("weftd") not in (None, before)
                 and hosta.is_running("weftd"), what="it is started again")
        hosta.wait_healthy()
        assert_least(hosta)
    finally:
        with contextlib.suppress(FileNotFoundError):
            for core in hosta.logs.glob("core*"):
                core.unlink()
        hosta.kill("weftd", signal.SIGTERM)
        hosta.start_weftd()
        hosta.wait_healthy()


# That it is enough.

@pytest.mark.parametrize("command", [
    "unshare --net", NOBODY + "unshare --user --net",
    "unshare --user --map-root-user --net",
    "setpriv --bounding-set=-all unshare --user --net"])
def test_the_namespace_of_a_process(hosts, command):
    a, b = hosts
    attach(b, "red")
    pid = process(a, command)
    endpoint = a.weft_json("attach", f"pid:{pid}")
    assert f"/proc/{pid}/ns/net" in a.weft("who", f"wf-pid-{pid}").stdout
    assert_pings(b, "red", endpoint)
    a.weft("detach", f"pid-{pid}")
    a.sh(f"kill {pid}")


def test_a_tap_for_another_user(hosta):
    hosta.weft("tap", "vm", "--owner", "65534")
    assert "user nobody" in hosta.sh("ip -d link show wf-vm")
    hosta.weft("detach", "vm")


def test_the_log_is_opened_anew(hosta):
    """As logrotate asks for it.  Into a file that root has no right to by its
    owner or mode weftd does not write; it goes on with the one it has."""
    log = hosta.path("/var/log/openvswitch/weftd.log")
    old = log.with_suffix(".log.1")
    log.rename(old)
    hosta.kill("weftd", signal.SIGHUP)
    wait_for(lambda: "opened log file" in hosta.log(), what="there is a log")

    log.unlink()
    hosta.sh("install -m 600 -o nobody /dev/null "
             "/var/log/openvswitch/weftd.log")
    hosta.kill("weftd", signal.SIGHUP)
    hosta.wait_healthy()
    assert hosta.log() == ""
    log.unlink()
    hosta.kill("weftd", signal.SIGHUP)
    wait_for(lambda: "opened log file" in hosta.log(), what="there is a log")
    old.unlink()


def test_the_peer_file_of_somebody_else(shared, hosta):
    """Is refused, with what to do, and read as soon as it may be."""
    peers = "/etc/weft/peers.conf"
    hosta.sh(f"chown nobody {peers}; chmod 600 {peers}")
    try:
        wait_for(lambda: "peers.conf: Permission denied: let root read it"
                 in problems(hosta), what="status says so")
        attach(hosta, "red")            # By the list that was good.
    finally:
        hosta.sh(f"chmod 644 {peers}")
    hosta.wait_healthy()
    hosta.sh(f"chown root {peers}")


def test_its_end_removes_its_files(hosta):
    pid = hosta.daemon_pid("weftd")
    files = [hosta.path(f"/run/openvswitch/{name}")
             for name in ("weftd.pid", f"weftd.{pid}.ctl")]
    assert all(f.exists() for f in files)
    hosta.stop_weftd()
    assert not any(f.exists() for f in files)
    hosta.start_weftd()
    hosta.wait_healthy()


# Where there is less.

def told(host):
    """What was said of privileges, since the log began."""
    return [line for line in host.log().splitlines()
            if "|privileges|" in line]


@pytest.fixture
def with_less(hosta):
    def start(*lacking):
        before = len(told(hosta))
        hosta.stop_weftd()
        start_with(hosta, ",".join(
            "-" + name[len("CAP_"):].lower() for name in lacking))
        left = mask(set(allowed()) - set(lacking))
        assert_least(hosta, left)
        said, = told(hosta)[before:]
        assert "WARN|started without" in said
        assert set(re.findall(r"CAP_\w+", said)) == set(lacking)
        wait_for(lambda: hosta.weft_json("network", "list"),
                 what="its list is read")
        return said
    yield start
    hosta.stop_weftd()
    hosta.start_weftd()
    hosta.wait_healthy()


def test_as_in_the_unit_nothing_is_told(hosta):
    """There is no CAP_SETPCAP to change the bounding set with."""
    before = told(hosta)
    hosta.stop_weftd()
    start_with(hosta, "-all," + ",".join(
        "+" + name[len("CAP_"):].lower() for name in allowed()))
    hosta.wait_healthy()
    assert_least(hosta)
    assert told(hosta) == before
    attach(hosta, "red")


def test_without_sys_ptrace(hosta, with_less):
    assert "pid:N" in with_less("CAP_SYS_PTRACE")
    hosta.wait_healthy()
    attach(hosta, "red")
    pid = process(hosta, NOBODY + "unshare --user --net")
    assert "Permission denied" in refused(hosta, "attach", f"pid:{pid}")
    hosta.sh(f"kill {pid}")


def test_without_sys_admin(hosta, with_less):
    assert "only taps" in with_less("CAP_SYS_ADMIN")
    hosta.wait_healthy()
    hosta.weft("netns", "add", "red")
    assert "Operation not permitted" in refused(hosta, "attach", "red")
    hosta.weft("tap", "vm")
    assert endpoints(hosta)["vm"]["state"] == "up"


def test_without_net_admin(hosta, with_less):
    assert "nothing can be attached" in with_less("CAP_NET_ADMIN")
    hosta.weft("netns", "add", "red")
    for command in (["attach", "red"], ["tap", "vm"]):
        assert "Operation not permitted" in refused(hosta, *command)
    with_less("CAP_NET_ADMIN", "CAP_SYS_PTRACE")

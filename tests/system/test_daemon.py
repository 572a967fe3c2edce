# SPDX-License-Identifier: Apache-2.0
"""weftd: its options and weft.conf, a second one, none at all, an impatient
user, and the way out: weft cleanup."""

import json
import signal
import subprocess

import pytest

from conftest import BUILD
from lab import Lab, wait_for
from weftlib import (address, assert_pings, assert_traces, attach,
                     endpoints, ip_json, lab_fixture, refused, traces)

shared = lab_fixture()
CONF = "/etc/weftd-test.conf"


def weftd(host, *args):
    """A weftd that must end by itself, and soon."""
    return host.run(["weftd", *args], check=False, timeout=10)


# Options.

def test_help(hosta):
    result = weftd(hosta, "--help")
    assert result.returncode == 0 and result.stderr == ""
    for option in ("--name", "--directory", "--bridge", "--datapath",
                   "--underlay", "--db", "--config", "--unixctl",
                   "--pidfile", "--detach", "--log-file", "--verbose"):
        assert option in result.stdout
    assert "weftd" in weftd(hosta, "--version").stdout


@pytest.mark.parametrize("args, words", [
    ("--nonsense", "nonsense"),
    ("surprise", "surprise"),
    ("--datapath=fast", "datapath fast auto"),
    ("--directory=/etc/weft/peers.conf", "directory file:"),
    ("--directory=file:", "directory file:"),
    ("--name=a/b", "name a/b"),
    ("--bridge=a-name-that-is-too-long", "bridge 15"),
    ("--underlay=eth0/1", "underlay eth0/1"),
    ("--db=nonsense", "db nonsense"),
])
def test_options_that_are_wrong(hosta, args, words):
    result = weftd(hosta, *args.split())
    assert result.returncode == 2 and not result.stdout
    for word in words.split():
        assert word in result.stderr


@pytest.mark.parametrize("text, line, words", [
    ("bridge = br-weft\nbrigde = x\n", 2, "unknown brigde underlay"),
    ("[weft]\nbridge = br-weft\n", 1, "[weft] sections"),
    ("# fine\nnonsense\n", 2, "KEY = VALUE"),
    ("# fine\nnonsense", 2, "KEY = VALUE"),
    ("bridge = a\n\nbridge = b\n", 3, "bridge line 1 already"),
    ("bridge = a\n  b\n", 2, "KEY = VALUE"),
    ("\n\ndatapath = fast\n", 3, "datapath = fast: auto"),
    ("; fine\n\tname = a/b ; not\n", 2, "name = a/b: must"),
    ("bridge = a-name-that-is-too-long\n", 1, "bridge = a-name 15"),
    ("\ndirectory = /etc/weft/peers.conf\r\n", 2, "directory = file:"),
    ("\ufeffname = hosta\nunderlay =\n", 2, "underlay = : must"),
    ("db = nonsense\n", 1, "db = nonsense: unix:"),
    ("\n\0", 2, "0x00"),
    ("\n# " + 300 * "x", 2, "bytes shorten"),
])
def test_weft_conf_that_is_wrong(hosta, text, line, words):
    """It is told as a compiler would, so that an editor can go there."""
    hosta.path(CONF).write_text(text)
    result = weftd(hosta, f"--config={CONF}")
    assert result.returncode == 1 and not result.stdout
    assert f" {CONF}:{line}: " in result.stderr
    for word in words.split():
        assert word in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("make, words", [
    ("true", "No such file"), ("mkdir {0}", "directory"),
    ("mkfifo {0}", "FIFO"), ("head -c 70000 /dev/zero > {0}", "65536"),
])
def test_weft_conf_that_is_no_file(hosta, make, words):
    hosta.sh(f"rm -rf {CONF}; {make.format(CONF)}")
    result = weftd(hosta, f"--config={CONF}")
    hosta.sh(f"rm -rf {CONF}")
    assert result.returncode == 1
    assert CONF in result.stderr and words in result.stderr


def test_weft_conf_says_what_options_would(make_lab):
    lab = make_lab(weftd=False)
    a, b = lab.hosts
    (lab.weft_dir / "weft.conf").write_text(
        "# for every host\ndatapath = netdev\nunderlay = eth0\n"
        "bridge = br-conf\n")
    for host in lab.hosts:
        host.start_weftd(plain=True)
    lab.wait_healthy()
    assert "br-conf, datapath netdev" in a.weft("status", check=False).stdout
    there = attach(b, "red")
    attach(a, "red")
    assert_pings(a, "red", there)
    a.stop_weftd()
    a.start_weftd("--name=nobody", plain=True, check=False)
    wait_for(lambda: "nobody" in str(a.status()["problems"]),
             what="an option goes before the file")


def test_name_that_is_not_in_the_peer_file(make_lab):
    lab = make_lab(hosts=1, weftd=False)
    host = lab.hosts[0]
    host.start_weftd("--name=stranger")
    # A start that takes long goes on in the background.
    wait_for(lambda: "stranger" in str(host.status()["problems"]),
             what="status says so")
    assert host.weft("status", check=False).returncode == 1
    host.weft("netns", "add", "red")
    assert "stranger" in refused(host, "attach", "red")


# A second one.

def second(host, *args):
    return weftd(host, "--pidfile=/run/second.pid", "--detach", "--no-chdir",
                 "--unixctl=/run/second.ctl", *args)


def test_second_weftd_on_the_same_bridge(hosts):
    a, b = hosts
    attach(b, "red")
    endpoint = attach(a, "red")
    before = traces(a)
    result = second(a, "--datapath=netdev", "--underlay=eth0")
    assert result.returncode == 1
    assert "another weftd serves bridge br-weft" in result.stderr
    assert not a.path("/run/second.ctl").exists()
    assert_traces(a, before)
    assert_pings(b, "red", endpoint)
    a.wait_healthy()


def test_second_weftd_of_the_same_pidfile(hosta):
    result = weftd(hosta, "--pidfile", "--detach", "--datapath=netdev")
    assert result.returncode == 1 and "running" in result.stderr
    hosta.wait_healthy()


def test_second_weftd_on_a_bridge_of_its_own(hosta):
    """Two on one machine, each found by its socket; neither sees the other's
    endpoints, whatever their names."""
    hosta.path("/etc/two.conf").write_text(
        "[network blue]\nvni = 100\nsubnet = 10.1.0.0/16\n"
        f"[peer hosta]\naddress = {hosta.address}\n")
    first = attach(hosta, "red")
    result = second(hosta, "--datapath=netdev", "--bridge=br-two",
                    "--directory=file:/etc/two.conf", "--name=hosta")
    assert result.returncode == 0, result.stderr

    def two(*args):
        return hosta.weft_json("--target=/run/second.ctl", *args)

    try:
        wait_for(lambda: two("network", "list"), what="its list is read")
        hosta.weft("netns", "add", "green", "black")
        made = two("attach", "green", "--name", "red", "--ip",
                   "10.1.200.7/16")
        other = two("attach", "black")
        assert made["port"] != first["port"]
        to = address(made, 4)
        assert hosta.ping(to, "black") and not hosta.ping(to, "red")
        assert [e["name"] for e in two("endpoint", "list")] == ["black",
                                                                "red"]
        assert list(endpoints(hosta)) == ["red"]
        wait_for(lambda: two("status")["healthy"] is True)
        assert other["state"] == "up"
        hosta.wait_healthy()
    finally:
        hosta.weft("--target=/run/second.ctl", "cleanup", "--yes")
    assert "br-two" not in hosta.ovs_vsctl("show")
    assert endpoints(hosta) == {"red": first}


# None at all.

def test_no_daemon(hosta):
    hosta.stop_weftd()
    try:
        said = refused(hosta, "status")
        assert "running" in said and "weftd" in said
        refused(hosta, "endpoint", "list", "--json")
    finally:
        hosta.start_weftd()
    hosta.kill_weftd()              # Leaves its pid file and its socket.
    try:
        assert "weftd" in refused(hosta, "status")
    finally:
        hosta.start_weftd()
    hosta.wait_healthy()


def test_no_rights(hosta):
    """Only root may speak to the daemon."""
    result = hosta.run(["setpriv", "--reuid=65534", "--clear-groups",
                        "/usr/bin/env", "PATH=" + str(hosta.lab.build),
                        "weft", "status"], check=False)
    assert result.returncode != 0 and "healthy" not in result.stdout


# Impatience.

@pytest.fixture
def frozen(hosta):
    """A switch that does nothing."""
    hosta.kill("ovs-vswitchd", signal.SIGSTOP)
    yield hosta
    hosta.kill("ovs-vswitchd", signal.SIGCONT)
    hosta.wait_healthy()


def comes_up(host, name):
    wait_for(lambda: endpoints(host)[name]["state"] == "up",
             what=f"{name} is up")


def test_interrupted_attach(hosts):
    """Ctrl-C ends the command, not what it asked for."""
    a, b = hosts
    attach(b, "red")
    a.weft("netns", "add", "red")
    a.kill("ovs-vswitchd", signal.SIGSTOP)
    try:
        with a.popen(["weft", "attach", "red"]) as process:
            wait_for(lambda: "red" in endpoints(a), what="it is asked for")
            process.send_signal(signal.SIGINT)
            assert process.wait(5) != 0
        assert endpoints(a)["red"]["state"] == "down"
        assert a.weft("status", check=False).returncode == 1
    finally:
        a.kill("ovs-vswitchd", signal.SIGCONT)
    comes_up(a, "red")
    endpoint = a.weft_json("attach", "red")
    assert_pings(b, "red", endpoint)
    before = traces(a)
    a.weft("detach", "red")
    assert before != traces(a) and endpoints(a) == {}


def test_attach_that_takes_too_long(frozen):
    frozen.weft("netns", "add", "red")
    said = refused(frozen, "--timeout=1", "attach", "red")
    assert "--timeout" in said and "status" in said
    frozen.kill("ovs-vswitchd", signal.SIGCONT)
    comes_up(frozen, "red")


def test_attach_returns_when_the_link_is_up(frozen):
    """The switch, opening a link while it is being made, writes back flags
    that it read before the link was up: that is put right before attach
    returns, not by the watch over links that comes 50 ms later."""
    frozen.weft("netns", "add", "red")
    with frozen.popen(["sh", "-c", "weft attach red >&2;"
                       " ip -j link show wf-red"],
                      stdout=subprocess.PIPE) as process:
        wait_for(lambda: "wf-red" in traces_of_kernel(frozen),
                 what="the link is made")
        pid = frozen.daemon_pid("ovs-vswitchd")
        frozen.sh(f"ip link set wf-red down arp on; kill -CONT {pid}")
        flags = json.loads(process.communicate(timeout=10)[0])[0]["flags"]
    assert {"UP", "NOARP"} <= set(flags), flags


def test_detach_overtakes_an_attach(frozen):
    """It waits for a switch that does not answer, and ends both."""
    before = traces_of_kernel(frozen)
    frozen.weft("netns", "add", "red")
    with frozen.popen(["weft", "attach", "red"]) as attaching:
        wait_for(lambda: "red" in endpoints(frozen), what="it is asked for")
        with frozen.popen(["weft", "detach", "red"]) as detaching:
            wait_for(lambda: endpoints(frozen).get("red", {}).get("reason")
                     in (None, "being detached"), what="so is its end")
            frozen.kill("ovs-vswitchd", signal.SIGCONT)
            assert detaching.wait(10) == 0
        assert attaching.wait(10) == 1
    assert endpoints(frozen) == {}
    wait_for(lambda: traces_of_kernel(frozen) == before, 5,
             "the link is gone")


def traces_of_kernel(host):
    return {link["ifname"] for link in ip_json(host, "link")}


# The way out.

def host_state(host):
    """What of a host the underlay's move to a bridge could change."""
    return {
        "addresses": [[(a["local"], a["prefixlen"], a["scope"])
                       for a in link["addr_info"]]
                      for link in ip_json(host, "addr")
                      if link["ifname"] == "eth0"],
        "routes": host.ip("route"),
        "routes6": host.ip("-6", "route"),
        "links": traces_of_kernel(host),
        "nft": host.sh("nft list ruleset"),
        "bridges": host.ovs_vsctl("list-br"),
        "rows": host.ovs_vsctl("--columns=name", "list", "interface"),
    }


def test_cleanup_removes_every_trace():
    with Lab(build=BUILD, underlay="both", weftd=False) as lab:
        a, b = lab.hosts
        a.ip("route", "add", "10.99.0.0/16", "via", b.address)
        before = host_state(a)
        for host in lab.hosts:
            host.start_weftd()
        lab.wait_healthy()
        attach(a, "red")
        attach(a, "green")
        assert host_state(a) != before
        assert "--yes" in refused(a, "cleanup", code=2)
        assert "every trace" in a.weft("cleanup", "--yes").stdout
        forget(a)
        wait_for(lambda: not a.is_running("weftd"), 10, "weftd has ended")

        def same():
            after = host_state(a)
            for part, value in before.items():
                assert after[part] == value, part
            return True
        wait_for(same, 10, "all is as it was")
        assert a.ping(b.address), "the underlay works"
        assert a.weft("netns", "list").stdout.split() == ["green", "red"]
        a.start_weftd()
        lab.wait_healthy()
        there = attach(b, "red")
        attach(a, "red")
        assert_pings(a, "red", there)


def test_neighbours_of_the_underlay_need_not_ask_again(make_lab):
    """The host's address moves to br-phy and back, its MAC stays: who has it
    in his cache loses nothing."""
    lab = make_lab(hosts=1, weftd=False)
    host = lab.hosts[0]
    neighbour = lab.add_host("plain", ovs=False)
    wait_for(lambda: neighbour.ping(host.address), what="its plug is in")
    host.start_weftd()
    host.wait_healthy()
    assert neighbour.ping(host.address)
    host.weft("cleanup", "--yes")
    forget(host)
    assert neighbour.ping(host.address)


def forget(host):
    """weftd may end now: it was asked to, by a command."""
    host._running.pop("weftd", None)


def test_stop_and_start_leaves_all_as_it_is(hosts):
    a, b = hosts
    attach(b, "red")
    endpoint = attach(a, "red")
    before = traces(a)
    a.stop_weftd()
    assert_pings(b, "red", endpoint)
    a.start_weftd()
    a.wait_healthy()
    assert_traces(a, before)
    assert_pings(b, "red", endpoint)


def test_exit_by_ovs_appctl(hosta):
    forget(hosta)
    hosta.ovs_appctl("exit", target="weftd")
    wait_for(lambda: not hosta.is_running("weftd"), 10, "weftd has ended")
    hosta.start_weftd()
    hosta.wait_healthy()

# SPDX-License-Identifier: Apache-2.0
"""What the commands print: lists, one object in full, status, --json, usage,
exit codes; and the same over ovs-appctl."""

import json

import pytest

from lab import wait_for
from weftlib import attach, bare, lab_fixture, refused

NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64

[network tiny]
vni = 16777215
subnet = 10.9.0.0/28
"""
shared = lab_fixture(networks=NETWORKS)


@pytest.fixture
def lab(shared):
    with bare(shared):
        yield shared


@pytest.fixture
def hosta(lab):
    return lab.hosts[0]


def table(host, words):
    lines = host.weft(*words.split()).stdout.splitlines()
    assert all(len(line) <= 80 for line in lines), lines
    assert all(line == line.rstrip() for line in lines), lines
    return lines


def show(host, words):
    """A `show` in text as a dictionary of lists, checked against JSON."""
    told = {}
    for line in host.weft(*words.split()).stdout.splitlines():
        word = line.split()[0]
        key = word if not line.startswith(" ") else key
        told.setdefault(key, []).append(
            line.strip() if line.startswith(" ")
            else line[len(word):].strip())
    value = host.weft_json(*words.split())
    # Counters are told if there is one that is not 0.
    silent = {key for key, v in value.items() if isinstance(v, dict)}
    assert set(told) - silent == set(value) - silent
    return value


# Networks, peers, endpoints.

def test_network_list(hosta):
    by_name = {n["name"]: n for n in hosta.weft_json("network", "list")}
    assert list(by_name) == ["blue", "tiny"]
    blue = by_name["blue"]
    assert blue["vni"] == 100 and blue["mtu"] == 1450
    assert blue["subnet"] == ["10.1.0.0/16", "fd00:1::/64"]
    assert blue["slice"][0] == "10.1.11.0/24"
    assert by_name["tiny"]["vni"] == 16777215
    lines = table(hosta, "network list")
    assert lines[0].startswith("NETWORK")
    assert [line.split()[0] for line in lines[1:]] == ["blue", "fd00:1::/64",
                                                       "tiny"]


def test_network_show(hosta):
    assert show(hosta, "network show blue") == hosta.weft_json(
        "network", "list")[0]
    assert "pink" in refused(hosta, "network", "show", "pink")


def test_peer_list(lab):
    for host, other in zip(lab.hosts, reversed(lab.hosts)):
        wait_for(lambda: host.weft_json("peer", "show", other.name)["bfd"]
                 == "up", what=f"{host.name}'s tunnel is up")
        by_name = {p["name"]: p for p in host.weft_json("peer", "list")}
        assert set(by_name) == {"hosta", "hostb"}
        assert by_name[host.name]["tunnel"] == "(this host)"
        peer = by_name[other.name]
        assert peer["address"] == other.address and peer["port"] == 4789
        assert peer["tunnel"] in host.ovs_vsctl("list-ports", "br-weft")
        lines = table(host, "peer list")
        assert [line.split()[0] for line in lines] == ["PEER", "hosta",
                                                       "hostb"]


def test_peer_show(hosta):
    wait_for(lambda: show(hosta, "peer show hostb")
             == hosta.weft_json("peer", "list")[1])
    assert "hostc" in refused(hosta, "peer", "show", "hostc")


def test_endpoint_list(hosta):
    assert hosta.weft_json("endpoint", "list") == []
    assert table(hosta, "endpoint list")[0].startswith("ENDPOINT")
    made = [attach(hosta, "web", "--network", "blue"),
            attach(hosta, "db", "--network", "tiny", "--ip", "10.9.0.14/28")]
    assert hosta.weft_json("endpoint", "list") == made[::-1]
    lines = table(hosta, "endpoint list")
    assert lines[1].split() == ["db", "tiny", "10.9.0.14/28", "db", "eth0",
                                "up"]
    assert lines[2].split()[:2] == ["web", "blue"]
    assert lines[3].split() == [made[0]["ip"][1]]


def test_endpoint_show(hosta):
    made = attach(hosta, "web", "--network", "blue")
    shown = show(hosta, "endpoint show web")
    assert not any(shown.pop("refused").values()) and shown.pop("ignored")
    assert shown == made
    assert made["netns"] == "/run/netns/web"
    assert "pink" in refused(hosta, "endpoint", "show", "pink")


def test_endpoint_that_is_not_up_says_why(lab, hosta):
    attach(hosta, "db", "--network", "tiny")
    lab.write_peers(lab.peers_text(NETWORKS.partition("\n\n")[0] + "\n"))
    try:
        def down():
            endpoint = hosta.weft_json("endpoint", "show", "db")
            return endpoint["state"] == "down" and endpoint["reason"]
        assert "not listed" in wait_for(down, what="db is down")
        assert "not listed" in hosta.weft("endpoint", "list").stdout
    finally:
        lab.write_peers(lab.peers_text())
    wait_for(lambda: hosta.weft_json("endpoint", "show", "db")["state"]
             == "up", what="db is up again")


# Which network, which address.

def test_network_must_be_named_when_there_are_two(hosta):
    hosta.weft("netns", "add", "web")
    said = refused(hosta, "attach", "web")
    assert "--network" in said and "blue, tiny" in said


def test_slice_that_is_full(hosta):
    """The /28's slice of this host has an address or two; then no more."""
    attach(hosta, "n0", "--network", "tiny")
    hosta.weft("netns", "add", *(f"n{i}" for i in range(1, 6)))
    codes = [hosta.weft("attach", f"n{i}", "--network", "tiny",
                        check=False).returncode for i in range(1, 5)]
    assert codes == sorted(codes) and codes[-1] == 1
    said = refused(hosta, "attach", "n5", "--network", "tiny")
    assert "10.9.0.12/30" in said and "tiny" in said and "slice" in said
    hosta.weft("detach", "n0")
    attach(hosta, "n5", "--network", "tiny")


def test_mac_and_address_are_taken_only_on_their_network(hosta):
    lists = [attach(hosta, name, "--network", network, "--mac",
                    "02:00:00:00:00:99")
             for name, network in (("a", "blue"), ("b", "tiny"))]
    assert lists[0]["mac"] == lists[1]["mac"]


# Status.

def test_status_of_a_healthy_host(hosta):
    attach(hosta, "web", "--network", "blue")

    def told():
        result = hosta.weft("status")
        lines = result.stdout.splitlines()
        assert lines[0].split() == ["weft", "healthy"]
        for words in ("hosta, 192.168.50.11", "br-weft, datapath netdev",
                      "/etc/weft/peers.conf, 2 networks, 2 peers",
                      "1 of 1 up"):
            assert any(words in line for line in lines), lines
        status = hosta.weft_json("status")
        assert status["healthy"] is True and status["problems"] == []
        assert status["endpoints"] == status["tunnels"] == "1 of 1 up"
        return True
    wait_for(told, what="all is well")


def unhealthy(host, *words):
    """Until `weft status` says no, and why; with the exit code."""
    def told():
        result = host.weft("status", check=False)
        assert result.returncode == 1 and "NOT healthy" in result.stdout
        for word in words:
            assert word in result.stdout, result.stdout
        status = host.status()
        assert status["healthy"] is False
        assert any(word in "".join(status["problems"]) for word in words)
        return True
    wait_for(told, what=f"status tells of {words}")


def test_status_tells_of_a_bad_peer_file(lab, hosta):
    lab.write_peers(lab.peers_text() + "\n[peer hostc]\nadress = 1.2.3.4\n")
    try:
        unhealthy(hosta, "/etc/weft/peers.conf:17", "adress")
        said = refused(hosta, "directory", "reload")
        assert "/etc/weft/peers.conf:17" in said
    finally:
        lab.write_peers(lab.peers_text())
    hosta.wait_healthy()
    hosta.weft("directory", "reload")


def test_status_tells_of_a_peer_that_is_silent(lab, hosta):
    lab.write_peers(lab.peers_text()
                    + "\n[peer hostc]\naddress = 192.168.50.99\n")
    try:
        unhealthy(hosta, "hostc", "BFD")
    finally:
        lab.write_peers(lab.peers_text())
    hosta.wait_healthy()


def test_status_tells_of_a_database_that_is_gone(hosta):
    hosta.kill_ovsdb()
    try:
        unhealthy(hosta, "database", "ovsdb-server")
    finally:
        hosta.start_ovsdb()
    hosta.wait_healthy()


# Usage.

@pytest.mark.parametrize("args", [
    "", "nonsense", "endpoint", "endpoint nonsense", "--nonsense status",
    "status now", "status --nonsense", "network list blue",
    "endpoint show", "endpoint show a b", "endpoint show --nonsense",
    "peer show", "network show", "attach", "attach --json",
    "attach web --nonsense", "attach web db", "attach web --ip",
    "attach web --ip 10.1.0.5", "attach web --ip 10.1/16",
    "attach web --ip 10.1.0.5/33", "attach web --ip fd00:1::5/129",
    "attach web --ip 10.1.0.5/16 --ip 10.1.0.5/16",
    "attach web --mac nonsense", "attach web --mac 01:00:00:00:00:01",
    "attach web --mac 00:00:00:00:00:00", "attach web --mtu many",
    "attach web --mtu 1279", "attach web --mtu 65536",
    "attach web --ifname a/b", "attach web --ifname abcdefghijklmnop",
    "attach web --ifname eth%d", "attach web --name -x",
    "attach web --name abcdefghijklmnopqrstuvwxyz0123456",
    "attach ./web", "attach pid:x", "attach pid:0",
    "attach --file", "attach --file a b", "attach web --file x",
    "detach", "detach --json", "detach --nonsense", "detach web --all",
    "detach --all web", "cleanup", "cleanup --no", "who", "netns",
    "netns add", "netns del", "netns exec", "netns exec web",
    "netns list web",
])
def test_usage_errors(hosta, args):
    refused(hosta, *args.split(), code=2)
    assert hosta.weft_json("endpoint", "list") == []


def test_usage_errors_need_no_daemon(hosta):
    refused(hosta, "--target=/no/where", "attach", "web", "--mtu", "1",
            code=2)


@pytest.mark.parametrize("args", ["--json endpoint list",
                                  "endpoint list --json",
                                  "endpoint show web --json",
                                  "endpoint show --json web",
                                  "who --json lo", "attach --json web "
                                  "--network blue", "detach --json web",
                                  "status --json"])
def test_json_anywhere_behind_the_command(hosta, args):
    attach(hosta, "web", "--network", "blue")
    if args.startswith("--json"):
        refused(hosta, *args.split(), code=2)
    else:
        # BFD may be down for a moment.
        json.loads(hosta.weft(*args.split(),
                              check="status" not in args).stdout)
    hosta.wait_healthy()


def test_help(hosta):
    result = hosta.weft("--help")
    for word in ("attach", "detach", "endpoint list", "netns exec", "who",
                 "--json", "--target", "status"):
        assert word in result.stdout
    assert result.stderr == ""
    assert "weft 0." in hosta.weft("--version").stdout


# The daemon's socket.

def test_target_and_rundir(hosta):
    socket = hosta.sh("echo /run/openvswitch/weftd.*.ctl").strip()
    for how in ([f"--target={socket}"], ["-t", "weftd"], []):
        assert hosta.weft(*how, "network", "list").returncode == 0
    for option, env in ((["--target=/no/where"], {}), (["-t", "nobody"], {}),
                        ([], {"OVS_RUNDIR": "/no/where"})):
        result = hosta.weft(*option, "status", check=False, env=env)
        assert result.returncode == 1 and not result.stdout
        assert result.stderr.startswith("weft: ")
        assert result.stderr.count("\n") == 1
    assert "/no/where" in result.stderr and "OVS_RUNDIR" in result.stderr


def test_rundir_elsewhere(hosta):
    hosta.sh("ln -sfn /run/openvswitch /run/elsewhere")
    env = {"OVS_RUNDIR": "/run/elsewhere"}
    assert hosta.weft("network", "list", env=env).returncode == 0


def appctl(host, *args):
    return host.ovs_appctl(*args, target="weftd")


def test_ovs_appctl(hosta):
    attach(hosta, "web", "--network", "blue")
    known = appctl(hosta, "list-commands")
    for command in ("attach", "detach", "endpoint/list", "endpoint/show",
                    "network/list", "peer/list", "status", "who",
                    "vlog/set", "coverage/show"):
        assert f"  {command} " in known
    for method, *args in (["endpoint/list"], ["endpoint/show", "web"],
                          ["network/list"], ["peer/list"], ["status"],
                          ["who", "wf-web"]):
        # What is counted, and how long ago, may change in between.
        def same():
            assert appctl(hosta, method, *args) == hosta.weft(
                *method.split("/"), *args).stdout
            return True
        wait_for(same, what=f"{method} says the same")
    assert "weftd" in appctl(hosta, "version")
    assert "endpoints" in appctl(hosta, "vlog/list")


def test_ovs_appctl_attaches(hosta):
    hosta.weft("netns", "add", "web")
    assert "10.1." in appctl(hosta, "attach", "web", "--network", "blue")
    appctl(hosta, "detach", "web")
    assert hosta.weft_json("endpoint", "list") == []
    result = hosta.run(["ovs-appctl", "-t", "weftd", "attach", "nobody",
                        "--network=blue"], check=False)
    assert result.returncode == 2 and "nobody" in result.stderr


@pytest.mark.parametrize("method", ["attach", "detach", "who", "cleanup",
                                    "endpoint/show", "attach/many",
                                    "detach/netns"])
def test_ovs_appctl_without_arguments(hosta, method):
    """The daemon trusts nobody to have counted them."""
    result = hosta.run(["ovs-appctl", "-t", "weftd", method], check=False)
    assert result.returncode == 2 and result.stderr
    hosta.wait_healthy()


def test_log_level_can_be_set(hosta):
    appctl(hosta, "vlog/set", "endpoints:file:dbg")
    lines = appctl(hosta, "vlog/list").splitlines()
    line = next(line for line in lines if line.split()[0] == "endpoints")
    assert line.split()[-1] == "DBG"
    appctl(hosta, "vlog/set", "endpoints:file:info")

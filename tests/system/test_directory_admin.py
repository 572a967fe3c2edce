# SPDX-License-Identifier: Apache-2.0
"""What a person writes into the shared directory, by the command alone: no
weftd runs here.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import BUILD
from directoryserver import DirectoryServer, Meddler, insert

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BLUE = ("blue", "vni=100", "subnet=10.1.0.0/16")
GREEN = ("green", "vni=200", "subnet=10.2.0.0/16")


@pytest.fixture
def server():
    with DirectoryServer() as server:
        yield server


def names(server, table):
    return sorted(row["name"] for row in server.rows(table, "name"))


def endpoint(network, mac, host, part=0, **ip):
    row = {"ipv4": f"-{mac}-{part}", "ipv6": f"-{mac}-{part}", **ip}
    return insert("Endpoint", network=network, mac=mac, part=part, host=host,
                  name="e" + mac[-2:], **row)


def file_of(server, text):
    path = server.where / "peers.conf"
    path.write_text(text)
    return path


# --- networks and routers ---------------------------------------------------

def test_a_network_is_added_once(server):
    text = server.weft("network", "add", *BLUE).stdout
    assert text == "network blue: added\n"
    before = server.rows("Network")
    assert before[0]["name"] == "blue" and before[0]["vni"] == 100
    assert before[0]["subnet"] == "10.1.0.0/16"
    assert before[0]["dhcp"] == ["set", []], "what is a default is not written"

    again = server.weft("network", "add", *BLUE).stdout
    assert again == "network blue: is so already\n"
    assert server.rows("Network") == before
    assert ("network blue: is there already, with other keys"
            in server.refused("network", "add", *BLUE, "dhcp=on"))
    assert server.rows("Network") == before


def test_all_keys(server):
    server.weft("network", "add", *BLUE, "subnet=FD00:1:0::/64",
                "gateway=10.1.0.254", "mac-prefix=0A:57:01", "external=nat",
                "dhcp=off", "dns=10.1.0.1", "dns=9.9.9.9",
                "route=10.9.0.0/16  via 10.1.0.7")
    row, = server.rows("Network", "vni", "subnet", "gateway", "mac_prefix",
                       "external", "dhcp", "dns", "route")
    assert row == {
        "vni": 100, "subnet": ["set", ["10.1.0.0/16", "fd00:1::/64"]],
        "gateway": "10.1.0.254", "mac_prefix": "0a:57:01", "external": "nat",
        "dhcp": False, "dns": ["set", ["10.1.0.1", "9.9.9.9"]],
        "route": "10.9.0.0/16 via 10.1.0.7"}


def test_what_is_set_replaces_the_key_and_nothing_else(server):
    server.weft("network", "add", *BLUE, "dns=10.1.0.1", "dhcp=on")
    uuid = server.rows("Network", "_uuid")
    text = server.weft("network", "set", "blue", "dns=10.1.0.2",
                       "dns=10.1.0.3").stdout
    assert text == "network blue: changed\n"
    row, = server.rows("Network")
    assert row["dns"] == ["set", ["10.1.0.2", "10.1.0.3"]]
    assert row["dhcp"] is True and row["subnet"] == "10.1.0.0/16"

    server.weft("network", "set", "blue", "dns=", "dhcp=")
    row, = server.rows("Network")
    assert row["dns"] == row["dhcp"] == ["set", []]
    assert server.rows("Network", "_uuid") == uuid, "it is the same row"
    assert (server.weft("network", "set", "blue", "dns=", "vni=100").stdout
            == "network blue: is so already\n")


def test_the_change_as_json(server):
    def change(*args):
        return json.loads(server.weft(*args, "--json").stdout)[0]["change"]
    assert change("network", "add", *BLUE) == "added"
    assert change("network", "add", *BLUE) == "none"
    assert change("network", "set", "blue", "dhcp=on") == "changed"
    assert change("network", "del", "blue") == "removed"
    assert change("network", "del", "blue") == "absent"


def test_routers(server):
    server.weft("network", "add", *BLUE)
    server.weft("network", "add", *GREEN)
    server.weft("router", "add", "core", "networks=green, blue")
    assert (server.weft("router", "add", "core", "networks=blue",
                        "networks=green").stdout
            == "router core: is so already\n")
    row, = server.rows("Router", "name", "networks")
    assert row == {"name": "core", "networks": ["set", ["blue", "green"]]}
    assert server.refused("network", "del", "green") == (
        "network green: router core has it: take it out of the router's "
        "networks first")
    server.weft("router", "set", "core", "networks=blue")
    assert (server.weft("network", "del", "green", "red").stdout
            == "network green: removed\nnetwork red: is not there\n")
    server.weft("router", "del", "core")
    assert names(server, "Router") == [] and names(server, "Network") == [
        "blue"]


@pytest.mark.parametrize("args, error", [
    (["network", "add", "red", "vni=100", "subnet=10.3.0.0/16"],
     "network red: vni 100 is already that of blue: choose another"),
    (["network", "add", "red", "vni=3", "subnet=10.3.0.7/16"],
     "network red: subnet 10.3.0.7/16 has bits beyond its prefix"),
    (["network", "add", "red", "vni=3"], "network red: no subnet: add one"),
    (["network", "add", "a/b", "vni=3"], "network a/b: bad name"),
    (["network", "add", "red", "ttl=3"], "network red: unknown key ttl"),
    (["network", "set", "blue", "ttl="], "network blue: unknown key ttl"),
    (["network", "set", "red", "dhcp=on"], "network red: is not there"),
    (["network", "set", "blue", "vni="], "network blue: no vni: add one"),
    (["network", "set", "blue", "vni=101"],
     "network blue: vni 100 cannot be changed to 101"),
    (["network", "set", "green", "subnet=10.1.4.0/24"],
     "network green: subnet 10.1.4.0/24 overlaps that of blue, and both "
     "networks are in router core"),
    (["network", "set", "blue", "route=10.2.0.0/16 via 10.1.0.7"],
     "network blue: route 10.2.0.0/16 via 10.1.0.7 leads where the subnet of "
     "green does"),
    (["router", "set", "core", "networks=red"],
     "router core: there is no network red"),
    (["router", "add", "edge", "networks=blue"],
     "router edge: network blue is already in router core"),
])
def test_what_a_peer_file_could_not_say_is_refused(server, args, error):
    server.weft("network", "add", *BLUE)
    server.weft("network", "add", *GREEN)
    server.weft("router", "add", "core", "networks=blue,green")
    before = server.weft("directory", "export").stdout
    assert server.refused(*args).startswith(error)
    assert server.weft("directory", "export").stdout == before


@pytest.mark.parametrize("args", [
    ["network", "add", "blue"], ["network", "add", "blue", "vni"],
    ["network", "set"], ["network", "del"], ["network", "del", "--yes", "a"],
    ["router", "add", "a", "--frob"], ["peer", "remove", "a", "b"],
    ["directory", "export", "--json"], ["directory", "import"],
    ["directory", "set", "dead-after"], ["directory", "set", "dead-after=-1"],
    ["directory", "set", "dead-after=31536001"],
])
def test_misuse(server, args):
    server.refused(*args, code=2)


def test_a_network_with_endpoints_stays(server):
    server.weft("network", "add", *BLUE)
    server.weft("network", "add", *GREEN)
    server.transact(
        endpoint(100, "0a:57:00:00:00:01", "hostb", ipv4="10.1.0.9"),
        endpoint(100, "0a:57:00:00:00:01", "hostb", 1, ipv4="10.1.0.10"),
        endpoint(100, "0a:57:00:00:00:02", "hosta"))
    assert server.refused("network", "del", "green", "blue") == (
        "network blue: has 2 endpoints, on hosta, hostb: detach them first")
    assert names(server, "Network") == ["blue", "green"], "all or nothing"
    server.weft("network", "del", "green")
    server.transact({"op": "delete", "table": "Endpoint", "where": []})
    server.weft("network", "del", "blue")
    assert names(server, "Network") == []


# --- others write, too ------------------------------------------------------

def test_two_valid_changes_at_once_do_not_make_an_invalid_one(server):
    server.weft("network", "add", *BLUE)
    server.weft("network", "add", *GREEN)
    server.weft("router", "add", "core", "networks=blue,green")
    with Meddler(server, lambda: server.weft(
            "network", "set", "green", "subnet=10.3.0.0/16")) as between:
        error = server.refused("network", "set", "blue", "subnet=10.3.4.0/24",
                               f"--db={between.remote}")
    assert between.seen == 1, "it was not tried again"
    assert "overlaps" in error
    assert ({row["subnet"] for row in server.rows("Network")}
            == {"10.1.0.0/16", "10.3.0.0/16"})


def test_a_change_that_fits_is_made_after_another_one(server):
    with Meddler(server, lambda: server.weft("network", "add", *GREEN)) as m:
        server.weft("network", "add", *BLUE, "--db", m.remote)
    assert m.seen == 2
    assert names(server, "Network") == ["blue", "green"]


def test_an_endpoint_that_comes_between_keeps_its_network(server):
    server.weft("network", "add", *BLUE)
    with Meddler(server, lambda: server.transact(
            endpoint(100, "0a:57:00:00:00:01", "hosta"))) as between:
        error = server.refused("network", "del", "blue",
                               f"--db={between.remote}")
    assert between.seen == 1
    assert "has 1 endpoint, on hosta" in error
    assert names(server, "Network") == ["blue"]


def test_many_writers_at_once(server):
    processes = [subprocess.Popen(
        [f"{BUILD}/weft", "network", "add", f"n{i}", f"vni={i + 1}",
         f"subnet=10.{i}.0.0/16", f"--db={server.remote}"])
        for i in range(12)]
    assert [p.wait(60) for p in processes] == [0] * 12
    assert len(names(server, "Network")) == 12


def test_what_nonsense_there_is_can_be_removed(server):
    server.insert("Network", name="a\nb\x1b[2J", vni=7, subnet="nonsense")
    server.insert("Router", name="r", networks="nowhere")
    error = server.refused("network", "add", *BLUE)
    assert error == "network: control byte 0x0a: remove it"
    assert "control byte" in server.refused("directory", "export")
    server.refused("network", "del", "a\nb\x1b[2J")     # The router is left.
    server.weft("directory", "import", "--replace",
                file_of(server, "[network x]\nvni=1\nsubnet=10.0.0.0/8\n"))
    assert names(server, "Network") == ["x"]
    assert names(server, "Router") == []


def test_no_line_of_what_others_wrote_is_shown_raw(server):
    server.insert("Network", name="a\nb\x1b[2J", vni=7, subnet="nonsense")
    text = server.weft("network", "del", "a\nb\x1b[2J").stdout
    assert text == "network (a bad name): removed\n"


# --- export and import ------------------------------------------------------

def test_export_is_a_peer_file(server):
    server.weft("network", "add", "green", "vni=200", "subnet=10.2.0.0/16",
                "dhcp=on")
    server.weft("network", "add", *BLUE, "route=10.9.0.0/16 via 10.1.0.7")
    server.weft("router", "add", "core", "networks=green,blue")
    server.insert("Host", name="hostb", address="192.168.50.12", port=4790)
    server.insert("Host", name="hosta", address="192.168.50.11")
    expected = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
route = 10.9.0.0/16 via 10.1.0.7

[network green]
vni = 200
subnet = 10.2.0.0/16
dhcp = on

[router core]
networks = blue
networks = green

[peer hosta]
address = 192.168.50.11

[peer hostb]
address = 192.168.50.12
port = 4790
"""
    assert server.weft("directory", "export").stdout == expected
    path = server.where / "out.conf"
    assert server.weft("directory", "export", path).stdout == ""
    assert path.read_text() == expected
    assert "No such file" in server.refused("directory", "export",
                                            "/nowhere/x")

    back = server.weft("directory", "import", "--replace", path)
    assert back.stdout == "nothing to change\n"
    assert "2 [peer] sections passed over" in back.stderr


def test_what_a_host_published_cannot_spoil_the_file(server):
    server.weft("network", "add", *BLUE)
    good = server.weft("directory", "export").stdout
    server.insert("Host", name="a", address="1.2.3.4\n[network evil]\nvni=1")
    server.insert("Host", name="b]\n[network evil", address="1.2.3.5")
    server.insert("Host", name="c", address="nonsense")
    server.insert("Host", name="d", address="fd00::1")
    server.insert("Host", name="e", address="fd00:0::1")
    result = server.weft("directory", "export")
    assert result.stdout.startswith(good)
    rest = result.stdout[len(good):]
    assert rest in ("\n[peer d]\naddress = fd00::1\n",
                    "\n[peer e]\naddress = fd00::1\n")
    assert result.stderr.count("weft: left out: ") == 4
    assert "\x1b" not in result.stderr and result.stderr.count("\n") == 4


@pytest.mark.parametrize("conf", ["empty", "page", "two-networks"])
def test_the_way_through_the_database_changes_nothing(server, conf):
    path = GOLDEN / f"{conf}.conf"
    assert ": added\n" in server.weft("directory", "import", path).stdout
    assert (server.weft("directory", "import", "--replace", path).stdout
            == "nothing to change\n")
    exported = server.weft("directory", "export").stdout
    piped = server.weft("directory", "import", "--replace", "-",
                        stdin=exported)
    assert piped.stdout == "nothing to change\n"
    assert server.weft("directory", "export").stdout == exported


def test_import_adds_and_changes_and_removes_only_if_told(server):
    server.weft("network", "add", *BLUE)
    server.weft("network", "add", *GREEN, "dhcp=on")
    path = file_of(server, """\
[network green]
vni = 200
subnet = 10.2.0.0/16
[network red]
vni = 300
subnet = 10.3.0.0/16
[peer hosta]
address = 192.168.50.11
""")
    before = server.rows("Network")
    assert server.weft("directory", "import", "--check", path).stdout == (
        "network green: to be changed\nnetwork red: to be added\n")
    assert server.rows("Network") == before
    server.weft("directory", "import", path)
    assert names(server, "Network") == ["blue", "green", "red"]
    assert [row["dhcp"] for row in server.rows("Network", "name", "dhcp")
            if row["name"] == "green"] == [["set", []]]
    assert server.rows("Host") == []

    server.transact(endpoint(100, "0a:57:00:00:00:01", "hosta"))
    assert "network blue: has 1 endpoint" in server.refused(
        "directory", "import", "--replace", path)
    server.transact({"op": "delete", "table": "Endpoint", "where": []})
    assert (server.weft("directory", "import", "--replace", path).stdout
            == "network blue: removed\n")
    assert names(server, "Network") == ["green", "red"]


def test_a_number_can_pass_to_another_network(server):
    server.weft("network", "add", *BLUE)
    server.weft("directory", "import", "--replace", file_of(
        server, "[network red]\nvni = 100\nsubnet = 10.1.0.0/16\n"))
    assert names(server, "Network") == ["red"]


def test_a_bad_file_is_refused_with_its_line(server):
    path = file_of(server, "[network a]\nvni = 0\n")
    assert (f"{path}:2: network a: vni 0 is not within"
            in server.refused("directory", "import", path))
    assert "No such file" in server.refused("directory", "import", "/nowhere")


# --- hosts that died --------------------------------------------------------

def publish(server, host, seen):
    number = sum(map(ord, host)) % 100
    mac = f"0a:57:00:00:00:{number}"
    server.transact(
        insert("Host", name=host, address=f"192.168.50.{number}"),
        insert("Heartbeat", host=host, seen=int(seen)),
        endpoint(100, mac, host), endpoint(100, mac, host, 1),
        insert("Claim", network=100, mac=mac, owner="x", host=host))


def hosts_of(server):
    return {table: sorted({row[column] for row in server.rows(table)})
            for table, column in (("Host", "name"), ("Heartbeat", "host"),
                                  ("Endpoint", "host"), ("Claim", "host"))}


def test_a_dead_host_is_removed(server):
    publish(server, "hosta", time.time() - 91)
    publish(server, "hostb", time.time())
    assert (server.weft("peer", "remove", "hosta").stdout
            == "peer hosta: removed, with 1 endpoint\n")
    assert hosts_of(server) == dict.fromkeys(hosts_of(server), ["hostb"])
    assert (server.weft("peer", "remove", "hosta").stdout
            == "peer hosta: is not there\n")
    assert json.loads(server.weft("peer", "remove", "hosta", "--json").stdout
                      ) == {"peer": "hosta", "removed": False, "endpoints": 0}


def test_a_live_host_is_removed_only_if_told(server):
    publish(server, "hosta", time.time() - 60)
    before = hosts_of(server)
    error = server.refused("peer", "remove", "hosta")
    assert error.startswith("peer hosta: is alive, its last heartbeat was 6")
    assert "--yes" in error
    assert hosts_of(server) == before
    assert (json.loads(server.weft("peer", "remove", "hosta", "--yes",
                                   "--json").stdout)["endpoints"] == 1)
    assert hosts_of(server) == dict.fromkeys(before, [])


def test_a_host_that_comes_back_meanwhile_is_alive(server):
    publish(server, "hosta", time.time() - 1000)
    with Meddler(server, lambda: server.transact(
            {"op": "update", "table": "Heartbeat", "where": [],
             "row": {"seen": int(time.time())}})) as between:
        assert "is alive" in server.refused("peer", "remove", "hosta",
                                            f"--db={between.remote}")
    assert hosts_of(server)["Host"] == ["hosta"]


def test_the_time_after_which_the_dead_go(server):
    assert (server.weft("directory", "set", "dead-after=600").stdout
            == "dead-after: 600 s\n")
    assert [r["dead_after"] for r in server.rows("Directory")] == [600]
    server.weft("directory", "set", "dead-after=0")
    assert [r["dead_after"] for r in server.rows("Directory")] == [0]


def test_settings_keep_the_connections(server):
    port = server.listen("ptcp:0:127.0.0.1", "weft-host")
    server.weft("directory", "set", "dead-after=600")
    row, = server.rows("Directory")
    assert row["dead_after"] == 600 and row["connections"][0] == "uuid"
    assert server.weft("directory", "export",
                       f"--db=tcp:127.0.0.1:{port}").stdout == ""


# --- the database is not there ----------------------------------------------

def test_no_server(server):
    error = server.refused("network", "add", *BLUE,
                           f"--db=unix:{server.where}/none")
    assert "is the directory's ovsdb-server running here?" in error
    assert "--db" in error


def test_no_tls(server):
    error = server.refused("network", "add", *BLUE, "--db=ssl:1.2.3.4:6650")
    assert error == ("ssl:1.2.3.4:6650: this command has no TLS: run it on a "
                     "directory server, over its unix socket")
    assert "unix:PATH or tcp:" in server.refused("directory", "export",
                                                 "--db=/tmp/x")


def test_another_database(server):
    subprocess.run(["ovs-appctl", "-t", server.where / "ctl",
                    "ovsdb-server/remove-db", "Weft"], check=True)
    error = server.refused("network", "add", *BLUE)
    assert error.startswith(server.remote) and "unknown database" in error


def test_a_server_that_does_not_answer(server):
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        error = server.refused("--timeout=1", "network", "add", *BLUE)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert "has not answered in time" in error

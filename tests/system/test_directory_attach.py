# SPDX-License-Identifier: Apache-2.0
"""Attaching where the directory says who has what: several hosts at once,
what is taken, what moves from one host to another, and which tunnels that
needs."""

import concurrent.futures
import ipaddress
import json
import re
import time

import pytest

from host import PATIENCE, wait_for
from scene import ofports, our_flows, problems, reports, shared_lab
from traffic import Endpoint
from weftlib import bare, cpu_ticks, endpoints, refused

NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
gateway = 10.1.0.1
gateway = fd00:1::1

[network green]
vni = 200
subnet = 10.2.0.0/16

[network lone]
vni = 300
subnet = 10.3.0.0/24

[network tiny]
vni = 400
subnet = 10.4.0.0/29

[router core]
networks = blue, green
"""
IP, IP6 = "10.1.7.7/16", "fd00:1::7:7/64"
ADDRESSES = "--ip", IP, "--ip", IP6
MAC = "0a:57:0a:01:07:07"


@pytest.fixture(scope="module")
def module_lab(request):
    with shared_lab(request, 3, networks=NETWORKS, directory="tcp") as lab:
        lab.wait_healthy()
        yield lab


@pytest.fixture
def lab(module_lab):
    with bare(module_lab):
        yield module_lab
    for host in module_lab.hosts:
        assert not host.weft_json("endpoint", "list")
    for table in ("Endpoint", "Claim"):
        wait_for(lambda table=table: not module_lab.directory.rows(table),
                 what=f"no row is left in table {table}")


def owners(lab, mac=MAC):
    return [row["host"] for row in lab.directory.rows(
        "Endpoint", "host", where=[["mac", "==", mac], ["part", "==", 0]])]


def tunnels(host):
    return sorted(name[3:] for name in ofports(host) if name[:3] == "vx-")


def wait_tunnels(host, *names):
    """What there is at a start of weftd is kept for 10 s."""
    def same():
        assert tunnels(host) == sorted(names)
        return True
    wait_for(same, 15, f"the tunnels of {host.name} are {names}")


def wait_pings(e, *others):
    for other in others:
        wait_for(lambda o=other: e.pings(o), 5, f"{e} reaches {other}")


# Who gets which address.

def attach_all(hosts, network, count):
    """Everything at the same moment; the results by host and number."""
    with concurrent.futures.ThreadPoolExecutor(len(hosts) * count) as pool:
        for host in hosts:
            for n in range(count):
                host.netns(f"n{n}")
        return {(host.name, n): future.result() for (host, n), future in {
            (host, n): pool.submit(
                host.weft, "attach", f"n{n}", "--network", network, "--json",
                check=False, timeout=60)
            for n in range(count) for host in hosts}.items()}


def test_automatic_addresses_of_three_hosts_at_once(lab):
    results = attach_all(lab.hosts, "lone", 50)
    failed = {key: r.stderr for key, r in results.items() if r.returncode}
    assert not failed
    found = [json.loads(r.stdout) for r in results.values()]
    assert len({row["ip"][0] for row in found}) == 150
    assert len({row["mac"] for row in found}) == 150
    told = {(host, f"n{n}", json.loads(r.stdout)["ip"][0])
            for (host, n), r in results.items()}
    wait_for(lambda: told == {
        (row["host"], row["name"], row["ipv4"] + "/24")
        for row in lab.directory.rows("Endpoint")}, 10)


def test_a_full_subnet_is_told(lab):
    """Five addresses, beside the gateway's place, for nine at once."""
    results = attach_all(lab.hosts, "tiny", 3).values()
    got = [json.loads(r.stdout)["ip"][0] for r in results if not r.returncode]
    assert sorted(got) == [f"10.4.0.{n}/29" for n in range(2, 7)]
    errors = {r.stderr for r in results if r.returncode}
    assert errors == {"weft: no free address in subnet 10.4.0.0/29 of network "
                      "tiny: every one is taken\n"}


def test_an_endpoint_that_comes_back_has_its_address_again(lab):
    host = lab.hosts[0]
    first = Endpoint(host, "red")
    host.weft("detach", "red")
    wait_for(lambda: not lab.directory.rows("Endpoint"), 3)
    again = Endpoint(host, "red", make=False)
    assert again.ips == first.ips and again.mac == first.mac


@pytest.mark.parametrize("args, what", [
    (("--ip", IP), "address 10.1.7.7"),
    (("--ip", "10.1.9.9/16", "--ip", IP6), "address fd00:1::7:7"),
    (("--ip", "10.1.9.9/16", "--mac", MAC), f"MAC {MAC}")])
def test_what_another_host_has_is_refused(lab, args, what):
    a, b, _ = lab.hosts
    Endpoint(a, "red", "blue", *ADDRESSES)
    b.netns("thief")
    error = refused(b, "attach", "thief", "--network", "blue", *args)
    assert error == (f"{what} is taken by endpoint red of host hosta: give "
                     "another, or --move to take it over")
    assert not b.weft_json("endpoint", "list")
    # Also to an agent that has heard of it only from the refusal.
    assert owners(lab) == ["hosta"]


def test_a_batch_with_one_conflict(lab):
    a, b, _ = lab.hosts
    Endpoint(a, "red", "blue", *ADDRESSES)
    lines = ""
    for n in range(10):
        b.netns(f"n{n}")
        ip = IP if n == 4 else f"10.1.8.{n}/16"
        lines += f"n{n} --network blue --ip {ip}\n"
    result = b.weft("attach", "--file", "-", stdin=lines, check=False)
    assert result.returncode == 1
    assert re.search("line 5: .*10.1.7.7 is taken by endpoint red of host "
                     "hosta", result.stderr)
    assert sorted(endpoints(b)) == [f"n{n}" for n in range(10) if n != 4]
    assert all(e["state"] == "up" and e["published"]
               for e in endpoints(b).values())


def test_a_conflict_that_only_the_directory_knows(lab):
    """Both attach at once: one is told of the other."""
    a, b, _ = lab.hosts
    for host in (a, b):
        host.netns("red")
    for n in range(5):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            args = "attach", "red", "--network", "blue", *ADDRESSES
            results = list(pool.map(
                lambda host: host.weft(*args, check=False), (a, b)))
        assert sorted(r.returncode for r in results) == [0, 1]
        error = next(r.stderr for r in results if r.returncode)
        assert re.search("is taken by endpoint red of host host[ab]: give "
                         "another, or --move", error), error
        for host in (a, b):
            host.weft("detach", "--all")
        wait_for(lambda: not lab.directory.rows("Endpoint"), 3)


# Moving.

def move(host, netns="red", make=True):
    return Endpoint(host, netns, "blue", *ADDRESSES, "--move", make=make)


def test_move(lab):
    """Traffic finds the new place, and nobody else answers."""
    a, b, c = lab.hosts
    old = Endpoint(a, "red", "blue", *ADDRESSES)
    third = Endpoint(c, "third", "blue")
    wait_pings(third, old)
    with third.pinger(old.ip4) as v4, third.pinger(old.ip6) as v6:
        v4.wait_answer(20)
        with old.wire() as wire:
            new = move(b)
            a.settle()              # Its switch has forgotten the old flows.
            wire.clear()
            v4.wait_answer(50)
            v6.wait_answer(50)
            assert not [f for f in wire.frames() if third.mac.replace(
                ":", "") in f.hex()], "the old place hears nothing any more"
    assert v4.longest_gap < PATIENCE and v6.longest_gap < PATIENCE
    assert not v4.duplicates and not v6.duplicates
    assert (new.mac, new.ips) == (old.mac, old.ips)
    assert owners(lab) == ["hostb"]
    row = old.row()
    assert row["state"] == "down" and not row["published"]
    assert row["reason"].startswith("moved to host hostb: detach it")
    assert "moved to host hostb" in a.weft("endpoint", "list").stdout
    assert "moved to host hostb" in reports(a)
    assert not old.pings(third.ip4), "it does not speak either"
    neighbour = Endpoint(a, "neighbour", "blue")
    wait_pings(neighbour, new)
    a.weft("detach", "red")
    assert owners(lab) == ["hostb"]
    wait_pings(third, new)


def test_move_there_and_back(lab):
    a, b, c = lab.hosts
    old = Endpoint(a, "red", "blue", *ADDRESSES)
    third = Endpoint(c, "third", "blue")
    wait_pings(third, old)
    error = "moved to host {}: detach it, or --move to take it back"
    for n in range(3):
        with third.pinger(old.ip4) as ping:
            ping.wait_answer(10)
            move(b, make=not n)
        assert ping.longest_gap < PATIENCE
        assert owners(lab) == ["hostb"]
        assert refused(a, "attach", "red") == (
            "endpoint red: " + error.format("hostb"))
        with third.pinger(old.ip4) as ping:
            ping.wait_answer(10)
            move(a, make=False)
        assert ping.longest_gap < PATIENCE
        assert owners(lab) == ["hosta"]
        row = old.row()
        assert row["state"] == "up" and row["published"]
        assert "reason" not in row
        assert endpoints(b)["red"]["reason"] == error.format("hosta")


@pytest.mark.parametrize("end", ["stop_weftd", "kill_weftd"])
def test_agents_restart_after_a_move(lab, end):
    a, b, c = lab.hosts
    old = Endpoint(a, "red", "blue", *ADDRESSES)
    neighbour = Endpoint(a, "neighbour", "blue")
    third = Endpoint(c, "third", "blue")
    wait_pings(third, old)
    new = move(b)
    wait_pings(third, new)
    wait_pings(neighbour, new)
    before = {host: our_flows(host) for host in (a, b)}
    with third.pinger(new.ip4) as ping, neighbour.pinger(new.ip4) as near, \
            old.wire() as wire:
        for host in (a, b, a):
            getattr(host, end)()
            host.start_weftd()
            wait_for(lambda h=host: len(endpoints(h)) and endpoints(h)[
                "red"]["state"] == ("down" if h is a else "up"), 5)
            ping.wait_answer(20)
            near.wait_answer(20)
        assert not [f for f in wire.frames() if MAC.replace(":", "")
                    in f.hex()[:12]]
    assert not ping.lost and not near.lost
    wait_for(lambda: before == {host: our_flows(host) for host in (a, b)})
    assert old.row()["reason"].startswith("moved to host hostb")
    assert owners(lab) == ["hostb"]
    b.weft("detach", "red")
    wait_for(lambda: not owners(lab), 3)
    assert old.row()["state"] == "down", "it does not come back by itself"
    move(a, make=False)
    wait_pings(third, old)


def test_move_with_another_mac(lab):
    """Only the address is wanted: the endpoint goes with it, and those who
    knew the MAC hear of the new one."""
    a, b, c = lab.hosts
    old = Endpoint(a, "red", "blue", *ADDRESSES)
    third = Endpoint(c, "third", "blue")
    near = Endpoint(a, "near", "blue")
    wait_pings(third, old)
    wait_pings(near, old)
    with third.pinger(old.ip4) as ping, near.pinger(old.ip6) as ping6:
        ping.wait_answer(10)
        Endpoint(b, "red", "blue", *ADDRESSES, "--mac", "02:00:00:00:00:09",
                 "--move")
    assert ping.longest_gap < PATIENCE and ping6.longest_gap < PATIENCE
    assert owners(lab) == [] and owners(lab, "02:00:00:00:00:09") == ["hostb"]
    assert old.row()["reason"].startswith("moved to host hostb")


def test_move_from_a_dead_host(lab):
    a, b, _ = lab.hosts
    Endpoint(a, "red", "blue", *ADDRESSES)
    b.netns("red")
    a.kill_weftd()
    try:
        error = refused(b, "attach", "red", "--network", "blue", *ADDRESSES,
                        "--move")
        assert error == ("host hosta has not let go of red in 5 s: is its "
                         'weftd running?  If it is dead: "weft peer remove '
                         'hosta"')
        assert not endpoints(b)
        assert owners(lab) == ["hosta"]
        wait_for(lambda: not lab.directory.rows("Claim"), 3,
                 "the claim is taken back")
    finally:
        a.start_weftd()
        a.wait_healthy()
    wait_for(lambda: endpoints(a)["red"]["state"] == "up")


def test_taking_back_from_a_dead_host(lab):
    """It stays down, and says why."""
    a, b, _ = lab.hosts
    old = Endpoint(a, "red", "blue", *ADDRESSES)
    move(b)
    b.kill_weftd()
    try:
        error = refused(a, "attach", "red", "--move")
        assert error.startswith("host hostb has not let go of red in 5 s")
        assert old.row()["reason"].startswith("moved to host hostb")
        wait_for(lambda: not lab.directory.rows("Claim"), 3,
                 "the claim is taken back")
    finally:
        b.start_weftd()
        b.wait_healthy()
    assert a.weft_json("attach", "red", "--move")["state"] == "up"


def test_move_of_what_nobody_has(lab):
    e = move(lab.hosts[0])
    assert e.row()["published"]
    lab.hosts[0].netns("other")
    assert refused(lab.hosts[0], "attach", "other", "--network", "blue",
                   "--move") == ("--move takes over addresses that are given: "
                                 "give --ip")


def test_move_of_one_of_several_addresses(lab):
    """What has it moves as a whole."""
    a, b, c = lab.hosts
    old = Endpoint(a, "many", "blue", *ADDRESSES, "--ip", "10.1.7.8/16")
    third = Endpoint(c, "third", "blue")
    wait_pings(third, old)
    new = Endpoint(b, "one", "blue", "--ip", "10.1.7.8/16", "--move")
    wait_pings(third, new)
    assert old.row()["reason"].startswith("moved to host hostb")
    assert not third.pings(old.ip4)
    assert [r["host"] for r in lab.directory.rows(
        "Endpoint", where=[["name", "!=", "third"]])] == ["hostb"]


# Tunnels.

def test_tunnels_come_and_go_with_endpoints(lab):
    a, b, c = lab.hosts
    for host in lab.hosts:
        wait_tunnels(host)
    first = Endpoint(a, "first", "blue")
    Endpoint(c, "lone1", "lone")
    wait_tunnels(a)
    assert a.status()["tunnels"] == "0 of 0 up"
    second = Endpoint(b, "second", "blue")
    wait_tunnels(a, "hostb")
    wait_tunnels(b, "hosta")
    wait_tunnels(c)
    wait_pings(first, second)
    row = {p["name"]: p for p in a.weft_json("peer", "list")}
    assert row["hostc"]["reason"] == "no network in common"
    assert row["hostb"]["endpoints"] == 1
    a.wait_healthy()
    # Networks that are routed to are shared.
    green = Endpoint(c, "green1", "green")
    wait_tunnels(c, "hosta", "hostb")
    wait_tunnels(a, "hostb", "hostc")
    wait_pings(first, green)
    c.weft("detach", "green1")
    wait_tunnels(c)
    wait_tunnels(a, "hostb")
    b.weft("detach", "second")
    wait_tunnels(a)
    wait_tunnels(b)
    for host in lab.hosts:
        host.wait_healthy()


def test_no_tunnel_stays_of_an_attach_that_failed(lab):
    a, b, _ = lab.hosts
    Endpoint(a, "red", "blue", *ADDRESSES)
    b.netns("thief")
    refused(b, "attach", "thief", "--network", "blue", "--ip", IP)
    wait_tunnels(b)
    b.wait_healthy()


def test_tunnels_to_all(lab):
    c = lab.hosts[2]
    c.stop_weftd()
    c.start_weftd("--tunnels=all")
    try:
        wait_tunnels(c, "hosta", "hostb")
        e = Endpoint(c, "blue3", "blue")
        other = Endpoint(lab.hosts[0], "blue1", "blue")
        wait_pings(e, other)
        lab.hosts[0].weft("detach", "blue1")
        assert tunnels(c) == ["hosta", "hostb"]
    finally:
        c.stop_weftd()
        c.start_weftd()
    # What there is at a start is not removed at once: others may have to put
    # their rows back first.
    wait_tunnels(c)


# What the commands show.

def test_commands_tell_of_the_directory(lab):
    a, b, _ = lab.hosts
    e = Endpoint(a, "red", "blue", *ADDRESSES)
    other = Endpoint(b, "green2", "blue")
    wait_pings(e, other)
    status = a.status()
    assert status["host"] == "hosta, 192.168.50.11"
    assert status["directory"].startswith(lab.directory.remote)
    assert status["endpoints"] == "1 of 1 up"
    a.wait_healthy()
    networks = {n["name"]: n for n in a.weft_json("network", "list")}
    assert networks["blue"]["elsewhere"] == 1 and "slice" not in networks[
        "blue"]
    assert a.weft_json("network", "show", "blue") == networks["blue"]
    peer = a.weft_json("peer", "show", "hostb")
    assert (peer["endpoints"], peer["silent"]) == (1, 0)
    assert peer["address"] == "192.168.50.12"
    row = e.row()
    assert row["published"] and row["mac"] == MAC and row["ip"] == [IP, IP6]
    assert endpoints(a)["red"].items() <= row.items()
    for words in (["status"], ["network", "list"], ["peer", "list"],
                  ["endpoint", "list"], ["router", "list"]):
        for line in a.weft(*words).stdout.splitlines():
            assert len(line) <= 80, line


def test_not_yet_published(lab):
    host = lab.hosts[0]
    Endpoint(host, "early", "blue")
    lab.directory.stop()
    try:
        wait_for(lambda: "no connection to the directory" in problems(host),
                 5)
        e = Endpoint(host, "late", "blue")
        wait_for(lambda: e.pings("10.1.0.1"))
        row = e.row()
        assert row["state"] == "up" and not row["published"]
        assert row["reason"] == "not yet published"
        assert "not yet published" in host.weft("endpoint", "list").stdout
        assert "1 endpoints of this host are not yet published" in problems(
            host)
    finally:
        lab.directory.start()
    wait_for(lambda: e.row()["published"], 20, "it is published")
    host.wait_healthy()


DATABASE = "--directory=tcp:10.0.0.1:6650"
WHAT = "must be file:PATH, or ssl:IP:PORT"


@pytest.mark.parametrize("options, text", [
    *((["--directory=" + value], WHAT) for value in (
        "", "peers.conf", "ssl:10.0.0.1", "tcp:hosta:6650", "ptcp:6650",
        "tcp:10.0.0.1:6650,", "tcp:10.0.0.1:0", "tcp:10.0.0.1:65536",
        "tcp:fd00::1:6650", "tcp:[10.0.0.1]:6650", "tcp::6650", "tcp:",
        "unix:", "tcp:10.0.0.1:6650,file:/etc/weft/peers.conf")),
    ([DATABASE, "--address=hosta"], "must be an address of this host"),
    ([DATABASE, "--address=239.1.1.1"], "must be an address of this host"),
    ([DATABASE, "--tunnels=some"], "must be needed or all"),
    ([DATABASE, "--name=a b"], "name")])
def test_wrong_values_are_usage_errors(lab, options, text):
    result = lab.hosts[0].run(["weftd", "--bridge=br-none", *options],
                              check=False, timeout=10)
    assert result.returncode == 2, result
    assert result.stderr.count("\n") == 1 and text in result.stderr, result


def test_waiting_for_a_directory_costs_nothing(lab):
    """None answers, and there is no list to serve."""
    host = lab.hosts[2]
    host.stop_weftd()
    host.start_weftd("--directory=tcp:192.168.50.99:6650")
    try:
        wait_for(lambda: "no connection to the directory" in problems(host))
        error = refused(host, "attach", "red")
        assert error == ("no list of networks is in force: the directory "
                         "does not answer")

        def idle():                 # Its start may not be over yet.
            before = cpu_ticks(host)
            time.sleep(1)
            return cpu_ticks(host) - before <= 10
        wait_for(idle)
    finally:
        host.stop_weftd()
        host.start_weftd()
        host.wait_healthy()


def test_every_address_in_the_directory_is_of_its_network(lab):
    """Nothing but what was attached is there."""
    for host in lab.hosts:
        Endpoint(host, "red", "blue")
    for row in lab.directory.rows("Endpoint"):
        assert ipaddress.ip_address(row["ipv4"]) in ipaddress.ip_network(
            "10.1.0.0/16")
        assert ipaddress.ip_address(row["ipv6"]) in ipaddress.ip_network(
            "fd00:1::/64")


def test_cleanup_leaves_nothing_in_the_directory(lab):
    *_, c = lab.hosts
    Endpoint(c, "red", "blue", *ADDRESSES)
    lab.directory.transact({
        "op": "insert", "table": "Claim", "row": {
            "network": 100, "mac": "0a:57:0a:01:09:09", "owner": "hosta",
            "host": "hostc"}})
    assert "every trace" in c.weft("cleanup", "--yes").stdout
    wait_for(lambda: not c.is_running("weftd"), 10, "weftd has ended")
    try:
        for table, column in (("Host", "name"), ("Endpoint", "host"),
                              ("Heartbeat", "host"), ("Claim", "host")):
            assert not lab.directory.rows(table,
                                          where=[[column, "==", "hostc"]])
    finally:
        c.start_weftd()
        c.wait_healthy()
    wait_for(lambda: lab.directory.rows(
        "Host", where=[["name", "==", "hostc"]]))


def test_who_starts_first_waits_for_what_the_others_publish(lab):
    """The endpoints are gone from the directory: what the switch has of them
    is left in force, until their hosts put them back."""
    a, b, c = (Endpoint(host, "red", "blue") for host in lab.hosts)
    wait_pings(a, b, c)
    for host in lab.hosts:
        host.kill_weftd()
    lab.directory.transact({"op": "delete", "table": "Endpoint", "where": []})
    with a.pinger(b.ip4) as ping:
        a.host.start_weftd()
        wait_for(lambda: "held in force: 0 peers and 2 endpoints"
                 in problems(a.host), 5, "it is said")
        for host in (b.host, c.host):
            host.start_weftd()
        lab.wait_healthy()
        wait_pings(a, b, c)
    assert not ping.lost
    assert not any(reports(host) for host in lab.hosts)


def test_hosts_that_start_together_wait_for_each_other(lab):
    """The directory has nobody, and every switch has tunnels: each host
    publishes itself, whatever it thinks of that."""
    a, b, c = (Endpoint(host, "red", "blue") for host in lab.hosts)
    wait_pings(a, b, c)
    for host in lab.hosts:
        host.kill_weftd()
    lab.directory.transact(*({"op": "delete", "table": table, "where": []}
                             for table in ("Endpoint", "Host", "Heartbeat")))
    with a.pinger(b.ip4) as ping:
        for host in lab.hosts:
            host.start_weftd()
        lab.wait_healthy()
        wait_pings(a, b, c)
    assert not ping.lost
    assert not any(reports(host) for host in lab.hosts)

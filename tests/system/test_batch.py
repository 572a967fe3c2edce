# SPDX-License-Identifier: Apache-2.0
"""Many at once: attaches in flight together, lists, detach --all."""

import re
import signal

import pytest

from lab import wait_for
from weftlib import (address, assert_pings, assert_traces, attach,
                     endpoints, ip_json, lab_fixture, links, refused, traces)

shared = lab_fixture()
MANY = 16
CROWD = 100


def commits(host, verb):
    """How many transactions of the database have made or deleted ports of
    endpoints, by its own log."""
    log = host.run(["ovsdb-tool", "-m", "show-log",
                    "/etc/openvswitch/conf.db"]).stdout
    records = re.split(r"^record \d+:", log, flags=re.MULTILINE)
    return sum(bool(re.search(rf'table Port ({verb}) row "wf-|'
                              rf'table Port row "wf-.*{verb}', record))
               for record in records)


def make_namespaces(host, n):
    names = [f"n{i}" for i in range(n)]
    host.weft("netns", "add", *names)
    return names


def attach_parallel(host, names, meanwhile=lambda: None):
    """One `weft attach` for each, all at the same time.  Returns the exit
    codes."""
    processes = [host.popen(["weft", "attach", name]) for name in names]
    meanwhile()
    return [process.wait(30) for process in processes]


def queued(host, n):
    """Are n commands connected to weftd's socket, or in its queue?"""
    lines = host.sh("cat /proc/net/unix").splitlines()
    return sum(line.endswith(".ctl") and "weftd" in line
               for line in lines) >= n + 1


def test_attaches_in_flight_together_are_committed_together(hosts):
    a, b = hosts
    attach(b, "red")
    names = make_namespaces(a, MANY)
    before = commits(a, "insert")
    a.kill("weftd", signal.SIGSTOP)

    def resume():
        try:
            wait_for(lambda: queued(a, MANY), 10, "all commands are waiting")
        finally:
            a.kill("weftd", signal.SIGCONT)

    assert attach_parallel(a, names, resume) == [0] * MANY
    assert commits(a, "insert") - before <= MANY // 4
    there = endpoints(a)
    assert set(there) == set(names)
    a.lab.settle()
    for name in names:
        assert a.ping(address(there[name], 4), "n0"), name
        assert b.ping(address(there[name], 6), "red"), name


def test_parallel_attaches_get_different_addresses(hosta):
    names = make_namespaces(hosta, MANY)
    assert attach_parallel(hosta, names) == [0] * MANY
    there = endpoints(hosta).values()
    assert all(e["state"] == "up" for e in there)
    for key in ("mac", "port", "ofport"):
        assert len({e[key] for e in there}) == MANY
    assert len({ip for e in there for ip in e["ip"]}) == 2 * MANY


def test_parallel_attaches_of_one_endpoint(hosta):
    """All of them are told when it is up; there is one."""
    make_namespaces(hosta, 1)
    assert attach_parallel(hosta, ["n0"] * 8) == [0] * 8
    assert list(endpoints(hosta)) == ["n0"]


def test_parallel_attaches_that_want_one_address(hosta):
    names = make_namespaces(hosta, 4)
    processes = [hosta.popen(["weft", "attach", name, "--ip",
                              "10.1.200.7/16"]) for name in names]
    codes = sorted(process.wait(30) for process in processes)
    assert codes == [0, 1, 1, 1]
    assert len(endpoints(hosta)) == 1


GOOD_AND_BAD = """\
# a comment, then a blank line

red
nobody --network blue
green --name 'web' --ip 10.1.200.7/16 --ip "fd00:1::7/64"   # the end
green --ifname eth1 --ip 10.1.200.7/16
green --name x --ifname eth1 --mtu many
red --name "open
black --name=db
"""
SAID = [
    (4, "nobody"),
    (6, "10.1.200.7/16 is taken by endpoint web"),
    (7, "--mtu many"),
    (8, 'add a "'),
]


def check_list(host, result):
    assert result.returncode == 1
    assert not result.stdout
    lines = result.stderr.splitlines()
    assert len(lines) == len(SAID) + 1, result.stderr
    lines[0] = lines[0].removeprefix("weft: ")
    found = sorted(lines[:-1])
    for (number, words), line in zip(SAID, found):
        assert line.startswith(f"line {number}: ") and words in line, line
    assert lines[-1] == "3 attached, 4 failed"
    assert set(endpoints(host)) == {"red", "web", "db"}


def test_list_with_good_and_bad_lines(hosts):
    a, b = hosts
    attach(b, "red")
    a.weft("netns", "add", "red", "green", "black")
    a.path("/run/list").write_text(GOOD_AND_BAD)
    check_list(a, a.weft("attach", "--file", "/run/list", check=False))
    for endpoint in endpoints(a).values():
        assert_pings(b, "red", endpoint)


def test_list_from_standard_input(hosta):
    hosta.weft("netns", "add", "red", "green", "black")
    check_list(hosta, hosta.weft("attach", "--file", "-", stdin=GOOD_AND_BAD,
                                 check=False))


def test_list_again_is_a_no_op(hosta):
    names = make_namespaces(hosta, 3)
    text = "\n".join(names)         # Without an end of the last line.
    for _ in range(2):
        result = hosta.weft("attach", "--file=-", stdin=text)
        assert result.stdout == "3 attached\n"
    assert len(endpoints(hosta)) == 3


def test_list_in_json(hosta):
    make_namespaces(hosta, 1)
    assert hosta.weft_json("attach", "--file", "-", stdin="n0\n") == {
        "attached": 1}


def test_empty_list(hosta):
    assert hosta.weft("attach", "--file", "-",
                      stdin="# nothing\n").stdout == "0 attached\n"


@pytest.mark.parametrize("make, words", [
    ("true", "No such file"),
    ("mkdir /run/list", "directory"),
    ("mkfifo /run/list", "FIFO"),
    (r"printf 'red\0' > /run/list", "null"),
])
def test_list_that_is_none(hosta, make, words):
    hosta.sh(f"rm -rf /run/list; {make}")
    said = refused(hosta, "attach", "--file", "/run/list")
    assert "/run/list" in said and words in said
    hosta.sh("rm -rf /run/list")


def flags_missing(host):
    """Host ends that are not up, or on which this host would answer ARP."""
    return [link for link in ip_json(host, "link")
            if link["ifname"].startswith("wf-")
            and not {"UP", "NOARP"} <= set(link["flags"])]


def test_crowd_comes_and_goes(hosts):
    """A hundred by one list, then all detached, links as a group."""
    a, b = hosts
    attach(b, "red")
    names = make_namespaces(a, CROWD)
    before = traces(a, "n0", "n99")
    base = commits(a, "insert")
    a.weft("attach", "--file", "-", stdin="\n".join(names) + "\n")
    assert commits(a, "insert") - base <= 3
    there = endpoints(a)
    assert len(there) == CROWD
    assert all(e["state"] == "up" for e in there.values())
    for name in ("n0", "n50", "n99"):
        assert_pings(b, "red", there[name])
    assert not flags_missing(a), "of links that the switch opened too early"
    assert a.weft("detach", "--all").stdout == f"{CROWD} detached\n"
    wait_for(lambda: links(a) == before["links"], 10, "all links are gone")
    assert_traces(a, before, "n0", "n99")
    assert not b.ping(address(there["n50"], 4), "red")

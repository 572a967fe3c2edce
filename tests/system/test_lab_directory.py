# SPDX-License-Identifier: Apache-2.0
"""The lab's own shared directory: it can be broken and mended, and gives each
host the rights that a host has."""

import pytest

from lab import LabError, wait_for

pytestmark = pytest.mark.once

NETWORKS = """\
[network blue]          ; as in a peer file
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64
mac-prefix = 0a:58
dhcp = on
[network green]
vni = 200
subnet = 10.2.0.0/16

[router core]
networks = blue, green
[peer foreign]
address = 192.168.50.99
port = 4790
"""
NOTHING = {"op": "comment", "comment": "nothing"}


def names(directory, table="Network"):
    return sorted(row["name"] for row in directory.rows(table, "name"))


def insert(table, **row):
    return {"op": "insert", "table": table, "row": row}


def delete(table, name):
    return {"op": "delete", "table": table, "where": [["name", "==", name]]}


@pytest.mark.parametrize("underlay", ("ipv4", "ipv6", "both"))
def test_one_server_is_reached_by_every_host(make_lab, underlay):
    lab = make_lab(directory="tcp", weftd=False, underlay=underlay,
                   networks=NETWORKS)
    for host in lab.hosts:
        blue, = lab.directory.rows("Network", where=[["vni", "==", 100]],
                                   by=host)
        assert blue["subnet"] == ["10.1.0.0/16", "fd00:1::/64"]
        assert (blue["mac_prefix"], blue["dhcp"]) == ("0a:58", True)
        assert (blue["external"], blue["gateway"]) == (None, [])
    router, = lab.directory.rows("Router", "networks")
    assert router["networks"] == ["blue", "green"]
    peer, = lab.directory.rows("Host", "name", "address", "port")
    assert peer == {"name": "foreign", "address": "192.168.50.99",
                    "port": 4790}


def test_one_server_ends_and_comes_back(make_lab):
    directory = make_lab(directory="tcp", weftd=False).directory
    for end in (directory.stop, directory.kill):
        end()
        with pytest.raises(LabError):
            directory.transact(NOTHING)
        directory.start()
        assert names(directory) == ["blue"]
    directory.pause()
    with pytest.raises(LabError):
        directory.transact(NOTHING, timeout=1)
    directory.resume()
    assert names(directory) == ["blue"]


@pytest.mark.parametrize("kind", ("tcp", "cluster"))
@pytest.mark.parametrize("way", ("restore", "replace_db"))
def test_a_backup_comes_back(make_lab, kind, way):
    directory = make_lab(3, directory=kind, weftd=False).directory
    tables = ("Network", "Directory", "Connection", "RBAC_Permission")

    def count():
        return [len(directory.rows(table)) for table in tables]
    before = count()
    backup = directory.backup()
    directory.load("[network green]\nvni = 200\nsubnet = 10.2.0.0/16\n")
    directory.transact(delete("Network", "blue"))
    assert names(directory) == ["green"]
    getattr(directory, way)(backup)
    assert names(directory) == ["blue"]
    assert count() == before
    host = directory.lab.hosts[0]

    def asked_by_a_host():
        # The listener is a row: it was closed and opened.
        return directory.transact(delete("Network", "blue"), by=host,
                                  check=False)
    result, = wait_for(asked_by_a_host)
    assert ("error" in result) == (kind == "cluster")


@pytest.mark.parametrize("end", ("kill", "pause"))
def test_a_cluster_loses_its_leader(make_lab, end):
    lab = make_lab(3, directory="cluster", weftd=False)
    directory = lab.directory
    old = directory.leader()
    getattr(old, end)()
    assert directory.leader().name != old.name
    directory.transact(delete("Network", "blue"))
    old.start() if end == "kill" else old.resume()
    wait_for(lambda: old.role() == "follower", 15)
    assert names(directory) == []


def test_a_host_writes_its_own_row_only(make_lab):
    lab = make_lab(3, directory="cluster", weftd=False)
    directory, (a, b, *_) = lab.directory, lab.hosts
    for host in (a, b):
        directory.transact(insert("Host", name=host.name,
                                  address=host.address, version=""), by=host)
    for refused in (delete("Host", "hosta"), delete("Network", "blue"),
                    insert("Host", name="hostx", address="192.168.50.99",
                           version="")):
        result, *_ = directory.transact(refused, by=b, check=False)
        assert result["error"] == "permission error", result
    assert names(directory, "Host") == ["hosta", "hostb"]
    late = lab.add_host(weftd=False)
    directory.transact(insert("Host", name=late.name, address=late.address,
                              version=""), by=late)

# SPDX-License-Identifier: Apache-2.0
"""What a host may write into the shared directory, and what it may not: the
rules are the database's own, so a client that is not weftd tries.
"""

import json
import subprocess

import pytest

from directory import PERMISSIONS, ROLE
from directoryserver import DirectoryServer, errors, insert

pytestmark = pytest.mark.once

MAC = "0a:57:0a:01:00:0{}"


def openssl(where, *args):
    subprocess.run(["openssl", *args], cwd=where, check=True,
                   capture_output=True)


def make_certificates(where, *names):
    openssl(where, "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=test authority", "-keyout", "ca-key.pem", "-out", "ca.pem")
    for name in names:
        openssl(where, "req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                f"/CN={name}", "-keyout", f"{name}-key.pem", "-out",
                f"{name}.csr")
        openssl(where, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem",
                "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2",
                "-out", f"{name}.pem")


class Client:
    """Somebody with a host's certificate."""

    def __init__(self, server, port, name):
        self.server = server
        self.name = name
        self.remote = f"ssl:127.0.0.1:{port}"
        self.options = (f"--private-key={server.where}/{name}-key.pem",
                        f"--certificate={server.where}/{name}.pem",
                        f"--ca-cert={server.where}/ca.pem")

    def command(self, *operations):
        return ["ovsdb-client", "--timeout=10", *self.options, "transact",
                self.remote, json.dumps(["Weft", *operations])]

    def try_transact(self, *operations):
        return self.server.try_transact(*operations, remote=self.remote,
                                        options=self.options)

    def transact(self, *operations):
        results = self.try_transact(*operations)
        assert not errors(results), results
        return results

    def refused(self, *operations, error="permission error"):
        results = self.try_transact(*operations)
        assert [e["error"] for e in errors(results)] == [error], results


class SecureServer(DirectoryServer):
    """One that has certificates."""

    def prepare(self):
        make_certificates(self.where, "server", "hosta", "hostb")
        self.arguments = (f"--private-key={self.where}/server-key.pem",
                          f"--certificate={self.where}/server.pem",
                          f"--ca-cert={self.where}/ca.pem")


@pytest.fixture(scope="module")
def directory():
    """The server with its rules, hosta and hostb."""
    with SecureServer() as server:
        server.transact(
            *(insert("RBAC_Permission", table=table,
                     authorization=["set", [authorization]],
                     update=["set", update], insert_delete=True,
                     **{"uuid-name": table})
              for table, (authorization, update) in PERMISSIONS.items()),
            insert("RBAC_Role", name=ROLE, permissions=[
                "map", [[table, ["named-uuid", table]]
                        for table in PERMISSIONS]]))
        port = server.listen("pssl:0:127.0.0.1", ROLE)
        server.insert("Network", name="blue", vni=100, subnet="10.1.0.0/16")
        server.insert("Router", name="core", networks="blue")
        yield server, Client(server, port, "hosta"), Client(server, port,
                                                            "hostb")


@pytest.fixture
def hosts(directory):
    """The same; each of the hosts has a row of everything."""
    server, hosta, hostb = directory
    for number, host in enumerate((hosta, hostb), 1):
        host.transact(*own_rows(host.name, number))
    yield server, hosta, hostb
    server.transact(*({"op": "delete", "table": table, "where": []}
                      for table in PERMISSIONS))


def own_rows(host, number):
    return [insert("Host", name=host, address=f"192.168.50.1{number}"),
            insert("Heartbeat", host=host, seen=1000),
            endpoint(host, number),
            insert("Claim", network=100, mac=MAC.format(number + 5),
                   owner="hostc", host=host)]


def endpoint(host, number, **columns):
    mac = MAC.format(number)
    return insert("Endpoint", **{
        "network": 100, "mac": mac, "part": 0, "ipv4": f"10.1.0.{number}",
        "ipv6": f"-{mac}-0", "name": "web", "host": host, **columns})


def update(table, column, value, **row):
    return {"op": "update", "table": table, "where": [[column, "==", value]],
            "row": row}


def delete(table, column, value):
    return {"op": "delete", "table": table, "where": [[column, "==", value]]}


def content(server):
    return {table: sorted(map(str, server.rows(table)))
            for table in (*PERMISSIONS, "Network", "Router", "Directory",
                          "RBAC_Role", "RBAC_Permission")}


# --- its own ----------------------------------------------------------------

def test_a_host_keeps_its_own_rows(hosts):
    server, hosta, _ = hosts
    hosta.transact(update("Host", "name", "hosta", address="192.168.50.99",
                          port=4790, version="1"),
                   update("Heartbeat", "host", "hosta", seen=2000),
                   endpoint("hosta", 3))
    assert {row["address"] for row in server.rows("Host", "address")} == {
        "192.168.50.99", "192.168.50.12"}
    hosta.transact(delete("Endpoint", "host", "hosta"),
                   delete("Claim", "host", "hosta"),
                   delete("Heartbeat", "host", "hosta"),
                   delete("Host", "name", "hosta"))
    for table, (column, _) in PERMISSIONS.items():
        assert [row[column] for row in server.rows(table)] == ["hostb"]


def test_a_host_reads_all(hosts):
    _, hosta, _ = hosts
    result, = hosta.transact({"op": "select", "table": "Network",
                              "where": []})
    assert [row["name"] for row in result["rows"]] == ["blue"]


# --- what is another's, or a person's ---------------------------------------

@pytest.mark.parametrize("operation", [
    update("Host", "name", "hostb", address="192.168.50.66"),
    update("Host", "name", "hostb", port=4790),
    delete("Host", "name", "hostb"),
    insert("Host", name="hostc", address="192.168.50.66"),
    update("Heartbeat", "host", "hostb", seen=1),
    delete("Heartbeat", "host", "hostb"),
    insert("Heartbeat", host="hostc", seen=1),
    delete("Endpoint", "host", "hostb"),
    endpoint("hostb", 5),
    endpoint("hostc", 5),
    insert("Claim", network=100, mac=MAC.format(5), owner="hosta",
           host="hostb"),
    delete("Claim", "host", "hostb"),
    insert("Network", name="red", vni=7, subnet="10.7.0.0/16"),
    update("Network", "name", "blue", subnet="10.7.0.0/16"),
    delete("Network", "name", "blue"),
    insert("Router", name="edge", networks="blue"),
    update("Router", "name", "core", networks="red"),
    delete("Router", "name", "core"),
    insert("Directory", dead_after=1),
    {"op": "update", "table": "Directory", "where": [],
     "row": {"dead_after": 1}},
    {"op": "mutate", "table": "Directory", "where": [],
     "mutations": [["dead_after", "+=", 1]]},
    {"op": "delete", "table": "Directory", "where": []},
    insert("Connection", target="ptcp:6650", role=""),
    {"op": "update", "table": "Connection", "where": [], "row": {"role": ""}},
    {"op": "update", "table": "RBAC_Role", "where": [],
     "row": {"name": "nobody"}},
    {"op": "delete", "table": "RBAC_Role", "where": []},
    insert("RBAC_Role", name="king"),
    {"op": "update", "table": "RBAC_Permission", "where": [],
     "row": {"authorization": ["set", []]}},
    {"op": "delete", "table": "RBAC_Permission", "where": []},
    insert("RBAC_Permission", table="Network", insert_delete=True),
], ids=lambda operation: f"{operation['op']} {operation['table']}")
def test_nothing_else_is_written(hosts, operation):
    server, hosta, _ = hosts
    before = content(server)
    hosta.refused(operation)
    assert content(server) == before


@pytest.mark.parametrize("column, value", [
    ("host", "hosta"), ("mac", MAC.format(7)), ("ipv4", "10.1.0.77"),
    ("name", "other"),
])
def test_what_is_published_does_not_change(hosts, column, value):
    """A host may take an endpoint back, not make another one of it, and not
    have another host's: these columns do not change for anybody."""
    server, hosta, _ = hosts
    before = content(server)
    for host in ("hosta", "hostb"):
        hosta.refused(update("Endpoint", "host", host, **{column: value}),
                      error="constraint violation")
    assert content(server) == before


def test_all_of_a_transaction_or_nothing(hosts):
    server, hosta, _ = hosts
    before = content(server)
    hosta.refused(endpoint("hosta", 3), delete("Endpoint", "host", "hostb"))
    assert content(server) == before


# --- one owner of an address ------------------------------------------------

@pytest.mark.parametrize("columns", [
    {"ipv4": "10.1.0.2"},
    {"mac": MAC.format(2)},
], ids=["address", "mac"])
def test_what_another_has_is_not_to_be_had(hosts, columns):
    server, hosta, hostb = hosts
    hosta.refused(endpoint("hosta", 3, **columns),
                  error="constraint violation")
    hosta.transact(endpoint("hosta", 3, network=101, **columns))
    hostb.transact(delete("Endpoint", "host", "hostb"))
    hosta.transact(endpoint("hosta", 3, **columns))


def test_ipv6_addresses_too(hosts):
    _, hosta, hostb = hosts
    hostb.transact(endpoint("hostb", 4, ipv6="fd00:1::4"))
    hosta.refused(endpoint("hosta", 5, ipv6="fd00:1::4"),
                  error="constraint violation")


def test_of_two_who_ask_at_once_one_gets_the_address(hosts):
    server, hosta, hostb = hosts
    for number in range(3, 8):
        both = [subprocess.Popen(
            host.command(endpoint(host.name, number,
                                  mac=f"0a:57:00:00:0{i}:0{number}",
                                  ipv6=f"-{host.name}{number}")),
            stdout=subprocess.PIPE, text=True)
            for i, host in enumerate((hosta, hostb))]
        lost = [bool(errors(json.loads(p.communicate(timeout=20)[0])))
                for p in both]
        assert sorted(lost) == [False, True]
        owners = [row["host"] for row in server.rows("Endpoint")
                  if row["ipv4"] == f"10.1.0.{number}"]
        assert owners == [("hosta", "hostb")[lost[0]]]


# --- strangers --------------------------------------------------------------

def test_nobody_comes_in_without_a_certificate_of_the_authority(hosts):
    server, hosta, _ = hosts
    where = server.where / "stranger"
    where.mkdir(exist_ok=True)
    make_certificates(where, "hosta")
    attempts = [
        (f"ssl:{hosta.remote[4:]}", ("--private-key=none",
                                     "--certificate=none",
                                     f"--ca-cert={server.where}/ca.pem")),
        (f"ssl:{hosta.remote[4:]}", (f"--private-key={where}/hosta-key.pem",
                                     f"--certificate={where}/hosta.pem",
                                     f"--ca-cert={server.where}/ca.pem")),
        (f"tcp:{hosta.remote[4:]}", ()),
    ]
    for remote, options in attempts:
        result = subprocess.run(
            ["ovsdb-client", "--timeout=5", *options, "transact", remote,
             json.dumps(["Weft", {"op": "select", "table": "Host",
                                  "where": []}])],
            capture_output=True, text=True)
        assert result.returncode != 0 and not result.stdout, result


def test_a_role_that_nobody_wrote_down_may_write_nothing(hosts):
    server, hosta, _ = hosts
    server.transact({"op": "update", "table": "RBAC_Role", "where": [],
                     "row": {"name": "other"}})
    try:
        hosta.refused(update("Host", "name", "hosta", version="2"))
    finally:
        server.transact({"op": "update", "table": "RBAC_Role", "where": [],
                         "row": {"name": ROLE}})

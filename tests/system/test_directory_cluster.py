# SPDX-License-Identifier: Apache-2.0
"""weft directory: a cluster that holds the shared directory is made, grown,
looked at, broken and mended.  No weftd takes part."""

import contextlib
import json
import stat
import time

import pytest

from conftest import BUILD
from lab import Lab, LabError, wait_for

SOCKET = "unix:/run/openvswitch/weft-directory.sock"
TLS = "/etc/weft/tls"
SERVER = "weft-directory"
LABELS = {"key": "--private-key", "cert": "--certificate", "ca": "--ca-cert"}


def bare_hosts(lab, *names):
    """Hosts without a switch, each with an /etc/weft and a /var/lib of its
    own."""
    hosts = lab.add_hosts(names, ovs=False)
    for host in hosts:
        host.sh("mount -t tmpfs -o mode=755 tmpfs /etc/weft\n"
                "mount -t tmpfs -o mode=755 tmpfs /var/lib")
    return hosts


def copy(source, target, path=f"{TLS}/join.pem"):
    """As a user copies a bundle; returns where it is on the target."""
    name = "/run/" + path.rpartition("/")[2]
    target.path(name).write_text(source.path(path).read_text())
    return name


def init(host, *args):
    return host.weft("directory", "init", "--address", host.address, *args)


def join(host, source, *args, **options):
    return host.weft("directory", "join", copy(source, host), "--address",
                     host.address, *args, timeout=90, **options)


def make_cluster(hosts):
    init(hosts[0])
    for host in hosts[1:]:
        join(host, hosts[0])
    return hosts


def fails(host, *args, code=1):
    """A command that must fail with one line, which is returned."""
    result = host.weft("directory", *args, check=False, timeout=90)
    assert result.returncode == code, result
    assert result.stderr.startswith("weft: "), result
    assert result.stderr.count("\n") == 1, result
    return result.stderr[len("weft: "):-1]


def status(host):
    return host.weft_json("directory", "status", check=False)


def reachable(host):
    return {s["address"] for s in status(host)["servers"] if s["reachable"]}


def wait_reachable(host, servers):
    """Who has just joined has told one server, and that one the others."""
    wait_for(lambda: reachable(host) == {s.address for s in servers}, 15,
             f"{host.name} reaches just those")


def leader_of(hosts):
    address = wait_for(lambda: status(hosts[0])["leader"], 10, "a leader")
    return next(h for h in hosts if h.address == address)


def conf(host):
    return host.path("/etc/weft/weft.conf").read_text()


def directory_line(*hosts):
    return "directory = " + ",".join(f"ssl:{h.address}:6650" for h in hosts)


def client(host, *args, remote=SOCKET, tls=None, check=True):
    """ovsdb-client on a host; 'tls' has the files in place of its own."""
    files = {"key": f"{TLS}/host-key.pem", "cert": f"{TLS}/host.pem",
             "ca": f"{TLS}/ca.pem", **(tls or {})}
    options = [f"{LABELS[k]}={v}" for k, v in files.items()
               if remote.startswith("ssl:")]
    command, *rest = args
    return host.run(["ovsdb-client", "--no-leader-only", "--timeout=5",
                     *options, command, remote, *rest], check=check)


def transact(host, *operations, **options):
    """What each operation of a transaction answered."""
    return json.loads(client(host, "transact",
                             json.dumps(["Weft", *operations]),
                             **options).stdout)


def insert(table, **row):
    return {"op": "insert", "table": table, "row": row}


def host_row(name, address="10.0.0.1"):
    return insert("Host", name=name, address=address)


def add_network(host, name, vni):
    answer = transact(host, insert("Network", name=name, vni=vni,
                                   subnet="10.1.0.0/16"))
    assert "error" not in answer[0], answer


def networks(host, **options):
    [answer] = transact(host, {"op": "select", "table": "Network",
                               "where": [], "columns": ["name"]}, **options)
    return sorted(row["name"] for row in answer["rows"])


def has_nothing(host):
    """No database, no server, no key."""
    assert not host.is_running(SERVER)
    assert not host.path("/var/lib/weft/directory.db").exists()
    for name in ("ca.pem", "ca-key.pem", "host.pem", "host-key.pem",
                 "join.pem"):
        assert not host.path(f"{TLS}/{name}").exists(), name
    return True


@pytest.fixture
def hosts(make_lab):
    return bare_hosts(make_lab(hosts=0), "hosta", "hostb", "hostc")


@pytest.fixture
def cluster(hosts):
    return make_cluster(hosts)


@pytest.fixture(scope="module")
def shared(request):
    """A cluster that no test breaks, and a host that is none of it."""
    failed = request.session.testsfailed
    lab = Lab(hosts=0, build=BUILD)
    try:
        hosts = bare_hosts(lab, "hosta", "hostb", "hostc", "hostd")
        make_cluster(hosts[:3])
        hosts[0].weft("directory", "admit", "hostd", "--output",
                      "/run/hostd.pem")
        hosts[3].weft("directory", "connect",
                      copy(hosts[0], hosts[3], "/run/hostd.pem"))
        yield hosts
    finally:
        lab.close(request.session.testsfailed > failed)


# Up in three commands.

def test_three_commands(hosts):
    hosta, hostb, hostc = hosts
    first = init(hosta).stdout
    second = join(hostb, hosta).stdout
    join(hostc, hosta)
    for tool in ("openssl", "ovsdb-tool", "ovsdb-server"):
        assert f"\n+ {tool} " in "\n" + first and f"+ {tool} " in second
    for host in hosts:
        wait_reachable(host, hosts)
        told = status(host)
        assert told["quorum"] is True and told["address"] == host.address
        assert [s["leader"] for s in told["servers"]].count(True) == 1
        assert [s["this_host"] for s in told["servers"]].count(True) == 1
    text = hostb.weft("directory", "status").stdout
    assert all(len(line) <= 80 for line in text.splitlines()), text
    assert all(text.count(h.address) >= 1 for h in hosts)
    # Who came last knows all; the others after "start", which may be repeated.
    assert conf(hostc) == directory_line(*hosts) + "\n"
    assert conf(hosta) == directory_line(hosta) + "\n"
    hosta.weft("directory", "start")
    assert conf(hosta) == conf(hostc)
    assert (hosta.path(f"{TLS}/join.pem").read_text()
            == hostc.path(f"{TLS}/join.pem").read_text())


def test_what_is_printed_can_be_run(hosts):
    hosta = hosts[0]
    lines = [line[2:] for line in init(hosta).stdout.splitlines()
             if line.startswith("+ ")]
    hosta.weft("directory", "stop")
    hosta.sh(f"rm -r /var/lib/weft/* {TLS}/*")
    hosta.sh("umask 077\n" + "\n".join(
        line.replace(".new", "") for line in lines))
    assert status(hosta)["quorum"] is True
    wait_for(lambda: client(hosta, "get-schema-version", "Weft",
                            remote=f"ssl:{hosta.address}:6650").stdout.strip())


def test_written_on_one_read_on_all(shared):
    add_network(shared[0], "blue", 100)
    for host in shared[:3]:
        wait_for(lambda host=host: networks(host) == ["blue"], 5)
        wait_for(lambda host=host: status(host)["networks"] == 1, 5)
        for reader in shared:
            assert networks(reader, remote=f"ssl:{host.address}:6650") == [
                "blue"]


def test_over_ipv6(make_lab):
    lab = make_lab(hosts=0, underlay="ipv6")
    hosta, hostb = make_cluster(bare_hosts(lab, "hosta", "hostb"))
    wait_reachable(hosta, (hosta, hostb))
    assert conf(hostb) == (f"directory = ssl:[{hosta.address}]:6650,"
                           f"ssl:[{hostb.address}]:6650\n")
    add_network(hosta, "blue", 100)
    assert networks(hostb, remote=f"ssl:[{hosta.address}]:6650") == ["blue"]
    result = fails(hostb, "init", "--address", hosta.address)
    assert "leave" in result


def test_status_counts_and_tells_who_is_silent(shared):
    now = int(time.time())
    transact(shared[0], host_row("here", "10.0.0.1"),
             host_row("silent", "10.0.0.2"), host_row("never", "10.0.0.3"),
             insert("Heartbeat", host="here", seen=now),
             insert("Heartbeat", host="silent", seen=now - 200))
    told = wait_for(lambda: status(shared[1])["hosts"] == 3
                    and status(shared[1]), 5)
    assert told["endpoints"] == 0
    silent = {s["host"]: s["seconds"] for s in told["silent"]}
    assert set(silent) == {"silent", "never"}
    assert 200 <= silent["silent"] < 230 and silent["never"] is None
    text = shared[1].weft("directory", "status").stdout
    assert "silent, for 2" in text and "never, never heard of" in text
    transact(shared[0], *({"op": "delete", "table": t, "where": []}
                          for t in ("Host", "Heartbeat")))


# Who may what.

def mode(host, path):
    return stat.S_IMODE(host.path(path).stat().st_mode)


def test_files_are_for_root_alone(shared):
    for host in shared[:3]:
        assert mode(host, "/run/openvswitch/weft-directory.sock") == 0o700
        for name in ("ca-key", "host-key", "join"):
            assert mode(host, f"{TLS}/{name}.pem") == 0o600
        assert mode(host, "/var/lib/weft/directory.db") == 0o600
    assert mode(shared[0], "/run/hostd.pem") == 0o600
    assert mode(shared[3], f"{TLS}/host-key.pem") == 0o600
    assert not shared[3].path(f"{TLS}/ca-key.pem").exists()
    assert "PRIVATE" in shared[0].path("/run/hostd.pem").read_text()
    ca_key = shared[0].path(f"{TLS}/ca-key.pem").read_text().splitlines()[1]
    assert ca_key not in shared[0].path("/run/hostd.pem").read_text()


def test_no_client_without_a_certificate(shared):
    hosta, hostd = shared[0], shared[3]
    remote = f"ssl:{hosta.address}:6650"
    assert client(hostd, "list-dbs", remote=remote).stdout
    # None at all, over the wire.
    for port in (6650, 6651):
        s_client = ["openssl", "s_client", "-connect",
                    f"{hosta.address}:{port}", "-CAfile", f"{TLS}/ca.pem",
                    "-verify_return_error", "-tls1_2"]
        own = ["-cert", f"{TLS}/host.pem", "-key", f"{TLS}/host-key.pem"]
        assert hostd.run([*s_client, *own], check=False).returncode == 0
        result = hostd.run(s_client, check=False)
        assert result.returncode != 0 and "handshake failure" in (
            result.stdout + result.stderr)
    # One of somebody else's CA, and no TLS.
    hostd.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
             " -nodes -subj /CN=hostd -keyout /run/k.pem -out /run/c.pem")
    assert client(hostd, "list-dbs", remote=remote, check=False,
                  tls={"key": "/run/k.pem", "cert": "/run/c.pem"}).returncode
    assert client(hostd, "list-dbs", remote=f"tcp:{hosta.address}:6650",
                  check=False).returncode


def test_no_listener_without_a_role(shared):
    for host in shared[:3]:
        [answer] = transact(host, {"op": "select", "table": "Connection",
                                   "where": [], "columns": ["target",
                                                            "role"]})
        assert answer["rows"] == [{"target": "pssl:6650:0.0.0.0",
                                   "role": "weft-host"}]
        listening = host.sh("ss -Hltn").splitlines()
        assert sorted(line.split()[3] for line in listening) == [
            "0.0.0.0:6650", f"{host.address}:6651"]


@pytest.mark.parametrize("name", ["hosta", "hostd"])
def test_a_host_writes_its_own_rows_alone(shared, name):
    """A server's certificate is worth no more than another host's."""
    host = shared["hosta hostb hostc hostd".split().index(name)]
    remote = f"ssl:{shared[1].address}:6650"

    def refused(*operations):
        answers = transact(host, *operations, remote=remote)
        return any(a and a.get("error") == "permission error"
                   for a in answers)

    def mine(table, **extra):
        return {"op": "delete", "table": table, "where": [
            ["name" if table == "Host" else "host", "==", name]], **extra}

    endpoint = {"network": 7, "mac": "0a:00:00:00:00:01", "part": 0,
                "ipv4": "10.1.0.1", "ipv6": "-0a:00:00:00:00:01-0",
                "name": "web", "host": name}
    claim = {"network": 7, "mac": "0a:00:00:00:00:01", "owner": "x",
             "host": name}
    assert not refused(host_row(name), insert("Endpoint", **endpoint),
                       insert("Heartbeat", host=name, seen=1),
                       insert("Claim", **claim))
    assert not refused({**mine("Heartbeat"), "op": "update",
                        "row": {"seen": 2}},
                       {**mine("Host"), "op": "update",
                        "row": {"address": "10.0.0.9"}})
    transact(shared[0], host_row("other", "10.0.0.2"),
             insert("Endpoint", **{**endpoint, "part": 1, "host": "other",
                                   "ipv4": "x", "ipv6": "x"}))
    other = [["name", "==", "other"]]
    wait_for(lambda: transact(shared[1], {
        "op": "select", "table": "Host", "where": other})[0]["rows"], 5)
    assert refused(host_row("third", "10.0.0.3"))
    assert refused(insert("Endpoint", **{**endpoint, "part": 2, "ipv4": "y",
                                         "ipv6": "y", "host": "other"}))
    assert refused(insert("Claim", **{**claim, "owner": "y",
                                      "host": "other"}))
    assert refused({"op": "delete", "table": "Host", "where": other})
    assert refused({"op": "update", "table": "Host", "where": other,
                    "row": {"address": "10.0.0.9"}})
    assert refused({"op": "delete", "table": "Endpoint",
                    "where": [["host", "==", "other"]]})
    assert refused(insert("Network", name="mine", vni=9,
                          subnet="10.9.0.0/16"))
    assert refused({"op": "update", "table": "Connection", "where": [],
                    "row": {"role": ""}})
    assert refused({"op": "update", "table": "Directory", "where": [],
                    "row": {"dead_after": 1}})
    assert not refused(*(mine(t) for t in ("Claim", "Endpoint", "Heartbeat",
                                           "Host")))
    transact(shared[0], *({"op": "delete", "table": t, "where": []}
                          for t in ("Host", "Endpoint")))


def test_a_host_that_only_asks_cannot_pass_for_a_server(shared):
    for host, ok in ((shared[0], True), (shared[3], False)):
        result = host.run(["openssl", "verify", "-purpose", "sslserver",
                           "-CAfile", f"{TLS}/ca.pem", f"{TLS}/host.pem"],
                          check=False)
        assert (result.returncode == 0) == ok, result


def test_connect_touches_one_line(shared):
    hosta, hostd = shared[0], shared[3]
    assert conf(hostd) == directory_line(*shared[:3]) + "\n"
    path = hostd.path("/etc/weft/weft.conf")
    text = "; kept\nname = hostd\n  directory=file:/x\nunderlay = eth0\n"
    path.write_text(text)
    path.chmod(0o640)
    hosta.weft("directory", "admit", "hostd", "--output=/run/hostd.pem")
    bundle = copy(hosta, hostd, "/run/hostd.pem")
    hostd.weft("directory", "connect", bundle)
    assert conf(hostd) == text.replace("  directory=file:/x",
                                       directory_line(*shared[:3]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def written():                  # Not when it was read.
        return [(s.st_ino, s.st_mtime_ns) for s in (
            path.stat(), hostd.path(f"{TLS}/host.pem").stat())]
    before = written()
    hostd.weft("directory", "connect", bundle)
    assert written() == before
    assert client(hostd, "list-dbs",
                  remote=f"ssl:{shared[2].address}:6650").stdout


def test_weftd_is_told_of_certificates_that_it_cannot_read(shared):
    hostd = shared[3]
    before = conf(hostd)
    path = hostd.path("/etc/weft/weft.conf")
    path.write_text("ca-cert = /etc/weft/tls/ca.pem\n"
                    "private-key = /run/none.pem\n")
    result = hostd.run(["weftd"], check=False)
    assert result.returncode == 1
    assert ("weft.conf:2: private-key = /run/none.pem: No such file"
            in result.stderr)
    path.write_text("")
    for option in ("--certificate=/run/none.pem", "-c/run/none.pem"):
        result = hostd.run(["weftd", option], check=False)
        assert result.returncode == 2
        assert "certificate=/run/none.pem" in result.stderr
    path.write_text(before)


# What breaks, and mends.

def test_leader_killed(cluster):
    leader = leader_of(cluster)
    others = [h for h in cluster if h is not leader]
    leader.kill(SERVER)

    def written():
        with contextlib.suppress(LabError):
            add_network(others[0], "blue", 100)
        return networks(others[1]) == ["blue"]
    wait_for(written, 20, "two of three go on")
    wait_reachable(others[0], others)
    assert others[0].weft("directory", "status").returncode == 0
    assert "does not run" in fails(leader, "status")
    leader.weft("directory", "start")
    wait_reachable(others[0], cluster)
    wait_for(lambda: networks(leader) == ["blue"], 5)


def test_no_quorum_is_told(cluster):
    hosta, hostb, hostc = cluster
    for host in (hosta, hostb):
        host.weft("directory", "stop")
        host.weft("directory", "stop")
    wait_for(lambda: not status(hostc)["quorum"], 20, "no quorum")
    result = hostc.weft("directory", "status", check=False)
    assert result.returncode == 1 and "NO" in result.stdout
    assert result.stdout.count("NOT reachable") == 2
    assert "no quorum" in fails(hostc, "leave")
    hosta.weft("directory", "start")
    wait_for(lambda: status(hostc)["quorum"], 20, "a quorum again")


def test_all_start_after_a_reboot(cluster):
    add_network(cluster[0], "blue", 100)
    for host in cluster:
        host.kill(SERVER)
    # One alone comes up and says what it waits for.
    assert "no quorum" in cluster[0].weft("directory", "start").stdout
    for host in cluster[1:]:
        host.weft("directory", "start")
    for host in cluster:
        wait_for(lambda host=host: networks(host) == ["blue"], 10)
        host.weft("directory", "start")
        wait_for(lambda host=host: status(host)["quorum"], 10)


def test_leave_and_join_again(cluster):
    hosta, hostb, hostc = cluster
    add_network(hosta, "blue", 100)
    hosta.weft("directory", "leave", timeout=60)
    wait_reachable(hostb, (hostb, hostc))
    wait_for(lambda: len(status(hostb)["servers"]) == 2, 5)
    assert hosta.path("/var/lib/weft/directory.db.left-1").exists()
    assert not hosta.path("/var/lib/weft/directory.db").exists()
    assert not hosta.is_running(SERVER)
    # It is a host like any other now.
    for name in ("ca-key.pem", "join.pem"):
        assert not hosta.path(f"{TLS}/{name}").exists()
    assert conf(hosta) == directory_line(hostb, hostc) + "\n"
    assert networks(hosta, remote=f"ssl:{hostb.address}:6650") == ["blue"]
    hosta.weft("directory", "leave")
    assert "init" in fails(hosta, "start")
    join(hosta, hostc)
    wait_reachable(hostb, cluster)
    wait_for(lambda: networks(hosta) == ["blue"], 5)
    # Cut off behind the first step, and repeated.
    hosta.ovs_appctl("cluster/leave", "Weft",
                     target="/run/openvswitch/weft-directory.ctl")
    hosta.weft("directory", "leave", timeout=60)
    assert hosta.path("/var/lib/weft/directory.db.left-2").exists()
    wait_for(lambda: len(status(hostb)["servers"]) == 2, 5)


def test_the_last_one_leaves_only_by_force(hosts):
    hosta = hosts[0]
    init(hosta)
    add_network(hosta, "blue", 100)
    assert "--yes" in fails(hosta, "leave")
    assert networks(hosta) == ["blue"]
    hosta.weft("directory", "leave", "--yes")
    assert not hosta.path("/var/lib/weft/directory.db").exists()
    init(hosta)                     # With the CA that hosts have.
    assert networks(hosta) == []


# What is refused.

def test_init_twice(hosts):
    hosta, hostb, _ = hosts
    init(hosta)
    add_network(hosta, "blue", 100)
    kept = hosta.path(f"{TLS}/host.pem").read_text()
    assert "already" in init(hosta).stdout
    hosta.kill(SERVER)
    init(hosta)
    assert networks(hosta) == ["blue"]
    assert hosta.path(f"{TLS}/host.pem").read_text() == kept
    assert hosta.address in fails(hosta, "init", "--address", hostb.address)
    assert "hosta" in fails(hosta, "init", "--address", hosta.address,
                            "--name", "other")
    fails(hosta, "init", "--address", hosta.address, "--insecure")
    assert networks(hosta) == ["blue"]
    join(hostb, hosta)
    assert "already" in join(hostb, hosta).stdout
    wait_reachable(hostb, (hosta, hostb))


def test_wrong_address(hosts):
    hosta, hostb, hostc = hosts
    for address in ("nonsense", "10.1.0.1/24", "0.0.0.0", "224.0.0.1",
                    "127.0.0.1", "fe80::1", ""):
        assert "address" in fails(hosta, "init", "--address", address, code=2)
    assert "not an address of this host" in fails(
        hosta, "init", "--address", hostb.address)
    fails(hosta, "init", "--address", hosta.address, "--name", "a b", code=2)
    fails(hosta, "init", code=2)
    fails(hosta, "init", "--address", hosta.address, "more", code=2)
    with hosta.popen(["ovsdb-server", "--no-db", "--pidfile",
                      f"--remote=ptcp:6651:{hosta.address}"]) as other:
        wait_for(lambda: ":6651" in hosta.sh("ss -Hltn"))
        assert "6651" in fails(hosta, "init", "--address", hosta.address)
        other.kill()
    wait_for(lambda: ":6651" not in hosta.sh("ss -Hltn"))
    assert has_nothing(hosta)
    init(hosta)
    bundle = copy(hosta, hostc)
    assert "not an address of this host" in fails(
        hostc, "join", bundle, "--address", hostb.address)
    fails(hostc, "join", bundle, "--address", "nonsense", code=2)
    hostc.ip("addr", "add", "fd99::1/64", "dev", "eth0", "nodad")
    assert "IPv4" in fails(hostc, "join", bundle, "--address", "fd99::1")
    assert has_nothing(hostc)
    assert len(status(hosta)["servers"]) == 1


def test_wrong_schema(hosts):
    hosta = hosts[0]
    assert "/run/none" in fails(hosta, "init", "--address", hosta.address,
                                "--schema", "/run/none")
    assert fails(hosta, "init", "--address", hosta.address,
                 "--schema=/usr/share/openvswitch/vswitch.ovsschema")
    assert not hosta.path("/var/lib/weft/directory.db").exists()
    init(hosta)


def test_wrong_bundle(hosts):
    hosta, hostb, hostc = hosts
    init(hosta)
    init(hostc)                     # A directory of its own.
    at = ("--address", hostb.address)
    assert "/run/none" in fails(hostb, "join", "/run/none", *at)
    path = hostb.path("/run/join.pem")
    whole = hosta.path(f"{TLS}/join.pem").read_text()
    for text in ("", "hello\n", whole[:-60], whole.partition("[ca-key]")[0],
                 whole.replace("weft-directory-bundle 1", "x"),
                 whole.replace(f"servers = {hosta.address}", "servers ="),
                 whole.replace(hosta.address, "nowhere"), "\0" + whole):
        path.write_text(text)
        assert "copy it again" in fails(hostb, "join", "/run/join.pem", *at)
    # What is for a server, and what is for a host.
    hosta.weft("directory", "admit", "hostb", "--output", "/run/hostb.pem")
    copy(hosta, hostb, "/run/hostb.pem")
    assert "connect" in fails(hostb, "join", "/run/hostb.pem", *at)
    copy(hosta, hostb)
    assert "admit" in fails(hostb, "connect", "/run/join.pem")
    assert has_nothing(hostb)
    # The servers of one directory, the certificates of another.
    path.write_text(hostc.path(f"{TLS}/join.pem").read_text().replace(
        hostc.address, hosta.address))
    assert "bundle" in fails(hostb, "join", "/run/join.pem", *at)
    assert has_nothing(hostb)
    # A certificate of another host, or of nobody's.
    good = hostb.path("/run/hostb.pem").read_text()
    hostb.path("/run/bad.pem").write_text(good.replace("name = hostb",
                                                       "name = hostx"))
    assert "hostb" in fails(hostb, "connect", "/run/bad.pem")
    assert has_nothing(hostb)
    # Who belongs to one directory does not fall into another.
    hostb.weft("directory", "connect", "/run/hostb.pem")
    copy(hostc, hostb)
    assert "another directory" in fails(hostb, "join", "/run/join.pem", *at)
    assert "another directory" in fails(hostb, "init", *at)
    assert conf(hostb) == directory_line(hosta) + "\n"
    # A host becomes a server of its own directory.
    join(hostb, hosta)
    wait_reachable(hosta, (hosta, hostb))


def test_join_with_servers_down(hosts):
    hosta, hostb, hostc = hosts
    init(hosta)
    copy(hosta, hostb)
    hosta.weft("directory", "stop")
    at = ("--address", hostb.address)
    error = fails(hostb, "join", "/run/join.pem", *at)
    assert hosta.address in error and "does it run" in error
    assert has_nothing(hostb)
    hosta.weft("directory", "start")
    hostb.weft("directory", "join", "/run/join.pem", *at, timeout=90)
    # Two servers without one of them have no quorum: nobody can join.
    hosta.weft("directory", "stop")
    copy(hostb, hostc)
    wait_for(lambda: "disconnected" in status(hostb)["status"], 20)
    error = fails(hostc, "join", "/run/join.pem", "--address", hostc.address)
    assert "has no quorum" in error
    assert has_nothing(hostc)
    # Of three, one may be down, even the first in the bundle.
    hosta.weft("directory", "start")
    wait_for(lambda: status(hostb)["quorum"], 20)
    join(hostc, hostb)
    hostb.weft("directory", "start")
    hosta.weft("directory", "stop")
    wait_for(lambda: status(hostb)["leader"] in (hostb.address, hostc.address),
             20, "one of those two leads")
    [hostd] = bare_hosts(hosta.lab, "hostd")
    join(hostd, hostb)
    wait_reachable(hostd, (hostb, hostc, hostd))


def test_join_that_was_cut_off(hosts):
    hosta, hostb, _ = hosts
    init(hosta)
    hosta.weft("directory", "admit", "hostb", "--output", "/run/hostb.pem")
    hostb.weft("directory", "connect", copy(hosta, hostb, "/run/hostb.pem"))

    def cut_off():
        hostb.sh("mkdir -p /var/lib/weft\n"
                 "ovsdb-tool join-cluster /var/lib/weft/directory.db Weft "
                 f"ssl:{hostb.address}:6651 ssl:{hosta.address}:6659")
    cut_off()
    assert "join again" in fails(hostb, "init", "--address", hostb.address)
    hostb.weft("directory", "leave")
    assert not hostb.path("/var/lib/weft/directory.db").exists()
    cut_off()
    assert "no quorum" in hostb.weft("directory", "start").stdout
    join(hostb, hosta)
    wait_reachable(hosta, (hosta, hostb))


def test_insecure(hosts):
    hosta, hostb, hostc = hosts
    result = init(hosta, "--insecure")
    assert "warning" in result.stderr and "--insecure" in result.stderr
    join(hostb, hosta)
    wait_reachable(hosta, (hosta, hostb))
    assert "PRIVATE" not in hosta.path(f"{TLS}/join.pem").read_text()
    assert conf(hosta) == f"directory = tcp:{hosta.address}:6650\n"
    hostb.weft("directory", "admit", "hostc", "--output", "/run/hostc.pem")
    hostc.weft("directory", "connect", copy(hostb, hostc, "/run/hostc.pem"))
    assert conf(hostc) == (f"directory = tcp:{hosta.address}:6650,"
                           f"tcp:{hostb.address}:6650\n")
    add_network(hosta, "blue", 100)
    wait_for(lambda: ["blue"] == networks(
        hostc, remote=f"tcp:{hostb.address}:6650"), 5)

# SPDX-License-Identifier: Apache-2.0
"""The control socket: who may ask, and that nobody keeps others from it."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from controlclient import Client, control, request
from host import PATIENCE
from lab import wait_for
from weftlib import attach, bare, endpoints, lab_fixture

GROUP, GID = "weft", 4321
USER = 4001
MEMBER = [f"--regid={USER}", f"--groups={GID}"]
MEMBER_CLIENTS_MAX = 16
MB = 1 << 20

shared = lab_fixture(hosts=1)


@pytest.fixture(scope="module")
def served(shared):
    """Its weftd serves a group."""
    host = shared.hosts[0]
    with open(host.path("/etc/group"), "a") as f:
        f.write(f"{GROUP}:x:{GID}:\n")
    shutil.copy(shared.build / "weft", host.path("/run/weft"))
    host.stop_weftd()
    host.start_weftd(f"--group={GROUP}")
    host.wait_healthy()
    return shared


@pytest.fixture
def host(served):
    return served.hosts[0]


@pytest.fixture
def clean(served):
    """For what attaches."""
    with bare(served) as (host,):
        yield host


def as_user(*argv, groups=()):
    return ["setpriv", f"--reuid={USER}", "--no-new-privs",
            *(groups or [f"--regid={USER}", "--clear-groups"]), *argv]


def memory(host):
    """What weftd has of it."""
    pid = host.daemon_pid("weftd")
    text = host.path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+) kB", text)[1]) * 1024


def fds(host):
    return len(os.listdir(host.path(f"/proc/{host.daemon_pid('weftd')}/fd")))


def assert_served(host, within=3.0):
    """Root is, soon."""
    begin = time.monotonic()
    with Client(host) as client:
        client.sendall(request())
        assert client.answer()["result"].startswith("weftd")
    took = time.monotonic() - begin
    assert took < within * PATIENCE, f"answered after {took:.3f} s"


def refusal(client, id=None):
    """It was told why, in one line, and hung up on."""
    answer = client.answer()
    assert answer["id"] == id and answer["result"] is None, answer
    assert answer["error"].count("\n") == 1, answer
    assert client.answer() is None
    return answer["error"]


# Runs as a user.  Opens argv[2] connections, sends argv[3] and 'a' as often
# as argv[4] says on each; then tells how each of them fared, when it is asked.
CROWD = """
import select, socket, sys
def begin():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.setblocking(False)
    return s
crowd = [begin() for _ in range(int(sys.argv[2]))]
left = {s: int(sys.argv[4]) for s in crowd}
first = dict.fromkeys(crowd, sys.argv[3].encode())
ended = set()
for i in range(1000000):
    busy = [s for s in crowd if s not in ended and (first[s] or left[s])]
    if not busy or i and not select.select([], busy, [], 5)[1]:
        break
    for s in busy:
        data = first[s] or b"a" * min(left[s], 65536)
        try:
            n = s.send(data)
        except BlockingIOError:
            continue
        except OSError:
            ended.add(s)
            continue
        if first[s]:
            first[s] = first[s][n:]
        else:
            left[s] -= n
print("sent", flush=True)
sys.stdin.readline()
said = []
for s in crowd:
    try:
        said.append(s.recv(65536).decode())
    except BlockingIOError:
        said.append(None)
    except OSError:
        said.append("")
print(said)
"""


@contextlib.contextmanager
def crowd(host, n, text="", more=0):
    """A member with many connections, on which it has sent all it could.
    Yields a function that returns what each of them was told."""
    argv = as_user("/usr/bin/python3", "-c", CROWD, control(host), n, text,
                   more, groups=MEMBER)
    with host.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline()
            assert line == "sent\n", process.communicate()
            yield lambda: eval(process.communicate("\n", timeout=20)[0])
        finally:
            process.kill()


# Who.

ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
    s.sendall(b'{"id":7,"method":"version","params":[]}')
    print(s.recv(65536).decode())
except PermissionError:
    print("not opened")
"""


def ask(host, *groups):
    return host.run(as_user("/usr/bin/python3", "-c", ASK, control(host),
                            groups=groups)).stdout


def mode(host, path):
    st = host.path(path).stat()
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


def test_root_and_the_group_are_served(host):
    path = control(host)
    assert mode(host, path) == (0o770, 0, GID)
    assert mode(host, path + ".d") == (0o700, 0, 0)
    assert "result\":\"weftd" in ask(host, *MEMBER)
    assert "result\":\"weftd" in ask(host, f"--regid={GID}", "--clear-groups")
    many = ",".join(map(str, (*range(5000, 5060), GID)))
    assert "result\":\"weftd" in ask(host, f"--regid={USER}",
                                     f"--groups={many}")
    assert "not opened" in ask(host)
    assert "not opened" in ask(host, f"--regid={USER}", f"--groups={USER},1")
    result = host.run(as_user("/run/weft", "network", "list", groups=MEMBER))
    assert "blue" in result.stdout
    result = host.run(as_user("/run/weft", "network", "list"), check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "as root, or as a member of the group" in result.stderr


def test_mode_of_the_socket_is_not_trusted(host):
    """Somebody opened it to all."""
    host.path(control(host)).chmod(0o777)
    try:
        for _ in range(3):
            answer = json.loads(ask(host))
            assert answer["id"] == 7 and answer["result"] is None
            assert answer["error"] == (
                "permission denied: only root and members of its group may "
                "ask weftd\n")
        assert "result\":\"weftd" in ask(host, *MEMBER)
        result = host.run(as_user("/run/weft", "status"), check=False)
        assert result.returncode == 1
        assert result.stderr.startswith("weft: permission denied: only root")
        assert "refusing process" in host.log() and f"uid {USER}" in host.log()
    finally:
        host.path(control(host)).chmod(0o770)


def test_without_a_group_root_alone(host):
    """Not even those who are in root's group."""
    host.stop_weftd()
    host.start_weftd()
    try:
        assert mode(host, control(host)) == (0o700, 0, 0)
        for groups in (MEMBER, ["--regid=0", "--clear-groups"]):
            assert "not opened" in ask(host, *groups)
        host.path(control(host)).chmod(0o777)
        for groups in (MEMBER, ["--regid=0", "--clear-groups"]):
            assert "only root may" in ask(host, *groups)
    finally:
        host.stop_weftd()
        host.start_weftd(f"--group={GROUP}")
    host.wait_healthy()


def test_group_that_does_not_exist(host):
    result = host.run(["weftd", "--group=nobody-has-it"], check=False)
    assert result.returncode == 2
    assert result.stderr == "weftd: --group=nobody-has-it: there is no such " \
        "group\n"


# What is asked, and how.

def test_half_a_request_is_dropped(host):
    """It hurts nobody meanwhile, nor do requests in pieces."""
    with Client(host) as half, Client(host) as silent, Client(host) as slow:
        begin = time.monotonic()
        half.sendall(request()[:-1])
        for byte in request("endpoint/list", "--json", id=["x", {}]):
            slow.sendall(bytes([byte]))
            time.sleep(0.01)
        assert slow.answer() == {"id": ["x", {}], "error": None,
                                 "result": "[]\n"}
        assert_served(host)
        assert "in time" in refusal(half)
        assert 4 < time.monotonic() - begin < 10 * PATIENCE
        # Who has not begun has more time.
        silent.sendall(request())
        assert silent.answer()["result"].startswith("weftd")


def test_two_requests_on_one_connection(clean):
    """One behind the other, or both at once: in order."""
    clean.weft("netns", "add", "red")
    with Client(clean) as client:
        for i in range(3):
            client.sendall(request(id=i) + b" \n")
            assert client.answer()["id"] == i
        client.sendall(request("attach", "red", "--network=blue", id="a")
                       + request("endpoint/list", id="b")
                       + request("nonsense", id="c")[:10])
        answer = client.answer()
        assert answer["id"] == "a" and not answer["error"], answer
        answer = client.answer()
        assert answer["id"] == "b" and "red" in answer["result"]
        client.sendall(request("nonsense", id="c")[10:])
        answer = client.answer()
        assert answer["id"] == "c" and "not a valid command" in answer["error"]


def test_two_clients_at_once(clean):
    """One waits for its attach, the other need not."""
    clean.weft("netns", "add", "red")
    clean.kill("ovs-vswitchd", signal.SIGSTOP)
    before = fds(clean)
    try:
        with Client(clean) as first, Client(clean) as second:
            first.sendall(request("attach", "red", "--network=blue"))
            second.sendall(request())
            assert second.answer()["result"].startswith("weftd")
        # It has hung up, and leaves nothing but unixctl's end behind.
        wait_for(lambda: fds(clean) <= before + 1, 5, "it is forgotten")
    finally:
        clean.kill("ovs-vswitchd", signal.SIGCONT)
    # What it asked for goes on.
    wait_for(lambda: endpoints(clean)["red"]["state"] == "up", 5)


def test_who_asks_and_hangs_up(clean):
    attach(clean, "red", "--network=blue")
    with Client(clean) as client:
        client.sendall(request("detach", "red"))
    wait_for(lambda: not endpoints(clean), 3, "it was done all the same")


def test_half_closed(host):
    with Client(host) as client:
        client.sendall(request(id=5))
        client.shutdown(socket.SHUT_WR)
        assert client.answer()["id"] == 5
        assert client.answer() is None


NOT_REQUESTS = {
    "garbage": b"\x00\xff\xfe GET / HTTP/1.1\r\n\r\n",
    "array": b"[" * 10,
    "deep": b'{"a":' + b"[" * 10000,
    "deep in objects": b'{"a":' * 10000,
    "many values": b'{"a":[' + b"1," * 200000,
    "many members": b"{" + b'"a":1,' * 200000,
    "no JSON": b'{"id":0]',
    "null byte": b'{"id":0,"method":"version\0","params":[]}',
    "escaped null byte": b'{"id":0,"method":"version\\u0000","params":[]}',
    "notification": b'{"id":null,"method":"exit","params":[]}',
    "answer": b'{"id":0,"result":"exit","error":null}',
    "no parameters": b'{"id":0,"method":"exit"}',
    "unknown member": b'{"id":0,"method":"exit","params":[],"\xff\\n":1}',
}


def test_what_is_no_request(host):
    before = fds(host)
    pid = host.daemon_pid("weftd")
    for what, data in NOT_REQUESTS.items():
        with Client(host) as client:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(data)
            said = refusal(client)
            assert ("too deep or has too many parts" in said
                    if "deep" in what or "many" in what
                    else "not a JSON-RPC request" in said), (what, said)
        assert_served(host)
    assert host.daemon_pid("weftd") == pid and host.is_running("weftd")
    wait_for(lambda: fds(host) <= before, 5, "nothing stays open")


def test_parameters_that_are_no_words(host):
    """unixctl's own answer."""
    with Client(host) as client:
        client.sendall(b'{"id":1,"method":"who","params":[{"a":[1,null]}]}')
        answer = client.answer()
        assert answer["id"] == 1 and "non-string" in answer["error"]


def test_huge_request(host):
    """100 MB are refused before they are there."""
    before = memory(host)
    with Client(host) as client:
        block = b"a" * MB
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(b'{"id":0,"method":"status","params":["')
            while sent < 100:
                client.sendall(block)
                sent += 1
        assert 20 < sent < 40, f"{sent} MB were read"
        assert "too large" in refusal(client)
    assert memory(host) - before < 80 * MB * PATIENCE
    assert_served(host)


def test_largest_list(host):
    """As many lines as there may be, and as long as they may be together."""
    text = ("# " + 253 * "x" + "\n") * 65536
    assert len(text) == 16 * MB
    host.path("/run/list").write_text(text)
    assert host.weft("attach", "--file", "/run/list").returncode == 0
    assert_served(host)


# Crowds.

def test_crowd_of_connections(host):
    """One member opens a thousand."""
    before = fds(host)
    with crowd(host, 1000, '{"id":') as said:
        assert_served(host)
        assert fds(host) - before < 2 * MEMBER_CLIENTS_MAX
        told = said()
        waiting = [t for t in told if t is None]
        assert len(waiting) <= MEMBER_CLIENTS_MAX + 8
        assert sum("too many connections" in t for t in told if t) > 900
    wait_for(lambda: fds(host) <= before, 3, "all are forgotten")
    assert "result\":\"weftd" in ask(host, *MEMBER)


def test_crowd_of_large_requests(host):
    """Each of them would do alone."""
    before = memory(host)
    with crowd(host, MEMBER_CLIENTS_MAX,
               '{"id":1,"method":"who","params":["', 20 * MB) as said:
        assert_served(host)
        assert memory(host) - before < 200 * MB * PATIENCE
        told = said()
        assert sum("too many large requests" in t for t in told if t) > 8
    assert_served(host)


def test_crowd_that_does_not_listen(host):
    """It asks and asks, and never reads an answer."""
    before = memory(host)
    text = '{"id":1,"method":"list-commands","params":[]}' * 2000
    with crowd(host, MEMBER_CLIENTS_MAX, text) as said:
        assert_served(host)
        assert memory(host) - before < 50 * MB * PATIENCE
        assert all(t.startswith("{") for t in said())
    assert_served(host)


# The others.

def test_ovs_appctl(host):
    assert host.ovs_appctl("version", target="weftd").startswith("weftd")
    known = host.ovs_appctl("list-commands", target="weftd")
    assert "vlog/set" in known and "  attach " in known
    host.ovs_appctl("vlog/set", "control_socket:file:dbg", target="weftd")


def test_killed_ones_leave_nothing_behind(host):
    """Neither does one that ends as it should."""
    def there():
        return sorted(p.name for p in host.path("/run/openvswitch")
                      .glob("weftd.*"))
    old = os.path.basename(control(host))
    host.kill_weftd()
    assert there() == [old, old + ".d", "weftd.pid"]
    host.start_weftd(f"--group={GROUP}")
    new = os.path.basename(control(host))
    assert new != old and there() == [new, new + ".d", "weftd.pid"]
    host.ovs_appctl("exit", target="weftd")
    wait_for(lambda: there() == [], 5, "it has ended")
    host.start_weftd(f"--group={GROUP}")
    host.wait_healthy()

# SPDX-License-Identifier: Apache-2.0
"""Faults of the peers, and of the list of them: a list that is cut short at
any byte, packets that do not arrive, a peer that is dead."""

import contextlib
import json
import re
import signal
import socket
from datetime import datetime

from host import PATIENCE, wait_for
from scene import ofports, our_flows, problems, tunnels
from world import SOON

NOTICED = 0.3                   # Seconds, of a peer that was talked to.
BACKED_OFF = 30                 # Each retransmission lost doubles the time.
FILE = "/etc/weft/peers.conf"


class Asker:
    """weftd's control socket, without a command: a thousand answers a
    second."""

    def __init__(self, host):
        run = host.path("/run/openvswitch")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(
            run / f"weftd.{host.daemon_pid('weftd')}.ctl"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def ask(self, method, *params):
        """The error's text, or None."""
        self._socket.sendall(json.dumps(
            {"id": 0, "method": method, "params": params}).encode())
        answer = b""
        while True:
            answer += self._socket.recv(65536)
            with contextlib.suppress(ValueError):
                return json.loads(answer)["error"]


def peers_of(text):
    """Whom it lists, with an address each."""
    return [part.partition("]")[0] for part in text.split("[peer ")[1:]]


def test_the_list_is_cut_short_at_every_byte(world):
    """In place, as a copy that dies leaves it.  Nothing but one cut, behind
    all but one of the peers, is a list of its own; it is not cut there, since
    then that peer is gone, as somebody may have meant it."""
    a, lab = world.a, world.lab
    file = lab.weft_dir / "peers.conf"
    whole = file.read_text()
    one_less = whole.index("\n[peer hostc]")
    before = ofports(a)
    refused, held, lined = 0, 0, 0
    with world.lossless(), Asker(a) as weftd:
        for end in range(len(whole)):
            if end in (one_less, one_less + 1):
                continue
            file.write_text(whole[:end])
            error = weftd.ask("directory/reload")
            assert error and FILE in error, f"cut at byte {end}: {error}"
            if "held back" in error:
                held += 1
            else:
                refused += 1
                lined += bool(re.match(rf"{FILE}:\d+: ", error))
        file.write_text(whole)
        assert weftd.ask("directory/reload") is None
        assert ofports(a) == before
    assert refused + held == len(whole) - 2
    print(f"{refused} cuts refused, {lined} of them with the line, "
          f"{held} held back")
    assert lined > 0.9 * refused and held


def test_the_list_comes_by_way_of_windows(world):
    """Lines that end in CR LF, and a byte order mark before all: the same
    list, or refused whole with the line."""
    a, lab = world.a, world.lab
    whole = lab.peers_text().encode()
    with world.lossless(), Asker(a) as weftd:
        for text, good in ((whole.replace(b"\n", b"\r\n"), True),
                           (b"\xef\xbb\xbf" + whole, True),
                           (whole.replace(b"blue", b"bl\0ue"), False),
                           (whole.replace(b"\n", b"\r"), False),
                           (whole.decode().encode("utf-16"), False)):
            lab.write_peers(text)
            error = weftd.ask("directory/reload")
            assert (error is None if good else error and re.match(
                rf"{FILE}:\d+: ", error)), (text[:30], error)
        lab.write_peers(whole)
        assert weftd.ask("directory/reload") is None


# The underlay between.

@contextlib.contextmanager
def rules(lab, *lines):
    """On the underlay's bridge, of what it forwards from port to port."""
    text = "\n".join(lines)
    lab.underlay.run(["nft", "-f", "-"], stdin=f"""\
table bridge fault {{
    chain forward {{
        type filter hook forward priority 0; policy accept;
        {text}
    }}
}}
""")
    try:
        yield
    finally:
        lab.underlay.sh("nft delete table bridge fault")


def bfd(host, peer):
    return tunnels(host)[peer.name]["bfd"]


def wait_told(host, text):
    """And nothing of hostb, whose BFD may flap for a moment on a machine that
    stands still."""
    def told():
        said = problems(host)
        assert text in said and "hostb" not in said, said
        return True
    wait_for(told, SOON, f"status tells: {text}")


def test_partition_of_both_ways_and_of_one(world):
    """Others go on.  Each side tells, with the reason; after it all is as it
    was, which is why nothing is withdrawn for it."""
    a, b, c = world.hosts
    others = [way for way in world.pingers
              if "hostc" not in str(way) or "hosta" not in str(way)]
    flows = our_flows(a)
    with world.lossless(ways=others):
        with rules(world.lab, "iifname hosta oifname hostc drop",
                   "iifname hostc oifname hosta drop"):
            wait_for(lambda: bfd(a, c) != "up" and bfd(c, a) != "up", SOON,
                     "both sides see it")
            wait_told(a, "BFD is down to hostc: tunnel packets")
            assert our_flows(a) == flows, "nothing is withdrawn"
    world.check()
    with rules(world.lab, "iifname hosta oifname hostc drop"):
        wait_for(lambda: bfd(a, c) != "up" and bfd(c, a) != "up", SOON,
                 "both sides see it")
        wait_for(lambda: "it does not hear this host: is UDP 4789 open"
                 in problems(a), SOON, f"the way is told: {problems(a)}")


def test_a_fifth_is_lost(world):
    """Between all hosts, of everything: traffic goes on, nobody is given up,
    and the directory's list is as it was.  TCP may pause for half a minute
    before it is over, and goes on with its next retransmission."""
    a = world.a
    before = ofports(a)
    marks = {way: len(p._seen) for way, p in world.pingers.items()}
    with rules(world.lab, "numgen random mod 100 < 20 drop"):
        world.stream.moves(BACKED_OFF)
        for pinger in world.pingers.values():
            pinger.wait_answer(50)
        assert ofports(a) == before
        for host in world.hosts:
            assert all(t["tunnel"] for t in tunnels(host).values())
    assert all(len(p._seen) > marks[way]
               for way, p in world.pingers.items())


def stop_switch(host):
    """Returns when, in seconds since the epoch."""
    pid = host.daemon_pid("ovs-vswitchd")
    return float(host.sh(f"date +%s.%N; kill -STOP {pid}"))


def told_down(host, peer):
    """When weftd last learned that BFD to the peer is down; 0: never."""
    times = re.findall(rf"(?m)^(\S+)Z\|.*peer {peer.name}: BFD is down$",
                       host.log())
    return (datetime.fromisoformat(times[-1] + "+00:00").timestamp() if times
            else 0)


def test_a_dead_peer_is_noticed_within_300_ms(world):
    """By who talks to it, and others go on.  It is stopped several times: the
    least is what the timers make of it, the rest what else the machine had to
    do."""
    a, _, c = world.hosts
    others = [way for way in world.pingers if "hostc" not in str(way)]
    times = []
    with world.lossless(ways=others):
        for _ in range(3):
            wait_for(lambda: interval(a, c) < 100, 2 * SOON,
                     "BFD is fast by the traffic")
            since = stop_switch(c)
            try:
                times.append(wait_for(lambda: told_down(a, c) > since
                                      and told_down(a, c), SOON, "it is told")
                             - since)
                assert bfd(a, c) != "up"
                wait_told(a, "BFD is down to hostc: ")
            finally:
                c.kill_vswitchd(signal.SIGCONT)
            wait_for(lambda: bfd(a, c) == "up", SOON, "it is back")
    print("noticed after " + ", ".join(f"{t:.3f}" for t in times) + " s")
    assert min(times) < NOTICED * PATIENCE
    assert max(times) < 3 * PATIENCE


def interval(host, peer):
    """How often the peer gives a sign of life just now, in ms."""
    text = host.ovs_appctl("bfd/show", tunnels(host)[peer.name]["tunnel"])
    return int(re.search(r"RX Interval: Approx (\d+)ms", text)[1])

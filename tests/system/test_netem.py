# SPDX-License-Identifier: Apache-2.0
"""An underlay that is slow and loses packets, as netem makes it; and a
database that is away."""

import pytest

from host import wait_for
from scene import problems, shared_lab, tunnels
from traffic import Endpoint

DELAY = 50                          # ms, each way.
LOSS = 20                           # Per cent, each way.

pytestmark = pytest.mark.guests(only=True)


@pytest.fixture(scope="module")
def ends(request):
    with shared_lab(request) as lab:
        lab.wait_healthy(20)
        yield [Endpoint(h, f"n{h.name}") for h in lab.hosts]


@pytest.fixture
def underlay(ends):
    """Sets what the underlay does to packets, both ways; mended at the end."""
    def qdisc(*words):
        for end in ends:
            end.host.run(["tc", "qdisc", "replace", "dev", "eth0", "root",
                          "netem", *words])
    yield qdisc
    for end in ends:
        end.host.sh("tc qdisc del dev eth0 root")
    ends[0].host.lab.wait_healthy(20)


def round_trip(one, two):
    """The least of some, in ms."""
    out = one.host.run(["ping", "-n", "-q", "-c", "5", "-i", "0.2", two.ip4],
                       netns=one.netns).stdout
    return float(out.rpartition(" = ")[2].split("/")[0])


def test_delay(ends, underlay):
    """No reason to complain."""
    one, two = ends
    underlay("delay", f"{DELAY}ms")
    assert round_trip(one, two) >= 2 * DELAY
    # What emulates the hosts may itself have kept BFD waiting.
    wait_for(lambda: tunnels(one.host)["hostb"]["bfd"] == "up"
             and not problems(one.host), 10, "all is well")


def test_delay_and_loss(ends, underlay):
    """Of three packets one comes through with 99 %: BFD stays up, or is soon
    up again, and the traffic goes on all the while."""
    one, two = ends
    underlay("delay", f"{DELAY}ms", "loss", f"{LOSS}%")
    with one.pinger(two.ip4, timeout=30) as pinger:
        pinger.wait_answer(300)
    assert pinger.lost, "nothing was lost: netem does nothing"
    # Lost on the way there or on the way back: 36 % of them.
    assert len(pinger.lost) < pinger.sent * 0.6
    wait_for(lambda: tunnels(one.host)["hostb"]["bfd"] == "up", 10,
             "BFD is up")


def test_all_is_lost(ends, underlay):
    """And told; and then well again."""
    one, _ = ends
    underlay("loss", "100%")
    wait_for(lambda: "BFD is down to hostb" in problems(one.host), 10,
             "status tells")


def test_forwarding_goes_on_while_the_database_is_away(ends):
    """The kernel's datapath needs none for the flows that it has."""
    one, two = ends
    with one.pinger(two.ip4, timeout=20) as pinger:
        one.host.kill_ovsdb()
        pinger.wait_answer(200)
        one.host.start_ovsdb()
        pinger.wait_answer(50)
    assert pinger.lost == []
    one.host.wait_healthy()

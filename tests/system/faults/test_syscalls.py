# SPDX-License-Identifier: Apache-2.0
"""weftd is killed at each system call of an attach, a detach and a start.

killat.c counts the calls of its first thread, which does all the work: of a
command from the moment that it accepts the connection, until it rests; of a
start from the first instruction on.  One run is killed at the first call, the
next at the second and so on, until one comes to its end.  The hosts of the
lab share the numbers.  What has been covered is printed (pytest -rP).
"""

import contextlib
import os
import random
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import BUILD
from host import wait_for
from lab import Lab
from scene import LEARNED, our_flows
from traffic import Endpoint
from weftlib import changes
from world import NETWORKS, model

LOOK = f"""
ovs-ofctl --no-stats --names --sort dump-flows br-weft | grep -v {LEARNED}
ovs-ofctl -O OpenFlow15 dump-groups br-weft
ovs-ofctl -O OpenFlow15 dump-meters br-weft
ovs-vsctl list-ports br-weft
ovs-vsctl --bare --columns=name,type,external_ids list Interface
ls /sys/class/net
ip -n red -br addr
ip -n red route
nft -s list ruleset | sort
weft endpoint list
"""
NUMBERS = (r"(cookie=0x57460004|bucket_id:|output:|meter[=:]|@if|xid=0x)"
           r"[0-9a-f]+")
HOSTS = 3
SOON = 10
# By hand all calls are taken everywhere, in the checks every Nth one where
# there are more of the same kind.
ALL = bool(os.environ.get("WEFT_SOAK"))


@pytest.fixture(scope="module")
def killat(tmp_path_factory):
    program = tmp_path_factory.mktemp("killat") / "killat"
    subprocess.run(["gcc", "-Wall", "-O1", "-o", program,
                    Path(__file__).parent / "killat.c"], check=True)
    return program


@pytest.fixture(scope="module")
def lab(request):
    failed = request.session.testsfailed
    made = Lab(HOSTS, build=BUILD, networks=NETWORKS, outside=True)
    try:
        for host in made.hosts:
            host.netns("red")
        made.wait_healthy()
        yield made
    finally:
        made.close(request.session.testsfailed > failed)


class Victim:
    """A host whose weftd is killed, and what it was before and is between."""

    def __init__(self, host, killat):
        self.host = host
        self.killat = killat

    def look(self):
        """All that there is, without the numbers that change with each
        attach; in one command, because it is done a thousand times."""
        return sorted(re.sub(NUMBERS, r"\1N", " ".join(line.split()))
                      for line in self.host.sh(LOOK).splitlines())

    def same(self, before, when):
        def same():
            now = self.look()
            assert now == before, changes(before, now)
            return True
        wait_for(same, SOON, f"{self.host.name}, {when}: all is right", 0.05)

    def killed(self, number, *command):
        """Whether weftd was killed at that call of a command's; and how many
        calls there were until then or the end."""
        pid = self.host.daemon_pid("weftd")
        result = self.host.run([self.killat, number, pid, "weft", *command],
                               check=False)
        how, count, *_, code = result.stdout.splitlines()[-1].split()
        assert how in ("killed", "ended"), result
        if how == "ended":
            assert code == "0", result
        else:
            wait_for(lambda: not self.host.is_running("weftd"), SOON,
                     "it ends")
        self.host.forget_daemons()
        return how == "killed", int(count)

    def start(self):
        if not self.host.is_running("weftd"):
            self.host.start_weftd()

    def whole_or_nothing(self, name, when):
        """As the next start finds or makes it, before anybody repeats the
        command."""
        port = f"wf-{name}"

        def look():
            there = [e["state"] for e in
                     self.host.weft_json("endpoint", "list")
                     if e["name"] == name]
            link = port in self.host.path("/proc/1/net/dev").read_text()
            row = port in self.host.ovs_vsctl("list-ports", "br-weft").split()
            assert (there, link, row) in ((["up"], True, True),
                                          ([], False, False)), (
                there, link, row)
            return True
        wait_for(look, SOON, f"{self.host.name}, {when}: whole or nothing")


def steady(look):
    """What it returns when that does not change any more: a new link is up,
    and has its own address, a moment after it was made."""
    seen = []

    def same():
        seen.append(look())
        return seen[-1] in seen[-2:-1] and seen[-1]
    return wait_for(same, SOON, "nothing changes any more", 0.2)


class Count:
    """Of the calls that were covered."""

    def __init__(self):
        self.covered, self.most = 0, 0

    def add(self, number):
        self.covered += 1
        self.most = max(self.most, number)


def run_on_all(lab, killat, job):
    """The same job on each host; 'job' is given the first number of it."""
    with ThreadPoolExecutor() as threads:
        jobs = [threads.submit(job, Victim(host, killat), index)
                for index, host in enumerate(lab.hosts)]
    for done in jobs:
        done.result()


def command_killed(victim, name, make, first, step, counts):
    """'make' and its detach, killed at calls 'first', and 'step' further each
    time; repeated after each."""
    host = victim.host
    whole = model(host)
    bare = victim.look()
    wanted = without_ofport(host.weft_json(*make))
    full = steady(victim.look)
    host.weft("detach", name)
    victim.same(bare, "at first")

    going = {"make": True, "detach": True}
    number = first
    while any(going.values()):
        for kind, command, after in (("make", make, full),
                                     ("detach", ("detach", name), bare)):
            when = f"{' '.join(command)} killed at call {number}"
            if going[kind]:
                going[kind], count = victim.killed(number, *command)
                if going[kind]:
                    counts[kind].add(count)
                    victim.start()
                    if number % 2:          # Or it is repeated at once.
                        victim.whole_or_nothing(name, when)
            again = host.weft_json(*command)
            if kind == "make":
                assert without_ofport(again) == wanted, (when, again)
            victim.same(after, when)
        number += step
    assert model(host) == whole


def without_ofport(endpoint):
    return {k: v for k, v in endpoint.items() if k != "ofport"}


KINDS = {
    "attach": ("red", ["attach", "red", "--network", "blue"], 1),
    "tap": ("vm", ["tap", "vm", "--network", "blue"], 6),
}


@pytest.mark.once
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_each_system_call_of(kind, lab, killat):
    name, make, every = KINDS[kind]
    every = 1 if ALL else every
    offset = random.randrange(every)
    counts = {"make": Count(), "detach": Count()}
    began = time.monotonic()
    print(f"every {every} from {offset + 1} on")
    run_on_all(lab, killat, lambda victim, index: command_killed(
        victim, name, make, 1 + offset + index * every, HOSTS * every,
        counts))
    for what, count in counts.items():
        print(f"{kind}: {what}: {count.covered} calls, of {count.most}")
        assert count.covered * every * 2 > count.most > 40
    print(f"{time.monotonic() - began:.0f} s")
    lab.wait_healthy()


def start_killed(victim, first, step, wanted, count):
    """Without a whole start between."""
    host = victim.host
    flows = our_flows(host)
    host.stop_weftd()
    number, ended = first, 0
    while ended < 2:            # It may have rested because others did not.
        result = host.run([victim.killat, number, "exec",
                           *host.weftd_argv("--pidfile", "--log-file")],
                          check=False)
        how, calls, *_ = result.stdout.splitlines()[-1].split()
        assert how in ("killed", "ended"), result
        if how == "killed":
            ended = 0
            count.add(int(calls))
        else:
            ended += 1
            wait_for(lambda: not host.is_running("weftd"), SOON, "it ends")
        assert our_flows(host) == flows, f"start killed at call {number}"
        number += step
    victim.start()
    wait_for(lambda: model(host) == wanted, SOON, "all is right")


@pytest.mark.once
def test_killed_at_each_system_call_of_a_start(lab, killat):
    """With two endpoints, that lose no packet."""
    hosts = lab.hosts
    ends = [Endpoint(host, name, "blue", make=name != "red")
            for host in hosts for name in ("red", "green")]
    lab.settle()
    wanted = {host: steady(lambda h=host: model(h)) for host in hosts}
    count = Count()
    every = 1 if ALL else 6
    offset = random.randrange(every)
    with contextlib.ExitStack() as stack:
        pingers = [stack.enter_context(a.pinger(b.ip4))
                   for a, b in zip(ends, ends[1:])]
        marks = [p.mark() for p in pingers]
        run_on_all(lab, killat, lambda victim, index: start_killed(
            victim, 1 + offset + index * every, HOSTS * every,
            wanted[victim.host], count))
        for pinger in pingers:
            pinger.wait_answer(20)
        lost = [p.lost_since(mark) for p, mark in zip(pingers, marks)]
    print(f"start: {count.covered} calls, of {count.most}, every {every} "
          f"from {offset + 1} on")
    assert not any(lost), lost
    assert count.covered * every * 2 > count.most > 300
    lab.wait_healthy()
    for host in hosts:
        host.weft("detach", "--all")
        host.ip("netns", "del", "green")

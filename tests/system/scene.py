# SPDX-License-Identifier: Apache-2.0
"""Labs that the tests of one module share, and what tests look at in them."""

import contextlib
import re
from pathlib import Path

from conftest import BUILD
from host import wait_for
from lab import Lab

TOP = Path(__file__).resolve().parents[2]
OURS = "cookie=0x5746"
GROUPS_OURS = 0x57000000            # And 24 bits of VNI.
OUR_FLOWS = f"{OURS}000000000000/0xffff000000000000"     # As a match.
LEARNED = "cookie=0x57460005"       # By the switch, on our behalf.


@contextlib.contextmanager
def shared_lab(request, hosts=2, **options):
    """For a fixture of a module.  Keeps the logs if a test failed."""
    failed = request.session.testsfailed
    lab = Lab(hosts, build=BUILD, **options)
    try:
        yield lab
    finally:
        lab.close(failed=request.session.testsfailed > failed)
        if lab.kept:
            print(f"lab {lab.name}: logs in {lab.kept}")


def constant(name):
    """A number that overlay/pipeline.h gives a name to."""
    text = (TOP / "overlay" / "pipeline.h").read_text()
    return int(re.search(rf"\b{name} = (\d+)", text)[1])


def ofports(host, bridge="br-weft"):
    """Port to OpenFlow port number."""
    rows = host.ovs_vsctl("-f", "csv", "--no-heading", "--columns=name,ofport",
                          "list", "Interface").split()
    ports = host.ovs_vsctl("list-ports", bridge).split()
    return {name: int(number) if number.isdigit() else 0 for name, number
            in (row.split(",") for row in rows) if name in ports}


def our_flows(host):
    """The flows of the agent, without those that the switch learned."""
    return sorted(flow for flow in host.flows() if flow.startswith(OURS)
                  and not flow.startswith(LEARNED))


def learned_flows(host):
    return [flow for flow in host.flows() if flow.startswith(LEARNED)]


def our_groups(host):
    """Each as a sorted list of its parts: buckets have no order."""
    text = host.ovs_ofctl("dump-groups", "br-weft")
    groups = re.findall(r"group_id=(\d+),(.*)", text)
    return sorted(sorted([number] + rest.split(",bucket="))
                  for number, rest in groups
                  if int(number) >> 24 == GROUPS_OURS >> 24)


def state_of_switch(host):
    """All that the agent wants of its bridge."""
    return our_flows(host), our_groups(host), ofports(host)


def wait_same(host, before, timeout=5):
    """Until the switch is again what state_of_switch() said that it was."""
    def same():
        now = state_of_switch(host)
        for kind, old, new in zip(("flows", "groups", "ports"), before, now):
            lacks = [x for x in old if x not in new]
            extra = [x for x in new if x not in old]
            assert old == new, f"{kind}: lacks {lacks}, too many {extra}"
        return True
    wait_for(same, timeout, f"the switch of {host.name} is as it was")


def reports(host):
    """What `weft status` says happened lately."""
    return "\n".join(r["text"] for r in host.status()["reports"])


def problems(host):
    return "\n".join(host.status()["problems"])


def tunnels(host):
    """Peer to its row of `weft peer list`, without the host itself."""
    return {row["name"]: row for row in host.weft_json("peer", "list")
            if "bfd" in row}


def synced(host):
    """The agent has compared the switch with what it wants."""
    wait_for(lambda: "flows read" in host.log().rpartition("opened log")[2],
             5, f"{host.name}'s agent has read the switch")


def flow_ages(host):
    """Flow to its age in seconds."""
    text = host.ovs_ofctl("dump-flows", "br-weft")
    found = {}
    for line in text.splitlines():
        match = re.match(r" *(cookie=\S+) duration=([\d.]+)s, (table=\S+) "
                         r".*?(priority=.*)", line)
        if match and not match[1].startswith(LEARNED):
            found[match[1] + match[3] + match[4]] = float(match[2])
    assert found
    return found


def asking(host):
    """How many weft have sent weftd a request that it has not read."""
    sockets = [line.split() for line in host.sh("ss -Hxnp").splitlines()]
    return sum(int(sent) > 0 and '(("weft",' in rest[-1]
               for _, _, _, sent, *rest in sockets)
